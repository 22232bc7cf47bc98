"""Members of a JSON object and items of an array with their bytes, and edits that take some of them out.

Rules: pure; for documents that a strict reader has accepted; one walk over the tokens, no recursion; only the bytes of
what is taken out and of one comma beside it go.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from appliance.inspect.redact import Edit

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],:]|[^\s"{}\[\],:]++', re.DOTALL)


class Part(NamedTuple):
    """A member (`name` its key) or an item (`name` empty). `start` is that of the key; bytes of the document."""

    name: str
    start: int
    value: int
    end: int


def parts_of(body: bytes, start: int) -> tuple[Part, ...]:
    """What stands in the object or array whose bracket is at `start`; nothing where there is none."""
    if body[start : start + 1] not in (b"{", b"["):
        return ()
    found: list[Part] = []
    depth, name, begin, value, end = 0, "", -1, -1, start
    for token in _TOKEN.finditer(body, start):
        word = token[0]
        if depth == 1 and word in (b",", b"}", b"]"):
            if begin >= 0:
                found.append(Part(name, begin, value, end))
            name, begin = "", -1
        elif depth == 1 and word == b":":
            name, value = msgspec.json.decode(body[begin:end], type=str, strict=False), -1
        elif depth == 1:
            begin = token.start() if begin < 0 else begin
            value = token.start() if value < 0 or begin == token.start() else value
        if word in (b"{", b"["):
            depth += 1
        elif word in (b"}", b"]"):
            depth -= 1
            if not depth:
                break
        end = token.end()
    return tuple(found)


def without(parts: Sequence[Part], goes: Callable[[Part], bool]) -> tuple[Edit, ...]:
    """Edits that take out the parts that `goes` names, each with the comma beside it."""
    edits: list[Edit] = []
    stays = False
    for place, part in enumerate(parts):
        if not goes(part):
            stays = True
        elif stays:
            edits.append((parts[place - 1].end, part.end, b""))
        else:
            edits.append((part.start, parts[place + 1].start if place + 1 < len(parts) else part.end, b""))
    return tuple(edits)
