"""Where budgets stand: one row each, the fullest first, and below them what has no price.

Rules: as in the list of hosts; the question looks many counters up, so it is asked seldom, and only while it is looked
at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.containers import Vertical, VerticalScroll

from tui.actions import bindings
from tui.client_state.budget_lines import COLUMNS, problems, row, unpriced
from tui.client_state.rows import Page, Window
from tui.client_state.spans import LONG, Line, Span, foreign, line
from tui.screens.page import PageScreen
from tui.widgets.lines import Lines
from tui.widgets.table import Table

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.widget import Widget

    from appliance.store.budget_pages import BudgetsHead, BudgetState
    from tui.desk import Desk

AGAIN_S: Final = 5.0


class BudgetsScreen(PageScreen):
    """One row for each budget."""

    NAME = "budgets"
    BINDINGS: ClassVar[list[BindingType]] = bindings("budgets")

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.window: Window[str, BudgetState] = Window(lambda state: state.name, lambda state: state.name)
        self._head: BudgetsHead | None = None

    def body(self) -> Widget:
        """The table, and what has no price."""
        table: Table[BudgetState] = Table(
            COLUMNS, lambda state: row(state, self.desk.names, self.desk.clock()), "reading budgets ...", name="rows"
        )
        return Vertical(table, VerticalScroll(Lines(id="unpriced"), id="below"), id="list")

    def on_mount(self) -> None:
        """Keys go to the table."""
        self.desk.listen(self.heard)
        self.set_interval(AGAIN_S, self._again)
        self.show_standing()
        self.refresher.due()
        self.table.focus()

    def _again(self) -> None:
        if self.is_current:
            self.refresher.due()

    @property
    def table(self) -> Table[BudgetState]:
        """The rows."""
        return self.query_one("#rows", Table)

    async def fetch(self) -> None:
        """Budgets anew."""
        head, states = await self.desk.budgets()
        self._head = head
        self.window.reset()
        self.window.take(Page(states, None, None, head.total))
        self.went_well()
        self.show()

    def show(self) -> None:
        """Draw the window."""
        if self.window.loaded:
            self.table.tell("the configuration has no budgets; see budgets in the reference")
        self.table.show(self.window.rows, self.window.at)
        if self._head is not None:
            self.query_one("#unpriced", Lines).tell(unpriced(self._head.unpriced, self.desk.clock()))
        self.show_standing()

    def more_status(self) -> Line:
        """How many, and what is wrong with the whole."""
        return problems(self._head)

    def _problems(self) -> list[Line]:
        """Counters that cannot be read are no empty counters: it is said above them."""
        if self._head is not None and self._head.problem:
            return [line(Span(f" budgets: {foreign(self._head.problem, LONG)}", "bad"))]
        return super()._problems()

    @on(Table.Moved)
    def moved(self, event: Table.Moved) -> None:
        """Select."""
        self.window.select(event.index)
        self.table.show(self.window.rows, self.window.at)

    @on(Table.Chosen)
    def action_open(self) -> None:
        """The selected budget in full."""
        if (state := self.window.selected) is not None:
            from tui.screens.budget import BudgetScreen

            self.app.push_screen(BudgetScreen(self.desk, state))

    def action_copy(self) -> None:
        """The selected budget."""
        if (state := self.window.selected) is not None:
            self.copy(state)
