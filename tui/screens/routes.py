"""What becomes of governance, in one place: routes and their targets, migration, keys that are held.

Rules: how targets are comes with every word of the appliance; what is asked of the store is asked seldom, and only
while it is looked at; what could not be had of one part leaves the others standing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import msgspec
from textual.containers import VerticalScroll

from appliance.bus.errors import RemoteError
from tui.actions import bindings
from tui.client_state import route_lines
from tui.client_state.spans import line
from tui.screens.page import STANDING, PageScreen
from tui.widgets.lines import Lines

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.widget import Widget

    from appliance.store.moving import Migration
    from appliance.store.people_pages import HeldHead, HeldKeyState
    from tui.desk import Desk

_AGAIN_S: Final = 30.0


class RoutesScreen(PageScreen):
    """One page that scrolls."""

    NAME = "routes"
    TOPICS = STANDING
    BINDINGS: ClassVar[list[BindingType]] = bindings("routes")

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._migration: list[Migration] | None = None
        self._head: HeldHead | None = None
        self._held: list[HeldKeyState] = []

    def body(self) -> Widget:
        """One text."""
        return VerticalScroll(Lines(id="routes"), id="scroll")

    def on_mount(self) -> None:
        """Keys scroll."""
        self.desk.listen(self.heard)
        self.set_interval(_AGAIN_S, self._again)
        self.set_interval(1.0, self._tick)
        self.show_standing()
        self.refresher.due()
        self.query_one("#scroll").focus()

    def _again(self) -> None:
        if self.is_current:
            self.refresher.due()

    def _tick(self) -> None:
        # A page of hundreds of targets is a quarter of a second's work: only while one of them counts down.
        now = self.desk.clock()
        if self.is_current and any(one.until > now for one in self.desk.standing.state.targets):
            self._show()

    def heard(self, topic: str) -> None:
        """A push changes what stands here at once; the store is asked only when it is back."""
        self.show_standing()
        if topic == "up" and self.is_current:
            self.refresher.due()

    async def fetch(self) -> None:
        """Keys and migration anew, each for itself."""
        failed = None
        try:
            self._head, self._held = await self.desk.held_keys()
        except RemoteError as error:
            failed = error
        self._migration = await self.desk.migration()
        self._show()
        if failed is not None:
            raise failed
        self.went_well()

    def show_standing(self) -> None:
        """The routes follow every push."""
        super().show_standing()
        self._show()

    def _show(self) -> None:
        now, names = self.desk.clock(), self.desk.names
        for lines in self.query("#routes").results(Lines):
            lines.tell(
                [
                    *route_lines.routes(self.desk.standing.state, now),
                    line(),
                    *route_lines.migration(self._migration, names, now),
                    line(),
                    *route_lines.keys(self._head, self._held, now),
                ]
            )

    def action_copy(self) -> None:
        """Everything of this page."""
        state = self.desk.standing.state
        parts = {"targets": state.targets, "migration": self._migration, "keys": self._held}
        self.copy(msgspec.to_builtins(parts))
