"""TCP streams, followed only while a beginning, or the beginning of what answers it, is incomplete.

Rules: whoever begins nothing costs one look into `open` (and one into `expected`) and leaves no state. The byte first
seen at a place holds. A segment that was read already is the same row; a second beginning further on is another. The
first beginning after a SYN that was seen may arrive in any order; of every other the first segment has to come first.
What follows a beginning in its own segment is read as one more; the body that a request announced is read over.
Of the other direction only what begins where the client's packet says it will is looked at (`answered`), and an alert
that follows a hello.
"""

from collections.abc import Sequence
from typing import NamedTuple

from discovery import http2
from discovery.beginnings import Item, Reader, answer_reader_of, read_tls, reader_of
from discovery.held import Held, Recent
from discovery.hello import CHANGE_CIPHER_SPEC, ClientHello
from discovery.limits import Limits, Tally, Weird
from discovery.server_hello import ALERT, DATA, Alert, alert, refusal

_MASK = 0xFFFF_FFFF
_HALF = 0x8000_0000
_TELLING = 6  # bytes that tell a client's hello or request from a server's
_ENDINGS = (ALERT, DATA, CHANGE_CIPHER_SPEC)
_BEFORE = 1 << 20  # a segment that ends this little before what was read last is a repetition


class _Read(NamedTuple):
    """What was read last of a connection: `end` is the number after it, the `body` that is still to come included."""

    end: int
    tls: bool
    body: int


class Stream:
    """What is there of one beginning: `buffer` from `base` on without a gap, `ahead` beyond a gap, by offset."""

    __slots__ = ("ahead", "answers", "base", "buffer", "looks", "need", "quiet", "reader", "segments", "since", "size")

    def __init__(self, since: float, base: int, reader: Reader | None, *, answers: bool = False) -> None:
        self.since, self.base, self.reader, self.answers = since, base, reader, answers
        self.quiet = False  # what matters was told
        self.buffer = b""
        self.ahead: dict[int, bytes] = {}
        self.need = 1
        self.segments = self.looks = 0
        self.size = 0

    def add(self, offset: int, segment: bytes, tally: Tally) -> int:
        """Take a segment in; how many bytes more are held."""
        before = self.size
        self.segments += 1
        if not offset and not before and not self.ahead:
            self.buffer, self.size = segment, self.table + len(segment)
            return self.size
        if offset > len(self.buffer):
            kept = self.ahead.get(offset, b"")
            if len(segment) > len(kept):
                self.ahead[offset] = kept + segment[len(kept) :]
        else:
            self._append(offset, segment, tally)
            for key in sorted(self.ahead):
                if key > len(self.buffer):
                    break
                self._append(key, self.ahead.pop(key), tally)
        self.size = self.weighed()
        return self.size - before

    def weighed(self) -> int:
        """Bytes that are held, those of a reader's table included."""
        return self.table + len(self.buffer) + sum(map(len, self.ahead.values()))

    @property
    def table(self) -> int:
        """Bytes that a reader and its table take."""
        return self.reader.weight if type(self.reader) is http2.Heads else 0

    def _append(self, offset: int, segment: bytes, tally: Tally) -> None:
        known = self.buffer[offset : offset + len(segment)]
        if known != segment[: len(known)]:
            tally[Weird.OVERLAP_DIFFERS] += 1
        self.buffer += segment[len(known) :]


class Streams:
    """`take` what may belong to a beginning; `key` is both addresses and both ports, as in the packet."""

    def __init__(self, limits: Limits, tally: Tally) -> None:
        self._limits, self._tally = limits, tally
        self.open: Held[bytes, Stream] = Held(
            tally,
            entries=limits.streams,
            total=limits.held_bytes,
            seconds=limits.stream_seconds,
            full=Weird.STREAMS_EVICTED,
            late=Weird.STREAM_EXPIRED,
        )
        # the first sequence number, and whether it is of an answer
        self.expected: Recent[tuple[int, bool]] = Recent(limits.expected, limits.stream_seconds)
        self._finished: Recent[_Read] = Recent(limits.finished, limits.finished_seconds)

    def connecting(self, key: bytes, now: float, seq: int) -> None:
        """A SYN without ACK: what was known of these ports is over, unless it is the same SYN once more."""
        first = (seq + 1) & _MASK
        finished, stream = self._finished.get(key), self.open.get(key)
        if finished is not None:
            read = finished[1]
            if (read.end - read.body - first) & _MASK <= _BEFORE:
                return
            del self._finished[key]
        if stream is not None:
            if stream.base == first:
                return
            self.open.drop(key)
        self.expected.note(key, now, (first, False))

    def answered(self, key: bytes, now: float, seq: int) -> None:
        """What comes under `key`, which is the other direction's, answers from `seq` on what was just completed."""
        stream = self.open.get(key)
        if stream is not None:
            if stream.base == seq or type(stream.reader) is http2.Heads:
                return
            self.open.drop(key)
        self.expected.note(key, now, (seq, True))

    def take(self, key: bytes, now: float, seq: int, segment: bytes, dport: int) -> list[Item]:
        """What this segment completes, in the order of the stream."""
        stream = self.open.get(key)
        if stream is None:
            return self._begin(key, now, seq, segment, dport)
        offset = (seq - stream.base) & _MASK
        if offset >= _HALF:  # it begins before what is held
            skip = _MASK + 1 - offset
            if skip < len(segment):
                return self._more(key, stream, now, 0, segment[skip:], dport)
        elif offset <= self._limits.stream_bytes:
            return self._more(key, stream, now, offset, segment, dport)
        if stream.answers:
            return []
        if _BEFORE < offset <= _MASK - _BEFORE and reader_of(segment, dport):  # other numbers: another connection
            self.open.drop(key)
            return self._begin(key, now, seq, segment, dport)
        return []

    def expire(self, now: float) -> None:
        """Let go what is too old."""
        self.open.expire(now)
        self.expected.expire(now)
        self._finished.expire(now)

    def _begin(self, key: bytes, now: float, seq: int, segment: bytes, dport: int) -> list[Item]:
        """The first segment of a beginning, or none, or one that was overtaken."""
        finished = self._finished.recall(key, now)
        if finished is not None:
            behind = (finished.end - seq) & _MASK
            if 0 < behind <= _BEFORE + finished.body:
                segment, seq = segment[behind:], finished.end
        if not segment:
            return []  # read already, or of a body
        if segment[0] in _ENDINGS and (said := self._refused(key, now, seq, segment, finished)):
            return [said]
        expected = self.expected.pop(key, None)
        if expected is not None:
            first, answers = expected[1]
            if answers:
                return self._answer(key, expected[0], now, seq, segment, first)
            if finished is None and 0 < (seq - first) & _MASK <= self._limits.stream_bytes:
                return self._open(key, Stream(now, first, None), (seq - first) & _MASK, segment, dport)
        reader = reader_of(segment, dport)
        if reader is None or (len(segment) < _TELLING and self._finished.recall(turned(key), now) is not None):
            return []  # a few bytes of an answer, once more
        hello = self._hello(key, now, seq, segment) if reader is read_tls and finished is None else None
        return self._open(key, Stream(now, seq, reader), 0, segment, dport) if hello is None else hello

    def _hello(self, key: bytes, now: float, seq: int, segment: bytes) -> list[Item] | None:
        """A connection's first hello, where one segment holds it, as most do; None: it goes on."""
        items, consumed, need = read_tls(segment)
        if consumed:
            self._finished.note(key, now, _Read((seq + consumed) & _MASK, tls=True, body=0))
        return None if need else list(items)

    def _refused(self, key: bytes, now: float, seq: int, segment: bytes, finished: _Read | None) -> Alert | None:
        """An alert that a client sends next after its hello, or that follows a hello in either direction."""
        if finished is not None and finished.tls:
            said = refusal(segment) if seq == finished.end else alert(segment)
            if said is not None:
                self._finished.note(key, now, _Read((seq + len(segment)) & _MASK, tls=True, body=0))
            return said
        said = alert(segment)
        if said is not None and key not in self.expected:  # one that is expected is read as an answer
            other = self._finished.recall(turned(key), now)
            return said if other is not None and other.tls else None
        return None

    def _answer(self, key: bytes, since: float, now: float, seq: int, segment: bytes, first: int) -> list[Item]:
        """The first segment of an answer, or one that overtook it; what is older leaves the answer expected."""
        offset = (seq - first) & _MASK
        if offset >= _HALF:
            segment, offset = segment[_MASK + 1 - offset :], 0
            if not segment:
                self.expected.note(key, since, (first, True))
                return []
        if offset > self._limits.stream_bytes:
            return []  # numbers of another connection
        if offset:
            return self._open(key, Stream(now, first, None, answers=True), offset, segment, 0)
        reader = answer_reader_of(segment, _sport(key))
        if reader is None:
            return []
        if type(reader) is http2.Heads:
            return self._open(key, Stream(now, first, reader, answers=True), 0, segment, 0)
        items, _, need = reader(segment)
        if need:  # most answers are whole in one segment, as far as they matter
            stream = Stream(now, first, reader, answers=True)
            stream.add(0, segment, self._tally)
            stream.looks, stream.need, stream.quiet = 1, need, bool(items)
            self.open.expire(now)
            self.open.put(key, stream)
        return list(items)

    def _open(self, key: bytes, stream: Stream, offset: int, segment: bytes, dport: int) -> list[Item]:
        """Most beginnings are whole in one segment and never enter the table."""
        stream.add(offset, segment, self._tally)
        items = self._look(key, stream, stream.since, dport)
        if stream.need:
            self.open.expire(stream.since)
            self.open.put(key, stream)
        return items

    def _more(self, key: bytes, stream: Stream, now: float, offset: int, segment: bytes, dport: int) -> list[Item]:
        self.open.grown(stream.add(offset, segment, self._tally))
        if key not in self.open:  # it went for want of room
            return []
        items, held = self._look(key, stream, now, dport), stream.size - stream.table
        pieces = max(stream.looks, len(stream.ahead))  # a byte at a time costs nothing while it is not looked at
        if stream.need and (pieces >= self._limits.stream_segments or held > self._limits.stream_bytes):
            if not stream.quiet:
                self._tally[Weird.STREAM_TOO_LONG] += 1
            stream.need = 0
        if not stream.need:
            self.open.drop(key)
        return items

    def _look(self, key: bytes, stream: Stream, now: float, dport: int) -> list[Item]:
        """Have a reader look, where there is enough; sets `stream.need`, 0 where the stream is done with."""
        found: list[Item] = []
        while len(stream.buffer) >= stream.need:
            stream.looks += 1
            stream.reader = stream.reader or self._reader(key, stream, dport)
            if stream.reader is None:
                stream.need = 0
                break
            if type(stream.reader) is http2.Heads:
                stream.reader.now = now
            items, consumed, need = stream.reader(stream.buffer)
            found += items
            stream.quiet = stream.quiet or bool(items)
            if consumed:
                self._finish(key, stream, now, consumed, items)
                if type(stream.reader) is http2.Heads:
                    stream.looks = 0  # its connection goes on for as long as it likes, and has budgets of its own
                    self.open.renew(key, now)
            stream.need = need - consumed if need else 0
            if need or not consumed or not stream.buffer:
                break
            stream.reader = None  # another protocol may follow: TLS a CONNECT that waits for no answer
        return found

    def _finish(self, key: bytes, stream: Stream, now: float, consumed: int, items: Sequence[Item]) -> None:
        """Remember how far was read; what is held from there on stays. A body may reach beyond what is held."""
        earlier = self._finished.recall(key, now)
        end = (stream.base + consumed) & _MASK
        if earlier is not None and earlier.tls and stream.reader is read_tls:
            for item in items:
                if isinstance(item, ClientHello):
                    item.notes += ("hello_retry",)
        held = len(stream.buffer)
        body = max(0, consumed - held)
        if not stream.answers:
            self._finished.note(key, now, _Read(end, stream.reader is read_tls, body))
        if body and type(stream.reader) is not http2.Heads:
            self.expected.note(key, now, (end, False))  # so that what comes behind the body is looked at
        stream.base = end
        stream.buffer = stream.buffer[consumed:]
        if stream.ahead:
            stream.ahead = _moved(stream.ahead, consumed)
        before, stream.size = stream.size, stream.weighed()
        self.open.grown(stream.size - before if key in self.open else 0)

    @staticmethod
    def _reader(key: bytes, stream: Stream, dport: int) -> Reader | None:
        return answer_reader_of(stream.buffer, _sport(key)) if stream.answers else reader_of(stream.buffer, dport)


def _moved(ahead: dict[int, bytes], by: int) -> dict[int, bytes]:
    """Pieces by their offset from a place further on; what lies before it is gone."""
    moved: dict[int, bytes] = {}
    for offset, piece in ahead.items():
        place, rest = max(0, offset - by), piece[max(0, by - offset) :]
        if len(rest) > len(moved.get(place, b"")):
            moved[place] = rest
    return moved


def turned(key: bytes) -> bytes:
    """The key of the other direction."""
    middle = (len(key) - 4) >> 1
    return key[middle:-4] + key[:middle] + key[-2:] + key[-4:-2]


def _sport(key: bytes) -> int:
    return key[-4] << 8 | key[-3]
