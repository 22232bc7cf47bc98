"""English tokens, split exactly as spaCy's blank English pipeline splits them, without spaCy in the process.

Owns: the tokenizer. Rules: the splitting rules, exceptions and stop words are read from the installed spaCy's own data
modules; only the algorithm (spacy/tokenizer.pyx) is written again here, and a test compares the two. Nothing is kept
of the text: spaCy's string store never forgets a word, which a long-running proxy must not do.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import accumulate
from types import ModuleType

from appliance.inspect.detect import lean

_ORTH, _NORM = "orth", "norm"
_APOSTROPHE = "\u2019"
_SPACE_RUN = re.compile(r"\s+|\S+")

type Exceptions = Mapping[str, Sequence[Mapping[str, str]]]


def _typographic(exceptions: Exceptions) -> dict[str, tuple[str, ...]]:
    """Exceptions as token texts, each also with a typographic apostrophe (spacy.util.expand_exc)."""
    found: dict[str, tuple[str, ...]] = {}
    for word, tokens in exceptions.items():
        found[word] = tuple(token[_ORTH] for token in tokens)
    for word, parts in list(found.items()):
        if "'" in word:
            found[word.replace("'", _APOSTROPHE)] = tuple(part.replace("'", _APOSTROPHE) for part in parts)
    return found


def _merged(base: Exceptions, *more: Exceptions) -> dict[str, Sequence[Mapping[str, str]]]:
    merged = dict(base)
    for additions in more:
        merged.update(additions)
    return merged


def _joined(pieces: Iterable[str], shape: str) -> re.Pattern[str]:
    return re.compile("|".join(shape.format(piece) for piece in pieces if piece.strip()))


def _placed(parts: Sequence[str], start: int) -> list[tuple[int, str]]:
    """Neighbouring pieces with their offsets, the first at `start`."""
    ends = list(accumulate(map(len, parts), initial=start))
    return list(zip(ends[:-1], parts, strict=True))


class Tokenizer:
    """Splits one text; see `Tokenizer.split`. Build it with `tokenizer()`."""

    def __init__(self, modules: Mapping[str, ModuleType]) -> None:
        marks = modules["lang.punctuation"]
        self._prefix = _joined(marks.TOKENIZER_PREFIXES, "^{}").search
        self._suffix = _joined(marks.TOKENIZER_SUFFIXES, "{}$").search
        self._infix = _joined(modules["lang.en.punctuation"].TOKENIZER_INFIXES, "{}").finditer
        self._url = modules["lang.tokenizer_exceptions"].URL_MATCH
        self._special = _typographic(modules["lang.en.tokenizer_exceptions"].TOKENIZER_EXCEPTIONS)
        self._joined_special = self._special_sequences()
        self._longest = max((len(parts) for parts in self._joined_special), default=0)
        marks_alone = (mark for mark in ",;:!?." if (mark,) not in self._joined_special)
        self._marks = frozenset(marks_alone)
        self.stop_words: frozenset[str] = frozenset(modules["lang.en.stop_words"].STOP_WORDS)

    def _special_sequences(self) -> dict[tuple[str, ...], str]:
        """Exceptions that affix rules would tear apart, by the pieces they would leave (smileys, mostly)."""
        torn = (word for word in self._special if self._prefix(word) or self._suffix(word) or any(self._infix(word)))
        return {tuple(self._affixes(word, special=False)): word for word in torn}

    def split(self, text: str) -> list[tuple[int, str]]:
        """Tokens of `text` with their offsets (code points). A single blank between words is no token, as in spaCy."""
        found: list[tuple[int, str]] = []
        for run in _SPACE_RUN.finditer(text):
            found.extend(self._run(text, run.start(), run.end()))
        return self._rejoined(found, text)

    def split_plain(self, word: str) -> tuple[str, ...] | None:
        """A quick `split` of a run of ASCII letters or digits, with one mark behind it or none; None: ask `split`."""
        if not word.isascii() or word in self._special:
            return None
        if word.isalpha() or word.isdigit():
            return (word,)
        body, mark = word[:-1], word[-1]
        if mark not in self._marks or body in self._special:
            return None
        if body.isdigit():
            return (body, mark) if mark != "." else None
        if not body.isalpha():
            return None
        return (body, mark) if mark != "." or (len(body) > 1 and body.islower()) else None

    def _run(self, text: str, start: int, end: int) -> list[tuple[int, str]]:
        """Tokens of one maximal run of blanks or of other characters."""
        word = text[start:end]
        if word[0].isspace():
            # spaCy hangs one leading blank on the word before; at the very start there is none to hang it on.
            if start and word[0] == " ":
                start, word = start + 1, word[1:]
            if not word:
                return []
        parts = self._special.get(word) or tuple(self._affixes(word, special=True))
        return _placed(parts, start)

    def _affixes(self, word: str, *, special: bool) -> list[str]:
        """Peel prefixes and suffixes off, then split what remains at infixes (Tokenizer._split_affixes)."""
        prefixes: list[str] = []
        suffixes: list[str] = []
        before = 0
        while word and len(word) != before and not (special and word in self._special):
            before = len(word)
            head = self._length(self._prefix(word))
            if special and head and word[head:] in self._special:
                prefixes.append(word[:head])
                word = word[head:]
                break
            tail = self._length(self._suffix(word[head:]))
            if special and tail and word[:-tail] in self._special:
                suffixes.append(word[-tail:])
                word = word[:-tail]
                break
            word = self._peel(word, head, tail, prefixes, suffixes)
        return [*prefixes, *self._core(word, special=special), *reversed(suffixes)]

    @staticmethod
    def _length(match: re.Match[str] | None) -> int:
        return match.end() - match.start() if match else 0

    @staticmethod
    def _peel(word: str, head: int, tail: int, prefixes: list[str], suffixes: list[str]) -> str:
        if head:
            prefixes.append(word[:head])
        if tail and (not head or head + tail <= len(word)):
            suffixes.append(word[-tail:])
            return word[head:-tail]
        return word[head:]

    def _core(self, word: str, *, special: bool) -> list[str]:
        if not word:
            return []
        if special and word in self._special:
            return list(self._special[word])
        if self._url(word):
            return [word]
        found, start = [], 0
        for match in self._infix(word):
            if match.start() == 0:
                continue
            if match.start() != start:
                found.append(word[start : match.start()])
            if match.start() != match.end():
                found.append(match.group())
            start = match.end()
        return [*found, word[start:]] if word[start:] else found

    def _rejoined(self, tokens: list[tuple[int, str]], text: str) -> list[tuple[int, str]]:
        """Put torn exceptions together again: longest first, then earliest, only where no blank lies between."""
        spans = self._special_spans([word for _, word in tokens])
        if not spans:
            return tokens
        found, index = [], 0
        for first, last in spans:
            found.extend(tokens[index:first])
            start = tokens[first][0]
            end = tokens[last - 1][0] + len(tokens[last - 1][1])
            parts = self._special.get(text[start:end])
            if parts is None:
                found.extend(tokens[first:last])
            found.extend(_placed(parts or (), start))
            index = last
        return [*found, *tokens[index:]]

    def _special_spans(self, words: Sequence[str]) -> list[tuple[int, int]]:
        matches = [
            (first, first + length)
            for length in range(1, self._longest + 1)
            for first in range(len(words) - length + 1)
            if tuple(words[first : first + length]) in self._joined_special
        ]
        matches.sort(key=lambda span: (span[0] - span[1], span[0]))
        taken: set[int] = set()
        kept = []
        for first, last in matches:
            if first not in taken and last - 1 not in taken:
                kept.append((first, last))
            taken.update(range(first, last))
        return sorted(kept)

    def is_plain_keyword(self, word: str) -> bool:
        """A quick and careful yes: a run of ASCII letters that no rule splits, and no stop word."""
        return word.isascii() and word.isalpha() and word not in self._special and self.is_keyword(word)

    def is_keyword(self, token: str) -> bool:
        """Whether presidio counts `token` when it looks for context: no stop word, no punctuation, no colon."""
        if ":" in token or token.lower() in self.stop_words or token in {"be", "-PRON-"}:
            return False
        return not all(unicodedata.category(character).startswith("P") for character in token)


@cache
def tokenizer() -> Tokenizer:
    """The tokenizer, built once from the installed spaCy's data modules."""
    nothing: dict[str, object] = {}
    stand_ins: dict[str, Mapping[str, object]] = {
        "": nothing,
        "lang": nothing,
        "lang.en": nothing,
        "symbols": {"ORTH": _ORTH, "NORM": _NORM},
        "util": {"update_exc": _merged},
    }
    wanted = ("char_classes", "punctuation", "tokenizer_exceptions", "en.punctuation", "en.stop_words")
    names = [f"lang.{name}" for name in (*wanted, "en.tokenizer_exceptions")]
    return Tokenizer(lean.load("spacy", stand_ins, (), names))
