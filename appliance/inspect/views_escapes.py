r"""Writing that whoever receives a text undoes without being asked: `\u0040`, `&#64;`, `%40`, `=40`.

Owns: what each escape stands for, and where. JSON, JavaScript and HTML stand in whole texts and are undone as such
(`unescaped`); links, mails and RTF in words, which are undone alone (`words`).

Rules: pure; doubled escapes are one; what is no valid escape stays; sixteen backslashes are enough for anybody; words
reach 256 characters to either side of an escape; linear in the text.
"""

import re
from collections.abc import Iterator
from html.entities import html5

from appliance.inspect.views_places import Edit, Edits, Piece, rewritten

MAX_WORDS = 10_000
"""Words with escapes that are undone in one text."""
REACH = 256
"""Characters on either side of an escape that belong to its word."""
_EDGES = frozenset(" \t\r\n\"'`<>(){}[],;|?&")
_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "/": "/"}
# Groups: two halves of one character; a code of four, eight or two digits; a code in braces; a single letter;
# HTML in hexadecimal, in decimal, by name.
_WHOLE = (
    r"\\{1,16}+(?:u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\{1,16}+u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(?:u(?P<four>[0-9a-fA-F]{4})|U(?P<eight>[0-9a-fA-F]{8})|x(?P<two>[0-9a-fA-F]{2})"
    r"|u\{(?P<braced>[0-9a-fA-F]{1,6})\})|(?P<simple>SIMPLE))"
    r"|&(?:amp;){0,4}+(?:#[xX]0{0,4}+(?P<hex>[0-9a-fA-F]{1,6});|#0{0,4}+(?P<decimal>[0-9]{1,7});"
    r"|(?P<name>[A-Za-z][A-Za-z0-9]{1,30};))"
)
# `\text` and `\nabla` are letters of formulas, and `C:\new` a folder: only what shows that it is JSON or a program has
# line ends before small letters.
_CAREFUL = re.compile(_WHOLE.replace("SIMPLE", r'[nrt](?![a-z])|["/]'))
_FREE = re.compile(_WHOLE.replace("SIMPLE", '[nrt"/]'))
_PROGRAM = re.compile(r'\\(?:["u]|[nr](?:\\[nrt]|[^a-z]))')
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2})++")
_CODED = re.compile(
    r"(?P<link>(?:%[0-9a-fA-F]{2})++)|=(?P<mail>40|5F|2E|2D|3D)|(?P<soft>=\r?\n)(?=\S)|\\'(?P<rtf>[2-7][0-9a-fA-F])"
)
_BEGINNINGS = ("%", "\\'", "=40", "=5F", "=2E", "=2D", "=3D", "=\n", "=\r\n")
_SURROGATES = range(0xD800, 0xE000)
_LAST = 0x10FFFF


def unescaped(text: str) -> tuple[str, Edits] | None:
    """The whole text with JSON, JavaScript and HTML undone, and its places; None: there is nothing to undo."""
    if "\\" not in text and "&" not in text:
        return None
    shape = _FREE if _PROGRAM.search(text) else _CAREFUL
    edits = [(*found.span(), new) for found in shape.finditer(text) if (new := _meaning(found)) is not None]
    return rewritten(text, edits) if edits else None


def _meaning(found: re.Match[str]) -> str | None:
    kind = found.lastgroup or ""
    told = found[kind]
    if kind == "simple":
        return _SIMPLE[told]
    if kind == "name":
        return html5.get(told)
    if kind == "low":
        return chr(0x10000 + ((int(found["high"], 16) - 0xD800) << 10) + int(told, 16) - 0xDC00)
    code = int(told, 10 if kind == "decimal" else 16)
    if code > _LAST or (code in _SURROGATES and kind != "four"):
        return None
    return chr(code)


def words(text: str) -> list[Piece]:
    """Each word that holds escapes of links, mails or RTF, undone."""
    if "%" not in text and "=" not in text and "\\'" not in text:
        return []
    if not any(mark in text for mark in _BEGINNINGS):
        return []
    pieces: list[Piece] = []
    for start, end, edits in _words(text):
        undone, places = rewritten(text, edits, start, end)
        pieces.append(Piece(undone, places.place))
        if len(pieces) == MAX_WORDS:
            break
    return pieces


def _words(text: str) -> Iterator[tuple[int, int, list[Edit]]]:
    """Words with escapes that count, and those."""
    word: list[Edit] = []
    start = end = 0
    for found in _CODED.finditer(text):
        edits = _edits(found)
        if not edits:
            continue
        if word and not _is_near(text, word[-1][1], found.start()):
            end = _right(text, word[-1][1])
            yield start, end, word
            word = []
        if not word:
            start = _left(text, found.start(), end)
        word += edits
    if word:
        yield start, _right(text, word[-1][1]), word


def _edits(found: re.Match[str]) -> list[Edit]:
    if found.lastgroup == "soft":
        return [(found.start(), found.end(), "")]
    if found.lastgroup != "link":
        return [(found.start(), found.end(), chr(int(found[found.lastgroup or 0], 16)))]
    edits: list[Edit] = []
    at = found.start()
    for letter in bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "surrogateescape"):
        size = 3 if ord(letter) in _SURROGATES else 3 * len(letter.encode())
        edits.append((at, at + size, letter))
        at += size
    return edits


def _is_near(text: str, end: int, start: int) -> bool:
    """Whether an escape belongs to the word of the one before it."""
    return start - end <= REACH and _EDGES.isdisjoint(text[end:start])


def _left(text: str, at: int, least: int) -> int:
    least = max(least, at - REACH)
    while at > least and text[at - 1] not in _EDGES:
        at -= 1
    return at


def _right(text: str, at: int) -> int:
    most = min(len(text), at + REACH)
    while at < most and text[at] not in _EDGES:
        at += 1
    return at
