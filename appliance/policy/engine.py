"""The verdict: facts and a compiled snapshot in, a disposition out.

Rules: pure, and the same for the same facts, snapshot, catalogue and time, so that any verdict can be replayed. Layers,
highest first: safety, block decisions, organisation, department, user, approve decisions. All matching rules count and
the strictest disposition holds: a lower layer can only tighten. An approve decision only lifts `unapproved`. What is
to be hidden is the union over all acting rules; the route is the first one in layer order. Observe-staged, excepted and
percentage-missed rules are recorded and decide nothing. On a host that people share for other things (`shared_host`) a
rule below the safety floor denies access only if it names the service or host, or has seen a model call. In site stage
observe the effective disposition is at most `observe`. Rules with direction `response` say beforehand what is hidden in
the answer and what ends it: an answer leaves while it is read, so nothing is asked again then.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain

import msgspec

from appliance.model.catalogue import Catalogue, Service
from appliance.model.detection import Coverage, Selector
from appliance.model.errors import OperatorError
from appliance.model.facts import Facts, RuleHit, Verdict
from appliance.model.names import Assurance, DetectionKind, Disposition, Layer, Stage, Surface
from appliance.policy import decisions as decided
from appliance.policy.answers import HIDING, ended_by, hidden_of
from appliance.policy.key_limits import beyond_key
from appliance.policy.matching import (
    CompiledRule,
    Digest,
    Key,
    Site,
    fact_keys,
    glob,
    no_digest,
    unscanned_for,
)
from appliance.policy.merging import Hit, hidden, named, obligations, route
from appliance.policy.rollout import pieces
from appliance.policy.rules import Match, Rule
from appliance.policy.snapshot import PolicySnapshot
from appliance.policy.soundness import problems

ACKNOWLEDGED = "acknowledged"  # note of a lesson that its caller has read
_WAIT = "wait"
MAX_HITS = 64  # hits recorded with a verdict; the deciding one is always among them
DENYING = frozenset({Disposition.COACH, Disposition.REDIRECT, Disposition.HOLD, Disposition.BLOCK})
TURNED_AWAY = frozenset({Disposition.BLOCK, Disposition.COACH, Disposition.HOLD})
type _OfAnswer = tuple[tuple[Selector, ...], tuple[Selector, ...]]  # what is hidden in it, what ends it
NEEDS_BODY = HIDING | {Disposition.HOLD}  # cannot be done before the request has been read


class _Index:
    """Places of rules by the keys of which facts must have one."""

    def __init__(self, places: Iterable[tuple[int, tuple[Key, ...]]]) -> None:
        self._always: list[int] = []
        self._by_key: dict[Key, list[int]] = {}
        for place, keys in places:
            for key in keys:
                self._by_key.setdefault(key, []).append(place)
            if not keys:
                self._always.append(place)

    def candidates(self, facts: Facts) -> list[int]:
        """Places of the rules that may match, highest layer first."""
        if not self._by_key:
            return self._always
        get = self._by_key.get
        lists = [found for key in fact_keys(facts) if (found := get(key))]
        if not lists:
            return self._always
        return sorted({*self._always, *chain.from_iterable(lists)})


class Policy:
    """A snapshot ready to judge. Made by `compile_policy`; holds no state between calls."""

    def __init__(self, snapshot: PolicySnapshot, catalogue: Catalogue, rules: Sequence[CompiledRule]) -> None:
        self.snapshot = snapshot
        self.catalogue = catalogue
        self.version = snapshot.version
        self.stage = snapshot.stage
        self._rules = tuple(sorted(rules, key=lambda rule: rule.rank))
        # Most rules act whenever they match: their hit is made once.
        self._ready = [Hit(_acting_hit(rule), rule) if rule.always_acts else None for rule in self._rules]
        self._decisions = decided.Decisions(snapshot.decisions)
        self._shared = frozenset(service.id for service in catalogue.services.values() if service.shared_host)
        self._naming = tuple(rule for rule in self._rules if rule.names)
        self._obliging = any(rule.rule.then.obliges for rule in self._rules)
        named = [name for rule in self._rules for name in (*rule.rule.match.tools, *rule.rule.match.hosted_mcp)]
        self._named = glob(tuple(named)) if named else None
        self._minds_calls = any(rule.called for rule in self._rules)
        self._settling = tuple(rule for rule in self._rules if rule.settles)
        self._asking = _Index((place, rule.keys()) for place, rule in enumerate(self._rules) if rule.asks)
        self._denying = _Index(
            (place, rule.keys()) for place, rule in enumerate(self._rules) if rule.asks and _turns_away(rule)
        )
        self._answering = _Index(
            (place, rule.keys(answer=True)) for place, rule in enumerate(self._rules) if rule.answers
        )

    def decide(
        self, facts: Facts, service: Service | None, now: float, acknowledged: Callable[[], bool] = lambda: False
    ) -> Verdict:
        """The verdict that acts. What turns the service away comes first: a lesson outranks hiding a word in it.

        `acknowledged` is asked only where the verdict is a lesson: whether this caller has read it. Then whatever else
        matches decides, and the lesson is recorded as a hit that does not act.
        """
        verdict = self._decide(facts, service, now)
        if verdict.effective is not Disposition.COACH or not acknowledged():
            return verdict
        hits = [_taught(hit) for hit in self._hits(facts, now, whole=True)]
        return self._verdict(hits, facts, self._about_answer(facts, now))

    def _decide(self, facts: Facts, service: Service | None, now: float) -> Verdict:
        if not self._may_turn_away(facts):
            return self.judge(facts, now)
        verdict = self.destination(
            service,
            principal=facts.principal,
            client=facts.client,
            now=now,
            host=facts.host,
            port=facts.port,
            groups=facts.groups,
            department=facts.department,
            assurance=facts.assurance,
            surface=facts.surface,
            listener=facts.listener,
        )
        return verdict if verdict.effective in TURNED_AWAY else self.judge(facts, now)

    def _may_turn_away(self, facts: Facts) -> bool:
        """Whether the destination alone could be denied: most could not, and are judged once instead of twice."""
        if self.stage is not Stage.ENFORCE:
            return False
        return self._decisions.touch(facts.service) or bool(self._denying.candidates(facts))

    def judge(self, facts: Facts, now: float) -> Verdict:
        """The verdict on an exchange whose request has been read. `now`: epoch seconds."""
        return self._verdict(self._hits(facts, now, whole=True), facts, self._about_answer(facts, now))

    def late(self, facts: Facts, coverage: Coverage, now: float) -> tuple[str, ...]:
        """Rules for answers to which what was left unscanned in this one matters: to be recorded, it has gone."""
        found = self._watching(facts, now)
        return tuple(rule.rule.id for rule in found if _left(rule.rule.match, coverage))

    def called(self, facts: Facts, tools: Iterable[str], now: float) -> tuple[str, ...]:
        """Rules that want to be told of a tool which this answer has called: to be recorded, the call has gone."""
        rules = [rule for rule in self._watching(facts, now) if rule.called] if self._minds_calls else []
        names = tuple(name.lower() for name in tools) if rules else ()
        return tuple(rule.rule.id for rule in rules if rule.called and any(map(rule.called.match, names)))

    def destination(
        self,
        service: Service | None,
        *,
        principal: str,
        client: str,
        now: float,
        host: str,
        port: int = 443,
        groups: tuple[str, ...] = (),
        department: str | None = None,
        assurance: Assurance = Assurance.NONE,
        surface: Surface | None = None,
        listener: str = "proxy",
    ) -> Verdict:
        """The verdict before any packet leaves: only rules that need no body, and never one that edits a body.

        `principal`, `client`: digests. `surface`: the service's own unless told.
        """
        facts = Facts(
            principal=principal,
            client=client,
            groups=groups,
            department=department,
            assurance=assurance,
            service=service.id if service else None,
            category=service.category if service else None,
            surface=surface or (service.surface if service else Surface.API),
            listener=listener,
            host=host,
            port=port,
            method="",
            path="",
        )
        return self._verdict(self._hits(facts, now, whole=False), facts, ((), ()))

    def approved(self, facts: Facts, now: float) -> bool:
        """An approve decision covers this caller and service now."""
        return decided.approves(self._decisions.binding(facts, now))

    def rule_reason(self, name: str) -> str:
        """The reason that a rule or decision carries; empty when there is none."""
        number = name.removeprefix("decision:")
        if number != name:
            return next((d.reason for d in self.snapshot.decisions if str(d.number) == number), "")
        return next((rule.reason for rule in self.snapshot.rules if rule.id == name), "")

    @property
    def reads_names(self) -> bool:
        """Some rule asks for names."""
        return bool(self._naming)

    def foremost(self, names: Sequence[str], most: int) -> tuple[str, ...]:
        """At most so many of the names of tools or tool servers: those that a rule names are never left out for others.

        Whoever declares many could hide one behind them otherwise.
        """
        if len(names) <= most or self._named is None:
            return tuple(names[:most])
        fits = self._named.match
        return tuple(sorted(names, key=lambda name: fits(name.lower()) is None)[:most])

    def asks(self, kind: DetectionKind, entity: str) -> bool:
        """Whether some rule may turn on such a label in a request."""
        wanted = (rule.match.labels for rule in self.snapshot.rules)
        return any(
            (not labels.kinds or kind in labels.kinds) and (not labels.entities or entity in labels.entities)
            for labels in wanted
            if labels is not None
        )

    def names(self, facts: Facts, now: float) -> str | None:
        """How a request is read for names; None: no rule asks. `facts`: what they carry counts for nothing.

        `wait`: a rule that acts and may concern it needs them before the verdict. `late`: one wants them told.
        """
        unapproved = facts.service is not None and not self.approved(facts, now)
        asking = [rule for rule in self._naming if rule.concerns(facts, unapproved)]
        if any(rule.names == _WAIT and self._acts(rule, facts, now) for rule in asking):
            return _WAIT
        return "late" if asking else None

    def settling(self, facts: Facts, now: float) -> tuple[Selector, ...]:
        """Findings any one of which has a request blocked, whatever else it holds. `facts`: known before it is read.

        Blocking is the strictest disposition, so no other rule changes it; only what acts now counts.
        """
        if self.stage is not Stage.ENFORCE or not self._settling:
            return ()
        unapproved = facts.service is not None and not self.approved(facts, now)
        found = (rule for rule in self._settling if rule.concerns(facts, unapproved) and self._acts(rule, facts, now))
        return tuple(ended_by(rule.rule) for rule in found)

    def _acts(self, rule: CompiledRule, facts: Facts, now: float) -> bool:
        if not rule.always_due and not rule.due(facts, now):
            return False
        return rule.always_acts or _rule_hit(rule, facts, now, self._shared).acts

    def _watching(self, facts: Facts, now: float) -> list[CompiledRule]:
        """The rules that look at the answer and act."""
        places = self._answering.candidates(facts)
        if not places:
            return []
        unapproved = facts.service is not None and not self.approved(facts, now)
        watching = (self._rules[place] for place in places if self._rules[place].watches(facts, unapproved))
        return [rule for rule in watching if self._acts(rule, facts, now)]

    def _about_answer(self, facts: Facts, now: float) -> _OfAnswer:
        rules = [rule.rule for rule in self._watching(facts, now)]
        hides = tuple(hidden_of(rule) for rule in rules if rule.then.disposition in HIDING)
        ends = tuple(ended_by(rule) for rule in rules if rule.then.disposition is Disposition.BLOCK)
        return hides, ends

    def _hits(self, facts: Facts, now: float, *, whole: bool) -> list[Hit]:
        binding = self._decisions.binding(facts, now)
        unapproved = facts.service is not None and not decided.approves(binding)
        hits = [Hit(hit, decision=decision) for decision in binding if (hit := decided.hit(decision))]
        for place in self._asking.candidates(facts):
            rule = self._rules[place]
            if rule.wants_labels and not facts.labels:
                continue  # most requests hold nothing: the commonest answer, before anything is called
            if not whole and (rule.needs_body or rule.rule.then.disposition in NEEDS_BODY):
                continue
            if rule.matches(facts, unapproved) and (rule.always_due or rule.due(facts, now)):
                hits.append(self._ready[place] or Hit(_rule_hit(rule, facts, now, self._shared), rule))
        beyond = beyond_key(facts) if facts.key_services or facts.key_models else None
        if beyond is not None:
            hits.append(beyond)
        if binding or beyond is not None:
            hits.sort(key=lambda hit: hit.rank)
        return hits

    def _verdict(self, hits: list[Hit], facts: Facts, answer: _OfAnswer) -> Verdict:
        acting = [hit for hit in hits if hit.hit.acts]
        strictest = max((hit.strictness for hit in acting), default=0)
        deciding = next((hit for hit in acting if hit.strictness == strictest), None)
        disposition = deciding.hit.disposition if deciding else Disposition.ALLOW
        entities, kinds = hidden(acting, facts)
        return Verdict(
            disposition=disposition,
            effective=_effective(disposition, self.stage),
            stage=self.stage,
            rule=deciding.hit.rule if deciding else None,
            reason=deciding.reason if deciding else "",
            entities=entities,
            kinds=kinds,
            named=named(acting, facts),
            hides=tuple(hit.rule.hides_as for hit in acting if hit.hides and hit.rule),
            route=route(acting, disposition),
            hits=_recorded(hits, deciding),
            answer_hides=answer[0],
            answer_ends=answer[1],
            obliges=obligations(acting) if self._obliging else None,
        )


def _taught(hit: Hit) -> Hit:
    """The same hit once its lesson has been read; what is no lesson stays as it is."""
    if not hit.hit.acts or hit.hit.disposition is not Disposition.COACH:
        return hit
    return Hit(msgspec.structs.replace(hit.hit, acts=False, note=ACKNOWLEDGED), hit.rule, hit.decision)


def _turns_away(rule: CompiledRule) -> bool:
    return not rule.needs_body and rule.rule.then.disposition in TURNED_AWAY - NEEDS_BODY


def _acting_hit(rule: CompiledRule) -> RuleHit:
    return RuleHit(rule.rule.id, rule.rule.layer, rule.rule.then.disposition, acts=True)


def _rule_hit(rule: CompiledRule, facts: Facts, now: float, shared: frozenset[str]) -> RuleHit:
    """The hit of a rule that matched; its note says why it does not act."""
    note = ""
    if rule.rule.stage is Stage.OBSERVE:
        note = "rule in stage observe"
    elif not rule.reaches(facts.principal):
        note = f"outside {rule.rule.percent} %"
    elif facts.service in shared and _denies_by_class(rule.rule):
        note = "shared host: name the service to act on it"
    else:
        note = next((exemption.note for exemption in rule.exemptions if exemption.covers(facts, now)), "")
    return RuleHit(rule.rule.id, rule.rule.layer, rule.rule.then.disposition, acts=not note, note=note)


def _left(match: Match, coverage: Coverage) -> bool:
    """The rule names a reason for which some of the answer was not scanned."""
    if match.unscanned is None and not match.unscanned_reasons:
        return False
    if match.unscanned is not None and coverage.complete == match.unscanned:
        return False
    return not match.unscanned_reasons or unscanned_for(coverage, frozenset(match.unscanned_reasons))


def _denies_by_class(rule: Rule) -> bool:
    return rule.match.by_class_alone and rule.then.disposition in DENYING and rule.layer is not Layer.SAFETY


def _effective(disposition: Disposition, stage: Stage) -> Disposition:
    if stage is Stage.OBSERVE and disposition.strictness > Disposition.OBSERVE.strictness:
        return Disposition.OBSERVE
    return disposition


def _recorded(hits: Sequence[Hit], deciding: Hit | None) -> tuple[RuleHit, ...]:
    kept = [hit.hit for hit in hits[:MAX_HITS]]
    if deciding is not None and deciding.hit not in kept:
        kept[-1] = deciding.hit
    return tuple(kept)


def compile_policy(
    snapshot: PolicySnapshot, catalogue: Catalogue, percent_key: bytes, person: Digest | None = None
) -> Policy:
    """A policy ready to judge.

    `percent_key`: secret key of the percentages (up to 64 bytes). `person`: digest of a clear name, for rules that name
    users. OperatorError, with every fault: unsound rules, an id twice, users without `person`.
    """
    faults = [f"policy rule {rule.id}: {fault}" for rule in snapshot.rules for fault in problems(rule)]
    counts = Counter(rule.id for rule in snapshot.rules)
    faults += [f"policy rule {name}: the id is used twice" for name, count in counts.items() if count > 1]
    if faults:
        raise OperatorError("\n".join(faults))
    seats = {service.id: service.jurisdiction for service in catalogue.services.values()}
    site = Site(percent_key, person or no_digest, snapshot.timezone, seats)
    rules = [CompiledRule(piece, site) for rule in snapshot.rules for piece in pieces(rule)]
    return Policy(snapshot, catalogue, rules)
