"""Watches over growing texts: the detectors as the stream editor asks for them.

Owns: `Watching` (one per worker), what a selector chooses, the cut at a detection that ends the answer, labels. Rules:
as in `watch`; a whole text gets exactly what a watch would decide for it; what a request tells of its answer
(`expecting`) leaves out what is allowed there and adds what is watched for, and changes nothing else. `arguments` are
JSON text: detectors see its strings with their escapes read (`unescaped`), places are those of the text as it stands.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from appliance.inspect.detect import Detectors
from appliance.inspect.detect.families import meant
from appliance.inspect.detect.growing import CONTINUED, UNDECIDED, Growing, Rules
from appliance.inspect.detect.viable import Automaton
from appliance.inspect.detect.viable_nfa import build
from appliance.inspect.output.expected import NOTHING, Expected
from appliance.inspect.output.late import Flag, LateDetector, Whole
from appliance.inspect.overlap import cover
from appliance.inspect.stream.unescaped import Unescaped
from appliance.inspect.stream.watch import Decided, Watch, Watcher
from appliance.model.detection import Detection, Label, Selector

if TYPE_CHECKING:
    from appliance.model.names import DetectionKind

ARGUMENTS = "arguments"
_SPOKEN = frozenset({"content", "reasoning", "refusal"})  # what people read: judged as a whole too, when it has gone
_ASKED = 64  # sets of selectors whose families are remembered
_CHOICES = 8  # sets of rules with an automaton of their own; policies have one or two


class Watching:
    """Implements `Watcher`. `late`: makes a late detector for a text of a kind (as in `Text`), or None for none."""

    restores = False

    def __init__(self, detectors: Detectors, late: Sequence[Callable[[str], LateDetector | None]] = ()) -> None:
        self.classes: tuple[str, ...] = ("pii", "secret")  # what runs exactly; late detectors only label
        self._detectors = detectors
        self._late = tuple(late)
        self._families = detectors.families()
        self._owners = tuple((n, m) for n, family in enumerate(self._families) for m in range(len(family.expressions)))
        self._nfa = build([one for family in self._families for one in family.expressions])
        self._lock = threading.Lock()
        self._rules: OrderedDict[frozenset[int], Rules] = OrderedDict()
        self._chosen: dict[tuple[Selector, ...], frozenset[int]] = {}  # families that selectors mean

    def expecting(self, expected: Expected) -> "_Expecting":
        """The watcher of one answer."""
        return _Expecting(self, expected)

    def watch(
        self,
        kind: str,
        hides: tuple[Selector, ...],
        ends: tuple[Selector, ...],
        ceiling: int,
        expected: Expected = NOTHING,
    ) -> Watch:
        """See `Watcher`."""
        growing = Growing(self._rules_for((*hides, *ends)), ceiling, expected.counts)
        late = [made for make in self._late if (made := make(kind)) is not None] + expected.late(kind)
        if kind in _SPOKEN:
            late.append(Whole(self._detectors.beside))
        asked = _Asked(hides, ends)
        return _EscapedWatch(growing, asked, late) if kind == ARGUMENTS else _Watch(growing, asked, late)

    def whole(
        self,
        kind: str,
        text: str,
        hides: tuple[Selector, ...],
        ends: tuple[Selector, ...],
        ceiling: int,
        expected: Expected = NOTHING,
    ) -> tuple[Decided, tuple[Label, ...]]:
        """See `Watcher`."""
        if kind not in _SPOKEN and kind != ARGUMENTS and not self._late and self._fits(text, ceiling):
            return self._at_once(text, _Asked(hides, ends), expected)
        watch = self.watch(kind, hides, ends, ceiling, expected)
        first, last = watch.feed(text), watch.close()
        ends_at = first.ends_at if last.ends_at is None else last.ends_at
        return Decided(last.until, _rejoined((*first.found, *last.found)), ends_at), watch.labels()

    def _fits(self, text: str, ceiling: int) -> bool:
        """Nothing can come to the ceiling: a watch finds what a scan of the whole finds."""
        return len(text) <= self._detectors.max_chars and len(text.encode("utf-8", "surrogatepass")) <= ceiling

    def _at_once(self, text: str, asked: "_Asked", expected: Expected) -> tuple[Decided, tuple[Label, ...]]:
        found = expected.kept(text, self._detectors.exact(text))
        labels = _Labels()
        labels.add(found)
        hidden, ends_at = asked.resolved(found)
        return Decided(len(text) if ends_at is None else ends_at, hidden, ends_at), labels.told()

    def _rules_for(self, selectors: Sequence[Selector]) -> Rules:
        asked = tuple(selectors)
        chosen = self._chosen.get(asked)
        if chosen is None:
            chosen = frozenset(n for n, family in enumerate(self._families) if meant(family, asked))
        with self._lock:
            if len(self._chosen) >= _ASKED:
                self._chosen.clear()
            self._chosen[asked] = chosen
            if chosen not in self._rules:
                rules = frozenset(rule for rule, (family, _) in enumerate(self._owners) if family in chosen)
                self._rules[chosen] = Rules(
                    Automaton(self._nfa, rules),
                    self._families,
                    self._owners,
                    chosen,
                    self._detectors.tokenizer,
                    self._detectors.time_limit_s,
                )
            self._rules.move_to_end(chosen)
            while len(self._rules) > _CHOICES:
                self._rules.popitem(last=False)
            return self._rules[chosen]


class _Expecting:
    """Watches one answer; see `Watching`."""

    restores = False

    def __init__(self, watching: Watching, expected: Expected) -> None:
        self.classes = watching.classes
        self._watching = watching
        self._expected = expected

    def watch(self, kind: str, hides: tuple[Selector, ...], ends: tuple[Selector, ...], ceiling: int) -> Watch:
        """See `Watcher`."""
        return self._watching.watch(kind, hides, ends, ceiling, self._expected)

    def whole(
        self, kind: str, text: str, hides: tuple[Selector, ...], ends: tuple[Selector, ...], ceiling: int
    ) -> tuple[Decided, tuple[Label, ...]]:
        """See `Watcher`."""
        return self._watching.whole(kind, text, hides, ends, ceiling, self._expected)


class _Asked(NamedTuple):
    """What must be hidden, and what ends the answer."""

    hides: tuple[Selector, ...]
    ends: tuple[Selector, ...]

    def resolved(self, found: Iterable[Detection]) -> tuple[tuple[Detection, ...], int | None]:
        """Of all that was found: what to hide, sorted and disjoint, and where the answer ends."""
        found = tuple(found)
        ends_at = min((one.start for one in found if self._ends(one)), default=None)
        hidden = _rejoined(cover(one for one in found if one.entity == UNDECIDED or _takes(self.hides, one)))
        if ends_at is not None:
            hidden = tuple(
                msgspec.structs.replace(one, end=min(one.end, ends_at)) for one in hidden if one.start < ends_at
            )
        return hidden, ends_at

    def _ends(self, found: Detection) -> bool:
        """What could not be decided is masked; it ends an answer only where that is asked for by its name."""
        if found.entity == UNDECIDED:
            return any(UNDECIDED in one.entities for one in self.ends)
        return _takes(self.ends, found)


def _takes(selectors: Sequence[Selector], detection: Detection) -> bool:
    return any(one.takes(detection) for one in selectors)


def _rejoined(found: Iterable[Detection]) -> tuple[Detection, ...]:
    """Sorted detections, pieces of one mask joined again."""
    joined: list[Detection] = []
    for one in found:
        if one.rule == CONTINUED and joined and joined[-1].end == one.start and joined[-1].entity == UNDECIDED:
            joined[-1] = msgspec.structs.replace(joined[-1], end=one.end)
        else:
            joined.append(one)
    return tuple(joined)


class _Labels:
    """Sums of what was found, by entity and kind."""

    __slots__ = ("_sums",)

    def __init__(self) -> None:
        self._sums: dict[tuple[str, DetectionKind], tuple[int, float]] = {}

    def add(self, found: Iterable[Detection]) -> None:
        for one in found:
            if one.rule != CONTINUED:
                count, best = self._sums.get((one.entity, one.kind), (0, 0.0))
                self._sums[one.entity, one.kind] = count + 1, max(best, one.score)

    def told(self) -> tuple[Label, ...]:
        return tuple(Label(entity, kind, *sums) for (entity, kind), sums in sorted(self._sums.items()))


class _Watch:
    """A text that stands as it is."""

    __slots__ = ("_asked", "_ends_at", "_growing", "_labels", "_late")

    def __init__(self, growing: Growing, asked: _Asked, late: list[LateDetector]) -> None:
        self._growing = growing
        self._asked = asked
        self._late = late
        self._labels: _Labels | None = None
        self._ends_at: int | None = None

    def feed(self, text: str) -> Decided:
        chosen, others = self._growing.feed(text)
        decided = self._told(chosen, others)
        return self._flagged(decided, (detector.feed(text) for detector in self._late)) if self._late else decided

    def close(self) -> Decided:
        decided = self._told(*self._growing.close())
        return self._flagged(decided, (detector.close() for detector in self._late)) if self._late else decided

    def labels(self) -> tuple[Label, ...]:
        return self._labels.told() if self._labels else ()

    def _told(self, chosen: list[Detection], others: list[Detection]) -> Decided:
        """Behind an end that was told everything is still read, for its labels."""
        hidden: tuple[Detection, ...] = ()
        if chosen or others:
            self._labels = self._labels or _Labels()
            self._labels.add(chosen)
            self._labels.add(others)
            if self._ends_at is None:
                hidden, self._ends_at = self._asked.resolved(chosen)
        return Decided(self._growing.decided if self._ends_at is None else self._ends_at, hidden, self._ends_at)

    def _flagged(self, decided: Decided, flags: Iterable[Iterable[Flag]]) -> Decided:
        """Flags become labels; one that ends the answer ends it where text may leave up to now."""
        for flag in chain.from_iterable(flags):
            found = Detection(decided.until, decided.until, *flag)
            self._labels = self._labels or _Labels()
            self._labels.add((found,))
            if self._ends_at is None and _takes(self._asked.ends, found):
                self._ends_at = decided.until
        return decided._replace(ends_at=self._ends_at)


class _EscapedWatch:
    """JSON text: a watch over its view, places brought back."""

    __slots__ = ("_free", "_length", "_view", "_watch")

    def __init__(self, growing: Growing, asked: _Asked, late: list[LateDetector]) -> None:
        self._watch = _Watch(growing, asked, late)
        self._view = Unescaped()
        self._free = not asked.hides and not asked.ends
        self._length = 0

    def feed(self, text: str) -> Decided:
        self._length += len(text)
        return self._placed(self._watch.feed(self._view.feed(text)))

    def close(self) -> Decided:
        first = self._watch.feed(self._view.close())
        last = self._watch.close()
        found = _rejoined((*first.found, *last.found))
        return self._placed(Decided(last.until, found, last.ends_at))

    def labels(self) -> tuple[Label, ...]:
        return self._watch.labels()

    def _placed(self, decided: Decided) -> Decided:
        source = self._view.source
        found = tuple(
            msgspec.structs.replace(one, start=source(one.start), end=source(one.end)) for one in decided.found
        )
        until = self._length if self._free else source(decided.until)
        return Decided(until, found, None if decided.ends_at is None else until)


def of_answer(watcher: Watcher, expected: Expected) -> Watcher:
    """The watcher of one answer, where `watcher` can be told of it."""
    return watcher.expecting(expected) if isinstance(watcher, Watching) else watcher
