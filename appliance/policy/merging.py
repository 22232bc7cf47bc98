"""From rules that matched to one verdict: what is hidden, where it goes, what else is done to the request.

Rules: pure; what acts adds up: hiding and what is stripped as a union, of headers that two rules set the first in layer
order, of two caps the lower one.
"""

from collections.abc import Sequence

from appliance.model.decision import Decision
from appliance.model.detection import Label
from appliance.model.facts import Facts, Obligations, RuleHit
from appliance.model.names import DetectionKind, Disposition
from appliance.policy.answers import HIDING
from appliance.policy.matching import RANK, CompiledRule, matched_entities


class Hit:
    """A hit while the verdict is made: what is recorded, and where the rest comes from."""

    __slots__ = ("decision", "hides", "hit", "rank", "rule", "strictness", "words")

    def __init__(
        self, hit: RuleHit, rule: CompiledRule | None = None, decision: Decision | None = None, words: str = ""
    ) -> None:
        self.hit = hit
        self.rank = RANK[hit.layer]
        self.strictness = hit.disposition.strictness
        self.hides = rule is not None and hit.acts and hit.disposition in HIDING
        self.rule = rule
        self.decision = decision
        self.words = words

    @property
    def route(self) -> str | None:
        """Where the one who asks for it wants the request to go."""
        return self.decision.route if self.decision else self.rule.rule.then.route if self.rule else None

    @property
    def reason(self) -> str:
        """Why, in the words of the rule or decision."""
        return self.words or (self.decision.reason if self.decision else self.rule.rule.reason if self.rule else "")


def route(acting: Sequence[Hit], disposition: Disposition) -> str | None:
    """The first route of a redirect when that is the verdict, else the first route any rule asks for."""
    for hit in acting:
        if hit.route and (disposition is not Disposition.REDIRECT or hit.hit.disposition is disposition):
            return hit.route
    return None


def hidden(acting: Sequence[Hit], facts: Facts) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Entities and kinds to hide, over all acting rules that hide; a redirect therefore hides as well."""
    entities: dict[str, None] = {}
    kinds: dict[str, None] = {}
    for hit in acting:
        if not hit.hides or hit.rule is None:
            continue
        asked, labels = hit.rule.rule.then.redact, hit.rule.rule.match.labels
        if asked.entities or asked.kinds:
            entities.update(dict.fromkeys(asked.entities))
            kinds.update(dict.fromkeys(kind.value for kind in asked.kinds))
        elif labels is not None:
            entities.update(dict.fromkeys(matched_entities(labels, facts)))
        else:
            kinds.update(dict.fromkeys((DetectionKind.PII.value, DetectionKind.SECRET.value)))
    return tuple(entities), tuple(kinds)


def named(acting: Sequence[Hit], facts: Facts) -> tuple[str, ...]:
    """Entities of the request that only rules of `pseudonymise` hide; what a rule of `redact` hides gets no name."""
    named_by = [hit for hit in acting if hit.hides and hit.hit.disposition is Disposition.PSEUDONYMISE]
    if not named_by:
        return ()
    asked = hidden(named_by, facts)
    plain = hidden([hit for hit in acting if hit not in named_by], facts)
    return tuple(dict.fromkeys(one.entity for one in facts.labels if _takes(asked, one) and not _takes(plain, one)))


def _takes(hidden: tuple[tuple[str, ...], tuple[str, ...]], label: Label) -> bool:
    return label.entity in hidden[0] or label.kind.value in hidden[1]


def obligations(acting: Sequence[Hit]) -> Obligations | None:
    """What is done to the request beside hiding; None: nothing."""
    asking = [hit.rule.rule for hit in acting if hit.rule is not None and hit.rule.rule.then.obliges]
    if not asking:
        return None
    inject: dict[str, tuple[str, str]] = {}
    for rule in asking:
        for name, value in rule.then.inject.items():
            inject.setdefault(name.lower(), (name, value))
    strips = [rule.then.strip for rule in asking if rule.then.strip]
    caps = [rule.then.limit.max_tokens for rule in asking if rule.then.limit and rule.then.limit.max_tokens]
    return Obligations(
        rules=tuple(rule.id for rule in asking),
        strip_headers=tuple(dict.fromkeys(name.lower() for strip in strips for name in strip.headers)),
        strip_tools=tuple(dict.fromkeys(name.lower() for strip in strips for name in strip.tools)),
        strip_logprobs=any(strip.logprobs for strip in strips),
        inject=tuple(inject.values()),
        max_tokens=min(caps, default=None),
    )
