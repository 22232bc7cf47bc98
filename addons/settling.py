"""What a request need not be read any further for: findings of which one alone has it blocked (`inspect.early_exit`).

Rules: off unless the operator asks for it, and in stage enforce only; whoever stops reading must be right: where the
verdict over what was read then lets go on, because another policy has come into force in between, it is a fault of
ours, and the guard closes.
"""

from mitmproxy import http

from addons.ongoing import Exchange
from addons.worker import Worker
from appliance.inspect.choosing import Chooser, chosen_by
from appliance.inspect.inspection import Inspection
from appliance.inspect.scanning import DECIDED
from appliance.model.detection import Selector
from appliance.model.facts import Verdict
from appliance.model.names import Stage
from appliance.policy.engine import TURNED_AWAY


class NotSettled(RuntimeError):  # noqa: N818 - named by what happened, not by the language's habit
    """A request was not read to its end, and is not refused either."""


def settling(worker: Worker, flow: http.HTTPFlow, exchange: Exchange) -> tuple[Selector, ...]:
    """Findings any one of which has this request blocked; none: it is read in full."""
    if not worker.config.inspect.early_exit or exchange.stage is not Stage.ENFORCE:
        return ()
    facts = worker.known_facts(flow, exchange.service, exchange.principal)
    return worker.policy.settling(facts, worker.telemetry.clock())


def chooser(selectors: tuple[Selector, ...]) -> Chooser | None:
    """The same as a question about one finding; None: nothing settles."""
    return chosen_by(selectors) if selectors else None


def is_settled(inspection: Inspection) -> bool:
    """Whether reading has stopped at a finding that settles the verdict."""
    coverage = inspection.coverage
    return DECIDED in coverage.text_unscanned or DECIDED in coverage.partial or bool(coverage.skipped)


def check(inspection: Inspection, verdict: Verdict) -> None:
    """NotSettled: what was left unread would go on."""
    if is_settled(inspection) and verdict.effective not in TURNED_AWAY:
        raise NotSettled
