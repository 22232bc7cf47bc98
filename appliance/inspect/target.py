"""A request target (path and query) inspected like a body: what a prompt in `?q=` or a file's name in a path carries.

Rules: read piece by piece and as it decodes, for an escape would hide text; parameters that hold the caller's own
credentials are the service's business and are left alone; in a piece with the shape of an identifier only what is sure
counts; an edit changes the bytes of what was found and nothing else, but that bytes beyond ASCII are written as
escapes; an ordinary target costs one search.
"""

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote, unquote_to_bytes

import msgspec

from appliance.inspect.escapes import form_escaped, form_offsets, form_text
from appliance.inspect.identifiers import is_identifier, telling
from appliance.inspect.overlap import cover
from appliance.inspect.redact import placeholder
from appliance.inspect.windows import Scanner, scan_whole
from appliance.model.detection import Detection

_PIECE = re.compile(r"[^/]+")
_FIELD = re.compile(r"([^&=]*+)(?:=([^&]*+))?+")
# An address, words, six digits close to each other, or a word as long as a short key.
_WORTH = re.compile(r"[@\s]|(?:\d[^\d/]{0,2}){6}|[^/\s]{16}")
_SHORTEST = 6
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


class Spot(msgspec.Struct, frozen=True):
    """A piece of a target in which something was found: characters `start` to `end`, and what they say."""

    start: int
    end: int
    text: str
    found: tuple[Detection, ...]


def inspect_target(detectors: Scanner, target: str, is_credential: Callable[[str], bool]) -> tuple[Spot, ...]:
    """What was found in each piece of `target`. `is_credential`: whether a parameter of the query holds a key."""
    spots: list[Spot] = []
    for start, end, text in _pieces(_escaped(target), is_credential):
        if len(text) < _SHORTEST or not _WORTH.search(text):
            continue
        found = scan_whole(detectors, text)
        found = telling(text, found) if found and is_identifier(text) else found
        if found:
            spots.append(Spot(start, end, text, found))
    return tuple(spots)


def target_without(target: str, spots: tuple[Spot, ...], chosen: Callable[[Detection], bool]) -> tuple[str, int]:
    """`target` with the chosen findings replaced, and how many there were; unchanged where there are none."""
    escaped = _escaped(target)
    edits = [edit for spot in spots for edit in _edits(escaped[spot.start : spot.end], spot, chosen)]
    if not edits:
        return target, 0
    for start, end, instead in reversed(edits):
        escaped = escaped[:start] + instead + escaped[end:]
    return escaped, len(edits)


def _pieces(target: str, is_credential: Callable[[str], bool]) -> Iterator[tuple[int, int, str]]:
    """Where each piece stands and what it says: `+` is a blank in a query and nowhere else."""
    path, question, query = target.partition("?")
    for piece in _PIECE.finditer(path):
        yield *piece.span(), unquote_to_bytes(piece[0]).decode("utf-8", "surrogateescape")
    offset = len(path) + len(question)
    for field in _FIELD.finditer(query):
        name = form_text(field[1])
        if name:
            yield field.start(1) + offset, field.end(1) + offset, name
        if field[2] and not is_credential(name.strip().lower()):
            yield field.start(2) + offset, field.end(2) + offset, form_text(field[2])


def _escaped(target: str) -> str:
    """`target` in ASCII, so that characters and bytes are the same."""
    return target if target.isascii() else quote(target, safe=_PRINTABLE, errors="surrogateescape")


def _edits(raw: str, spot: Spot, chosen: Callable[[Detection], bool]) -> list[tuple[int, int, str]]:
    found = cover(filter(chosen, spot.found))
    places = form_offsets(raw, [place for one in found for place in (one.start, one.end)])
    return [
        (spot.start + places[2 * n], spot.start + places[2 * n + 1], form_escaped(placeholder(one)))
        for n, one in enumerate(found)
    ]
