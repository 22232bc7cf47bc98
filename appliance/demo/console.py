"""What the demo asks of the running appliance: as an analyst over analyst.sock, as the operator over control.sock.

Rules: only verbs that every client has; what has no event to wait for is asked again until it is so, within a bound.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

import msgspec

from appliance.bus.client import BlockingClient
from appliance.bus.control import SOCKET, Status, StatusRequest
from appliance.model.decision import Decision, Proposal
from appliance.model.finding import Finding
from appliance.model.names import DecisionKind
from appliance.store.finding_pages import (
    FindingsHead,
    FindingsRequest,
    Preview,
    PreviewRequest,
)
from appliance.store.wire import Decide, Decided

PATIENCE_S: Final = 15.0
_STEP_S: Final = 0.03


def eventually[T](question: Callable[[], T], wanted: Callable[[T], object], patience_s: float = PATIENCE_S) -> T:
    """Ask until the answer is as wanted or the time is over; the last answer either way."""
    deadline = time.monotonic() + patience_s
    while not wanted(found := question()) and time.monotonic() < deadline:
        time.sleep(_STEP_S)
    return found


class Console:
    """The two sockets."""

    def __init__(self, run_dir: Path) -> None:
        self._analyst = BlockingClient(run_dir / "analyst.sock")
        self._control = BlockingClient(run_dir / SOCKET)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._analyst.close()
        self._control.close()

    def status(self) -> Status:
        """The appliance as its supervisor sees it."""
        return self._control.call("status", StatusRequest(), reply=Status)[0]

    def findings(self) -> dict[str, Finding]:
        """The findings by id."""
        _, body = self._analyst.call("findings", FindingsRequest(limit=500), reply=FindingsHead)
        return {finding.id: finding for finding in msgspec.json.decode(body, type=list[Finding])}

    def preview(self, proposal: Proposal) -> Preview:
        """What a proposal would have done."""
        return self._analyst.call("preview", PreviewRequest(proposal=proposal), reply=Preview)[0]

    def decide(self, proposal: Proposal) -> Decision:
        """Decide, and wait until every worker judges by it."""
        request = Decide(proposal=proposal, expected_version=self.status().policy_version)
        told = self._analyst.call("decide", request, reply=Decided)[0]
        eventually(self.status, lambda now: now.applied == now.workers and now.policy_version >= told.version)
        return told.decision

    def undo(self, decision: Decision) -> Decision:
        """A new decision that takes one back."""
        return self.decide(
            Proposal(
                decision=DecisionKind.DISMISS,
                service=decision.service,
                surface=decision.surface,
                undoes=decision.number,
            )
        )
