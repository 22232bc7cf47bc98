"""People: who asked, by whose account, at what cost, and who stands out.

Rules: as in the list of keys: the question reads many records, so it is asked seldom, and only while it is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.containers import Vertical
from textual.widgets import Input

from appliance.store.people_pages import PeopleOrder, PeopleRequest, PersonUse
from tui.actions import bindings
from tui.client_state.moments import DAY, span
from tui.client_state.person_lines import COLUMNS, row
from tui.client_state.rows import Page, Window
from tui.client_state.spans import Line, Span
from tui.screens.page import PageScreen
from tui.widgets.field import Field
from tui.widgets.table import Table

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.widget import Widget

    from tui.desk import Desk

SPAN_S: Final = 7.0 * DAY
_AGAIN_S: Final = 30.0
_LONGEST: Final = 100  # characters of a filter
_ORDERS: Final = tuple(PeopleOrder)
_WORDS: Final = {
    PeopleOrder.LAST_SEEN: "last seen first",
    PeopleOrder.EXCHANGES: "most exchanges first",
    PeopleOrder.COST: "highest cost first",
    PeopleOrder.SIGNALS: "most signals first",
}


class PeopleScreen(PageScreen):
    """One row for each person."""

    NAME = "people"
    BINDINGS: ClassVar[list[BindingType]] = bindings("people")

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.window: Window[str, PersonUse] = Window(lambda use: use.person, lambda use: use.person)
        self._order, self._own, self._text = PeopleOrder.LAST_SEEN, False, ""

    def body(self) -> Widget:
        """The table; the filter's line opens above it."""
        table: Table[PersonUse] = Table(
            COLUMNS, lambda use: row(use, self.desk.names, self.desk.clock()), "reading people ...", name="rows"
        )
        return Vertical(table, id="list")

    def on_mount(self) -> None:
        """Keys go to the table."""
        self.desk.listen(self.heard)
        self.set_interval(_AGAIN_S, self._again)
        self.show_standing()
        self.refresher.due()
        self.table.focus()

    def _again(self) -> None:
        if self.is_current:
            self.refresher.due()

    @property
    def table(self) -> Table[PersonUse]:
        """The rows."""
        return self.query_one("#rows", Table)

    async def fetch(self) -> None:
        """People anew; a late answer to an old question is dropped."""
        asked = (self._order, self._own, self._text)
        since = max(0.0, self.desk.clock() - SPAN_S)
        request = PeopleRequest(since=since, order=self._order, own=self._own, text=self._text or None)
        people, total = await self.desk.people(request)
        if asked == (self._order, self._own, self._text):
            self.window.reset()
            self.window.take(Page(people, None, None, total))
            self.went_well()
        self.show()

    def show(self) -> None:
        """Draw the window."""
        if self.window.loaded:
            narrowed = self._own or self._text
            self.table.tell("nobody fits; / and i change what is shown" if narrowed else "nobody was seen")
        self.table.show(self.window.rows, self.window.at)
        self.show_standing()

    def more_status(self) -> Line:
        """How many, of how long, and in which order."""
        parts = [Span(f"  people {self.window.total:,}")] if self.window.loaded else []
        parts.append(Span(f"  last {span(SPAN_S)}, {_WORDS[self._order]}", "dim"))
        if self._own:
            parts.append(Span("  own accounts only", "warning"))
        if self._text:
            parts.append(Span("  filtered", "warning"))
        return tuple(parts)

    @on(Table.Moved)
    def moved(self, event: Table.Moved) -> None:
        """Select."""
        self.window.select(event.index)
        self.table.show(self.window.rows, self.window.at)

    @on(Table.Chosen)
    def action_open(self) -> None:
        """The selected person in full."""
        if (use := self.window.selected) is not None:
            from tui.screens.person import PersonScreen

            self.app.push_screen(PersonScreen(self.desk, use))

    def action_copy(self) -> None:
        """The selected person."""
        if (use := self.window.selected) is not None:
            self.copy(use)

    def action_sort(self) -> None:
        """The next order."""
        self._order = _ORDERS[(_ORDERS.index(self._order) + 1) % len(_ORDERS)]
        self._asked_anew()

    def action_only(self) -> None:
        """Only who used personal accounts, or none."""
        self._own = not self._own
        self._asked_anew()

    def _asked_anew(self) -> None:
        self.refresher.due()
        self.show_standing()

    async def action_filter(self) -> None:
        """Type a text to look for."""
        if not self.query("#filter"):
            bar = Field(
                self._text, placeholder="name, department or service", id="filter", compact=True, max_length=_LONGEST
            )
            await self.query_one("#list").mount(bar, before=0)
        self.set_focus(self.query_one("#filter"))

    @on(Input.Submitted, "#filter")
    async def submitted(self, event: Input.Submitted) -> None:
        """Look for it."""
        await self._look_for(event.value.strip())

    async def key_escape(self) -> None:
        """Give the filter up."""
        await self._look_for("")

    async def _look_for(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self._asked_anew()
        await self.query("#filter").remove()
        self.table.focus()
