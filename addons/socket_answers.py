"""The provider's half of a governed WebSocket: each message edited on its way to the client, and an account of all.

Theory of operation. Where the dialect reads the socket's events the stream editor edits them (it may hold a message
back until its text is decided); elsewhere each message is read and redacted as a body of its own. A `Tally` is what one
call on the socket has of it: the account is cumulative, and its growth goes to whoever is current.
Rules: what is to be hidden only grows while a socket lives (`want`), and what was held is decided first; where nothing
is to be hidden messages go on as they came; a message of another kind (binary among text) does not wait behind those.
"""

from typing import NamedTuple

from addons.answer_whole import told
from addons.endings import RULE, UNREADABLE
from addons.ongoing import INSPECTION_FAILED, Account, unread
from appliance.inspect.accounts import NOTHING, labels_since, minus, plus, usage_since, usage_sum
from appliance.inspect.dialects import Call, Dialect, EventReader
from appliance.inspect.inspection import Inspector
from appliance.inspect.output.expected import NOTHING as NOTHING_EXPECTED
from appliance.inspect.pseudonyms import Restoration
from appliance.inspect.redact import NotEditable
from appliance.inspect.scanning import merged
from appliance.inspect.states import Naming, begins
from appliance.inspect.stream.editor import ENDED_BY_RULE, StreamEditor
from appliance.inspect.stream.restoring import Restoring
from appliance.inspect.stream.watch import Watcher
from appliance.model.detection import Selector

CEILING = 64 * 1024  # UTF-8 bytes of a growing text that are held back at most
SOCKET = "websocket"  # the content type by which dialects know their socket
EMPTY = Account(coverage=NOTHING)


class Wanted(NamedTuple):
    """What is hidden in answers, and what ends them."""

    hides: tuple[Selector, ...] = ()
    ends: tuple[Selector, ...] = ()

    def joined(self, other: "Wanted") -> "Wanted":
        """Both."""
        return Wanted(_joined(self.hides, other.hides), _joined(self.ends, other.ends))


class Tally:
    """What one exchange has of a socket's answers; an `Answer`."""

    reads_late = False

    def __init__(self) -> None:
        self.taken = 0
        self._account = EMPTY

    def add(self, size: int, grown: Account) -> None:
        """More of it. `size`: bytes that came."""
        self.taken += size
        self._account = together(self._account, grown)

    def account(self) -> Account:
        """What it was."""
        return self._account


class SocketAnswers:
    """Follows everything that the provider says on one socket."""

    def __init__(
        self, inspector: Inspector, watcher: Watcher, dialect: Dialect | None, call: Call, max_message: int
    ) -> None:
        self.taken = 0
        self.expected = NOTHING_EXPECTED  # what the upgrade tells of them
        self.ended: tuple[str, str] | None = None  # why it must end: a word of addons/endings.py, and detail
        self.restoration = Restoration()  # what names stand for that the client's messages were given
        self.begun: tuple[str, ...] = ()  # what answers are remembered as by the provider, the newest first
        self._inspector, self._dialect, self._call = inspector, dialect, call
        self._watcher = Restoring(watcher, self.restoration)
        self._restores = False
        self._max_message = max_message
        self._wanted = self._wants = Wanted()
        self._reader = self._fresh_reader()
        self._editor: StreamEditor | None = None
        self._in_editor = 0  # bytes that it has taken
        self._lost = False
        self._text: bool | None = None  # the kind of messages that the editor reads
        self._ended_before = 0  # answers that editors saw end that are gone
        self._before = EMPTY  # of editors that have ended, and of messages that none has read

    @property
    def by_events(self) -> bool:
        """The dialect reads the socket's events, so messages are edited by the stream editor, on the loop."""
        return self._reader is not None

    @property
    def wants(self) -> Wanted:
        """What is hidden, and what ends them, from the next message on."""
        return self._wants

    @property
    def finished(self) -> int:
        """How many answers have told that they are over."""
        return self._ended_before + (self._reader.told().finished if self._editor and self._reader else 0)

    def want(self, wanted: Wanted) -> None:
        """Hide and end by these as well, from the next message on."""
        self._wants = self._wants.joined(wanted)

    def take(self, message: bytes, is_text: bool) -> list[bytes]:
        """What goes on to the client. Raises what a detector raises. Afterwards `ended` may be set."""
        self.taken += len(message)
        if self._lost:
            if any(self._wants):  # it was lost in stage observe, and now something may be hidden in what nobody reads
                self.ended = (UNREADABLE, INSPECTION_FAILED)
            self._before = together(self._before, unread(len(message)))
            return [] if self.ended else [message]
        try:
            return [] if self.ended else self._taken(message, is_text=is_text)
        except BaseException:
            self._lose(len(message))
            raise

    def last(self, why: str) -> list[bytes]:
        """What is still owed to the client at the end. `why` empty: a peer has ended it."""
        editor, self._editor = self._editor, None
        if editor is None:
            return []
        out = editor.cut(why) if why else editor.close()
        self._ended_before += self._reader.told().finished if self._reader else 0
        self._before = together(self._before, _of(editor))
        return out

    def account(self) -> Account:
        """All of it so far."""
        return together(self._before, _of(self._editor)) if self._editor is not None else self._before

    def _taken(self, message: bytes, *, is_text: bool) -> list[bytes]:
        first = self._renewed()
        if self._editor is None and self._text is None and self._reader is not None:
            self._editor, self._text = self._made(self._reader), is_text
        if self._editor is None or is_text != self._text:
            return first + self._whole(message)
        out = self._editor.feed(message)
        self._in_editor += len(message)
        why = self._editor.wants_cut
        if why is not None:
            self.ended = (RULE if why == ENDED_BY_RULE else UNREADABLE, why)
        return first + out

    def _lose(self, size: int) -> None:
        """A fault has ended the reading: what the editor has taken counts as unread, for it may not tell."""
        if self._editor is not None:
            size, self._editor = size + self._in_editor, None
        self._before = together(self._before, unread(size))
        self._lost = True

    def _renewed(self) -> list[bytes]:
        """What the editor may let go of where more is to be hidden than it was made for.

        What it holds is looked at anew: the beginning of something that is only now to be hidden may be in it.
        """
        restores = bool(self.restoration.values)
        if self._wants == self._wanted and restores == self._restores:
            return []
        self._wanted, self._restores = self._wants, restores
        if self._editor is None:
            return []
        freed = self._editor.want(*self._wanted)
        if freed is not None:
            return freed
        owed = self.last("")
        self._reader, self._text, self._in_editor = self._fresh_reader(), None, 0
        return owed

    def _fresh_reader(self) -> EventReader | None:
        reader = self._dialect.events(self._call, SOCKET) if self._dialect else None
        return Naming(reader, self._begun) if reader is not None and begins(self._call) else reader

    def _begun(self, ids: tuple[str, ...]) -> None:
        self.begun = ids

    def _made(self, reader: EventReader) -> StreamEditor:
        hides, ends = self._wanted
        return StreamEditor(
            reader,
            self._watcher,
            hides=hides,
            ends=ends,
            ceiling=CEILING,
            restores=self._restores,
            max_event=self._max_message,
        )

    def _whole(self, message: bytes) -> list[bytes]:
        """A message as a body of its own."""
        inspection = self._inspector.response(None, self._call, "", None, message, expected=self.expected)
        redactions, sent = 0, message
        edits: tuple[str, ...] = ()
        ending = inspection.ended_by(self._wanted.ends)
        if ending is not None:
            self.ended = (RULE, ending.rule)
        elif inspection.problem and any(self._wanted):
            self.ended = (UNREADABLE, inspection.problem)
        else:
            try:
                edited = inspection.edited(self._wanted.hides, self.restoration if self._restores else None)
            except NotEditable as fault:
                self.ended = (RULE, str(fault))
            else:
                sent, redactions, edits = edited.body, edited.redactions, edited.edits
        self._ended_before += len(inspection.view.finish)
        self._before = together(self._before, told(inspection, redactions, edits))
        return [] if self.ended else [sent]


def together(first: Account, then: Account) -> Account:
    """Two accounts, one after the other, as one."""
    return Account(
        coverage=plus(first.coverage, then.coverage),
        model=then.model or first.model,
        usage=usage_sum(first.usage, then.usage),
        labels=merged(first.labels, then.labels),
        redactions=first.redactions + then.redactions,
        edits=tuple(dict.fromkeys((*first.edits, *then.edits))),
        tools_called=first.tools_called + then.tools_called,
        finish=first.finish + then.finish,
        gone_bytes=then.gone_bytes if first.gone_bytes is None else first.gone_bytes,
        chars=first.chars + then.chars,
        sample=then.sample or first.sample,
    )


def since(now: Account, earlier: Account) -> Account:
    """What an account has grown by."""
    return Account(
        coverage=minus(now.coverage, earlier.coverage),
        model=now.model,
        usage=usage_since(now.usage, earlier.usage),
        labels=labels_since(now.labels, earlier.labels),
        redactions=now.redactions - earlier.redactions,
        edits=now.edits,
        tools_called=now.tools_called[len(earlier.tools_called) :],
        finish=now.finish[len(earlier.finish) :],
        gone_bytes=now.gone_bytes if earlier.gone_bytes is None else None,
        chars=now.chars - earlier.chars,
        sample=now.sample,
    )


def _of(editor: StreamEditor) -> Account:
    report = editor.report()
    return Account(
        coverage=report.coverage,
        model=report.told.model,
        usage=report.told.usage,
        labels=report.labels,
        redactions=report.redactions,
        edits=report.edits,
        tools_called=report.told.tools_called,
        finish=report.told.finish,
        gone_bytes=report.gone_bytes,
        chars=report.text_chars,
        sample=report.sample,
    )


def _joined(first: tuple[Selector, ...], then: tuple[Selector, ...]) -> tuple[Selector, ...]:
    return tuple(dict.fromkeys((*first, *then)))
