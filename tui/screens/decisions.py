"""The log of decisions, and taking one back."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on

from appliance.bus.control import SNAPSHOT
from appliance.bus.errors import RemoteError, Unreachable
from appliance.bus.tasks import spawn
from tui.actions import bindings
from tui.client_state import decision_lines
from tui.client_state.decision_lines import COLUMNS, Entry, row
from tui.client_state.rows import Window
from tui.client_state.spans import foreign
from tui.screens.page import PageScreen
from tui.widgets.table import Table

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.widget import Widget

    from tui.client_state.rows import Asked
    from tui.desk import Desk


class DecisionsScreen(PageScreen):
    """Newest first."""

    NAME = "decisions"
    TOPICS = frozenset({SNAPSHOT})
    BINDINGS: ClassVar[list[BindingType]] = bindings("decisions")

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.window: Window[int, Entry] = Window(
            lambda each: str(each.decision.number), lambda each: each.decision.number
        )
        self._paging = False

    def body(self) -> Widget:
        """The log."""
        table: Table[Entry] = Table(
            COLUMNS, lambda each: row(each, self.desk.names, self.desk.clock()), "reading decisions ...", name="rows"
        )
        return table

    def on_mount(self) -> None:
        """Keys go to the table."""
        super().on_mount()
        self.table.focus()

    @property
    def table(self) -> Table[Entry]:
        """The rows."""
        return self.query_one("#rows", Table)

    async def fetch(self) -> None:
        """The window anew."""
        self.window.take(await self.desk.decisions(self.window.ask_again()))
        self.table.tell("nothing has been decided yet")
        self.table.show(self.window.rows, self.window.at)
        self.went_well()

    @on(Table.Moved)
    def moved(self, event: Table.Moved) -> None:
        """Select, and fetch what lies beyond the ends."""
        self.window.select(event.index)
        self.table.show(self.window.rows, self.window.at)
        if event.index >= len(self.window.rows) - 1:
            self._page(self.window.ask_older())
        elif event.index <= 0:
            self._page(self.window.ask_newer())

    def _page(self, asked: Asked[int] | None) -> None:
        if asked is not None and not self._paging:
            self._paging = True
            spawn(self._fetch_page(asked), "page of decisions")

    async def _fetch_page(self, asked: Asked[int]) -> None:
        try:
            self.window.take(await self.desk.decisions(asked))
            self.table.show(self.window.rows, self.window.at)
        except (RemoteError, Unreachable) as error:
            self.failed(str(error))
        finally:
            self._paging = False

    def action_copy(self) -> None:
        """The selected decision."""
        if (each := self.window.selected) is not None:
            self.copy(each)

    def action_undo(self) -> None:
        """Take the selected decision back, once that is confirmed."""
        each = self.window.selected
        if each is None:
            return
        if why := decision_lines.may_undo(each):
            self.notify(why, severity="warning", markup=False)
            return
        from tui.screens.ask import AskScreen

        question = decision_lines.question(each.decision, self.desk.names)
        choices = (("keep", "Keep it"), ("undo", "Undo it"))
        looked_at = self.desk.standing.version

        def answered(answer: str | None) -> None:
            if answer == "undo":
                spawn(self._undo(each, looked_at), "undo")

        self.app.push_screen(AskScreen(question, choices), answered)

    async def _undo(self, each: Entry, looked_at: int) -> None:
        try:
            decided = await self.desk.decide(decision_lines.undo(each.decision), looked_at)
        except RemoteError as error:
            self.notify(foreign(error.message, 300), severity="error", markup=False)
        except Unreachable as error:
            told = f"nobody knows whether it was undone; look here again. {foreign(str(error), 300)}"
            self.notify(told, severity="error", markup=False)
        else:
            told = f"decision {decided.decision.number} undoes {each.decision.number}"
            self.notify(told, markup=False)
        self.refresher.due()
