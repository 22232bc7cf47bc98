"""One finding in full: why, when, who, evidence, history; decided from here as from the list."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import VerticalScroll

from appliance.store.finding_pages import FINDINGS
from tui.actions import bindings
from tui.client_state.finding_lines import page, severity, title
from tui.client_state.spans import Span, line
from tui.screens.deciding import DecidingPage
from tui.widgets.lines import Lines

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.widget import Widget

    from appliance.model.finding import Finding
    from appliance.store.finding_pages import FindingDetail
    from tui.desk import Desk


class FindingScreen(DecidingPage):
    """Opened over the list; esc goes back."""

    NAME = "finding"
    TOPICS = frozenset({FINDINGS})
    BINDINGS: ClassVar[list[BindingType]] = bindings("finding")

    def __init__(self, desk: Desk, finding: Finding) -> None:
        super().__init__(desk)
        self._finding = finding
        self._detail: FindingDetail | None = None

    def body(self) -> Widget:
        """What the list knew already stands there until the rest comes."""
        begun = line(severity(self._finding.severity), "  ", *title(self._finding))
        return VerticalScroll(Lines(begun, line(Span("reading ...", "dim")), id="detail"), id="scroll")

    def on_mount(self) -> None:
        """Keys scroll."""
        super().on_mount()
        self.query_one("#scroll").focus()

    async def fetch(self) -> None:
        """The detail anew."""
        self._detail = await self.desk.finding(self._finding.id)
        self._finding = self._detail.finding
        for lines in self.query("#detail").results(Lines):
            lines.tell(page(self._detail, self.desk.names, self.desk.clock()))
        self.went_well()

    def in_focus(self) -> Finding | None:
        """This one."""
        return self._finding

    def known_detail(self) -> FindingDetail | None:
        """What was read."""
        return self._detail

    def action_back(self) -> None:
        """To the list."""
        self.dismiss()
