"""The hosts of the network: who is there, what they are called, which AI services they used.

Rules: as in the list of findings; the order is the store's, so that totals and pages are true in each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import msgspec
from textual import on
from textual.containers import Vertical
from textual.widgets import Input

from appliance.bus.errors import RemoteError, Unreachable
from appliance.bus.tasks import spawn
from appliance.store.host_pages import HostKey, HostOrder, HostRecord, HostsRequest
from tui.actions import bindings
from tui.client_state.host_lines import COLUMNS, row
from tui.client_state.rows import Window
from tui.client_state.spans import Line, Span
from tui.screens.page import PageScreen
from tui.widgets.field import Field
from tui.widgets.table import Table

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.widget import Widget

    from tui.client_state.rows import Asked
    from tui.desk import Desk

_ORDERS: Final = tuple(HostOrder)
_WORDS: Final = {
    HostOrder.LAST_SEEN: "last seen first",
    HostOrder.FIRST_SEEN: "newest first",
    HostOrder.BYTES: "most bytes first",
    HostOrder.PAST: "most past the appliance first",
}
_LONGEST: Final = 200  # characters of a filter


class HostsScreen(PageScreen):
    """One row for each host."""

    NAME = "hosts"
    BINDINGS: ClassVar[list[BindingType]] = bindings("hosts")

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.request = HostsRequest()
        self.window: Window[HostKey, HostRecord] = Window(lambda host: host.address, self._key)
        self._paging = False

    def _key(self, host: HostRecord) -> HostKey:
        rank = {
            HostOrder.LAST_SEEN: host.last_seen,
            HostOrder.FIRST_SEEN: host.first_seen,
            HostOrder.BYTES: float(host.bytes_up + host.bytes_down),
            HostOrder.PAST: float(host.past),
        }
        return HostKey(rank[self.request.order], host.address)

    def body(self) -> Widget:
        """The table; the filter's line opens above it."""
        table: Table[HostRecord] = Table(
            COLUMNS, lambda host: row(host, self.desk.names, self.desk.clock()), "reading hosts ...", name="rows"
        )
        return Vertical(table, id="list")

    def on_mount(self) -> None:
        """Keys go to the table."""
        super().on_mount()
        self.table.focus()

    @property
    def table(self) -> Table[HostRecord]:
        """The rows."""
        return self.query_one("#rows", Table)

    async def fetch(self) -> None:
        """The window anew; a late answer to an old question is dropped."""
        request = self.request
        page = await self.desk.hosts(request, self.window.ask_again())
        if request is self.request:
            self.window.take(page)
            self.went_well()
        self.show()

    def show(self) -> None:
        """Draw the window."""
        if self.window.loaded:
            fits = self.request.text or self.request.ai
            self.table.tell("no host fits; / and i change what is shown" if fits else "no host was seen yet")
        self.table.show(self.window.rows, self.window.at)
        self.show_standing()

    def more_status(self) -> Line:
        """How many there are, and in which order."""
        parts = [Span(f"  hosts {self.window.total:,}")] if self.window.loaded else []
        parts.append(Span(f"  {_WORDS[self.request.order]}", "dim"))
        if self.request.ai:
            parts.append(Span("  users of AI only", "warning"))
        if self.request.text:
            parts.append(Span("  filtered", "warning"))
        return tuple(parts)

    # moving

    @on(Table.Moved)
    def moved(self, event: Table.Moved) -> None:
        """Select, and fetch what lies beyond the ends."""
        self.window.select(event.index)
        self.table.show(self.window.rows, self.window.at)
        if event.index >= len(self.window.rows) - 1:
            self._page(self.window.ask_older())
        elif event.index <= 0:
            self._page(self.window.ask_newer())

    def _page(self, asked: Asked[HostKey] | None) -> None:
        if asked is not None and not self._paging:
            self._paging = True
            spawn(self._fetch_page(asked), "page of hosts")

    async def _fetch_page(self, asked: Asked[HostKey]) -> None:
        request = self.request
        try:
            page = await self.desk.hosts(request, asked)
            if request is self.request and self.window.take(page):
                self.show()
        except (RemoteError, Unreachable) as error:
            self.failed(str(error))
        finally:
            self._paging = False

    @on(Table.Chosen)
    def action_open(self) -> None:
        """The selected host in full."""
        if (host := self.window.selected) is not None:
            from tui.screens.host import HostScreen

            self.app.push_screen(HostScreen(self.desk, host))

    def action_copy(self) -> None:
        """The selected host."""
        if (host := self.window.selected) is not None:
            self.copy(host)

    # what is shown

    def action_sort(self) -> None:
        """The next order."""
        following = _ORDERS[(_ORDERS.index(self.request.order) + 1) % len(_ORDERS)]
        self._ask(msgspec.structs.replace(self.request, order=following))

    def action_only(self) -> None:
        """Users of AI alone, or everybody."""
        self._ask(msgspec.structs.replace(self.request, ai=not self.request.ai))

    def _ask(self, request: HostsRequest) -> None:
        self.request = request
        self.window.reset()
        self.show_standing()
        self.refresher.due()

    async def action_filter(self) -> None:
        """Type a text to look for."""
        if not self.query("#filter"):
            hint = "name, address, vendor or service"
            bar = Field(self.request.text or "", placeholder=hint, id="filter", compact=True, max_length=_LONGEST)
            await self.query_one("#list").mount(bar, before=0)
        self.set_focus(self.query_one("#filter"))

    @on(Input.Changed, "#filter")
    def typed(self, event: Input.Changed) -> None:
        """Look for it as it is typed."""
        text = event.value.strip() or None
        if text != self.request.text:
            self._ask(msgspec.structs.replace(self.request, text=text))

    @on(Input.Submitted, "#filter")
    async def submitted(self) -> None:
        """Keep it."""
        await self._close_filter()

    async def key_escape(self) -> None:
        """Give the filter up."""
        if self.request.text is not None:
            self._ask(msgspec.structs.replace(self.request, text=None))
        await self._close_filter()

    async def _close_filter(self) -> None:
        await self.query("#filter").remove()
        self.table.focus()
