"""The story, step by step: what is done, what is expected.

Rules: a step is a function of the stage that returns what it saw in a few words or raises `Unexpected`; steps are told
in the order of `STEPS`; what a later step needs of an earlier one stands in `Stage.known`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from appliance.demo.console import Console, eventually
from appliance.demo.people import CLIENT_KEY, Jonas, Maria, Told
from appliance.demo.places import APPROVED, CREDENTIAL, HOSTS, ROUTE, SECOND, UNAPPROVED, WEB, WEB_HOST, Places
from appliance.demo.report import Unexpected, expect
from appliance.model.decision import Decision, Proposal
from appliance.model.finding import Finding, finding_id
from appliance.model.names import DecisionKind, FindingKind, FindingState, Governance, Surface

ANSWER: Final = "Noon is when the shadow is shortest."
MAIL: Final = "maria.keller@corp-mail.com"
REASON: Final = "Use the approved provider: it has our contract."
FINDING: Final = finding_id(FindingKind.SERVICE_IN_USE, UNAPPROVED, Surface.API)


@dataclass
class Stage:
    """Everything a step may touch."""

    places: Places
    console: Console
    maria: Maria
    jonas: Jonas
    known: dict[str, Decision] = field(default_factory=dict)

    def arrivals(self, service: str) -> list[dict[str, Any]]:
        """What the stand-in of a service wrote down."""
        return read_arrivals(self.places.provider(service) / "arrivals.jsonl")


def read_arrivals(file: Path) -> list[dict[str, Any]]:
    """The lines of an arrival file; none while there is no file."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _answered(told: Told) -> None:
    expect(told.status == 200, "an answer with status 200", f"{told.status} {told.error or told.text}")  # noqa: PLR2004


def _redacted(stage: Stage) -> str:
    told = stage.maria.chat(APPROVED, f"Write to {MAIL} about the plan")
    _answered(told)
    expect(told.text == ANSWER, f"the provider's answer, {ANSWER!r}", told.text)
    arrived = stage.arrivals(APPROVED)[-1]["body"]
    expect(MAIL not in arrived, "a request without the e-mail address at the provider", arrived)
    expect("<EMAIL_ADDRESS>" in arrived, "a placeholder in its place", arrived)
    return "the provider saw <EMAIL_ADDRESS>"


def _streamed(stage: Stage) -> str:
    told = stage.maria.chat(APPROVED, "Tell it word by word", stream=True)
    _answered(told)
    expect(told.text == ANSWER and told.pieces > 1, f"{ANSWER!r} in pieces", f"{told.text!r} in {told.pieces}")
    return f"{told.pieces} pieces"


def _by_gateway(stage: Stage) -> str:
    told = stage.jonas.by_gateway(SECOND, "hello")
    _answered(told)
    expect(len(stage.arrivals(SECOND)) == 1, f"one request at {HOSTS[SECOND]}", len(stage.arrivals(SECOND)))
    return HOSTS[SECOND]


def _approved(stage: Stage) -> str:
    for service in (APPROVED, SECOND):
        stage.console.decide(Proposal(decision=DecisionKind.APPROVE, service=service, reason="Under contract."))
    return f"{APPROVED} and {SECOND}, applied"


def _unapproved(stage: Stage) -> str:
    _answered(stage.maria.chat(UNAPPROVED, "hello"))
    _answered(stage.jonas.chat(UNAPPROVED, "hello"))
    arrived = stage.arrivals(UNAPPROVED)
    expect(len(arrived) == 2, f"two requests at {HOSTS[UNAPPROVED]}", len(arrived))  # noqa: PLR2004 - hers and his
    return "nobody has decided about it yet"


def _found(stage: Stage) -> str:
    finding = _state(stage, lambda found: found.governed >= 2 and found.people >= 2)  # noqa: PLR2004 - hers and his
    expect(finding.state is FindingState.NEW, "a new finding", finding.state)
    expect(finding.governed == 2 and finding.people == 2, "2 exchanges by 2 people", _counts(finding))  # noqa: PLR2004
    return f"{finding.severity}: {finding.name}, {_counts(finding)}"


def _captured(stage: Stage) -> str:
    wanted = stage.places.captured

    def past() -> dict[str, Finding]:
        found = stage.console.findings().values()
        return {one.subject: one for one in found if one.governance is Governance.BYPASS}

    found = eventually(past, lambda now: now and wanted <= set(now))
    expected = f"traffic past the appliance to {', '.join(sorted(wanted)) or 'any service'}"
    expect(found and wanted <= set(found), expected, ", ".join(sorted(found)) or "none")
    return ", ".join(sorted(f"{one.name} ({one.bypass})" for one in found.values()))


def _previewed(stage: Stage) -> str:
    preview = stage.console.preview(_redirect())
    expect(preview.refusal is None, "a redirect that can be followed", preview.refusal)
    seen = f"{preview.changed} of {preview.exchanges} exchanges by {preview.people} people; {preview.past} went past"
    expect(preview.changed == 2 and preview.people == 2, "2 of 2 exchanges by 2 people", seen)  # noqa: PLR2004
    return seen


def _redirect() -> Proposal:
    return Proposal(decision=DecisionKind.REDIRECT, service=UNAPPROVED, surface=Surface.API, route=ROUTE, reason=REASON)


def _redirected(stage: Stage) -> str:
    stage.known["redirect"] = decision = stage.console.decide(_redirect())
    now = stage.console.status()
    expect(now.applied == now.workers, "applied on every worker", f"{now.applied}/{now.workers}")
    finding = _state(stage, lambda found: found.state is FindingState.REDIRECTED)
    expect(finding.state is FindingState.REDIRECTED, "the finding is redirected", finding.state)
    return f"decision {decision.number} by {decision.author}, applied on {now.applied}/{now.workers}"


def _moved(stage: Stage) -> str:
    there, before = len(stage.arrivals(APPROVED)), len(stage.arrivals(UNAPPROVED))
    for told in (stage.maria.chat(UNAPPROVED, f"Ask {MAIL}"), stage.jonas.chat(UNAPPROVED, f"Ask {MAIL}")):
        _answered(told)
        expect(told.route == ROUTE, f"x-gnomon-route: {ROUTE}", told.route)
    arrived = stage.arrivals(APPROVED)[there:]
    expect(len(arrived) == 2, f"both requests at {HOSTS[APPROVED]}", len(arrived))  # noqa: PLR2004 - hers and his
    for one in arrived:
        _with_held_key(stage, one)
    expect(len(stage.arrivals(UNAPPROVED)) == before, f"none at {HOSTS[UNAPPROVED]}", stage.arrivals(UNAPPROVED)[-1:])
    return f"with held:{CREDENTIAL}, without the client's key"


def _with_held_key(stage: Stage, arrived: dict[str, Any]) -> None:
    whole = arrived["authorization"] == f"Bearer {stage.places.held_key}"
    sent = "the client's key" if arrived["authorization"] == f"Bearer {CLIENT_KEY}" else "another key, or none"
    expect(whole, "the key that the appliance holds", sent)
    expect("openai-organization" not in arrived["headers"], "no account header of the client", arrived["headers"])
    expect(MAIL not in arrived["body"], "a request without the e-mail address", arrived["body"])


def _blocked(stage: Stage) -> str:
    stage.console.decide(
        Proposal(decision=DecisionKind.BLOCK, service=WEB, reason="Our assistant is chat.example.test.")
    )
    told = stage.jonas.browse(f"https://{WEB_HOST}/")
    expect(told.status == 403, "403", f"{told.status} {told.error or ''}")  # noqa: PLR2004 - forbidden
    expect(told.content_type.startswith("text/html"), "a page for people (text/html)", told.content_type)
    expect("chat.example.test" in told.text, "the reason on the page", told.text)
    return "403 with a page that says why"


def _undone(stage: Stage) -> str:
    expect("redirect" in stage.known, "a redirect to take back", "none was decided")
    stage.console.undo(stage.known["redirect"])
    before = len(stage.arrivals(UNAPPROVED))
    told = stage.maria.chat(UNAPPROVED, "hello again")
    _answered(told)
    expect(told.route is None, "no x-gnomon-route", told.route)
    arrived = stage.arrivals(UNAPPROVED)[before:]
    expect([one["authorization"] for one in arrived] == [f"Bearer {CLIENT_KEY}"], "her request as she sent it", arrived)
    finding = _state(stage, lambda found: found.state is not FindingState.REDIRECTED)
    expect(finding.state is not FindingState.REDIRECTED, "the finding is open again", finding.state)
    return f"the finding is {finding.state}"


def _state(stage: Stage, wanted: Callable[[Finding], bool]) -> Finding:
    """The finding of the unapproved service, waited for until it is as wanted."""
    found = eventually(
        lambda: stage.console.findings().get(FINDING), lambda finding: finding is not None and wanted(finding)
    )
    if found is None:
        raise Unexpected(f"a finding of {UNAPPROVED}", "none")
    return found


def _counts(finding: Finding) -> str:
    return f"{finding.governed} exchanges by {finding.people} people, {finding.bypass} sightings past the appliance"


STEPS: Final[tuple[tuple[str, Callable[[Stage], str]], ...]] = (
    ("Maria's program calls the approved provider: redacted", _redacted),
    ("a stream passes", _streamed),
    ("Jonas calls a second provider by the gateway", _by_gateway),
    ("an analyst approves both", _approved),
    ("both call a service that nobody approved", _unapproved),
    ("the call becomes a finding", _found),
    ("the replayed capture shows traffic past the appliance", _captured),
    ("a redirect is previewed", _previewed),
    ("the redirect is decided", _redirected),
    ("the next calls arrive at the approved provider", _moved),
    ("a browser gets a page in place of a blocked service", _blocked),
    ("undo: the next call goes where it went before", _undone),
)
