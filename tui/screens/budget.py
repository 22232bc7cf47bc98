"""One budget in full: its counters, who is near, and who took what."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import VerticalScroll

from tui.actions import bindings
from tui.client_state.budget_lines import page, word
from tui.client_state.spans import Span, foreign, line
from tui.screens.page import PageScreen
from tui.widgets.lines import Lines

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.widget import Widget

    from appliance.store.budget_pages import BudgetDetail, BudgetState
    from tui.desk import Desk


class BudgetScreen(PageScreen):
    """Opened over the list; esc goes back."""

    NAME = "budget"
    BINDINGS: ClassVar[list[BindingType]] = bindings("budget")

    def __init__(self, desk: Desk, state: BudgetState) -> None:
        super().__init__(desk)
        self._state = state
        self._detail: BudgetDetail | None = None

    def body(self) -> Widget:
        """What the list knew already stands there until the rest comes."""
        begun = line(word(self._state), "  ", Span(foreign(self._state.name, 64), "name"))
        return VerticalScroll(Lines(begun, line(Span("reading ...", "dim")), id="detail"), id="scroll")

    def on_mount(self) -> None:
        """Keys scroll."""
        super().on_mount()
        self.query_one("#scroll").focus()

    async def fetch(self) -> None:
        """The detail anew."""
        self._detail = await self.desk.budget(self._state.name)
        for lines in self.query("#detail").results(Lines):
            lines.tell(page(self._detail, self.desk.names, self.desk.clock()))
        self.went_well()

    def action_copy(self) -> None:
        """This budget."""
        self.copy(self._detail or self._state)

    def action_back(self) -> None:
        """To the list."""
        self.dismiss()
