r"""What a text says a second time, below its letters: `%40`, `\u0040`, `&#64;` and base64 inside a longer text.

Theory: whoever receives a link, a script, a page or a mail undoes such writing without being asked, so a detector that
reads the letters alone misses what they say. Words that hold an escape are undone and scanned together; base64 that
decodes to text is scanned as that text. What is found is placed where it stands in the letters: of an escape its own
place, of base64 the whole of it, for no part of it can be replaced.

Rules: pure; only escapes of ASCII letters, digits and the marks that keys and addresses are made of count, since others
hide nothing; only keys and what is sure count; bounded in words and in depth; a text without such writing costs two
searches.
"""

import base64
import binascii
import re
from collections.abc import Iterator

from msgspec.structs import replace

from appliance.inspect.identifiers import telling
from appliance.inspect.plaintext import is_text
from appliance.inspect.windows import Scanner, scan_whole
from appliance.model.detection import Detection

MAX_WORDS = 10_000
"""Words with escapes, and pieces of base64, that are undone in one text."""
MAX_DEPTH = 3
"""Base64 inside base64."""
REACH = 256
"""Characters on either side of an escape that belong to its word."""
_SHORTEST = 24  # characters of base64
_MARKS = frozenset("@._+-:/=")
_EDGES = frozenset(" \t\r\n\"'`<>(){}[],;|?&")
_NAMED = {
    "commat": "@",
    "period": ".",
    "lowbar": "_",
    "hyphen": "-",
    "colon": ":",
    "sol": "/",
    "equals": "=",
    "plus": "+",
}
# JSON, JavaScript, RTF; links; HTML and XML; mail. One group for each: the code in hexadecimal, but 4 and 5.
_ESCAPE = re.compile(
    r"\\{1,16}+(?:u00|x|')([2-7][0-9a-fA-F])|%([2-7][0-9a-fA-F])|&#[xX]0{0,4}([2-7][0-9a-fA-F]);"
    rf"|&#0{{0,4}}([0-9]{{2,3}});|&({'|'.join(_NAMED)});|=(40|5F|2E)"
)
_DECIMAL, _NAME = 4, 5
_BEGINNINGS = ("%", "\\", "&", "=40", "=5F", "=2E")
_RUN_ALONE = re.compile(rf"[A-Za-z0-9+/_-]{{{_SHORTEST}}}")
_RUN = re.compile(
    rf"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{{{_SHORTEST},}}+={{0,2}}(?:\r?\n[A-Za-z0-9+/_-]++={{0,2}}(?=\s|\Z))*+"
)
_STANDARD = str.maketrans("-_", "+/", "\r\n=")


def scan_revealing(detectors: Scanner, text: str, depth: int = MAX_DEPTH) -> tuple[Detection, ...]:
    """What is found in what `text` says a second time, by its place in `text`."""
    found: list[Detection] = []
    if any(mark in text for mark in _BEGINNINGS):
        found += _of_escapes(detectors, text)
    if depth and len(text) >= _SHORTEST and _holds_run(text):
        found += _of_base64(detectors, text, depth)
    return tuple(found)


def _of_escapes(detectors: Scanner, text: str) -> Iterator[Detection]:
    letters: list[str] = []
    places: list[int] = []  # of each letter; one behind the last of each word, where a line end stands
    for start, end, escapes in _words(text):
        at = start
        for escape, letter in escapes:
            letters += (text[at : escape.start()], letter)
            places += (*range(at, escape.start()), escape.start())
            at = escape.end()
        letters += (text[at:end], "\n")
        places += range(at, end + 1)
    if not places:
        return
    undone = "".join(letters)
    for one in telling(undone, scan_whole(detectors, undone)):
        if "\n" not in undone[one.start : one.end]:
            yield replace(one, start=places[one.start], end=places[one.end])  # it ends where the next letter begins


def _words(text: str) -> Iterator[tuple[int, int, list[tuple[re.Match[str], str]]]]:
    """Words with escapes that count, and those."""
    word: list[tuple[re.Match[str], str]] = []
    start = end = count = 0
    for escape in _ESCAPE.finditer(text):
        letter = _letter(escape)
        if not letter:
            continue
        if word and not _is_near(text, word[-1][0].end(), escape.start()):
            end = _right(text, word[-1][0].end())
            yield start, end, word
            word = []
        if not word:
            count += 1
            if count > MAX_WORDS:
                return
            start = _left(text, escape.start(), end)
        word.append((escape, letter))
    if word:
        yield start, _right(text, word[-1][0].end()), word


def _is_near(text: str, end: int, start: int) -> bool:
    """Whether an escape belongs to the word of the one before it."""
    return start - end <= REACH and _EDGES.isdisjoint(text[end:start])


def _letter(escape: re.Match[str]) -> str:
    """What an escape stands for; empty where it does not count."""
    kind = escape.lastindex or 0
    told = escape[kind]
    letter = _NAMED[told] if kind == _NAME else chr(int(told, 10 if kind == _DECIMAL else 16))
    return letter if letter.isascii() and (letter.isalnum() or letter in _MARKS) else ""


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


def _holds_run(text: str) -> bool:
    """Whether there may be base64 in it: most texts have few words that are as long."""
    words = text.split()
    if max(map(len, words), default=0) < _SHORTEST:
        return False
    return any(len(word) >= _SHORTEST and _RUN_ALONE.search(word) for word in words)


def _of_base64(detectors: Scanner, text: str, depth: int) -> Iterator[Detection]:
    for count, run in enumerate(_RUN.finditer(text)):
        if count >= MAX_WORDS:
            return
        inside = _decoded(run[0])
        if inside is None:
            continue
        found = (*scan_whole(detectors, inside), *scan_revealing(detectors, inside, depth - 1))
        for one in telling(inside, found):
            yield replace(one, start=run.start(), end=run.end())


def _decoded(run: str) -> str | None:
    """The text that base64 holds; None: none."""
    kept = run.translate(_STANDARD)
    if len(kept) % 4 == 1:
        return None
    try:
        data = base64.b64decode(kept + "=" * (-len(kept) % 4), validate=True)
    except binascii.Error:
        return None
    return data.decode() if is_text(data) else None
