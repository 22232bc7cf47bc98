"""From what analysts said of detections to changes of rules that they may want.

Rules: pure; nothing is ever applied from here. Only words with a score count, at least LEAST wrong ones and more wrong
than right. A higher threshold is suggested where it drops wrong findings and hardly any right one; where scores do not
part them, an exception, until a day, for services at which nearly all were wrong. An entity gets a rule of its own
first where its rule names others, so that nothing else changes with it. `unsure` counts for nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from math import floor
from typing import Final

import msgspec
from msgspec.structs import replace

from appliance.model.names import Disposition, Verity
from appliance.policy.rules import Exemption, LabelMatch, Rule

LEAST: Final = 5
MOST_LOST: Final = 0.05  # of right findings, for a higher threshold
NEARLY_ALL: Final = 0.9  # wrong at a service, for an exception
_IDLE: Final = frozenset({Disposition.ALLOW, Disposition.OBSERVE})
_MAX_ID: Final = 64


class Word(msgspec.Struct, frozen=True):
    """What an analyst said of one detection."""

    entity: str
    kind: str
    verdict: str
    service: str | None
    score: float


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """One change. `before`: the rule as it is; `after`: what stands in its place, one rule or two."""

    rule: str
    entity: str
    why: str
    before: Rule
    after: tuple[Rule, ...]


def suggestions(
    rules: Sequence[Rule], words: Iterable[Word], until: date
) -> tuple[tuple[Suggestion, ...], tuple[str, ...]]:
    """Changes, at most one for each rule, and what stands in the way of others. `until`: last day of exceptions."""
    told = [word for word in words if word.verdict != Verity.UNSURE.value]
    made: list[Suggestion] = []
    not_made: list[str] = []
    for rule in rules:
        for entity in sorted({word.entity for word in told}):
            mine = [word for word in told if word.entity == entity and _is_about(rule, word)]
            if not _mostly_wrong(mine):
                continue
            found = _suggested(rule, entity, mine, until)
            if isinstance(found, str):
                not_made.append(f"rule {rule.id}: {entity}: {_count(mine)} wrong, but {found}")
            elif any(one.rule == rule.id for one in made):
                not_made.append(f"rule {rule.id}: {entity}: {_count(mine)} wrong; ask again when the other is in force")
            else:
                made.append(found)
    return tuple(made), tuple(not_made)


def applied(rules: Iterable[Rule], made: Iterable[Suggestion]) -> tuple[Rule, ...]:
    """The rules with the suggestions in place: changed ones where they stood, new ones at the end."""
    by_rule = {one.rule: one for one in made}
    kept = [by_rule[rule.id].after[0] if rule.id in by_rule else rule for rule in rules]
    return (*kept, *(rule for one in by_rule.values() for rule in one.after[1:]))


def _is_about(rule: Rule, word: Word) -> bool:
    labels = rule.match.labels
    if labels is None or rule.then.disposition in _IDLE or word.score < labels.min_score:
        return False
    if rule.match.services and word.service not in rule.match.services:
        return False
    if labels.kinds and word.kind not in labels.kinds:
        return False
    return word.entity in labels.entities if labels.entities else bool(labels.kinds)


def _mostly_wrong(words: Sequence[Word]) -> bool:
    wrong = sum(word.verdict == Verity.WRONG for word in words)
    return wrong >= LEAST and 2 * wrong > len(words)


def _count(words: Sequence[Word]) -> str:
    return f"{sum(word.verdict == Verity.WRONG for word in words)} of {len(words)}"


def _suggested(rule: Rule, entity: str, words: Sequence[Word], until: date) -> Suggestion | str:
    labels = rule.match.labels
    if labels is None or not labels.entities:
        return "the rule names kinds: name entities in it first"
    if rule.then.redact.entities or rule.then.redact.kinds:
        return "the rule says by name what is redacted: change it by hand"
    if (score := _threshold(words)) is not None:
        dropped = sum(word.score < score for word in words if word.verdict == Verity.WRONG)
        lost = sum(word.score < score for word in words if word.verdict == Verity.RIGHT)
        why = f"{_count(words)} were wrong; from {score:g} on, {dropped} of these go and {lost} right ones"
        return Suggestion(
            rule=rule.id, entity=entity, why=why, before=rule, after=_own(rule, labels, entity, score, ())
        )
    services = tuple(_hopeless(words))
    if not services:
        return "no score parts them from the right ones, and no service has only wrong ones"
    reason = f"{entity}: analysts called {_count(words)} wrong"
    exception = Exemption(services=services, reason=reason, expires=until)
    why = f"{_count(words)} were wrong, nearly all at {', '.join(services)}"
    own = _own(rule, labels, entity, labels.min_score, (exception,))
    return Suggestion(rule=rule.id, entity=entity, why=why, before=rule, after=own)


def _threshold(words: Sequence[Word]) -> float | None:
    """The score in hundredths that drops most wrong findings with hardly a right one."""
    right = [word.score for word in words if word.verdict == Verity.RIGHT]
    wrong = [word.score for word in words if word.verdict == Verity.WRONG]
    best: tuple[int, float] | None = None
    for score in sorted({(floor(one * 100 + 1e-9) + 1) / 100 for one in wrong}):
        lost, dropped = sum(one < score for one in right), sum(one < score for one in wrong)
        if score <= 1 and lost <= MOST_LOST * len(right) and (best is None or dropped > best[0]):
            best = dropped, score
    return best[1] if best is not None and 2 * best[0] > len(wrong) else None


def _hopeless(words: Sequence[Word]) -> Iterator[str]:
    for service in sorted({word.service for word in words if word.service is not None}):
        mine = [word for word in words if word.service == service]
        wrong = sum(word.verdict == Verity.WRONG for word in mine)
        if wrong >= LEAST and wrong >= NEARLY_ALL * len(mine):
            yield service


def _own(rule: Rule, labels: LabelMatch, entity: str, score: float, more: tuple[Exemption, ...]) -> tuple[Rule, ...]:
    """The rule for this entity alone, after the rule without it where it names others."""
    alone = replace(labels, entities=(entity,), min_score=score)
    changed = replace(rule, match=replace(rule.match, labels=alone), exceptions=(*rule.exceptions, *more))
    others = tuple(one for one in labels.entities if one != entity)
    if not others:
        return (changed,)
    name = f"{rule.id}.{entity.lower().replace('_', '-')}"[:_MAX_ID]
    rest = replace(rule, match=replace(rule.match, labels=replace(labels, entities=others)))
    return rest, replace(changed, id=name)
