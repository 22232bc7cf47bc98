"""What a streamed answer was, in numbers: where its bytes went, what it carried, what was done to it.

Rules: coverage obeys its conservation law by construction, and spans are checked, not trusted; bytes that were never
read (behind a cut, or in an event that did not end) are opaque, never structure. An entity is counted as often as the
growing texts hold it, or as often as the different whole texts do, whichever is more: a repeat of what was streamed
counts once, and no count is ever more than what was there.
"""

from collections.abc import Iterable

import msgspec

from appliance.inspect.output.confidence import Confidence
from appliance.inspect.stream.events import EventView, Told
from appliance.inspect.tokens import SAMPLE, by_sample
from appliance.model.detection import Coverage, Label
from appliance.model.event import Usage

NOT_READ = "not_read"
REPEATS = "repeats"
USAGE_DROPPED = "usage_dropped"
LOGPROBS_REMOVED = "logprobs_removed"
UNFINISHED_DROPPED = "unfinished_dropped"
MALFORMED = "malformed_event"
AMBIGUOUS = "ambiguous_event"
LABELS_LOST = "labels_lost"
_MOST_REPEATS = 1024  # different whole texts with something in them that are remembered
_MOST_HELD = 4096


class StreamReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a streamed answer.

    `usage`: as told, else estimated from the model's text, None when there was none either. `length`: bytes fed;
    `sent`: bytes handed out. `edits`: declared edits. `text_chars`: code points of the growing texts. `held_median`,
    `held_most`: code points held after an event. `problem`: the first of event_too_large, broken_frame, compressed,
    unfinished_event, malformed_event, ambiguous_event, text_begun_again, labels_lost. `gone_bytes`: bytes that had gone
    when a rule ended the answer, before what it had found if its detector is exact.
    """

    told: Told
    usage: Usage | None = None
    length: int = 0
    sent: int = 0
    coverage: Coverage
    labels: tuple[Label, ...] = ()
    redactions: int = 0
    edits: tuple[str, ...] = ()
    text_chars: int = 0
    sample: str = ""  # the beginning of those texts
    events: int = 0
    held_median: int = 0
    held_most: int = 0
    problem: str | None = None
    gone_bytes: int | None = None


class Tally:
    """Adds up one stream."""

    def __init__(self) -> None:
        self.length = 0
        self.sent = 0
        self.events = 0
        self.text_chars = 0
        self._sample: list[str] = []
        self.redactions = 0
        self.problem: str | None = None
        self.gone_bytes: int | None = None
        self._edits: dict[str, None] = {}
        self._read = 0
        self._scanned = 0
        self._unscanned: dict[str, int] = {}
        self._opaque: dict[str, int] = {}
        self._held: dict[int, int] = {}
        self._streamed: dict[tuple[str, str], Label] = {}
        self._whole: dict[tuple[str, str], Label] = {}
        self._repeats: set[int] = set()
        self._confidence = Confidence()

    def grown(self, text: str) -> None:
        """A growing text has got a further piece."""
        if self.text_chars < SAMPLE:
            self._sample.append(text[:SAMPLE])
        self.text_chars += len(text)

    def edited(self, word: str) -> None:
        """A declared edit was made."""
        self._edits[word] = None

    def troubled(self, problem: str) -> None:
        """Something was not as it should be; the first is told."""
        self.problem = self.problem or problem

    def blind(self, size: int, reason: str) -> None:
        """Bytes of a frame that were not read, and why."""
        self._read += size
        self._opaque[reason] = self._opaque.get(reason, 0) + size

    def frame(self, size: int) -> None:
        """A frame was read."""
        self._read += size

    def payload(self, length: int, view: EventView, *, removed: bool, data: bytes = b"") -> None:
        """What a dialect says of an event. `removed`: repeats are taken out. ValueError: its spans overlap.

        `data`: the payload itself, in which repeats tell how sure the model was.
        """
        self.events += 1
        if view.malformed:
            self._scanned += length
            self.troubled(MALFORMED)
            return
        spans = [(text.start, text.end) for text in view.texts]
        self._scanned += sum(end - start for start, end in spans)
        for span in view.opaque:
            spans.append((span.start, span.end))
            self._opaque[span.reason] = self._opaque.get(span.reason, 0) + span.end - span.start
        for start, end in view.repeats:
            spans.append((start, end))
            self._confidence.take(data[start:end])
            if not removed:
                self._unscanned[REPEATS] = self._unscanned.get(REPEATS, 0) + end - start
        _disjoint(spans, length)

    def looked(self, size: int) -> None:
        """Bytes outside the texts were scanned: free text around a payload, a number in it."""
        self._scanned += size

    def holding(self, size: int) -> None:
        """So many code points are held after an event."""
        size = min(size, _MOST_HELD)
        self._held[size] = self._held.get(size, 0) + 1

    def streamed(self, labels: Iterable[Label]) -> None:
        """What a growing text held; once, when it has ended."""
        _add(self._streamed, labels)

    def whole(self, kind: str, text: str, labels: tuple[Label, ...]) -> None:
        """What a whole text held; of equal ones the first counts, and only the first thousand of different ones."""
        if not labels:
            return
        key = hash((kind, text))
        if key not in self._repeats and len(self._repeats) < _MOST_REPEATS:
            self._repeats.add(key)
            _add(self._whole, labels)

    def report(self, told: Told, scanned_by: tuple[str, ...], growing: Iterable[tuple[Label, ...]]) -> StreamReport:
        """As it stands. `growing`: labels of the texts that have not ended."""
        streamed = dict(self._streamed)
        for labels in (*growing, self._confidence.labels()):
            _add(streamed, labels)
        return StreamReport(
            told=told,
            usage=told.usage or self._estimate(),
            length=self.length,
            sent=self.sent,
            coverage=self._coverage(scanned_by),
            labels=_more(streamed, self._whole),
            redactions=self.redactions,
            edits=tuple(self._edits),
            text_chars=self.text_chars,
            sample="".join(self._sample),
            events=self.events,
            held_median=self._median(),
            held_most=max(self._held, default=0),
            problem=self.problem,
            gone_bytes=self.gone_bytes,
        )

    def _estimate(self) -> Usage | None:
        tokens = by_sample(self.text_chars, "".join(self._sample))
        return Usage(output_tokens=tokens, estimated=True) if tokens else None

    def _coverage(self, scanned_by: tuple[str, ...]) -> Coverage:
        opaque = dict(self._opaque)
        if self.length > self._read:
            opaque[NOT_READ] = opaque.get(NOT_READ, 0) + self.length - self._read
        structure = self.length - self._scanned - sum(self._unscanned.values()) - sum(opaque.values())
        if structure < 0:
            raise ValueError("spans of a stream are more than its bytes: its reader is wrong")
        return Coverage(self.length, structure, self._scanned, dict(self._unscanned), opaque, scanned_by)

    def _median(self) -> int:
        half = sum(self._held.values()) / 2
        for size in sorted(self._held):
            half -= self._held[size]
            if half <= 0:
                return size
        return 0


def _add(sums: dict[tuple[str, str], Label], labels: Iterable[Label]) -> None:
    for label in labels:
        key = (label.entity, label.kind.value)
        old = sums.get(key)
        if old is not None:
            label = Label(label.entity, label.kind, old.count + label.count, max(old.score, label.score))  # noqa: PLW2901 - summed
        sums[key] = label


def _more(one: dict[tuple[str, str], Label], other: dict[tuple[str, str], Label]) -> tuple[Label, ...]:
    """For each entity the larger count and the better score, in the order of their names."""
    both: list[Label] = []
    for key in sorted(one.keys() | other.keys()):
        labels = [sums[key] for sums in (one, other) if key in sums]
        count, score = max(label.count for label in labels), max(label.score for label in labels)
        both.append(Label(labels[0].entity, labels[0].kind, count, score))
    return tuple(both)


def _disjoint(spans: list[tuple[int, int]], length: int) -> None:
    if len(spans) > 1:
        spans.sort()
    at = 0
    for start, end in spans:
        if start < at or end < start:
            raise ValueError("spans of an event overlap: its reader is wrong")
        at = end
    if at > length:
        raise ValueError("a span leaves its event: its reader is wrong")
