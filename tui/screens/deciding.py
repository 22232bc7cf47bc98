"""What pages about findings share: opening the decision dialog, and the mark `triaged`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.bus.errors import RemoteError, Unreachable
from appliance.model.names import DecisionKind, FindingState
from tui.client_state.spans import foreign
from tui.screens.page import PageScreen

if TYPE_CHECKING:
    from appliance.model.finding import Finding
    from appliance.store.finding_pages import FindingDetail


class DecidingPage(PageScreen):
    """A page on which a finding is in focus."""

    def in_focus(self) -> Finding | None:
        """The finding that keys are about."""
        raise NotImplementedError

    def known_detail(self) -> FindingDetail | None:
        """Its detail, where the page has it."""
        return None

    def action_decide(self, kind: str) -> None:
        """Open the dialog."""
        if (finding := self.in_focus()) is None:
            self.notify("no finding is selected", severity="warning", markup=False)
            return
        from tui.screens.decide import DecideScreen

        self.app.push_screen(DecideScreen(self.desk, finding, DecisionKind(kind), self.known_detail()))

    async def action_triage(self) -> None:
        """Mark as looked at."""
        finding = self.in_focus()
        if finding is None or finding.state is not FindingState.NEW:
            self.notify("only a finding in state new is marked as triaged", severity="warning", markup=False)
            return
        try:
            await self.desk.triage(finding)
        except RemoteError as error:
            self.notify(foreign(error.message, 300), severity="error", markup=False)
        except Unreachable as error:
            self.notify(foreign(str(error), 300), severity="error", markup=False)
        self.refresher.due()

    def action_copy(self) -> None:
        """The record that is in focus."""
        if (record := self.known_detail() or self.in_focus()) is not None:
            self.copy(record)
