"""Accounts of several bodies as one, and what has come since an earlier account: coverages and labels added, taken off.

Rules: pure; the conservation law of `Coverage` holds for a sum and for a difference where it holds for both sides; what
is taken off must be an earlier state of the same account.
"""

from appliance.model.detection import Coverage, Label
from appliance.model.event import Usage

NOTHING = Coverage(0)


def plus(first: Coverage, second: Coverage) -> Coverage:
    """Both bodies as one."""
    return _combined(first, second, 1)


def minus(now: Coverage, then: Coverage) -> Coverage:
    """What has come since `then`."""
    return _combined(now, then, -1)


def sound(difference: Coverage) -> bool:
    """What was taken off was an earlier state of the same account: no part of the difference is less than nothing."""
    parts = (difference.structure, difference.text_scanned, *difference.text_unscanned.values())
    return min(*parts, *difference.opaque.values()) >= 0


def labels_since(now: tuple[Label, ...], then: tuple[Label, ...]) -> tuple[Label, ...]:
    """Labels with what was counted since `then`; the best score of all."""
    before = {(one.entity, one.kind): one.count for one in then}
    counts = ((one, one.count - before.get((one.entity, one.kind), 0)) for one in now)
    return tuple(Label(one.entity, one.kind, count, one.score) for one, count in counts if count > 0)


def usage_sum(first: Usage | None, then: Usage | None) -> Usage | None:
    """Tokens of both; estimated where either is."""
    return _tokens(first, then, 1) if first and then else first or then


def usage_since(now: Usage | None, then: Usage | None) -> Usage | None:
    """Tokens since `then`, of a count that only grows; None: nothing was told since."""
    if now == then:
        return None
    return _tokens(now, then, -1) if now and then else now


def _combined(first: Coverage, second: Coverage, sign: int) -> Coverage:
    return Coverage(
        first.length + sign * second.length,
        first.structure + sign * second.structure,
        first.text_scanned + sign * second.text_scanned,
        _reasons(first.text_unscanned, second.text_unscanned, sign),
        _reasons(first.opaque, second.opaque, sign),
        first.scanned_by or second.scanned_by,
        _reasons(first.partial, second.partial, sign),
        tuple(dict.fromkeys((*first.skipped, *second.skipped))),
    )


def _reasons(first: dict[str, int], second: dict[str, int], sign: int) -> dict[str, int]:
    sums = {reason: first.get(reason, 0) + sign * second.get(reason, 0) for reason in {**first, **second}}
    return {reason: size for reason, size in sums.items() if size}


def _tokens(first: Usage, second: Usage, sign: int) -> Usage:
    return Usage(
        max(0, first.input_tokens + sign * second.input_tokens),
        max(0, first.output_tokens + sign * second.output_tokens),
        max(0, first.cached_tokens + sign * second.cached_tokens),
        max(0, first.cache_write_tokens + sign * second.cache_write_tokens),
        max(0, first.reasoning_tokens + sign * second.reasoning_tokens),
        first.estimated or (sign > 0 and second.estimated),
    )
