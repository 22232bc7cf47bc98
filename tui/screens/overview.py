"""The overview of the last hour and of the appliance."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import VerticalScroll

from appliance.store.finding_pages import FINDINGS
from tui.actions import bindings
from tui.client_state import overview_lines
from tui.screens.page import STANDING, PageScreen
from tui.widgets.lines import Lines

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.widget import Widget

    from appliance.store.finding_pages import Overview
    from tui.desk import Desk


class OverviewScreen(PageScreen):
    """Counts, traffic, workers, sensors, problems."""

    NAME = "overview"
    TOPICS = frozenset({FINDINGS}) | STANDING
    BINDINGS: ClassVar[list[BindingType]] = bindings("overview")

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._overview: Overview | None = None

    def body(self) -> Widget:
        """One page that scrolls."""
        return VerticalScroll(Lines(id="overview"), id="scroll")

    def on_mount(self) -> None:
        """Keys scroll."""
        super().on_mount()
        self.query_one("#scroll").focus()

    async def fetch(self) -> None:
        """The counts anew."""
        self._overview = await self.desk.overview()
        self.went_well()
        self.show_standing()

    def show_standing(self) -> None:
        """The appliance's part follows every push."""
        super().show_standing()
        for lines in self.query("#overview").results(Lines):
            lines.tell(overview_lines.lines(self._overview, self.desk.standing))
