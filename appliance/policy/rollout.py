"""Rules that come into force step by step, and rules with a limit, as plain rules: one for each thing that may hold.

Rules: pure. All pieces of a rule keep its id, so a percentage chooses the same principals at each step, and who is in
at ten percent is in at fifty. Of a rollout exactly one step holds for a principal: the last that has begun and reaches
them. Days begin at midnight UTC.
"""

from datetime import UTC, datetime, time
from typing import NamedTuple

from msgspec.structs import replace

from appliance.model.names import Direction, Disposition
from appliance.policy.rules import Rule, Size, Step


class Later(NamedTuple):
    """A step that takes over from `begins` (epoch seconds) on, for `percent` of principals."""

    begins: float
    percent: int


class Piece(NamedTuple):
    """A plain rule, from when on it holds, and what then takes its place."""

    rule: Rule
    begins: float = 0.0
    later: tuple[Later, ...] = ()


def pieces(rule: Rule) -> tuple[Piece, ...]:
    """What a rule stands for: itself where it has neither rollout nor a limit of bytes."""
    return (*(_steps(rule) if rule.rollout else (Piece(rule),)), *_too_large(rule))


def _steps(rule: Rule) -> tuple[Piece, ...]:
    found = []
    for place, step in enumerate(rule.rollout):
        then = replace(rule.then, disposition=step.disposition)
        later = tuple(Later(_moment(one), one.percent) for one in rule.rollout[place + 1 :])
        found.append(Piece(replace(rule, then=then, percent=step.percent, rollout=()), _moment(step), later))
    return tuple(found)


def _too_large(rule: Rule) -> tuple[Piece, ...]:
    """What is larger than the limit is blocked by a rule of its own, once the rollout has begun."""
    most = rule.then.limit.request_bytes if rule.then.limit else None
    if most is None:
        return ()
    told = rule.match.request_bytes
    size = Size(min=max(most + 1, told.min if told else 0), max=told.max if told else None)
    match = replace(rule.match, request_bytes=size, directions=(Direction.REQUEST,))
    reason = f"The request is larger than {most} bytes. {rule.reason}".rstrip()
    then = replace(rule.then, disposition=Disposition.BLOCK, strip=None, inject={}, limit=None, names=None)
    begins = _moment(rule.rollout[0]) if rule.rollout else 0.0
    return (Piece(replace(rule, match=match, then=then, reason=reason, rollout=()), begins),)


def _moment(step: Step) -> float:
    return datetime.combine(step.begins, time.min, UTC).timestamp()
