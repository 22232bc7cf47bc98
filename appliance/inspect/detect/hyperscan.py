"""One Hyperscan database: the only module that touches hyperscan.

Owns: compiling, serialising and scanning. Rules: offsets leave here as code points of the text; text that is not valid
UTF-8 when encoded (lone surrogates) is scanned with a question mark in each place, because Hyperscan's behaviour on
broken UTF-8 is undefined; one scan at a time, since the scratch space is shared.
"""

import re
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version as installed_version
from typing import NamedTuple

import hyperscan

# Hyperscan's developer reference, "Prefiltering Mode": "The set of matches returned when this flag is used is
# guaranteed to be a superset of the matches specified by the non-prefiltering expression."
SUPERSET = (
    hyperscan.HS_FLAG_CASELESS
    | hyperscan.HS_FLAG_DOTALL
    | hyperscan.HS_FLAG_MULTILINE
    | hyperscan.HS_FLAG_UTF8
    | hyperscan.HS_FLAG_UCP
    | hyperscan.HS_FLAG_PREFILTER
)
ASCII = hyperscan.HS_FLAG_UTF8  # for what has no look-around: as narrow as it is written
ASCII_SUPERSET = ASCII | hyperscan.HS_FLAG_PREFILTER
CASELESS = hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_UCP | hyperscan.HS_FLAG_CASELESS
PLAIN = hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_UCP
ONCE = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_DOTALL  # only whether there is a match at all
LITERAL = hyperscan.HS_FLAG_SINGLEMATCH  # bytes as they are written
CompileError = hyperscan.error  # the expression, not the machine, is at fault
_CONTINUATION = bytes(range(0x80, 0xC0))  # bytes that continue a character in UTF-8


_LOOK_AHEAD = re.compile(r"\(\?!\[[^\[\]\\]*\]\)\Z")
_REPEAT_AT_THE_END = re.compile(r"\{([1-9][0-9]*),[0-9]*\}(\)*)\Z")


class Expression(NamedTuple):
    """A pattern in Hyperscan's syntax (PCRE) with its flags."""

    pattern: str
    flags: int


def version() -> str:
    """The binding's version, which pins the engine inside it: a serialised database is read by no other."""
    return f"hyperscan={installed_version('hyperscan')}"


def ending_early(pattern: str) -> str:
    """A pattern that is found inside whatever `pattern` matches, but told once where that would be told at every end.

    A repeat at the end is made as short as it may be; what looks ahead behind it is nothing to a prefilter.
    """
    shorter, cut = _REPEAT_AT_THE_END.subn(r"{\1}\2", _LOOK_AHEAD.sub("", pattern))
    return shorter if cut else pattern


def compile_expressions(expressions: Sequence[Expression]) -> bytes:
    """Compile to a serialised database; a hit's id is the index in `expressions`. Seconds for many expressions."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[item.pattern.encode() for item in expressions],
        ids=list(range(len(expressions))),
        elements=len(expressions),
        flags=[item.flags for item in expressions],
    )
    return bytes(hyperscan.dumpb(database))


class Database:
    """A database made by `compile_expressions` on a machine of the same kind."""

    def __init__(self, serialised: bytes) -> None:
        self._database = hyperscan.loadb(serialised, hyperscan.HS_MODE_BLOCK)
        self._database.scratch = hyperscan.Scratch(self._database)
        self._lock = threading.Lock()

    def hits(self, text: str) -> dict[int, list[int]]:
        """Expression -> indices of the last character of its hits (code points, ascending, each once)."""
        if not text:
            return {}
        data = text.encode("utf-8", "replace")
        found: dict[int, list[int]] = {}
        with self._lock:
            self._database.scan(data, match_event_handler=_collector(found))
        if len(data) == len(text):
            return {item: sorted({end - 1 for end in ends}) for item, ends in found.items()}
        index = _character_index(data, {end for ends in found.values() for end in ends})
        return {item: sorted({index[end] for end in ends}) for item, ends in found.items()}


def _collector(found: dict[int, list[int]]) -> Callable[[int, int, int, int, object], None]:
    def on_match(item: int, _start: int, end: int, _flags: int, _context: object) -> None:
        if item in found:
            found[item].append(end)
        else:
            found[item] = [end]

    return on_match


def _character_index(data: bytes, ends: set[int]) -> dict[int, int]:
    """Byte offset behind a hit -> index of its last character.

    Counted by first bytes, because a prefilter's hit may end inside a character.
    """
    index: dict[int, int] = {}
    characters = before = 0
    for end in sorted(ends):
        characters += len(data[before:end].translate(None, _CONTINUATION))
        index[end] = characters - 1
        before = end
    return index
