"""One host in full: what it is called and by whom, what it used, which findings it takes part in."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import VerticalScroll

from tui.actions import bindings
from tui.client_state.host_lines import page
from tui.client_state.spans import Span, line
from tui.screens.page import PageScreen
from tui.widgets.lines import Lines

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.widget import Widget

    from appliance.store.host_pages import HostDetail, HostRecord
    from tui.desk import Desk


class HostScreen(PageScreen):
    """Opened over the list; esc goes back."""

    NAME = "host"
    BINDINGS: ClassVar[list[BindingType]] = bindings("host")

    def __init__(self, desk: Desk, host: HostRecord) -> None:
        super().__init__(desk)
        self._host = host
        self._detail: HostDetail | None = None

    def body(self) -> Widget:
        """What the list knew already stands there until the rest comes."""
        begun = line(self.desk.names.show(self._host.address))
        return VerticalScroll(Lines(begun, line(Span("reading ...", "dim")), id="detail"), id="scroll")

    def on_mount(self) -> None:
        """Keys scroll."""
        super().on_mount()
        self.query_one("#scroll").focus()

    async def fetch(self) -> None:
        """The detail anew."""
        self._detail = await self.desk.host(self._host.address)
        for lines in self.query("#detail").results(Lines):
            lines.tell(page(self._detail, self.desk.names, self.desk.clock()))
        self.went_well()

    def action_copy(self) -> None:
        """This host."""
        self.copy(self._detail or self._host)

    def action_back(self) -> None:
        """To the list."""
        self.dismiss()
