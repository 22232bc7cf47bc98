"""One finding in full: why, when, who, evidence, history; decided from here as from the list."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import VerticalScroll

from appliance.bus.errors import RemoteError, Unreachable
from appliance.model.names import Verity
from appliance.store.finding_pages import FINDINGS
from tui.actions import bindings
from tui.client_state.finding_lines import page, severity, title
from tui.client_state.spans import Span, foreign, line
from tui.screens.ask import AskScreen
from tui.screens.deciding import DecidingPage
from tui.widgets.lines import Lines

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.widget import Widget

    from appliance.model.finding import Finding
    from appliance.store.finding_pages import FindingDetail
    from tui.desk import Desk


_CHOICES = 8  # detections that can be judged by key: the most frequent


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

    def action_judge(self) -> None:
        """Which detection, then what of it."""
        detections = self._detail.detections[:_CHOICES] if self._detail else ()
        if not detections:
            self.notify("nothing was detected in its exchanges", severity="warning", markup=False)
            return
        choices = [("leave", "Leave"), *((one.entity, foreign(one.entity, 40)) for one in detections)]
        self.app.push_screen(AskScreen([line("Which detection do you judge?")], choices), self._judge)

    def _judge(self, entity: str | None) -> None:
        if entity is None or entity == "leave":
            return
        question = [line("Is ", Span(foreign(entity, 40), "name"), " in these exchanges what it was taken for?")]
        choices = [("leave", "Leave"), (Verity.RIGHT.value, "Right"), (Verity.WRONG.value, "Wrong")]
        choices.append((Verity.UNSURE.value, "Unsure"))
        self.app.push_screen(AskScreen(question, choices), lambda said: self._said(entity, said))

    def _said(self, entity: str, said: str | None) -> None:
        if said in tuple(Verity):
            self.run_worker(self._tell(entity, Verity(said)), exclusive=False)

    async def _tell(self, entity: str, verdict: Verity) -> None:
        try:
            await self.desk.judge(self._finding.id, entity, verdict)
        except (RemoteError, Unreachable) as error:
            self.notify(foreign(str(error), 300), severity="error", markup=False)
        self.refresher.due()

    def action_back(self) -> None:
        """To the list."""
        self.dismiss()
