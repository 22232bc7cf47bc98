"""The list of findings: filtered, paged, live, and still while paused.

Rules: a wrong filter changes nothing on the screen but its own line; the selection is the window's, so a finding that
moves takes the selection along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import Vertical
from textual.widgets import Input

from appliance.bus.errors import RemoteError, Unreachable
from appliance.bus.tasks import spawn
from appliance.model.finding import Finding, FindingKey
from appliance.store.finding_pages import FINDINGS, FindingsRequest
from tui.actions import bindings
from tui.client_state import filters
from tui.client_state.finding_lines import COLUMNS, row
from tui.client_state.rows import Window
from tui.client_state.spans import Line, Span, line
from tui.screens.deciding import DecidingPage
from tui.widgets.field import Field
from tui.widgets.lines import Lines
from tui.widgets.table import Table

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.widget import Widget

    from tui.client_state.rows import Asked
    from tui.desk import Desk


def key_of(finding: Finding) -> FindingKey:
    """The key that a page behind this finding begins with."""
    return FindingKey(finding.severity.rank, finding.last_seen, finding.id)


class FindingsScreen(DecidingPage):
    """The page that the terminal opens with."""

    NAME = "findings"
    TOPICS = frozenset({FINDINGS})
    BINDINGS: ClassVar[list[BindingType]] = bindings("findings")

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.window: Window[FindingKey, Finding] = Window(lambda finding: finding.id, key_of)
        self.request = FindingsRequest()
        self.filter_text = ""
        self._paging = False

    def body(self) -> Widget:
        """The filter's line above the table."""
        table: Table[Finding] = Table(COLUMNS, lambda finding: row(finding, self.desk.clock()), "", name="rows")
        return Vertical(Lines(id="filter-fault"), table, id="list")

    def on_mount(self) -> None:
        """Keys go to the table."""
        self.fault_line.display = False
        self.table.focus()
        super().on_mount()

    @property
    def table(self) -> Table[Finding]:
        """The rows."""
        return self.query_one("#rows", Table)

    @property
    def filtering(self) -> bool:
        """The filter's line is open."""
        return bool(self.query("#filter"))

    @property
    def fault_line(self) -> Lines:
        """What is wrong with the filter."""
        return self.query_one("#filter-fault", Lines)

    # what the store tells

    async def fetch(self) -> None:
        """The window anew; what is asked for is fixed before the wait, so a late answer to an old filter is dropped."""
        request, asked = self.request, self.window.ask_again()
        page = await self.desk.findings(request, asked)
        if request is self.request:
            self.window.take(page)
            self.went_well()
        self.show()

    def show(self) -> None:
        """Draw the window."""
        window = self.window
        if not window.rows:
            found = "no finding fits the filter; / changes it" if self.filter_text else self._none_yet()
            self.table.tell(found if window.loaded else "reading findings ...")
        self.table.show(window.rows, window.at)
        self.show_standing()

    def _none_yet(self) -> str:
        """What a newcomer needs: an empty list says how the first finding comes about."""
        state = self.desk.standing.state
        ways = [f"proxy    {state.proxy}"] if state.proxy else []
        ways += [f"gateway  {state.gateway}/v1"] if state.gateway else []
        trust = ["what clients must trust: gnomon ca export"] if ways else []
        return "\n".join(["no finding yet: let a client use", *ways, *trust] if ways else ["no finding yet"])

    def more_status(self) -> Line:
        """How many there are, and what waits while paused."""
        window = self.window
        parts = [Span(f"  findings {window.total:,}")] if window.loaded else []
        if self.filter_text and not self.filtering:
            parts.append(Span("  filtered", "warning"))
        if window.paused:
            parts.append(Span(f"  PAUSED, {window.fresh} new", "warning"))
        return tuple(parts)

    # moving

    @on(Table.Moved)
    def moved(self, event: Table.Moved) -> None:
        """Select, and fetch what lies beyond the ends."""
        window = self.window
        window.select(event.index)
        self.table.show(window.rows, window.at)
        if event.index >= len(window.rows) - 1:
            self._page(window.ask_older())
        elif event.index <= 0:
            self._page(window.ask_newer())

    def _page(self, asked: Asked[FindingKey] | None) -> None:
        if asked is not None and not self._paging:
            self._paging = True
            spawn(self._fetch_page(asked), "page of findings")

    async def _fetch_page(self, asked: Asked[FindingKey]) -> None:
        request = self.request
        try:
            page = await self.desk.findings(request, asked)
            if request is self.request and self.window.take(page):
                self.show()
        except (RemoteError, Unreachable) as error:
            self.failed(str(error))
        finally:
            self._paging = False

    def in_focus(self) -> Finding | None:
        """The selected finding."""
        return self.window.selected

    @on(Table.Chosen)
    def action_open(self) -> None:
        """The selected finding in full."""
        if (finding := self.window.selected) is not None:
            from tui.screens.finding import FindingScreen

            self.app.push_screen(FindingScreen(self.desk, finding))

    def action_pause(self) -> None:
        """Hold still, or go on."""
        self.window.pause(on=not self.window.paused)
        self.show()
        self.refresher.due()

    # the filter

    async def action_filter(self) -> None:
        """Type a filter."""
        if not self.filtering:
            hint = "sev>=high state:new way:bypass last:24h text ..."
            bar = Field(self.filter_text, placeholder=hint, id="filter", compact=True, max_length=filters.LONGEST)
            await self.query_one("#list").mount(bar, before=0)
        self.set_focus(self.query_one("#filter"))  # now, not soon: keys of the same burst are on their way

    @on(Input.Changed, "#filter")
    def typed(self, event: Input.Changed) -> None:
        """Filter as it is typed; a wrong one says where it is wrong."""
        if not filters.unfinished(event.value):
            self._filter(event.value)

    @on(Input.Submitted, "#filter")
    async def submitted(self, event: Input.Submitted) -> None:
        """Keep it; a wrong one stays open."""
        if self._filter(event.value):
            await self._close_filter()

    async def key_escape(self) -> None:
        """Give the filter up."""
        if self.filtering or self.filter_text:
            self._filter("")
            await self._close_filter()

    def _filter(self, text: str) -> bool:
        """Ask by this filter; False: it is wrong, and its line says where."""
        try:
            request = filters.parse(text, self.desk.clock())
        except filters.FilterError as error:
            spot = Span(" " * error.start + "^" * max(1, error.end - error.start), "bad")
            self.fault_line.tell([line(spot, Span(f" {error}", "bad"))])
            self.fault_line.display = True
            self.query("#filter").add_class("wrong")
            return False
        self.fault_line.display = False
        self.query("#filter").remove_class("wrong")
        if text.strip() != self.filter_text:
            self.filter_text, self.request = text.strip(), request
            self.window.reset()
            self.refresher.due()
        return True

    async def _close_filter(self) -> None:
        self.fault_line.display = False
        await self.query("#filter").remove()
        self.table.focus()
        self.show_standing()
