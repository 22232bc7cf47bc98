"""Phrases as data: words in classes, rules as sequences of classes, matched on one symbol for each word of a text.

Theory: a text is cut into words; a word that some rule names becomes one character for the set of classes it stands in,
any other word a dot, the end of a sentence a bar. A rule is then a short regular expression over a string that is five
times shorter than the text, tried only where its first class occurs. A scrambled or thinned keyword (same first and
last letter, same letters between, or one of them lost) stands for the keyword.

Rules: pure; no repeat in a rule is unbounded, so cost is linear in the text; a phrase never crosses the end of a
sentence unless its rule says so; data that cannot be read is a `ValueError` that names the rule.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import NamedTuple

OTHER, END = ".", "|"
MAX_GAP = 12
FUZZY_FROM = 6
"""Letters of a word from which it is known in scrambled form."""
THINNED_FROM = 8
"""Letters of a word from which it is known with one letter lost."""
_FIRST_SYMBOL = 0x4E00  # any block of letters without a meaning in a regular expression
_STOP = "\x1e"  # stands for the end of a sentence; blank to str.split and to \s alike
_WORD_MARKS = "_'.\n"
_ASCII = "".join(chr(code) if chr(code).isalnum() or chr(code) in _WORD_MARKS else " " for code in range(128))
_ASCII = _ASCII[:33] + "." + _ASCII[34:63] + "." + _ASCII[64:]  # ! and ? end sentences as well
_MARK = re.compile(r"[^\w.'\n\u3002\uff01\uff1f!?]")
_PLACED = re.compile(rf"\S+|{_STOP}")
_ELEMENT = re.compile(
    r"(?P<gap>\.\.(?P<most>[0-9]+))|(?P<any>\.)|(?P<start>\^)|(?P<end>\$)|(?P<names>[^?]+)(?P<may>\?)?"
)
_SENTENCE_END = rf"(?=\{END}|\Z)"


class Words(NamedTuple):
    """A text as a string of symbols, one for each word or end of a sentence. `plain`: as long as the text."""

    symbols: str
    plain: str

    def places(self) -> list[tuple[int, int]]:
        """Where each symbol stands in the text."""
        return [found.span() for found in _PLACED.finditer(self.plain)]


def plain(text: str) -> str:
    """Words in lower case between blanks, ends of sentences as `_STOP`: every character stays in its place."""
    lowered = text.lower()
    if len(lowered) != len(text):  # only İ grows
        lowered = text.replace("İ", "i").lower()
    if lowered.isascii():
        lowered = lowered.translate(_ASCII)
    else:
        lowered = _MARK.sub(" ", lowered.replace("\u2019", "'"))
        for mark in "\u3002\uff01\uff1f!?":
            lowered = lowered.replace(mark, ".")
    if "'" in lowered:
        lowered = lowered.replace(" '", "  ").replace("' ", "  ")
    for stop in (". ", ".\n", "\n\n"):
        lowered = lowered.replace(stop, _STOP + " ")
    return lowered.replace(".", " ")


class Phrases:
    """Compiled sequences.

    `classes`: name -> words in lower case; `sequences`: what `match` tells by its index; `scrambled`: words of some
    class that are known with their inner letters in disorder; `further`: for `goes_on`.
    ValueError: a sequence that cannot be read.
    """

    def __init__(
        self,
        classes: Mapping[str, Iterable[str]],
        sequences: Sequence[str],
        scrambled: Iterable[str] = (),
        further: Sequence[str] = (),
    ) -> None:
        members = {name: frozenset(words) for name, words in classes.items()}
        for sequence in (*sequences, *further):
            for name in _names(sequence):
                if name.startswith("="):
                    members[name] = frozenset({name[1:]})
                elif name not in members:
                    raise ValueError(f"{sequence!r}: there is no class {name!r}")
        self._symbols, self._of_class = _symbols_of(members)
        self._symbols[END] = END
        keywords = {word: self._symbols[word] for word in scrambled}
        self._table = {**_thinned(keywords), **_scrambled(keywords)}
        self._full = frozenset(_scrambled(keywords))
        self._longer = frozenset((key[:2], len(key) + 1) for key in self._full if len(key) >= THINNED_FROM)
        self._shapes = {(key[:2], len(key)) for key in self._table} | self._longer
        self._ends = frozenset(key[:2] for key in self._table)
        starts: dict[str, list[tuple[int, str]]] = {}
        for index, sequence in enumerate(sequences):
            written, first = self._written(sequence)
            for symbol in first:
                starts.setdefault(symbol, []).append((index, written))
        self._any = {at: re.compile("|".join(one for _, one in some)) for at, some in starts.items()}
        self._each = starts  # compiled when first needed: most never are
        self._compiled: dict[str, re.Pattern[str]] = {}
        self._begins = re.compile(f"[{''.join(starts)}]" if starts else "(?!)")

    def read(self, text: str) -> Words:
        """Words of a text as symbols."""
        cleaned = plain(text)
        words = cleaned.replace(_STOP, f" {END} ").split()  # no word holds the mark
        find: Mapping[str, str] = self._symbols
        strange = set(words).difference(find)
        odd = [word for word in strange if len(word) >= FUZZY_FROM and word[0] + word[-1] in self._ends]
        if odd and (scrambled := self._known_scrambled(odd)):
            find = {**find, **scrambled}
        return Words("".join(map(find.get, words, repeat(OTHER))), cleaned)

    def knows(self, words: Iterable[str]) -> bool:
        """Whether any of `words` (lower case) is of a class, scrambled or not."""
        met = [*words]
        odd = [word for word in met if len(word) >= FUZZY_FROM]
        return any(word in self._symbols for word in met) or bool(self._known_scrambled(odd))

    def match(self, words: Words) -> Iterator[tuple[int, int, int]]:
        """Index of a sequence, its first symbol and the one behind its last, in the order of the text."""
        symbols = words.symbols
        for begin in self._begins.finditer(symbols):
            at = begin.start()
            if self._any[symbols[at]].match(symbols, at):
                for index, written in self._each[symbols[at]]:
                    if found := self._pattern(written).match(symbols, at):
                        yield index, at, found.end()

    def precedes(self, name: str, words: Words, at: int, most: int) -> bool:
        """Whether a word of class `name` stands among the `most` words of the same sentence before symbol `at`."""
        before = words.symbols[max(0, at - most) : at].rpartition(END)[2]
        return any(symbol in self._of_class[name] for symbol in before)

    def goes_on(self, sequences: Iterable[str], words: Words, behind: int, most: int) -> bool:
        """Whether the sentence goes on with one of `sequences` at symbol `behind`, or up to `most` words later.

        `sequences`: of the `further` ones.
        """
        rest = words.symbols[behind:].partition(END)[0]
        shapes = [self._pattern(self._written(one)[0]) for one in sequences]
        return any(shape.match(rest, at) for at in range(min(most, len(rest)) + 1) for shape in shapes)

    def _pattern(self, written: str) -> re.Pattern[str]:
        compiled = self._compiled.get(written)
        if compiled is None:
            compiled = self._compiled[written] = re.compile(written)
        return compiled

    def _known_scrambled(self, met: Iterable[str]) -> dict[str, str]:
        """Those of words with a keyword's ends that are a keyword with its inner letters in disorder."""
        near = [word for word in met if (word[0] + word[-1], len(word)) in self._shapes and word not in self._symbols]
        keys = {word: word[0] + word[-1] + "".join(sorted(word[1:-1])) for word in near}
        found = {word: self._table[key] for word, key in keys.items() if key in self._table}
        for word, key in keys.items():
            if word not in found and (key[:2], len(key)) in self._longer:  # a letter too many
                shorter = (key[:at] + key[at + 1 :] for at in range(2, len(key)))
                if kept := next((each for each in shorter if each in self._full), None):
                    found[word] = self._table[kept]
        return found

    def _written(self, sequence: str) -> tuple[str, str]:
        """As a regular expression over symbols, and the symbols that it may begin with."""
        parts: list[str] = []
        starts = ""
        for element in sequence.split():
            read = _ELEMENT.fullmatch(element)
            if read is None:
                raise ValueError(f"{sequence!r}: {element!r} is no element")
            part, symbols = self._part(sequence, read)
            if symbols and not starts:
                if read["may"] or any(map(_takes, parts)):
                    raise ValueError(f"{sequence!r}: must begin with a word")
                starts = symbols
            parts.append(part)
        return "".join(parts), starts

    def _part(self, sequence: str, read: re.Match[str]) -> tuple[str, str]:
        if read["gap"]:
            if not 0 < int(read["most"]) <= MAX_GAP:
                raise ValueError(f"{sequence!r}: a gap is of 1 to {MAX_GAP} words")
            return f"[^{END}]{{0,{read['most']}}}?", ""
        if read["any"]:
            return f"[^{END}]", ""
        if read["start"]:
            return rf"(?<![^{END}])", ""
        if read["end"]:
            return _SENTENCE_END, ""
        names = read["names"].split("|")
        symbols = "".join(sorted({symbol for name in names if name != "$" for symbol in self._of_class[name]}))
        if "$" in names:
            return f"(?:[{symbols}]|{_SENTENCE_END})", symbols
        return f"[{symbols}]{'?' if read['may'] else ''}", symbols


def _takes(part: str) -> bool:
    return not part.startswith("(?")


def _names(sequence: str) -> Iterator[str]:
    for element in sequence.split():
        read = _ELEMENT.fullmatch(element)
        if read and read["names"]:
            yield from (name for name in read["names"].split("|") if name != "$")


def _symbols_of(members: Mapping[str, frozenset[str]]) -> tuple[dict[str, str], dict[str, str]]:
    """Word -> symbol, class -> its symbols: words that stand in the same classes share one."""
    of_word: dict[str, list[str]] = {}
    for name, words in sorted(members.items()):
        for word in words:
            of_word.setdefault(word, []).append(name)
    numbers: dict[tuple[str, ...], str] = {}
    symbols = {
        word: numbers.setdefault(tuple(names), chr(_FIRST_SYMBOL + len(numbers)))
        for word, names in sorted(of_word.items())
    }
    of_class = {name: "".join(symbol for names, symbol in numbers.items() if name in names) for name in members}
    return symbols, of_class


def _scrambled(symbols: Mapping[str, str]) -> dict[str, str]:
    return {
        word[0] + word[-1] + "".join(sorted(word[1:-1])): symbol
        for word, symbol in symbols.items()
        if len(word) >= FUZZY_FROM
    }


def _thinned(symbols: Mapping[str, str]) -> dict[str, str]:
    made: dict[str, str] = {}
    for word, symbol in symbols.items():
        if len(word) < THINNED_FROM:
            continue
        inner = sorted(word[1:-1])
        for lost in range(len(inner)):
            made[word[0] + word[-1] + "".join(inner[:lost] + inner[lost + 1 :])] = symbol
    return made
