"""What `gnomon policy test` does: the table of cases in a policy file, against its own rules.

Rules: reads files, changes nothing; each case is judged by itself, under stage and approval of its own; what differs is
told at its line.
"""

from pathlib import Path

import msgspec

from appliance.config.catalogue import load_catalogue
from appliance.config.conversion import convert
from appliance.config.policy_file import parse_policy, read_document
from appliance.config.policy_imagined import imagine, moment_of
from appliance.model.catalogue import Catalogue
from appliance.model.decision import Decision
from appliance.model.errors import OperatorError
from appliance.model.facts import Facts, Verdict
from appliance.model.names import DecisionKind
from appliance.model.pseudonym import Pseudonyms
from appliance.policy.cases import Case, Expected
from appliance.policy.document import PolicyFile
from appliance.policy.engine import Policy, compile_policy
from appliance.policy.rules import Rule
from appliance.policy.snapshot import PolicySnapshot

_KEY = b"policy test"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one case went. `wrong`: what was not as expected; empty: all was."""

    name: str
    line: int
    disposition: str
    rule: str | None
    wrong: tuple[str, ...] = ()


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """How all went. `untried`: rules that decided no case."""

    file: str
    outcomes: tuple[Outcome, ...]
    untried: tuple[str, ...]

    @property
    def failed(self) -> int:
        """Cases that did not go as expected."""
        return sum(bool(one.wrong) for one in self.outcomes)

    def text(self) -> str:
        """For a person: what failed, then how many there were."""
        told = [f"{self.file}:{one.line}: {one.name}: {what}" for one in self.outcomes for what in one.wrong]
        told.append(f"{len(self.outcomes) - self.failed} of {len(self.outcomes)} cases are as expected.")
        if self.untried:
            told.append(f"No case is decided by {', '.join(self.untried)}.")
        return "\n".join(told)


def try_cases(path: Path | None, catalogue_override: Path | None = None, *, timezone: str = "UTC", now: float) -> Tried:
    """Judge every case of a file. OperatorError: the file is not sound, or holds no cases."""
    document = read_document(path)
    rules = parse_policy(document)
    cases = convert(document, PolicyFile).tests
    if not cases:
        raise OperatorError(f"{document.name}: holds no cases; write a list `tests`, see docs/reference/policy.md")
    catalogue = load_catalogue(catalogue_override)
    outcomes = []
    for place, case in enumerate(cases):
        policy = _policy(rules, case, catalogue, timezone, now)
        facts = _facts(case, policy, document.fault(("tests", place), ""))
        moment = now if case.request.at is None else moment_of(case.request.at, timezone)
        verdict = policy.decide(facts, catalogue.services.get(facts.service or ""), moment)
        line = document.line(("tests", place))
        wrong = tuple(_wrong(case.expect, verdict))
        outcomes.append(
            Outcome(name=case.name, line=line, disposition=verdict.disposition.value, rule=verdict.rule, wrong=wrong)
        )
    decided = {one.rule for one in outcomes}
    untried = tuple(rule.id for rule in rules if rule.id not in decided)
    return Tried(file=document.name, outcomes=tuple(outcomes), untried=untried)


def _policy(rules: tuple[Rule, ...], case: Case, catalogue: Catalogue, timezone: str, now: float) -> Policy:
    service = catalogue.match(case.request.host)
    approval = Decision(
        number=1,
        ts=now,
        author="test",
        role="analyst",
        service=service.id if service else "",
        decision=DecisionKind.APPROVE,
    )
    snapshot = PolicySnapshot(
        version=1,
        created=now,
        stage=case.stage,
        rules=rules,
        decisions=(approval,) if case.approved else (),
        catalogue_version=catalogue.version,
        timezone=timezone,
    )
    return compile_policy(snapshot, catalogue, _KEY, Pseudonyms(_KEY).person)


def _facts(case: Case, policy: Policy, place: str) -> Facts:
    try:
        return imagine(case.request, policy, Pseudonyms(_KEY))
    except OperatorError as error:
        raise OperatorError(f"{place}{error}") from error


def _wrong(expected: Expected, verdict: Verdict) -> list[str]:
    found: list[str] = []
    if verdict.disposition is not expected.disposition:
        by = f" by {verdict.rule}" if verdict.rule else ""
        found.append(f"{verdict.disposition}{by}, not {expected.disposition}")
    if expected.rule is not None and verdict.rule != expected.rule:
        found.append(f"decided by {verdict.rule or 'no rule'}, not {expected.rule}")
    hidden = {*verdict.entities, *verdict.kinds}
    if expected.hidden is not None and hidden != set(expected.hidden):
        found.append(f"hidden is {_list(hidden)}, not {_list(set(expected.hidden))}")
    if expected.route is not None and verdict.route != expected.route:
        found.append(f"goes to {verdict.route or 'no route'}, not {expected.route}")
    return found


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
