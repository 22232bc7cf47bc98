"""The terminal application: pages as modes, the link to the store, leaving in good order.

Owns: the life of the link and the exit. Rules: growth goes to screens, widgets and client_state; whatever ends the
terminal, it is left as it was found, and a fault of ours is told in one line; nothing is written to a file.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from typing import TYPE_CHECKING, Any, ClassVar, Final, override

from textual.app import App
from textual.binding import Binding, BindingType
from textual.events import Key, Resize
from textual.geometry import Size

from appliance.bus.lifeline import on_parent_gone
from appliance.bus.tasks import cancel, spawn
from appliance.sanitise import one_line
from tui.client_state.spans import Span, line
from tui.desk import Desk
from tui.palette import Actions
from tui.screens.budgets import BudgetsScreen
from tui.screens.decisions import DecisionsScreen
from tui.screens.findings import FindingsScreen
from tui.screens.hosts import HostsScreen
from tui.screens.incident import IncidentScreen
from tui.screens.overview import OverviewScreen
from tui.screens.people import PeopleScreen
from tui.screens.routes import RoutesScreen
from tui.widgets.field import Field

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from textual.command import Provider
    from textual.driver import Driver

# Exit codes for `gnomon up`: what the person at the terminal wants of the appliance. Anything else: the terminal died.
STOP: Final = 20
LOG: Final = 21
_HANGUP_S: Final = 1.0
_AFTER_HANGUP_S: Final = 2.0


class GnomonApp(App[int]):
    """`attached`: it runs in the terminal of `gnomon up`, and leaving asks what becomes of the appliance."""

    TITLE = "gnomon"
    CSS_PATH = "look.tcss"
    DEFAULT_MODE = "findings"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {Actions}
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c,ctrl+q", "leave", show=False, priority=True)]

    def __init__(self, run_dir: Path, *, attached: bool = False, driver_class: type[Driver] | None = None) -> None:
        super().__init__(driver_class=driver_class)
        self.animation_level = "none"
        self.desk = Desk(run_dir)
        self.attached = attached
        self.fault: BaseException | None = None
        self._linking: asyncio.Task[None] | None = None
        pages = {
            "findings": FindingsScreen,
            "overview": OverviewScreen,
            "decisions": DecisionsScreen,
            "hosts": HostsScreen,
            "incident": IncidentScreen,
            "budgets": BudgetsScreen,
            "routes": RoutesScreen,
            "people": PeopleScreen,
        }
        for name, page in pages.items():
            self.add_mode(name, lambda page=page: page(self.desk))  # type: ignore[misc]  # bound early

    def on_mount(self) -> None:
        """Connect, and hear when to go."""
        self.desk.listen(self._heard)
        self._linking = spawn(self.desk.link.run(), "link to the store")
        if not self.is_headless:
            self._hear_the_end()

    async def on_unmount(self) -> None:
        """Disconnect."""
        await cancel(self._linking)

    def _heard(self, _topic: str) -> None:
        for number, workers in self.desk.standing.arrived():
            self.notify(f"decision {number} applied on {workers}/{workers}", markup=False)

    async def on_key(self, event: Key) -> None:
        """What came in one burst with the key that opened a text line is text of that line, and presses no keys."""
        field = self.focused
        if isinstance(field, Field) and event.is_printable:
            event.prevent_default()
            field.post_message(Key(event.key, event.character))

    # leaving

    def action_leave(self) -> None:
        """Go; in the terminal of `gnomon up` ask first what becomes of the appliance."""
        from tui.screens.ask import AskScreen

        if not self.attached:
            self.exit(0)
        elif not isinstance(self.screen, AskScreen):
            question = [line(Span("Leave the terminal", "title"))]
            choices = (("stay", "Stay here"), ("log", "Leave it running, show its log"), ("stop", "Stop the appliance"))
            self.push_screen(AskScreen(question, choices), self._leave)

    def _leave(self, answer: str | None) -> None:
        if answer == "stop":
            self.exit(STOP)
        elif answer == "log":
            self.exit(LOG)

    def _hear_the_end(self) -> None:
        """Signals, the supervisor's death, and a terminal that went away."""
        import asyncio

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            loop.add_signal_handler(number, self._ended_by, number)
        on_parent_gone(self._orphaned)
        self.set_interval(_HANGUP_S, self._look_at_terminal)

    def _ended_by(self, number: int) -> None:
        self._make_sure()
        self.exit(128 + number)

    def _orphaned(self) -> None:
        # The shell may have taken the terminal back: setting its modes must not stop this process.
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)
        self._ended_by(signal.SIGHUP)

    def _look_at_terminal(self) -> None:
        """A hung-up terminal reads as ready for ever; it must end the process instead."""
        poll = select.poll()
        poll.register(0, 0)
        if any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0)):
            self._ended_by(signal.SIGHUP)
        else:
            self.fit_terminal()

    def fit_terminal(self) -> None:
        """Draw at the terminal's true size, should word of a resize have been lost in a burst of them."""
        try:
            size = Size(*os.get_terminal_size(0))
        except OSError:
            return
        if size.area and size != self.screen.size:
            self.post_message(Resize(size, size))
            self.screen.post_message(Resize(size, size))

    def _make_sure(self) -> None:
        """Nothing of Textual may hold this process when its terminal no longer takes what is written."""
        import threading

        def end() -> None:
            os._exit(128 + signal.SIGHUP)

        timer = threading.Timer(_AFTER_HANGUP_S, end)
        timer.daemon = True
        timer.start()

    # faults

    @override
    def _fatal_error(self) -> None:
        """A fault of ours ends the terminal, told in one line once the terminal is restored; never a traceback."""
        self.fault = sys.exception() or self._exception
        self._close_messages_no_wait()

    @override
    def panic(self, *renderables: Any) -> None:
        """As Textual's, without drawing what it would draw."""
        self.fault = self.fault or sys.exception() or self._exception
        self._close_messages_no_wait()


def run(run_dir: Path, *, attached: bool = False) -> int:
    """Run until left; the exit code."""
    from tui.terminal import Terminal

    app = GnomonApp(run_dir, attached=attached, driver_class=Terminal)
    code = app.run()
    _let_go()
    if app.fault is not None or app.return_code == 1:
        told = f"{type(app.fault).__name__}: {app.fault}" if app.fault else "unknown"
        with contextlib.suppress(OSError):
            sys.stderr.write(
                f"gnomon tui: a fault of the terminal's own: {one_line(told)}; the appliance is untouched\n"
            )
        return 1
    return code or 0


def _let_go() -> None:
    """A terminal that is gone must not turn the interpreter's last flush into a failure."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
