"""A streamed answer, edited as it passes: bytes in, bytes out, in order, nothing of what is to be hidden among them.

Theory of operation. Framers cut events out of the bytes, the dialect's reader says which texts an event holds, and a
watch per growing text says how far that text is decided. Events wait in one queue; an event leaves when all its texts
are decided, with its bytes as they came wherever nothing of it is hidden. What is found across several events leaves
its placeholder where it begins and nothing in the rest. A long text of which only the tail is undecided leaves in two
events, so that no more is held than must be. Where nothing may be hidden, ended or dropped, bytes pass at once and are
read only for the records.

Rules: pure; time plays no part; the same bytes, cut in any way, come out the same; b"" is never handed out; what a
watcher raises goes through, and nothing leaves any more; what is held is bounded, and beyond the bound the stream is
cut (`wants_cut`), never released. Free text around payloads (comments, ids, headers) is a text like any other.
"""

from typing import Final

import msgspec

from appliance.inspect.dialects import EventReader
from appliance.inspect.redact import Edit
from appliance.inspect.stream.beside import TOO_MANY_NUMBERS, doubt, is_word, numbers_in, too_much
from appliance.inspect.stream.channels import BEGUN_AGAIN, Channel, Entry, Piece, Resumed
from appliance.inspect.stream.events import EventView, Framing, Text
from appliance.inspect.stream.frames import BROKEN, COMPRESSED, MAX_EVENT, TOO_LARGE, UNFINISHED, Frame
from appliance.inspect.stream.framing import DROPPABLE, framer_of, placed
from appliance.inspect.stream.queue import EventQueue
from appliance.inspect.stream.tally import LABELS_LOST, LOGPROBS_REMOVED, UNFINISHED_DROPPED, StreamReport, Tally
from appliance.inspect.stream.watch import Decided, Watch, Watcher, kind_for
from appliance.inspect.stream.wholes import Wholes
from appliance.model.detection import Selector

CEILING = 65536
MAX_HELD = 8 * 1024 * 1024
"""Bytes of events that wait, each counted as it came and with what it costs beside."""
MAX_CHANNELS = 512
ENDED_BY_RULE: Final = "ended_by_rule"
TOO_MUCH_HELD: Final = "too_much_held"
TOO_MANY_CHANNELS: Final = "too_many_channels"
REST_AFTER, REST_AT_MOST = 8, 16
"""Events in which others of its group grow, and a text does not, until it is taken for ended; and the undecided code
points of such a text: with more it may be in the middle of a key, and is waited for."""
_MAX_ENDED = 8192  # growing texts of one answer that have ended
_LOOSE = "-/loose"  # the channel of events that follow each other and are no documents
_NO_EVENT: Final = EventView()


class StreamEditor:
    """One streamed answer.

    `hides`, `ends`: what must not leave, and what ends the answer before it leaves. `ceiling`: UTF-8 bytes of one text
    held at most. `drop_usage`: events that are there only because usage was asked for go no further. `restores`: the
    watcher puts values back. `wants_cut`: why the answer must be ended; nothing more leaves, the adapter calls `cut`.
    """

    def __init__(
        self,
        reader: EventReader,
        watcher: Watcher,
        *,
        hides: tuple[Selector, ...],
        ends: tuple[Selector, ...],
        ceiling: int = CEILING,
        drop_usage: bool = False,
        restores: bool = False,
        max_event: int = MAX_EVENT,
        max_held: int = MAX_HELD,
    ) -> None:
        self.wants_cut: str | None = None
        self._reader = reader
        self._watcher = watcher
        self._hides, self._ends = hides, ends
        self._ceiling = ceiling
        self._max_held = max_held
        self._framer = framer_of(reader.framing, max_event)
        self._tally = Tally()
        self._wholes = Wholes(watcher, self._tally, hides, ends, ceiling)
        self._channels: dict[str, Channel] = {}
        self._ended: set[str] = set()
        self._grown: set[str] = set()  # with this event
        self._guards = bool(hides or ends)
        drops = drop_usage and reader.framing in DROPPABLE
        self._passes = not (self._guards or drops or restores)
        self._queue = EventQueue(self._tally, hides=bool(hides), drops_usage=drops)
        self._held = 0  # code points undecided
        self._last = b""  # of an array: the last byte that has left and is no white space
        self._over = self._failed = False

    def want(self, hides: tuple[Selector, ...], ends: tuple[Selector, ...]) -> list[bytes] | None:
        """From here on these are hidden and end the answer, also in what is still held of growing texts.

        What may leave now; None: nothing was held so far, and another editor is needed.
        """
        if self._passes:
            return None
        self._hides, self._ends = hides, ends
        self._wholes = Wholes(self._watcher, self._tally, hides, ends, self._ceiling)
        self._queue.hides = bool(hides)
        for channel in () if self._over or self._failed else self._channels.values():
            if channel.resting:
                continue
            self._tally.streamed(channel.watch.labels())
            decided = channel.renew(self._watch(channel.kind))
            if channel.pieces:
                self._settle(channel.pieces[-1].entry, channel, decided)
        self._queue.flush()
        return self._released()

    def feed(self, data: bytes) -> list[bytes]:
        """The next decoded bytes of the answer; what may leave."""
        self._tally.length += len(data)
        if self._over or self._failed or self.wants_cut or not data:
            return []
        if self._passes:
            return self._pass(data)
        try:
            for frame in self._framer.feed(data):
                self._take(frame)
                if self.wants_cut:
                    break
        except Exception:
            self._failed = True
            raise
        return self._released()

    def close(self) -> list[bytes]:
        """The upstream has ended or was cut: what is held is decided as it stands, and leaves."""
        if self._over or self._failed or self.wants_cut:
            return []
        self._failed = True
        for frame in self._framer.close():
            self._take(frame)
        if not self.wants_cut:
            self._close_channels("")
            self._queue.flush()
        self._failed, self._over = False, self.wants_cut is None
        return [] if self._passes else self._released()

    def cut(self, reason: str) -> list[bytes]:
        """We end the answer: what is undecided is dropped, and the dialect's own ending comes. Nothing comes after."""
        if self._over:
            return []
        self.abandon()
        if self.wants_cut == ENDED_BY_RULE:
            self._tally.gone_bytes = self._tally.sent
        whole = self._framer.at_boundary if self._passes else self._queue.whole
        ending = placed(self._reader.framing, self._reader.ending(reason), whole=whole, last=self._last)
        self._queue.out += [ending] if ending else []
        return self._released()

    def abandon(self) -> None:
        """Nothing more comes or leaves: what was held is looked at for its labels alone."""
        if self._over:
            return
        self._over = True
        for channel in () if self._failed else self._channels.values():
            if channel.resting:
                continue
            try:
                channel.watch.close()
            except Exception:  # noqa: BLE001 - the answer must still be ended; that a detector failed is told
                self._tally.troubled(LABELS_LOST)

    def report(self) -> StreamReport:
        """What is known so far; final after `close`, `cut` or `abandon`."""
        growing = (one.watch.labels() for one in self._channels.values() if not one.resting)
        return self._tally.report(self._reader.told(), self._watcher.classes, growing)

    def _pass(self, data: bytes) -> list[bytes]:
        self._queue.out.append(data)
        out = self._released()
        for frame in self._framer.feed(data):
            self._take(frame)
        return out

    def _released(self) -> list[bytes]:
        """What has been put out, in one piece unless messages are whole."""
        out = self._queue.out
        if not out:
            return []
        self._queue.out = []
        framing = self._reader.framing
        if framing is Framing.MESSAGE:
            out = [piece for piece in out if piece]
            self._tally.sent += sum(map(len, out))
            return out
        joined = out[0] if len(out) == 1 else b"".join(out)
        if framing is Framing.JSON_ARRAY:
            self._last = joined.rstrip()[-1:] or self._last
        self._tally.sent += len(joined)
        return [joined] if joined else []

    def _take(self, frame: Frame) -> None:
        """One frame, read and put into the queue; whatever is decided by it leaves."""
        if frame.problem is not None:
            self._tally.troubled(frame.problem)
        if frame.event is None and frame.problem is not None and not (frame.asides and frame.problem == BROKEN):
            self._unread(frame)
            return
        if frame.event is None and not frame.asides:
            self._tally.frame(len(frame.raw))
            if not self._passes:
                self._queue.plain(frame.raw)
            return
        view = self._reader.read(frame.event) if frame.event is not None else _NO_EVENT
        much = too_much(len(frame.raw), view)
        if much or (view.malformed and frame.problem == UNFINISHED and self._guards):
            self._unread(msgspec.structs.replace(frame, problem=TOO_LARGE if much else UNFINISHED))
            return
        self._tally.frame(len(frame.raw))
        entry = Entry(frame, view)
        self._aside(entry)
        if frame.event is not None:
            self._event(entry, view, frame.event.payload)
        if self._guards and frame.problem == BROKEN:
            self._stop(entry, BROKEN)
        self._push(entry)

    def _unread(self, frame: Frame) -> None:
        """Bytes in which no event can be found: they pass only where nothing could have been hidden in them."""
        self._tally.troubled(frame.problem or UNFINISHED)
        self._tally.blind(len(frame.raw), frame.problem or UNFINISHED)
        if not self._guards or frame.problem == COMPRESSED:
            self._push(Entry(frame, _NO_EVENT))
        elif frame.problem == UNFINISHED:
            self._tally.edited(UNFINISHED_DROPPED)
        else:
            self.wants_cut = frame.problem

    def _aside(self, entry: Entry) -> None:
        """Free text around the payload."""
        frame = entry.frame
        for start, end in frame.asides:
            if frame.event is not None and is_word(frame.raw[start:end], frame.event.payload, entry.view):
                continue
            self._tally.looked(end - start)
            text = Text(start, end, frame.raw[start:end].decode("utf-8", "surrogateescape"), escaped=False)
            entry.asides += self._single(entry, frame.raw, text, "metadata")

    def _event(self, entry: Entry, view: EventView, payload: bytes) -> None:
        self._tally.payload(len(payload), view, removed=bool(self._hides), data=payload)
        problem = doubt(payload, view)
        if problem is not None:
            self._doubted(entry, problem)
        if view.malformed:
            self._loose(entry, payload, plain=problem is None)
            return
        if _LOOSE in self._channels:
            self._close_channels(_LOOSE)
        self._numbers(entry, view, payload)
        self._texts(entry, view.texts, payload)
        if self.wants_cut:
            return
        for prefix in view.closes:
            self._close_channels(prefix)
        if view.repeats and self._hides:
            entry.edits += [(start, end, b"null") for start, end in view.repeats]
            self._tally.edited(LOGPROBS_REMOVED)

    def _texts(self, entry: Entry, texts: tuple[Text, ...], payload: bytes) -> None:
        for text in texts:
            if self.wants_cut:
                return
            if not text.text:
                continue
            if text.channel is None:
                entry.edits += self._single(entry, payload, text, kind_for(self._watcher, text))
            else:
                self._grow(entry, text, text.channel)
        if self._held:
            self._rest()
        self._grown.clear()

    def _loose(self, entry: Entry, payload: bytes, *, plain: bool) -> None:
        """An event that is no document: words grow with those that follow."""
        text = Text(0, len(payload), payload.decode("utf-8", "surrogateescape"), escaped=False, spoken=False)
        if plain:
            self._grow(entry, text, _LOOSE)
        else:
            self._single(entry, payload, text, kind_for(self._watcher, text))

    def _doubted(self, entry: Entry, problem: str) -> None:
        """Readers may differ in what this event says: it goes no further where something may be hidden in it."""
        self._tally.troubled(problem)
        if self._guards:
            self._stop(entry, problem)

    def _numbers(self, entry: Entry, view: EventView, payload: bytes) -> None:
        """Long numbers outside all strings: cards and accounts are written so too."""
        numbers = numbers_in(payload, view)
        if numbers is None:
            self._doubted(entry, TOO_MANY_NUMBERS)
        for number in numbers or ():
            edits, ends = self._wholes.number(number)
            entry.edits += edits
            if ends:
                self._end_by_rule(entry)

    def _single(self, entry: Entry, written: bytes, text: Text, kind: str) -> list[Edit]:
        """A text that stands for itself, scanned whole."""
        edits, ends = self._wholes.text(written, text, kind)
        if ends:
            self._end_by_rule(entry)
        return edits

    def _grow(self, entry: Entry, text: Text, name: str) -> None:
        """A further piece of a growing text."""
        channel = self._channels.get(name)
        if channel is None:
            if len(self._channels) >= MAX_CHANNELS or len(self._ended) >= _MAX_ENDED:
                self._too_many(entry, text)
                return
            if name in self._ended:
                self._doubted(entry, BEGUN_AGAIN)
            channel = self._channels[name] = Channel(self._watch(kind := kind_for(self._watcher, text)), kind)
        elif channel.resting:
            channel.wake(self._watch(channel.kind))
        size = len(text.text)
        self._tally.grown(text.text)
        self._grown.add(name)
        decided = channel.watch.feed(text.text)
        if isinstance(channel.watch, Resumed) and channel.watch.spans:
            self._doubted(entry, BEGUN_AGAIN)
        if self._passes:
            return
        until, found, ends_at = decided
        if until == channel.fed + size and not (found or channel.pieces) and ends_at is None:
            channel.fed = channel.until = until  # nothing waits: so it is with most of all texts
            return
        piece = Piece(entry, text, channel.fed)
        channel.fed += size
        channel.pieces.append(piece)
        entry.pieces.append(piece)
        entry.waiting += 1
        self._held += size
        self._settle(entry, channel, decided)

    def _watch(self, kind: str) -> Watch:
        return self._watcher.watch(kind, self._hides, self._ends, self._ceiling)

    def _rest(self) -> None:
        """Texts that others of their group have taken over from: what is open of them would hold up all the rest."""
        groups = {name.partition("/")[0] for name in self._grown}
        for name, channel in self._channels.items():
            if name in self._grown:
                channel.idle = 0
            elif channel.pieces and name.partition("/")[0] in groups:
                channel.idle += 1
                if channel.idle >= REST_AFTER and channel.held <= REST_AT_MOST:
                    decided = channel.rest()
                    self._tally.streamed(channel.watch.labels())
                    self._settle(channel.pieces[-1].entry, channel, decided)

    def _too_many(self, entry: Entry, text: Text) -> None:
        """More growing texts than are followed: read alone where nothing is hidden, else the end."""
        if self._guards:
            self._stop(entry, TOO_MANY_CHANNELS)
        else:
            self._single(entry, b"", text, kind_for(self._watcher, text))

    def _settle(self, entry: Entry, channel: Channel, decided: Decided) -> None:
        before = channel.held
        self._tally.redactions += channel.settle(decided)
        self._held += channel.held - before
        if channel.ended:
            self._end_by_rule(entry)

    def _close_channels(self, prefix: str) -> None:
        """Growing texts whose names begin so have ended."""
        for name in [name for name in self._channels if name.startswith(prefix)]:
            channel = self._channels.pop(name)
            if self._guards and name != _LOOSE and self._reader.framing is not Framing.MESSAGE:
                self._ended.add(name)
            if channel.resting:
                continue
            decided = channel.watch.close()
            self._tally.streamed(channel.watch.labels())
            if self._passes:
                continue
            if channel.pieces:
                self._settle(channel.pieces[-1].entry, channel, decided)
            if channel.held and not channel.ended:
                raise ValueError("a watch left something undecided at the end of its text")

    def _end_by_rule(self, entry: Entry) -> None:
        if not self._passes:
            self._stop(entry, ENDED_BY_RULE)

    def _stop(self, entry: Entry, reason: str) -> None:
        entry.waiting += 1
        entry.stopped = True
        self.wants_cut = self.wants_cut or reason

    def _push(self, entry: Entry) -> None:
        """Into the queue, and out of it whatever is decided."""
        if self._passes:
            return
        self._tally.holding(self._held)
        self._queue.push(entry)
        if self._queue.cost > self._max_held:
            self.wants_cut = self.wants_cut or TOO_MUCH_HELD
