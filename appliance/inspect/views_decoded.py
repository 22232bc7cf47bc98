"""Text inside a text: base64 and hexadecimal, and what tags and variation selectors carry unseen.

Rules: pure; only what decodes to text counts, which chance does not do; what is found is placed at the whole of the
code, for no part of it can be replaced; runs over several lines are one. Sources: RFC 4648; RFC 2045 section 6.8;
Unicode Technical Standard 51 (tag sequences); variation selectors as bytes as in Paul Butler's "Smuggling arbitrary
data through an emoji" (2025).
"""

import base64
import binascii
import re
from collections.abc import Iterator

from appliance.inspect.plaintext import is_text
from appliance.inspect.views_forms import Forms
from appliance.inspect.views_places import Piece, picked, whole

SHORTEST = 18
"""Characters of base64 that are worth decoding: an address or a card."""
HIDDEN = 8
"""Characters of hidden writing that are no accident: a finding by themselves."""
MAX_PIECES = 10_000
_RUN = re.compile(
    rf"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{{{SHORTEST},}}+={{0,2}}(?:\r?\n[A-Za-z0-9+/_-]++={{0,2}}(?=\s|\Z))*+"
)
_LONG = re.compile(b"w" * SHORTEST + b"w*+")
_STANDARD = str.maketrans("-_", "+/", "\r\n=")
_BEGINNING = 256
_HEX = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2}){12,})\Z")
_BYTES = re.compile(
    r"(?<![0-9A-Za-z])(?:0x|\\x)?[0-9a-fA-F]{2}(?:[ ,:-]{1,2}(?:0x)?[0-9a-fA-F]{2}){11,}+(?![0-9A-Za-z])"
)
_NOT_HEX = re.compile(r"0x|[^0-9a-fA-F]")
_TAGS = re.compile("[\U000e0020-\U000e007e]")
_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_SELECTED = re.compile("([^\x00-\x7f\ufe00-\ufe0f\U000e0100-\U000e01ef]|[0-9#*])[\ufe00-\ufe0f\U000e0100-\U000e01ef]")

_LAST_OF_FIRST = 0xFE0F  # the first sixteen selectors; the others stand in a block of their own
_TURNED = re.compile("\u202e([^\u202a-\u202e\u2066-\u2069\n]{2,})")


def base64_texts(forms: Forms) -> list[Piece]:
    """What base64 and unbroken hexadecimal hold."""
    pieces: list[Piece] = []
    end = 0
    for long in _LONG.finditer(forms.code):
        run = _run(forms.text, long.start()) if long.start() >= end else None
        inside = _decoded(run[0]) if run else None
        if run and inside is not None:
            end = run.end()
            pieces.append(whole(inside, *run.span()))
            if len(pieces) == MAX_PIECES:
                break
    return pieces


def _run(text: str, start: int) -> re.Match[str] | None:
    """The letters that begin at `start`, line ends between them included; None: their beginning is no text.

    So of many lines of bytes (digests, pictures) not each is decoded with all that follow it.
    """
    first = _RUN.match(text, start, start + _BEGINNING)
    if first is None or (first.end() == start + _BEGINNING and not _may_be_text(first[0])):
        return None
    return _RUN.match(text, start)


def _may_be_text(beginning: str) -> bool:
    """Whether a run that begins so may hold text. A last line behind others may be none of the run."""
    is_one_line = "\n" not in beginning
    kept = beginning[: beginning.rfind("\n") + 1 or None].translate(_STANDARD).rstrip("=")
    if "=" in kept:
        return False  # bytes end there, and the run does not
    if is_one_line and _HEX.match(kept[: len(kept) // 2 * 2]):
        return True
    data = base64.b64decode(kept[: len(kept) // 4 * 4])
    wide = data[: len(data) // 2 * 2]
    if wide[1::2].count(0) == len(wide) // 2:
        data = wide[::2]
    return any(is_text(data[: len(data) - cut]) for cut in range(4))  # a letter may be cut


def _decoded(run: str) -> str | None:
    if digits := _HEX.match(run):
        return _as_text(bytes.fromhex(digits[1]))
    kept = run.translate(_STANDARD)
    if len(kept) % 4 == 1:
        return None
    try:
        return _as_text(base64.b64decode(kept + "=" * (-len(kept) % 4), validate=True))
    except binascii.Error:
        return None


def _as_text(data: bytes) -> str | None:
    if len(data) % 2 == 0 and data[1::2].count(0) == len(data) // 2:  # as PowerShell's encoded commands
        data = data[::2]
    return data.decode() if is_text(data) else None


def hex_texts(text: str) -> list[Piece]:
    """What bytes written one by one say."""
    pieces: list[Piece] = []
    for run in _BYTES.finditer(text):
        inside = _as_text(bytes.fromhex(_NOT_HEX.sub("", run[0])))
        if inside is not None:
            pieces.append(whole(inside, *run.span()))
            if len(pieces) == MAX_PIECES:
                break
    return pieces


def tagged(text: str) -> Piece | None:
    """What tag characters say, flags left out; None: fewer than `HIDDEN`."""
    flags = {at for flag in _FLAG.finditer(text) for at in range(*flag.span())} if "\U000e007f" in text else set()
    places = [one.start() for one in _TAGS.finditer(text) if one.start() not in flags]
    if len(places) < HIDDEN:
        return None
    return Piece("".join([chr(ord(text[at]) - 0xE0000) for at in places]), picked(text, places).place)


def selected(text: str) -> Piece | None:
    """What variation selectors say as bytes; one behind a picture, a sign or a digit selects and says nothing."""
    meant = {one.end() - 1 for one in _SELECTED.finditer(text)}
    places = [one.start() for one in _SELECTORS.finditer(text) if one.start() not in meant]
    if len(places) < HIDDEN:
        return None
    data = bytes(_selector(ord(text[at])) for at in places)
    if data.isascii():
        return Piece(data.decode("ascii"), picked(text, places).place)
    return whole(data.decode("utf-8", "replace"), places[0], places[-1] + 1)


def _selector(code: int) -> int:
    return code - 0xFE00 if code <= _LAST_OF_FIRST else code - 0xE0100 + 16


def backwards(text: str) -> Iterator[Piece]:
    """What a sign that turns the direction of writing shows the other way round, up to the sign that ends it."""
    for run in _TURNED.finditer(text):
        yield picked(text, range(run.end(1) - 1, run.start(1) - 1, -1))
