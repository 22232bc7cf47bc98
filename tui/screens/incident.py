"""The day of a supply-chain attack: which keys a program has used, and which are still used after the mark.

Rules: as in the list of hosts; the question reads many records, so it is asked seldom, and only while it is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import msgspec
from textual import on
from textual.containers import Vertical
from textual.widgets import Input

from appliance.store.exposure_pages import MOST, ExposedKey, ExposureRequest
from tui.actions import bindings
from tui.client_state.key_lines import COLUMNS, row
from tui.client_state.moments import DAY, clock, span
from tui.client_state.rows import Page, Window
from tui.client_state.spans import Line, Span
from tui.screens.page import PageScreen
from tui.widgets.field import Field
from tui.widgets.table import Table

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.widget import Widget

    from tui.desk import Desk

_SPANS: Final = (DAY, 7 * DAY, 30 * DAY, 90 * DAY)
_AGAIN_S: Final = 30.0
_LONGEST: Final = 100  # characters of a filter


class IncidentScreen(PageScreen):
    """One row for each key."""

    NAME = "incident"
    BINDINGS: ClassVar[list[BindingType]] = bindings("incident")

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.window: Window[str, ExposedKey] = Window(lambda key: key.fingerprint, lambda key: key.fingerprint)
        self.program: str | None = None
        self.mark: float | None = None  # what was used later is still in use
        self.still = False
        self._span = _SPANS[1]

    def body(self) -> Widget:
        """The table; the filter's line opens above it."""
        table: Table[ExposedKey] = Table(
            COLUMNS, lambda key: row(key, self.desk.names, self.desk.clock()), "reading keys ...", name="rows"
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
    def table(self) -> Table[ExposedKey]:
        """The rows."""
        return self.query_one("#rows", Table)

    @property
    def request(self) -> ExposureRequest:
        """What is asked now."""
        since = max(0.0, self.desk.clock() - self._span)
        return ExposureRequest(since=since, until=self.mark, program=self.program, limit=MOST)

    async def fetch(self) -> None:
        """The keys anew; a late answer to an old question is dropped."""
        asked = (self._span, self.mark, self.program, self.still)
        keys, total = await self.desk.exposure(self.request)
        if asked == (self._span, self.mark, self.program, self.still):
            kept = [key for key in keys if key.still_used] if self.still else keys
            self.window.reset()
            self.window.take(Page(kept, None, None, len(kept) if self.still else total))
            self.went_well()
        self.show()

    def show(self) -> None:
        """Draw the window."""
        if self.window.loaded:
            self.table.tell("no key fits; / o and i change what is shown" if self.program else "no key was seen")
        self.table.show(self.window.rows, self.window.at)
        self.show_standing()

    def more_status(self) -> Line:
        """Of how long, of what, and since when it should be over."""
        parts = [Span(f"  keys {self.window.total:,}")] if self.window.loaded else []
        parts.append(Span(f"  last {span(self._span)}", "dim"))
        if self.mark is not None:
            parts.append(Span(f"  marked {clock(self.mark)}", "warning"))
        if self.still:
            parts.append(Span("  still in use only", "warning"))
        if self.program:
            parts.append(Span("  filtered", "warning"))
        return tuple(parts)

    @on(Table.Moved)
    def moved(self, event: Table.Moved) -> None:
        """Select."""
        self.window.select(event.index)
        self.table.show(self.window.rows, self.window.at)

    def action_copy(self) -> None:
        """The selected key, with where it is revoked."""
        if (key := self.window.selected) is not None:
            from appliance.route.revocation import page_of

            pages = {service: page.address for service in key.services if (page := page_of(service))}
            self.copy(msgspec.to_builtins(key) | {"revoke": pages})

    def action_span(self) -> None:
        """Another length of time."""
        self._span = _SPANS[(_SPANS.index(self._span) + 1) % len(_SPANS)]
        self.refresher.due()
        self.show_standing()

    def action_mark(self) -> None:
        """It should be over: what is used from now on counts. Once more: no mark."""
        self.mark = self.desk.clock() if self.mark is None else None
        self.refresher.due()
        self.show_standing()

    def action_still(self) -> None:
        """Only what is used after the mark."""
        self.still = not self.still
        self.refresher.due()
        self.show_standing()

    async def action_filter(self) -> None:
        """Type a program."""
        if not self.query("#filter"):
            hint = "program, e.g. litellm or litellm/1.82.8"
            bar = Field(self.program or "", placeholder=hint, id="filter", compact=True, max_length=_LONGEST)
            await self.query_one("#list").mount(bar, before=0)
        self.set_focus(self.query_one("#filter"))

    @on(Input.Submitted, "#filter")
    async def submitted(self, event: Input.Submitted) -> None:
        """Look for it."""
        self._ask(event.value.strip() or None)
        await self._close_filter()

    async def key_escape(self) -> None:
        """Give the filter up."""
        self._ask(None)
        await self._close_filter()

    def _ask(self, program: str | None) -> None:
        if program != self.program:
            self.program = program
            self.refresher.due()
            self.show_standing()

    async def _close_filter(self) -> None:
        await self.query("#filter").remove()
        self.table.focus()
