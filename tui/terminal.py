"""The driver of the terminal: Textual's own, made to survive a terminal that goes away.

Rules: a write that fails is dropped, because the thread that writes must live until the end or nobody could leave;
input that fails ends the input, not the program; the program itself notices the hang-up (tui/app.py).
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, override

from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from textual.app import App


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
    def run_input_thread(self) -> None:
        try:
            super().run_input_thread()
        except OSError:
            return
