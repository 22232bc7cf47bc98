"""One person in full: what stands out, by whose accounts what was used, keys, findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import VerticalScroll

from tui.actions import bindings
from tui.client_state.person_lines import page
from tui.client_state.spans import Span, line
from tui.screens.page import PageScreen
from tui.screens.people import SPAN_S
from tui.widgets.lines import Lines

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.widget import Widget

    from appliance.store.people_pages import PersonDetail, PersonUse
    from tui.desk import Desk


class PersonScreen(PageScreen):
    """Opened over the list; esc goes back."""

    NAME = "person"
    BINDINGS: ClassVar[list[BindingType]] = bindings("person")

    def __init__(self, desk: Desk, use: PersonUse) -> None:
        super().__init__(desk)
        self._use = use
        self._detail: PersonDetail | None = None

    def body(self) -> Widget:
        """What the list knew already stands there until the rest comes."""
        begun = line(Span(self.desk.names.show(self._use.person), "name"))
        return VerticalScroll(Lines(begun, line(Span("reading ...", "dim")), id="detail"), id="scroll")

    def on_mount(self) -> None:
        """Keys scroll."""
        super().on_mount()
        self.query_one("#scroll").focus()

    async def fetch(self) -> None:
        """The detail anew."""
        self._detail = await self.desk.person(self._use.person, max(0.0, self.desk.clock() - SPAN_S))
        for lines in self.query("#detail").results(Lines):
            lines.tell(page(self._detail, self.desk.names, self.desk.clock()))
        self.went_well()

    def action_copy(self) -> None:
        """This person."""
        self.copy(self._detail or self._use)

    def action_back(self) -> None:
        """To the list."""
        self.dismiss()
