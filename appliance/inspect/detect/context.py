"""Context words: a match counts for more where the words before it name what it is.

Owns: presidio's LemmaContextAwareEnhancer for a pipeline whose lemma is the token itself: six keywords up to the token
that holds the match's start, and the first at or behind it; a context word inside one adds 0.35 and lifts to 0.4.
Rules: only the words near a match are ever split, and only where plain words beside it do not settle the answer, in
pieces of the text that are made longer until no cut has a say; a run of more than `LONGEST_RUN`
characters without a blank is not split but searched as a whole, which can only raise a score. Known difference from
presidio: it also counts a stop word that occurs elsewhere in the text as one half of a token with a colon ("a:1").
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from appliance.inspect.detect.english import Tokenizer

BONUS = 0.35
LEAST = 0.4
KEYWORDS = 6  # presidio's context_prefix_count and one, for the match's own token
LONGEST_RUN = 1000

_REACHES = (160, 1600)  # characters to each side: six keywords mostly stand within the first
_REACH = 200
_NUMBER = re.compile(r"\+?[0-9][^:]*\Z")
_APART = "\0\n"  # in no word that is asked for
_RUN = re.compile(r"\s+|\S+")
_BLANK = re.compile(r"\s")


def raised(score: float) -> float:
    """`score` after a context word was found."""
    return min(max(score + BONUS, LEAST), 1.0)


class _Easy(NamedTuple):
    """Letters of keywords that certainly count, and letters in which all that count stand; None: nobody knows."""

    sure: str
    all: str | None


class Surroundings:
    """The words of one text, split where they are asked for."""

    def __init__(self, text: str, tokenizer: Tokenizer, spell: Callable[[str], frozenset[str]] | None = None) -> None:
        """`spell`: which of all words that will be asked for occur in a text in lower case."""
        self._text = text
        self._tokenizer = tokenizer
        self._spell = spell
        self._present: frozenset[str] | None = None
        self._starts: list[int] = []
        self._words: dict[int, list[str]] = {}
        self._skip: dict[int, int] = {}
        self._behind = (0, 0)
        self._said: dict[int, str] = {}
        self._beside: dict[tuple[int, int], str] = {}
        self._easy: dict[int, _Easy] = {}
        self._tokens: dict[int, Sequence[tuple[int, str]]] = {}

    def support(self, words: tuple[str, ...], start: int) -> bool:
        """Whether one of `words` (lower case) stands in a keyword beside the token at `start`."""
        if not words or not self.occurs(words):
            return False
        near = self._said.get(start)
        if near is None:
            if (told := self._easily(words, start)) is not None:
                return told
            near = self._said[start] = self._near(start)
        return any(wanted in near for wanted in words)

    def _easily(self, words: tuple[str, ...], start: int) -> bool | None:
        """`support` without splitting anything, where plain words stand around the place; None: not so easily."""
        easy = self._easy.get(start)
        if easy is None:
            easy = self._easy[start] = self._around(start)
        if any(wanted in easy.sure for wanted in words):
            return True
        return False if easy.all is not None and not any(wanted in easy.all for wanted in words) else None

    def _around(self, start: int) -> _Easy:
        left, right = max(0, start - _REACH), min(len(self._text), start + _REACH)
        piece = self._text[left:right]
        if not piece.isascii():
            return _Easy("", None)
        before, behind = piece[: start - left].split(" "), piece[start - left :].split()
        token = before.pop()  # what is before the place in its run, or nothing
        whole = left == 0
        if not whole:
            del before[:1]
        nearest, known = ([], False) if token or piece[start - left].isspace() else self._nearest(before, whole=whole)
        sure = _APART.join(nearest)
        ended = right == len(self._text)
        if known and behind and _NUMBER.match(behind[0]) and (ended or len(behind) > 1):
            return _Easy(sure, _APART.join([sure, behind[0].lower()]))
        return _Easy(sure, self._possible(piece, start - left, whole=whole, ended=ended))

    def _possible(self, piece: str, at: int, *, whole: bool, ended: bool) -> str | None:
        """Letters in which every keyword stands that counts at a place of ASCII `piece`; None: it may end too early.

        `whole`, `ended`: there is nothing before or behind the piece. Runs that are plain stop words are left out.
        """
        before, behind = piece[:at].split(), piece[at:].split()
        if piece[at].isspace() or not (ended or len(behind) > 1):
            return None
        own = behind[0] if not at or piece[at - 1].isspace() else before.pop() + behind[0]
        if not whole:
            if not before:
                return None  # the run itself may begin before the piece
            del before[0]
        found = [own.lower()]
        if not self._reaches(reversed(before), KEYWORDS, found) and not whole:
            return None
        counts = ":" not in own and _NUMBER.match(behind[0])  # the token at the place is the first keyword from there
        if not counts and not self._reaches(behind[1:] if ended else behind[1:-1], 1, found) and not ended:
            return None
        return _APART.join(found)

    def _reaches(self, runs: Iterable[str], least: int, found: list[str]) -> bool:
        """Whether `least` keywords certainly stand in `runs`; `found` gets what may be one up to there."""
        split, stop_words = self._tokenizer.split_plain, self._tokenizer.stop_words
        for run in runs:
            parts = split(run)
            if parts is None:
                found.append(run.lower())
            elif (word := parts[0].lower()) not in stop_words:  # letters or digits alone are no punctuation
                found.append(word)
                least -= 1
                if not least:
                    return True
        return False

    def _nearest(self, words: Sequence[str], *, whole: bool) -> tuple[list[str], bool]:
        """Keywords among the last of `words`, which stand before a token; whether no other could be one.

        `whole`: there is nothing before `words`.
        """
        found: list[str] = []
        for word in reversed(words):
            parts = self._tokenizer.split_plain(word) if word else None  # nothing: two blanks, of which one is a token
            if parts is None:
                return found, False
            if self._tokenizer.is_keyword(parts[0]):
                found.append(parts[0].lower())
                if len(found) == KEYWORDS - 1:  # the token itself is one, too
                    return found, True
        return found, whole

    def _near(self, start: int) -> str:
        """The keywords beside the token at `start`, apart from one another: recognisers ask for the same places."""
        for reach in _REACHES:
            left, right = max(0, start - reach), min(len(self._text), start + reach)
            if right - left == len(self._text):
                break
            if _BLANK.search(self._text, left, right) is None:
                continue  # one run, which is cut
            piece = Surroundings(self._text[left:right], self._tokenizer)
            found = piece._keywords_beside(start - left, open_left=left > 0, open_right=right < len(self._text))
            if found is not None:
                return _APART.join(found)
        token = self._token_at(start)  # may be as long as the text, and thousands of places may be in it
        if token not in self._beside:
            self._beside[token] = _APART.join(self._keywords_beside(start) or ())
        return self._beside[token]

    def _keywords_beside(self, start: int, *, open_left: bool = False, open_right: bool = False) -> list[str] | None:
        """Keywords up to the token at `start`, and the first from there. None: a run cut by an open end has a say."""
        run, index = self._token_at(start)
        last = len(self._starts) - open_right
        if run >= last:
            return None
        before, first = self._reaching_back(run, index)
        here = [word for _, word in self._split(run)[index:] if self._tokenizer.is_keyword(word)]
        if not here and (behind := self._wordy_run_behind(run)) < len(self._starts):
            run, here = behind, self._keywords(behind)
        if (open_left and first <= 0) or (open_right and (run >= last or not here)):
            return None
        return [*before, *(word.lower() for word in here[:1])]

    def settled(self, words: tuple[str, ...], start: int) -> bool:
        """Whether `support` would say the same however the text goes on."""
        if not words:
            return True
        run, index = self._token_at(start)
        last = len(self._starts) - 1
        if run >= last:
            return False  # more characters may change how the run is split
        before = self._keywords_before(run, index)
        if any(wanted in word for word in before for wanted in words):
            return True
        if any(self._tokenizer.is_keyword(word) for _, word in self._split(run)[index:]):
            return True
        return self._wordy_run_behind(run) < last

    def news(self, *, own: bool) -> bool:
        """Whether a complete run of this later part of a text could settle what was not.

        One with a keyword can; where `own`, the first run can in any case.
        """
        last = self._last()
        if own and last > 0:
            return True
        first = 1 if self._text.startswith(" ") and last > 0 and self._starts[1] == 1 else 0  # between words, no token
        return any(self._keywords(run) for run in range(first, last))

    def open_at(self, start: int) -> bool:
        """Whether the run of the token at `start` may still grow."""
        return self._token_at(start)[0] >= self._last()

    def last_run(self) -> int:
        """Where the run begins that more characters may still change."""
        return self._starts[self._last()]

    def _last(self) -> int:
        self._run_at(0)
        return len(self._starts) - 1

    def _token_at(self, start: int) -> tuple[int, int]:
        """Run and number of the first token that ends behind `start`."""
        run = self._run_at(start)
        while run < len(self._starts):
            for index, (at, word) in enumerate(self._split(run)):
                if start < at + len(word):
                    return run, index
            run += 1  # the match starts at a blank that is no token
        return len(self._starts) - 1, 0

    def _keywords_before(self, run: int, index: int) -> list[str]:
        """The last `KEYWORDS` keywords up to and including a token."""
        return self._reaching_back(run, index)[0]

    def _reaching_back(self, run: int, index: int) -> tuple[list[str], int]:
        """The same, and the earliest run that was asked; -1: all were."""
        found = self._keywords(run, upto=index + 1)[::-1]
        while len(found) < KEYWORDS and (run := self._wordy_run_before(run)) >= 0:
            found += self._keywords(run)[::-1]
        return found[:KEYWORDS], run

    def _wordy_run_before(self, run: int) -> int:
        """The nearest earlier run with a keyword, -1 without one; remembered, so that a text costs one pass."""
        before = run - 1
        while before >= 0 and not self._keywords(before):
            before = self._skip.get(before, before - 1)
        self._skip[run] = before
        return before

    def _wordy_run_behind(self, run: int) -> int:
        """The nearest later run with a keyword, or the number of runs."""
        known_from, known = self._behind
        if known_from <= run < known:
            return known
        behind = run + 1
        while behind < len(self._starts) and not self._keywords(behind):
            behind += 1
        self._behind = (run, behind)
        return behind

    def _keywords(self, run: int, upto: int | None = None) -> list[str]:
        """Keywords of a run in lower case, all or those among its first tokens."""
        if upto is not None:
            return [word.lower() for _, word in self._split(run)[:upto] if self._tokenizer.is_keyword(word)]
        if run not in self._words:
            start = self._starts[run]
            blank = start > 0 and self._text[start] == " " and self._starts[run + 1 : run + 2] == [start + 1]
            self._words[run] = [] if blank else self._keywords(run, len(self._split(run)))
        return self._words[run]

    def occurs(self, words: tuple[str, ...]) -> bool:
        """A quick no: none of the words is anywhere in the text."""
        if self._spell is None:
            return any(word in self._text.lower() for word in words)
        if self._present is None:
            self._present = self._spell(self._text.lower())
        return not self._present.isdisjoint(words)

    def _run_at(self, start: int) -> int:
        if not self._starts:
            self._starts = [*accumulate(map(len, _RUN.findall(self._text)), initial=0)][:-1]
        return bisect_right(self._starts, start) - 1

    def _split(self, run: int) -> Sequence[tuple[int, str]]:
        if run not in self._tokens:
            start = self._starts[run]
            end = self._starts[run + 1] if run + 1 < len(self._starts) else len(self._text)
            self._tokens[run] = self._place(start, end)
        return self._tokens[run]

    def _place(self, start: int, end: int) -> Sequence[tuple[int, str]]:
        word = self._text[start:end]
        if word[0].isspace():
            if start and word[0] == " ":
                start, word = start + 1, word[1:]
            return [(start, word)] if word else []
        if len(word) > LONGEST_RUN:
            return [(start, word.replace(":", ""))]
        if (parts := self._tokenizer.split_plain(word)) is not None:
            return [(start, parts[0])] if len(parts) == 1 else [(start, parts[0]), (start + len(parts[0]), parts[1])]
        return [(start + at, token) for at, token in self._tokenizer.split(word)]
