"""What every page has: status bar, banner, footer, and an ear for what the store tells.

Rules: the stage is on every page; an answer that could not be had is told in one line and the page stays as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.screen import Screen
from textual.widgets import Footer

from appliance.bus.control import SNAPSHOT
from appliance.store.finding_pages import APPLIANCE
from tui.client_state.spans import LONG, Line, Span, foreign, line
from tui.refresher import Refresher
from tui.widgets.lines import Banner, StatusBar

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.widget import Widget

    from tui.desk import Desk

THEMES: Final = ("textual-dark", "textual-light", "ansi-dark", "ansi-light")
TICK_S: Final = 5.0  # between looks without a push, so that ages move on and a missed push costs little


class PageScreen(Screen[None]):
    """A page. Subclasses give `body`, `fetch`, and the topics that make them ask again."""

    NAME: ClassVar[str]
    TOPICS: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self.refresher = Refresher(f"page {self.NAME}", self.fetch, self.failed)
        self._problem = ""

    def compose(self) -> ComposeResult:
        """Bar, banner, body, footer."""
        yield StatusBar(id="status")
        yield Banner(id="banner")
        yield self.body()
        yield Footer(show_command_palette=False)

    def body(self) -> Widget:
        """What is between banner and footer."""
        raise NotImplementedError

    async def fetch(self) -> None:
        """Ask the store and show the answer."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Begin to listen."""
        self.desk.listen(self.heard)
        self.set_interval(TICK_S, self.refresher.due)
        self.show_standing()
        self.refresher.due()

    async def on_unmount(self) -> None:
        """Stop listening."""
        self.desk.forget(self.heard)
        await self.refresher.stop()

    def on_screen_resume(self) -> None:
        """Back in front: what changed meanwhile is asked for."""
        self.show_standing()
        self.refresher.due()

    def heard(self, topic: str) -> None:
        """A push, or `up` or `away`."""
        self.show_standing()
        if (topic in self.TOPICS or topic == "up") and self.is_current:
            self.refresher.due()

    def show_standing(self) -> None:
        """Status bar and banner as they must be now."""
        standing = self.desk.standing
        for bar in self.query(StatusBar):
            bar.tell([line(standing.badge(), *standing.bar(), *self.more_status())])
        for banner in self.query(Banner):
            banner.tell(self.desk.link.banner() or self._problems())

    def more_status(self) -> Line:
        """What the page adds to the status bar."""
        return ()

    def failed(self, words: str) -> None:
        """An answer could not be had; the banner says so unless the store is away anyway."""
        self._problem = words
        self.show_standing()

    def went_well(self) -> None:
        """The page shows what the store has."""
        if self._problem:
            self._problem = ""
            self.show_standing()

    def _problems(self) -> list[Line]:
        return [line(Span(f" {foreign(self._problem, LONG)}", "bad"))] if self._problem else []

    def action_help(self) -> None:
        """What can be done here."""
        from tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self.NAME))

    def action_theme(self) -> None:
        """The next theme."""
        at = THEMES.index(self.app.theme) if self.app.theme in THEMES else -1
        self.app.theme = THEMES[(at + 1) % len(THEMES)]

    def action_show(self, mode: str) -> None:
        """Another page."""
        self.app.switch_mode(mode)

    def copy(self, record: object) -> None:
        """A record as JSON to the terminal's clipboard: plain ASCII, so that nothing in it acts on a terminal."""
        import json

        import msgspec

        text = json.dumps(msgspec.to_builtins(record), indent=2, ensure_ascii=True)
        self.app.copy_to_clipboard(text)
        self.notify("copied as JSON (OSC 52)", markup=False)


STANDING: Final = frozenset({APPLIANCE, SNAPSHOT})
