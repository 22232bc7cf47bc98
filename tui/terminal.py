"""The driver of the terminal: Textual's own, made to survive a terminal that goes away.

Rules: a write that fails is dropped, because the thread that writes must live until the end or nobody could leave;
input that fails ends the input, not the program; the program itself notices the hang-up (tui/app.py). Bytes that are no
UTF-8 are shown as such and end nothing; pastes are made harmless before keys are looked for (tui/pastes.py).
"""

from __future__ import annotations

import codecs
import io
import os
import select
import sys
from typing import TYPE_CHECKING, Any, Final, override

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

from tui.pastes import Pastes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import App
    from textual.message import Message

_LOOK_MS: Final = 100  # between looks whether the end has come, and for keys that an escape might have begun
_READ: Final = 65_536


class _Tolerant(io.TextIOBase):
    """Writes to the terminal while there is one."""

    @override
    def write(self, text: str, /) -> int:
        try:
            if sys.__stderr__ is not None:
                sys.__stderr__.write(text)
        except (OSError, ValueError):
            pass
        return len(text)

    @override
    def flush(self) -> None:
        try:
            if sys.__stderr__ is not None:
                sys.__stderr__.flush()
        except (OSError, ValueError):
            pass

    @override
    def fileno(self) -> int:
        return 2


class Terminal(LinuxDriver):
    """Textual's driver for a terminal that may vanish."""

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self._file = _Tolerant()  # type: ignore[assignment]  # a text file, as the writing thread needs it

    @override
    def _sigcont_application(self, *_: Any) -> None:
        """As Textual's; what was stopped without being asked first (SIGSTOP) has the terminal's modes put back first.

        Else a second reader would stand beside the first, and the modes of our own would pass for the terminal's.
        """
        if self._auto_restart and not self._must_signal_resume and self._key_thread is not None:
            self.suspend_application_mode()
        super()._sigcont_application()

    @override
    def run_input_thread(self) -> None:
        """As Textual's, reading what any terminal may send."""
        parser, pastes = XTermParser(self._debug), Pastes()
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        poll = select.poll()
        poll.register(self.fileno, select.POLLIN)
        try:
            while not self.exit_event.is_set():
                if poll.poll(_LOOK_MS):
                    if not (data := os.read(self.fileno, _READ)):
                        return
                    if text := pastes.feed(decode(data)):  # nothing would be the end of all input
                        self._take(parser.feed(text))
                self._take(parser.tick())
        except OSError:
            return

    def _take(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)
