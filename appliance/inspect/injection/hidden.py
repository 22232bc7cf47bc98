"""Characters that people do not see, or read as others: what hides a message from them and not from a model.

Theory: every one of these characters has a use (flags and families among emoji, joiners in Persian and Indic scripts,
directions in Hebrew and Arabic, glyph variants in Chinese, names broken for layout, icons), so none is a finding by
being there. What no use explains is: tags outside a flag, several variation selectors on one character or one on a
letter, runs of different zero-width characters, words taken apart letter by letter, a forced direction where nothing is
written from the right, words of two scripts that look like one, and text that a terminal is told to conceal.

Rules: pure; looks at the letters as they stand, of every source; linear, `MAX_FOUND` findings of each kind.
Sources: Unicode UTS #51 (emoji tag and ZWJ sequences), UTS #39 (confusables), "Trojan Source" (CVE-2021-42574),
ECMA-48 (control sequences).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from appliance.inspect.looking import Looked
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind, Source

NAME = "hidden-text"
MAX_FOUND = 32
MAX_FLAGS = 8
"""Flags of regions beside the three that everybody draws; each can carry six letters."""

_TAG = "\U000e0020-\U000e007e"
_TAG_END = "\U000e007f"
_SELECTOR = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_ZERO = "\u180e\u200b-\u200d\u2060-\u2064\ufeff"
_RIGHT_TO_LEFT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
_SUSPECT = re.compile(
    f"[\u00ad{_TAG}{_TAG_END}{_SELECTOR}{_ZERO}\U000e0001\u202b\u202e\u2067\ue000-\uf8ff\U000f0000-\U0010fffd]"
)
_TAGS = re.compile(f"(\U0001f3f4)?([\U000e0001{_TAG}]+{_TAG_END}*|{_TAG_END}+)")
_DRAWN = frozenset({"gbeng", "gbsct", "gbwls"})
_REGION = re.compile(r"[a-z]{2}[a-z0-9]{1,4}")
_SELECTORS = re.compile(f"[{_SELECTOR}]{{4,}}|(?:[A-Za-z ,.;:][{_SELECTOR}]){{3,}}")
_RUNS = re.compile(f"[{_ZERO}]{{8,}}")
_TAKEN_APART = re.compile(f"[A-Za-z](?:[{_ZERO}\u00ad]{{1,4}}[A-Za-z]){{4,}}(?![A-Za-z])")
_FORCED = re.compile("[\u202b\u202e\u2067][^\n\u202c\u2069]{3,}")
_LETTERS = re.compile("[A-Za-z]{3}")
_PRIVATE = re.compile("[\ue000-\uefff\uf100-\uf8ff\U000f0000-\U0010fffd]{12,}")
_CONCEALED = re.compile(
    r"\x1b\[(?:[0-9;]{0,16};)?8m[^\x1b]{4,}"  # text told to be invisible
    r"|\x1b\]52;[^\x07\x1b]{0,64}"  # the clipboard of whoever looks
    r"|\x08{8,}"  # what was written is overwritten
)
# Letters that look like Latin ones (UTS #39), without the Greek that science writes into words.
_LOOK_ALIKE = (
    "\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u0261"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0405\u0406\u0408"
    "\u03bf\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
)
_ALIKE = re.compile(f"[{_LOOK_ALIKE}]")
_MIXED = re.compile(
    f"(?<!\\w)(?=[{_LOOK_ALIKE}]{{0,40}}[A-Za-z])(?=[A-Za-z]{{0,40}}[{_LOOK_ALIKE}])[A-Za-z{_LOOK_ALIKE}]{{3,40}}(?!\\w)"
)
_OTHER_SCRIPT = re.compile("(?<![A-Za-z])[\u0370-\u03ff\u0400-\u052f]{2,}(?![A-Za-z])")


class Found(NamedTuple):
    """A place where something is hidden. `entity`: how; `score` 0-1."""

    start: int
    end: int
    entity: str
    score: float


class HiddenText:
    """The detector of hidden text, for every source."""

    name = NAME
    detector_class = "hidden_text"
    version = "1"
    sources: frozenset[Source] = frozenset()

    def find(self, looked: Looked, deadline: float) -> Iterator[Detection]:
        """Every place of the text where characters hide something."""
        del deadline  # linear, and fast
        told = list(hidden(looked.text))
        if max(Counter(one.entity for one in told).values(), default=0) >= MAX_FOUND:
            looked.left(self.detector_class)
        for one in told:
            yield Detection(one.start, one.end, one.entity, DetectionKind.HIDDEN_TEXT, one.score, NAME)


def hidden(text: str) -> Iterator[Found]:
    """What is hidden in a text."""
    if "\x1b" in text or "\x08" in text:
        yield from _each(text, _CONCEALED, "CONCEALED_TEXT", 0.8)
    if text.isascii():
        return
    if _SUSPECT.search(text):
        for look in _LOOKS:
            yield from islice(look(text), MAX_FOUND)
    if _ALIKE.search(text):
        yield from _mixed(text)


def _each(text: str, shape: re.Pattern[str], entity: str, score: float) -> Iterator[Found]:
    for found in islice(shape.finditer(text), MAX_FOUND):
        yield Found(*found.span(), entity, score)


def _tags(text: str) -> Iterator[Found]:
    flags = 0
    for found in _TAGS.finditer(text):
        told = "".join(chr(ord(tag) - 0xE0000) for tag in found[2].rstrip(_TAG_END))
        if found[1] and found[2].endswith(_TAG_END) and _REGION.fullmatch(told):
            flags += told not in _DRAWN
            if told in _DRAWN or flags <= MAX_FLAGS:
                continue
        yield Found(found.start(2), found.end(2), "HIDDEN_TAGS", 0.95 if len(told) > 2 else 0.6)  # noqa: PLR2004


def _selectors(text: str) -> Iterator[Found]:
    for found in _SELECTORS.finditer(text):
        if len(set(found[0])) > 1:  # one that was doubled again and again says nothing
            yield Found(*found.span(), "HIDDEN_SELECTORS", 0.95)


def _zero_width(text: str) -> Iterator[Found]:
    for found in _RUNS.finditer(text):
        if len(set(found[0])) > 1:  # spacers are of one kind
            yield Found(*found.span(), "ZERO_WIDTH_TEXT", 0.95)
    for found in _TAKEN_APART.finditer(text):
        yield Found(*found.span(), "ZERO_WIDTH_TEXT", 0.85)


_WRITTEN_FROM_RIGHT = re.compile(f"[{_RIGHT_TO_LEFT}]")


def _forced(text: str) -> Iterator[Found]:
    for found in _FORCED.finditer(text):
        if _LETTERS.search(found[0]) and not _WRITTEN_FROM_RIGHT.search(text, *_line(text, found.start())):
            yield Found(*found.span(), "FORCED_DIRECTION", 0.9 if found[0][0] == "\u202e" else 0.7)


def _line(text: str, at: int) -> tuple[int, int]:
    start, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
    return start, end if end >= 0 else len(text)


def _private(text: str) -> Iterator[Found]:
    for found in _PRIVATE.finditer(text):
        if len(set(found[0])) > 5:  # noqa: PLR2004 - rules and bars repeat one icon
            yield Found(*found.span(), "PRIVATE_USE_TEXT", 0.6)


def _mixed(text: str) -> Iterator[Found]:
    """Words of Latin letters and look-alikes, where no other script is written beside them."""
    places = [found.span() for found in islice(_MIXED.finditer(text), MAX_FOUND)]
    if places and sum(1 for _ in islice(_OTHER_SCRIPT.finditer(text), len(places))) < len(places):
        score = 0.6 if len(places) == 1 else 0.85
        yield from (Found(start, end, "LOOK_ALIKE_WORD", score) for start, end in places)


_LOOKS: tuple[Callable[[str], Iterator[Found]], ...] = (_tags, _selectors, _zero_width, _forced, _private)
