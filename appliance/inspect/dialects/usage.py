"""Tokens as formats tell them, in one measure.

Rules: pure; input includes what was read from and written to a cache, output includes reasoning; hostile numbers are
bounded before they reach a record, and one that cannot be is as if it had not been told.
"""

from typing import NamedTuple

from appliance.inspect.dialects.fields import MAX_COUNT, count, table
from appliance.model.event import Usage


class Names(NamedTuple):
    """Where a format tells tokens: of each kind the first name that holds a number; `a/b` is a member of a member.

    `written_1h`: of what was written to a cache, what stays an hour. `sound_received`, `sound_made`: of each.
    `cache_beside`, `reasoning_beside`: these are told beside input and output, not inside. `also`: further input.
    """

    received: tuple[str, ...]
    made: tuple[str, ...]
    cached: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    written_1h: tuple[str, ...] = ()
    sound_received: tuple[str, ...] = ()
    sound_made: tuple[str, ...] = ()
    cache_beside: bool = False
    reasoning_beside: bool = False


def read(told: object, names: Names) -> Usage | None:
    """The tokens that the object `told` tells; None when it tells neither input nor output."""
    if not isinstance(told, dict):
        return None
    received, made = _first(told, names.received), _first(told, names.made)
    if received is None and made is None:
        return None
    cached, written = _first(told, names.cached) or 0, _first(told, names.written) or 0
    reasoning = _first(told, names.reasoning) or 0
    beside = (cached + written if names.cache_beside else 0) + (_first(told, names.also) or 0)
    return Usage(
        input_tokens=(received or 0) + beside,
        output_tokens=(made or 0) + (reasoning if names.reasoning_beside else 0),
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        cache_write_1h_tokens=_first(told, names.written_1h) or 0,
        audio_input_tokens=_first(told, names.sound_received) or 0,
        audio_output_tokens=_first(told, names.sound_made) or 0,
    )


def added(one: Usage | None, other: Usage | None) -> Usage | None:
    """The tokens of two answers, of one connection or batch; bounded."""
    if one is None or other is None:
        return one or other
    return Usage(**{name: min(getattr(one, name) + getattr(other, name), MAX_COUNT) for name in _COUNTS})


_COUNTS = tuple(name for name in Usage.__struct_fields__ if name.endswith("_tokens"))


def _first(told: dict[str, object], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = told.get(name)
        if value is None and "/" in name:
            outer, _, inner = name.partition("/")
            value = table(told.get(outer)).get(inner)
        found = None if value is None else count(value)
        if found is not None:
            return found
    return None
