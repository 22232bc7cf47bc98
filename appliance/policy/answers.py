"""What a rule means for a request and for an answer: which findings it hides, which end an answer.

Rules: pure. An answer leaves while it is read, so a rule cannot ask first what all of it carries: what `redact` names
is hidden wherever it scores `min_score`, whether or not a label that the rule waits for comes before or after it.
"""

from appliance.model.detection import Selector
from appliance.model.names import DetectionKind, Direction, Disposition
from appliance.policy.rules import LabelMatch, Rule

HIDING = frozenset({Disposition.REDACT, Disposition.PSEUDONYMISE})
_BY_DEFAULT = (DetectionKind.PII.value, DetectionKind.SECRET.value)
_EVERY = tuple(kind.value for kind in DetectionKind)


def hidden_of(rule: Rule) -> Selector:
    """What a rule that hides means in an answer."""
    labels, asked = rule.match.labels, rule.then.redact
    score = labels.min_score if labels else 0.0
    if asked.entities or asked.kinds:
        kinds = tuple(kind.value for kind in asked.kinds)
        return Selector(kinds=kinds, entities=asked.entities, min_score=asked.min_score or score, rule=rule.id)
    if labels is None:
        return Selector(kinds=_BY_DEFAULT, min_score=score, rule=rule.id)
    return _of_labels(labels, rule.id)


def hidden_in_request(rule: Rule) -> Selector:
    """What a rule that hides means in a request that it matched: what `redact` names, else what made it match."""
    asked = rule.then.redact
    if asked.entities or asked.kinds:
        kinds = tuple(kind.value for kind in asked.kinds)
        return Selector(kinds=kinds, entities=asked.entities, min_score=asked.min_score, rule=rule.id)
    return hidden_of(rule)


def hides_answers(rule: Rule) -> bool:
    """Whether a rule may hide something in an answer."""
    return Direction.RESPONSE in rule.match.directions and rule.then.disposition in HIDING


def ended_by(rule: Rule) -> Selector:
    """What ends an answer, of a rule that blocks."""
    return _of_labels(rule.match.labels or LabelMatch(), rule.id)


def _of_labels(labels: LabelMatch, rule: str) -> Selector:
    """The findings that fit. Where kinds and entities are named, the entities: each is of one kind."""
    if labels.entities:
        return Selector(entities=labels.entities, min_score=labels.min_score, rule=rule)
    kinds = tuple(kind.value for kind in labels.kinds) or _EVERY
    return Selector(kinds=kinds, min_score=labels.min_score, rule=rule)
