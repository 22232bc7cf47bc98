"""A text that grows: what is found in it, as soon as nothing that follows can change it.

Owns: `Growing`, one text; `Rules`, what all texts under the same selectors share. Rules: what is told depends on the
text alone, not on how it came in pieces; up to `ceiling` bytes of UTF-8 it is what `Detectors.scan` finds in the whole;
what is held beyond the ceiling is masked until no chosen rule is inside a match, never let go; memory is bounded by the
ceiling.

How: the automaton says since where a match may still be open. Before that place every rule's matches are known, so
exact looks are taken there, and only for rules whose automaton ended a match. The place moves back out of whatever a
match consumed and in front of what the words to come may still raise; from there the next look goes on.
"""

import re
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from appliance.inspect.detect.context import Surroundings
from appliance.inspect.detect.english import Tokenizer
from appliance.inspect.detect.families import Family, Span, looked, raises
from appliance.inspect.detect.pii import Found
from appliance.inspect.detect.viable import Automaton, Bounds, Cursor
from appliance.inspect.identifiers import is_count
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind

UNDECIDED = "UNDECIDED"
CEILING = "ceiling"
CONTINUED = "ceiling-continued"

_KEPT = 512  # characters before the first undecided one, for look-behinds and for the words before a match
_TRIMMED = 1024
_WORDS = 6
_WORTH = 2  # a look costs by what is held, and should decide at least half of it
_WIDEST = 4  # bytes of a character in UTF-8
_RUN_BEGINS = re.compile(r"(?<=\s)\S")


class Rules(NamedTuple):
    """`owners`: rule of the automaton -> its family and the rule's number there. `time_limit_s`: for one look."""

    automaton: Automaton
    families: tuple[Family, ...]
    owners: tuple[tuple[int, int], ...]
    chosen: frozenset[int]
    tokenizer: Tokenizer
    time_limit_s: float


class _Part:
    """The families of one choice: up to where they are decided, and the rules that ended matches behind that.

    `blocked`: a look that may not reach so far decides nothing more than the last one did. `waits`: nor does one before
    the words from there on may settle a score; None if none is open. `first_word`: even the first of them does.
    """

    __slots__ = ("blocked", "decided", "ended", "first_word", "waits")

    def __init__(self) -> None:
        self.blocked = 0
        self.decided = 0
        self.ended: dict[int, int] = {}
        self.first_word = False
        self.waits: int | None = None

    def forget(self) -> None:
        """What was open is done with."""
        self.blocked = 0
        self.ended.clear()
        self.waits = None


def _counts_all(_entity: str, text: str) -> bool:
    return not is_count(text)


class Growing:
    """Offsets are characters from the beginning of the text."""

    __slots__ = (
        "_base",
        "_ceiling",
        "_chosen",
        "_counts",
        "_cursor",
        "_first",
        "_masking",
        "_others",
        "_rules",
        "_trim_at",
        "_window",
    )

    def __init__(self, rules: Rules, ceiling: int, counts: Callable[[str, str], bool] = _counts_all) -> None:
        """`counts`: whether an entity, found over exactly that text, is to be told of here."""
        self._rules = rules
        self._counts = counts
        self._ceiling = ceiling
        self._cursor = Cursor(rules.automaton)
        self._chosen = _Part()
        self._others = _Part()
        self._window = ""
        self._base = 0
        self._first = 0  # undecided, of both parts
        self._trim_at = _TRIMMED
        self._masking = False

    @property
    def length(self) -> int:
        """Characters so far."""
        return self._cursor.at

    @property
    def decided(self) -> int:
        """Nothing that a chosen family finds can still begin or end differently before this."""
        return self._chosen.decided

    def feed(self, text: str) -> tuple[list[Detection], list[Detection]]:
        """More text. What is now known of chosen families and of the others; each in no order."""
        chosen: list[Detection] = []
        others: list[Detection] = []
        if self._masking or (self.length - self._first + len(text)) * _WIDEST > self._ceiling:
            self._carefully(text, chosen, others)
        else:
            self._take(text)
            self._settle(chosen, others)
        if self._first - self._base >= self._trim_at:
            self._trim()
        return chosen, others

    def _carefully(self, text: str, chosen: list[Detection], others: list[Detection]) -> None:
        """Near the ceiling: in pieces that cannot cross it but with their last character."""
        while text:
            room = self._room(text)
            piece, text = text[:room], text[room:]
            if self._masking:
                text = self._mask(piece, chosen) + text
            else:
                self._take(piece)
            self._settle(chosen, others)
            self._bound(chosen, others)

    def close(self) -> tuple[list[Detection], list[Detection]]:
        """Nothing follows."""
        chosen: list[Detection] = []
        others: list[Detection] = []
        self._look(self._chosen, self.length, chosen, closing=True)
        self._look(self._others, self.length, others, closing=True)
        return chosen, others

    def _take(self, piece: str) -> None:
        ended: dict[int, int] = {}
        self._window += piece
        self._cursor.take(piece, ended)
        for rule, at in ended.items():
            part = self._chosen if self._rules.owners[rule][0] in self._rules.chosen else self._others
            part.ended[rule] = at

    def _room(self, text: str) -> int:
        """Characters that may come before the ceiling must be looked at: at least one, the one that may cross it."""
        held = self._window[self._first - self._base :]
        left = self._ceiling - _size(held)
        if left <= 0:
            return 1
        piece = text[:left]
        while _size(piece) > left:
            piece = piece[: max(1, len(piece) * left // _size(piece))] if len(piece) > 1 else ""
        return max(1, len(piece))

    def _settle(self, chosen: list[Detection], others: list[Detection]) -> None:
        """Decide as far as can be, never less than before; almost always no rule ended a match, and this is little."""
        cursor = self._cursor
        until = cursor.since(cursor.node.chosen)
        if self._chosen.ended:
            self._look(self._chosen, until, chosen)
        elif until > self._chosen.decided:
            self._chosen.decided = until
        until = cursor.since(cursor.node.others)
        if self._others.ended:
            self._look(self._others, until, others)
        elif until > self._others.decided:
            self._others.decided = until
        self._first = min(self._chosen.decided, self._others.decided)

    def _bound(self, chosen: list[Detection], others: list[Detection]) -> None:
        """Let go of what the others hold beyond the ceiling; mask what the chosen hold."""
        node = self._cursor.node
        if self._is_beyond(self._others, node.others, others):
            self._look(self._others, self.length, others, closing=True)
        if self._is_beyond(self._chosen, node.chosen, chosen):
            self._masking = bool(node.chosen)
            chosen.append(self._masked(CEILING))
        self._first = min(self._chosen.decided, self._others.decided)

    def _is_beyond(self, part: _Part, bounds: Bounds, found: list[Detection]) -> bool:
        """Whether more than the ceiling is held, once the looks were taken that had been put off."""
        if self._held(part) > self._ceiling:
            until = self._cursor.since(bounds)
            if part.ended and until > part.decided:
                self._reach(part, until, found, closing=False)
        return self._held(part) > self._ceiling

    def _held(self, part: _Part) -> int:
        length = self._cursor.at - part.decided
        if length * _WIDEST <= self._ceiling:
            return length
        return _size(self._window[part.decided - self._base :])

    def _masked(self, rule: str) -> Detection:
        start, self._chosen.decided = self._chosen.decided, self._cursor.at
        self._chosen.forget()
        return Detection(start, self._cursor.at, UNDECIDED, DetectionKind.SECRET, 1.0, rule)

    def _mask(self, piece: str, chosen: list[Detection]) -> str:
        """Mask on until nothing chosen is alive; what comes behind is given back."""
        for index, character in enumerate(piece):
            if not self._cursor.node.chosen:
                self._masking = False
                piece, rest = piece[:index], piece[index:]
                break
            self._take(character)
        else:
            rest = ""
            self._masking = bool(self._cursor.node.chosen)
        if piece:
            chosen.append(self._masked(CONTINUED))
        return rest

    def _look(self, part: _Part, until: int, found: list[Detection], *, closing: bool = False) -> None:
        """Decide up to `until`, or as far as nothing crosses; add what was found before that."""
        if until <= part.decided:
            return
        if not closing and (self._is_early(part, until) or not self._settles(part)):
            return
        self._reach(part, until, found, closing=closing)

    def _reach(self, part: _Part, until: int, found: list[Detection], *, closing: bool) -> None:
        if part.ended:
            until = self._exactly(part, until, found, closing=closing)
            part.ended = {rule: at for rule, at in part.ended.items() if at > until}
        part.decided = until

    def _is_early(self, part: _Part, until: int) -> bool:
        """A look would decide nothing, or too little for what it costs while more is open."""
        if until < part.blocked:
            return True
        return until < self.length and (until - part.decided) * _WORTH < self.length - part.decided

    def _settles(self, part: _Part) -> bool:
        """Whether what has come could settle what was open; words that cannot are not looked at again."""
        if part.waits is None:
            return True
        words = Surroundings(self._window[part.waits - self._base :], self._rules.tokenizer)
        if words.news(own=part.first_word):
            return True
        part.waits += words.last_run()
        return False

    def _exactly(self, part: _Part, until: int, found: list[Detection], *, closing: bool) -> int:
        """Look where rules ended matches; how far up to `until` that decides, nothing crossing it."""
        spans, matches = self._matches(part)
        place = until - self._base
        part.blocked = self._base + max((end for start, end in spans if start < place < end), default=0)
        cut = self._cut(place, spans)
        part.waits = None
        if matches:
            words = Surroundings(self._window, self._rules.tokenizer)
            if not closing:
                settled = _unsettled(matches, words, cut)
                if settled < cut:
                    part.waits = self._base + words.last_run()
                    part.first_word = words.open_at(settled)
                cut = self._cut(settled, spans)
            for family, ones in matches:
                known = [one for one in ones if one.start < cut]
                told = family.weighed(known, words)
                found += [_moved(one, self._base) for one in told if self._counts(one.entity, self._text_of(one))]
        return cut + self._base

    def _text_of(self, found: Detection) -> str:
        return self._window[found.start : found.end]

    def _matches(self, part: _Part) -> tuple[list[Span], list[tuple[Family, list[Found]]]]:
        due: dict[int, list[int]] = {}
        for rule in sorted(part.ended):
            index, number = self._rules.owners[rule]
            due.setdefault(index, []).append(number)
        deadline = time.monotonic() + self._rules.time_limit_s
        spans: list[Span] = []
        matches: list[tuple[Family, list[Found]]] = []
        for index, numbers in due.items():
            family = self._rules.families[index]
            look = looked(family, self._window, part.decided - self._base, numbers, deadline)
            spans += look.spans
            if look.found:
                matches.append((family, look.found))
        return spans, matches

    @staticmethod
    def _cut(cut: int, spans: Sequence[Span]) -> int:
        """The last place up to `cut` that no span crosses."""
        for start, end in sorted(spans, key=lambda span: -span[1]):
            if start < cut < end:
                cut = start
        return cut

    def _trim(self) -> None:
        """Forget what lies far enough back, from the beginning of a word on, six plain words before what is open."""
        edge = self._first - self._base
        cut = self._context(edge)
        self._window = self._window[cut:]
        self._base += cut
        self._trim_at = max(_TRIMMED, 2 * (edge - cut))

    def _context(self, edge: int) -> int:
        kept = _KEPT
        while kept < min(edge, self._ceiling):
            begins = [
                match.start() for match in _RUN_BEGINS.finditer(self._window, max(0, edge - 2 * kept), edge - kept)
            ]
            if begins and self._plain_words(self._window[begins[-1] : edge]) >= _WORDS:
                return begins[-1]
            kept *= 2
        return max(0, edge - max(self._ceiling, 4 * _TRIMMED))

    def _plain_words(self, text: str) -> int:
        words = text.split()[:-1]  # the last may go on, or be split with what follows it
        return sum(map(self._rules.tokenizer.is_plain_keyword, words[-4 * _WORDS :]))


def _unsettled(matches: Sequence[tuple[Family, list[Found]]], words: Surroundings, cut: int) -> int:
    """The first match before `cut` that words to come may still raise, or `cut`."""
    for family, ones in matches:
        for one in ones:
            if one.start < cut and raises(family, one.score) and not words.settled(family.words, one.start):
                cut = one.start
    return cut


def _moved(detection: Detection, by: int) -> Detection:
    return Detection(
        detection.start + by, detection.end + by, detection.entity, detection.kind, detection.score, detection.rule
    )


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
