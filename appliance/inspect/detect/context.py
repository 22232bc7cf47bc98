"""Context words: a match counts for more where the words before it name what it is.

Owns: presidio's LemmaContextAwareEnhancer for a pipeline whose lemma is the token itself: six keywords up to the token
that holds the match's start, and the first at or behind it; a context word inside one adds 0.35 and lifts to 0.4.
Rules: only the words near a match are ever split, each at most once per text; a run of more than `LONGEST_RUN`
characters without a blank is not split but searched as a whole, which can only raise a score. Known difference from
presidio: it also counts a stop word that occurs elsewhere in the text as one half of a token with a colon ("a:1").
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from appliance.inspect.detect.english import Tokenizer

BONUS = 0.35
LEAST = 0.4
KEYWORDS = 6  # presidio's context_prefix_count and one, for the match's own token
LONGEST_RUN = 1000

_APART = "\0\n"  # in no word that is asked for
_RUN = re.compile(r"\s+|\S+")


def raised(score: float) -> float:
    """`score` after a context word was found."""
    return min(max(score + BONUS, LEAST), 1.0)


class Surroundings:
    """The words of one text, split where they are asked for."""

    def __init__(self, text: str, tokenizer: Tokenizer) -> None:
        self._text = text
        self._tokenizer = tokenizer
        self._lower = text.lower()
        self._present: dict[tuple[str, ...], bool] = {}
        self._starts: list[int] = []
        self._words: dict[int, list[str]] = {}
        self._skip: dict[int, int] = {}
        self._behind = (0, 0)
        self._said: dict[tuple[int, int], str] = {}
        self._tokens: dict[int, Sequence[tuple[int, str]]] = {}

    def support(self, words: tuple[str, ...], start: int) -> bool:
        """Whether one of `words` (lower case) stands in a keyword beside the token at `start`."""
        if not words or not self.occurs(words):
            return False
        near = self._near(*self._token_at(start))
        return any(wanted in near for wanted in words)

    def _near(self, run: int, index: int) -> str:
        """The keywords beside a token, apart from one another: recognisers ask for the same places."""
        if (run, index) not in self._said:
            near = [*self._keywords_before(run, index), *self._first_keyword_from(run, index)]
            self._said[run, index] = _APART.join(near)
        return self._said[run, index]

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
        found = self._keywords(run, upto=index + 1)[::-1]
        while len(found) < KEYWORDS and (run := self._wordy_run_before(run)) >= 0:
            found += self._keywords(run)[::-1]
        return found[:KEYWORDS]

    def _first_keyword_from(self, run: int, index: int) -> list[str]:
        """The first keyword at or behind a token: presidio asks for none behind, and gets one."""
        here = [word for _, word in self._split(run)[index:] if self._tokenizer.is_keyword(word)]
        if not here and (behind := self._wordy_run_behind(run)) < len(self._starts):
            here = self._keywords(behind)
        return [word.lower() for word in here[:1]]

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
            self._words[run] = self._keywords(run, len(self._split(run)))
        return self._words[run]

    def occurs(self, words: tuple[str, ...]) -> bool:
        """A quick no: none of the words is anywhere in the text."""
        if words not in self._present:
            self._present[words] = any(word in self._lower for word in words)
        return self._present[words]

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
