"""An answer in pieces, edited while it passes.

Owns: what happens to the bytes of one streamed answer between upstream and client. Rules: where nothing may be held
back the bytes go on as they came, and reading them is for the record alone; where something may, only what the editor
hands out goes on, and a fault raises, so that the guard closes; nothing goes on after the last words. What comes from a
service of another dialect is carried over first: editor, meter and record read what the client gets.
"""

from collections.abc import Callable

import msgspec

from addons.carrying import usage_of
from addons.endings import BUDGET, RULE, UNREADABLE
from addons.endings import TORN as TORN_OFF
from addons.ongoing import INSPECTION_FAILED, Account
from appliance.inspect.dialects import EventReader
from appliance.inspect.dialects.unknown_events import UNKNOWN_STREAM
from appliance.inspect.stream.editor import ENDED_BY_RULE, StreamEditor
from appliance.inspect.stream.framing import TORN
from appliance.inspect.stream.tally import StreamReport
from appliance.inspect.unpacking import PackingFault, Unpacker
from appliance.model.detection import Coverage
from appliance.route.translate import Stream


class EventsAnswer:
    """Follows one streamed answer.

    `guards`: something of it may be held back or left out. `on_cut` is called once, with the cause and its detail, when
    the editor asks for the end. `unknown`: no dialect reads it. `over`: asked after each piece whether a budget is used
    up. `carry`: brings it from the service's dialect to the client's.
    """

    def __init__(
        self,
        editor: StreamEditor,
        reader: EventReader,
        unpack: Unpacker | None,
        *,
        guards: bool,
        on_cut: Callable[[str, str], None],
        unknown: bool = False,
        over: Callable[[], bool] = lambda: False,
        carry: Stream | None = None,
    ) -> None:
        self.taken = 0
        self._editor = editor
        self._reader = reader
        self._unpack = unpack
        self._guards = guards
        self._carry = carry
        self._on_cut = on_cut
        self._unknown = unknown
        self._budget_over = over
        self._lost = ""  # why nothing more is read
        self._unread = 0
        self._over = False

    def take(self, chunk: bytes) -> list[bytes]:
        """What goes on to the client for the next piece from upstream; `b""`: there is no more."""
        if self._over:
            return []
        self.taken += len(chunk)
        if self._lost:
            return self._past(chunk)
        self._lost = INSPECTION_FAILED  # until this piece has been read
        try:
            out = self._read(chunk)
        except PackingFault as fault:
            self._lost = fault.word
            return self._unpackable(chunk, fault.word)
        self._lost = ""
        if self._guards and self._editor.wants_cut is not None:
            return out + self._end(self._editor.wants_cut)
        return out + self._ended_early() if chunk else out

    def _ended_early(self) -> list[bytes]:
        """The last words of an answer that cannot be carried over any further, or whose budget is used up."""
        if self.broken:
            self._over = True
            self._on_cut(TORN_OFF, "")
            return list(self._editor.close())
        if self._budget_over():
            self._over = True
            self._on_cut(BUDGET, "")
            return list(self._editor.cut(BUDGET)) if self._through_editor else []
        return []

    def last_words(self, reason: str) -> bytes:
        """What ends the stream here: what was decided, and the dialect's own ending. Nothing may follow."""
        if self._over:
            return b""
        self._over = True
        if self._lost or not self._through_editor:
            return b""
        return b"".join(self._editor.cut(reason))

    def torn_words(self, reason: str) -> bytes:
        """What ends the stream after a fault, when nobody knows any more where in it the client is."""
        torn = TORN.get(self._reader.framing)
        if torn is None or not self._through_editor:
            return b""
        return torn + self._reader.ending(reason)

    @property
    def unfinished(self) -> bool:
        """A dialect reads it and has seen neither its end nor an error."""
        told = self._reader.told()
        return not (self._unknown or self._lost or told.done or told.error or told.finish)

    @property
    def broken(self) -> bool:
        """It had to be ended in an error of ours, because it could not be carried over to its end."""
        return self._carry is not None and self._carry.broken

    def account(self) -> Account:
        """What was read of it; nothing more goes on. What was held when it broke off is told as well."""
        if self._lost == INSPECTION_FAILED:
            return Account(coverage=Coverage(self.taken, opaque={self._lost: self.taken} if self.taken else {}))
        self._editor.abandon()
        report = self._editor.report()
        told, edits = report.told, report.edits
        if self._unpack is not None and self._through_editor:
            edits = ("decoded", *edits)
        carry = self._carry
        return Account(
            coverage=self._coverage(report),
            model=(carry.model if carry else "") or told.model,
            usage=usage_of(carry.usage) if carry else report.usage,
            lost=carry.losses if carry else (),
            labels=report.labels,
            redactions=report.redactions,
            edits=edits,
            tools_called=told.tools_called,
            finish=told.finish,
            gone_bytes=report.gone_bytes,
            chars=report.text_chars,
            sample=report.sample,
        )

    @property
    def _through_editor(self) -> bool:
        """The client reads what the editor hands out; else the compressed bytes as they came."""
        return self._guards or self._unpack is None or self._carry is not None

    def _read(self, chunk: bytes) -> list[bytes]:
        data = chunk
        if self._unpack is not None and chunk:
            data = self._unpack.feed(chunk)
        elif self._unpack is not None:
            self._unpack.close()
        if self._carry is not None:
            data = self._carry.feed(data) if chunk else self._carry.close()
            out = list(self._editor.feed(data)) if data else []
            return out if chunk else [*out, *self._editor.close()]
        out = self._editor.feed(data) if chunk else self._editor.close()
        if self._through_editor:
            return out
        return [chunk] if chunk else []

    def _past(self, chunk: bytes) -> list[bytes]:
        """Something went wrong before, and stage observe lets the rest pass."""
        self._unread += len(chunk)
        return [chunk] if chunk else []

    def _unpackable(self, chunk: bytes, word: str) -> list[bytes]:
        if not self._guards and self._carry is None:
            return self._past(chunk)
        self._over = True
        self._unread += len(chunk)
        self._on_cut(UNREADABLE, word)
        return list(self._editor.cut(UNREADABLE))

    def _end(self, why: str) -> list[bytes]:
        self._over = True
        cause = RULE if why == ENDED_BY_RULE else UNREADABLE
        self._on_cut(cause, "" if cause is RULE else why)
        return list(self._editor.cut(cause))

    def _coverage(self, report: StreamReport) -> Coverage:
        coverage = report.coverage
        if self._unknown and coverage.text_scanned:
            unscanned = dict(coverage.text_unscanned)
            unscanned[UNKNOWN_STREAM] = unscanned.get(UNKNOWN_STREAM, 0) + coverage.text_scanned
            coverage = msgspec.structs.replace(coverage, text_scanned=0, text_unscanned=unscanned)
        if not self._unread:
            return coverage
        opaque = dict(coverage.opaque)
        opaque[self._lost] = opaque.get(self._lost, 0) + self._unread
        return msgspec.structs.replace(coverage, length=coverage.length + self._unread, opaque=opaque)
