"""The operator's own values: names, project words and account numbers, found without being known here.

Owns: how a value becomes words and digests, and finding them. Rules: only keyed digests of 8 bytes are held; letters
count without case, blanks and punctuation between words not at all; a value has at most `MOST_WORDS` words (a Chinese,
Japanese or Korean character is one) and at least `FEWEST_CHARACTERS` letters and digits. What is remembered between
texts are hashes of words under the process's own random key, never words.

Theory of operation. Per text its words are hashed by the interpreter (cached, some 20 ns each) and taken apart from
those known to begin no value; mostly nothing is left. An unknown word costs one keyed digest and a bisection; a word
that begins values is tried with as many words behind it as those values have.
"""

import hashlib
import re
import time
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import ClassVar

from appliance.inspect.detect.failure import OutOfTime, TooMany
from appliance.inspect.detect.settings import Dictionary
from appliance.inspect.looking import Looked, View
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind, Source

MOST_WORDS = 8
FEWEST_CHARACTERS = 4
LONGEST_VALUE = 400
_BYTES = 8
_WIDEST_GAP = 4  # characters between two words of one value
_REMEMBERED = 200_000
_MOST_FOUND = 10_000
_EVERY = 1024  # words between two looks at the clock
# Characters of scripts that are written without blanks stand for themselves.
_ALONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_ASCII_WORD = re.compile("[a-z0-9]+")
_WORD = re.compile(f"[{_ALONE}]|[^\\W_{_ALONE}]+")


def words(value: str) -> tuple[str, ...]:
    """The words of a value or a text, as they are compared."""
    return tuple(_WORD.findall(value.casefold()))


def problem(value: str) -> str:
    """Why a value cannot be looked for; empty when it can. The value itself is never told."""
    found = words(value)
    if len(value) > LONGEST_VALUE or len(found) > MOST_WORDS:
        return f"more than {MOST_WORDS} words or {LONGEST_VALUE} characters"
    if sum(map(len, found)) < FEWEST_CHARACTERS and not any(re.match(f"[{_ALONE}]", word) for word in found):
        return f"fewer than {FEWEST_CHARACTERS} letters and digits: it would be found everywhere"
    return ""


def made(name: str, entity: str, kind: DetectionKind, key: bytes, values: Iterable[str]) -> Dictionary:
    """A dictionary of values without a problem. `key`: 32 bytes."""
    digests: set[int] = set()
    firsts: dict[int, int] = {}
    for value in values:
        found = words(value)
        digests.add(_digest(key, " ".join(found)))
        first = _digest(key, found[0])
        firsts[first] = firsts.get(first, 0) | 1 << len(found) - 1
    ordered = sorted(firsts)
    return Dictionary(
        name=name,
        entity=entity,
        kind=kind,
        key=key,
        firsts=array("Q", ordered).tobytes(),
        counts=bytes(firsts[first] for first in ordered),
        values=array("Q", sorted(digests)).tobytes(),
    )


class Dictionaries:
    """All of them, as one detector of whole texts."""

    name: ClassVar[str] = "dictionaries"
    sources: ClassVar[frozenset[Source]] = frozenset()
    version: ClassVar[str] = "1"  # what stands in them is part of the settings

    def __init__(self, held: Sequence[Dictionary]) -> None:
        self.detector_class = "pii"
        self._held = [_Held(one) for one in held]

    def find(self, looked: Looked, deadline: float) -> Iterable[Detection]:
        """Values in every reading of the text. OutOfTime behind the deadline, or where far too many are found."""
        found: list[Detection] = []
        try:
            for one in self._all(looked, deadline):
                found.append(one)  # noqa: PERF402 - what was found before a failure is kept
        except OutOfTime as short:
            raise type(short)(str(short), tuple(found), (self.detector_class,)) from None
        return found

    def _all(self, looked: Looked, deadline: float) -> Iterator[Detection]:
        for view in looked.views if self._held else ():
            folded = view.text.casefold()
            spoken = (_ASCII_WORD if folded.isascii() else _WORD).findall(folded)
            hashes = set(map(hash, spoken))
            for held in self._held:
                if held.promising(spoken, hashes):
                    yield from _found(view, held, deadline)


def _found(view: View, held: "_Held", deadline: float) -> Iterator[Detection]:
    places, spoken = _placed(view.text)
    found = 0
    for at, word in enumerate(spoken):
        if at % _EVERY == 0 and time.monotonic() > deadline:
            raise OutOfTime("dictionaries ran out of time; the text counts as not scanned", (), ())
        for count in held.counts(word):
            last = at + count - 1
            if last < len(places) and _close(places[at : last + 1]) and held.holds(spoken[at : last + 1]):
                found += 1
                if found > _MOST_FOUND:
                    raise TooMany("dictionaries found too much; the text counts as not scanned", (), ())
                start, end = view.placed(places[at][0], places[last][1])
                yield Detection(start, end, held.entity, held.kind, 1.0, f"dictionary-{held.name}")


def _placed(text: str) -> tuple[list[tuple[int, int]], list[str]]:
    """Words and their places in the text; some characters become two when case is taken from them."""
    folded = text.casefold()
    places = [match.span() for match in _WORD.finditer(folded)]
    spoken = [folded[start:end] for start, end in places]
    if len(folded) != len(text):
        origin = [at for at, character in enumerate(text) for _ in character.casefold()]
        places = [(origin[start], origin[end - 1] + 1) for start, end in places]
    return places, spoken


def _close(places: Sequence[tuple[int, int]]) -> bool:
    return all(then[0] - now[1] <= _WIDEST_GAP for now, then in pairwise(places))


class _Held:
    """One dictionary and what is remembered of words: hashes of those that begin no value, and of those that do."""

    def __init__(self, dictionary: Dictionary) -> None:
        self.name, self.entity, self.kind = dictionary.name, dictionary.entity, dictionary.kind
        self._key = dictionary.key
        self._firsts = memoryview(dictionary.firsts).cast("Q")
        self._counts = dictionary.counts
        self._values = memoryview(dictionary.values).cast("Q")
        self._beginning: dict[int, Sequence[int]] = {}
        self._idle: set[int] = set()

    def promising(self, spoken: Sequence[str], hashes: set[int]) -> bool:
        """Whether some word begins a value."""
        unknown = hashes - self._idle
        if not unknown:
            return False
        unknown.difference_update(self._beginning)
        if unknown:
            self._learn({word for word in spoken if hash(word) in unknown})
        return not self._beginning.keys().isdisjoint(hashes)

    def _learn(self, unknown: Iterable[str]) -> None:
        if len(self._idle) > _REMEMBERED:
            self._idle = set()
        if len(self._beginning) > _REMEMBERED:
            self._beginning = {}
        for word in unknown:
            if counts := self._looked_up(word):
                self._beginning[hash(word)] = counts
            else:
                self._idle.add(hash(word))

    def counts(self, word: str) -> Sequence[int]:
        """How many words the values have that begin with this one; asked only after `promising` said yes."""
        return self._beginning.get(hash(word), ())

    def _looked_up(self, word: str) -> Sequence[int]:
        digest = _digest(self._key, word)
        at = bisect_left(self._firsts, digest)
        if at >= len(self._firsts) or self._firsts[at] != digest:
            return ()
        bits = self._counts[at]
        return tuple(count for count in range(MOST_WORDS, 0, -1) if bits >> count - 1 & 1)

    def holds(self, spoken: Sequence[str]) -> bool:
        """Whether the words together are a value."""
        digest = _digest(self._key, " ".join(spoken))
        at = bisect_left(self._values, digest)
        return at < len(self._values) and self._values[at] == digest


def _digest(key: bytes, text: str) -> int:
    told = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(told, digest_size=_BYTES, key=key).digest())
