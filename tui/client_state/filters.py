"""The words that may be typed behind `/`: a small language over the store's own filters.

    sev>=high   state:new,triaged   way:bypass   surface:api   kind:service_in_use   last:24h   svc:openai   any text

Rules: pure; what is not understood is refused with the place it stands at; nothing is filtered here that the store
does not filter, so that totals are true. The store looks for one text, so `svc:` and free text exclude each other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from appliance.model.names import FindingKind, FindingState, Governance, Severity, Surface
from appliance.store.finding_pages import FindingsRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from enum import StrEnum

LONGEST: Final = 400  # characters of a filter
KEYS: Final = ("sev", "state", "way", "surface", "kind", "last", "svc")
_WORD: Final = re.compile(r"\S+")
_PART: Final = re.compile(r"([A-Za-z_]+)(>=|<=|:|=|>|<)(.*)")
_AGE: Final = re.compile(r"([1-9][0-9]{0,4})([mhdw])\Z")
_UNITS: Final = {"m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}


class FilterError(ValueError):
    """Characters `start` to `end` of the filter are not understood."""

    def __init__(self, start: int, end: int, message: str) -> None:
        super().__init__(message)
        self.start, self.end = start, end


def unfinished(text: str) -> bool:
    """The last word may still become a key: not worth asking the store about while it is typed."""
    last = text.rpartition(" ")[2].lower()
    return bool(last) and any(key.startswith(last) for key in KEYS)


def parse(text: str, now: float) -> FindingsRequest:
    """The store's request for a filter; limit and page are the caller's. FilterError says where and why not."""
    if len(text) > LONGEST:
        raise FilterError(LONGEST, len(text), f"at most {LONGEST} characters")
    fields: dict[str, object] = {}
    words: list[str] = []
    spot = (0, 0)
    for found in _WORD.finditer(text):
        part = _PART.fullmatch(found.group())
        if part is None:
            words.append(found.group())
            spot = spot if len(words) > 1 else found.span()
            continue
        _take(part, found.start(), fields, now)
    if words and "text" in fields:
        raise FilterError(*spot, "the store looks for one text: svc: or free text, not both")
    if words:
        fields["text"] = " ".join(words)
    return FindingsRequest(**fields)  # type: ignore[arg-type]  # each value was made for its field


def _take(part: re.Match[str], at: int, fields: dict[str, object], now: float) -> None:
    """One `key:value`, which stands at `at`."""
    key, sign, value = part.groups()
    begin, end = at + part.start(3), at + part.end()
    if key not in KEYS:
        raise FilterError(at, at + len(key), f"no such key; there are {', '.join(KEYS)}")
    wanted = ">=" if key == "sev" else ":"
    if sign != wanted:
        example = "sev>=high" if key == "sev" else f"{key}:..."
        raise FilterError(at + part.start(2), at + part.end(2), f"write {example}")
    name, read = _READERS[key]
    if name in fields:
        raise FilterError(at, end, f"{key} is given twice")
    if not value:
        raise FilterError(begin, end, f"{key}{sign} needs a value")
    if key == "last":
        fields[name] = now - _age(value, begin)
    else:
        fields[name] = read(value, begin)


def _one[W: StrEnum](words: type[W]) -> Callable[[str, int], W]:
    def read(value: str, at: int) -> W:
        try:
            return words(value.lower())
        except ValueError:
            raise FilterError(at, at + len(value), f"one of {', '.join(words)}") from None

    return read


def _several[W: StrEnum](words: type[W]) -> Callable[[str, int], tuple[W, ...]]:
    one = _one(words)

    def read(value: str, at: int) -> tuple[W, ...]:
        return tuple(one(part, at + start) for start, part in _split(value))

    return read


def _split(value: str) -> Iterable[tuple[int, str]]:
    start = 0
    for part in value.split(","):
        yield start, part
        start += len(part) + 1


def _age(value: str, at: int) -> float:
    if (found := _AGE.match(value)) is None:
        raise FilterError(at, at + len(value), "a number and m, h, d or w: 90m, 24h, 7d")
    return int(found[1]) * _UNITS[found[2]]


def _text(value: str, _at: int) -> str:
    return value


_READERS: Final[dict[str, tuple[str, Callable[[str, int], object]]]] = {
    "sev": ("severity", _one(Severity)),
    "state": ("states", _several(FindingState)),
    "way": ("governance", _one(Governance)),
    "surface": ("surface", _one(Surface)),
    "kind": ("kinds", _several(FindingKind)),
    "last": ("since", _text),
    "svc": ("text", _text),
}
