"""Follows the policy: hears of a new snapshot, swaps it in, ends what it now blocks, and reports that it holds.

Rules: a snapshot that cannot be read or compiled leaves the one in force and raises an alarm; a running exchange keeps
the verdict it began with unless the new policy blocks its service, which ends the stream in its dialect's own form.
"""

from collections.abc import Callable
from pathlib import Path

from mitmproxy import http

from addons.faults import fault_of
from addons.ongoing import EXCHANGE, Exchange
from addons.streaming import StreamingAddon
from addons.upstream import cancel_stream
from addons.worker import Worker
from appliance.bus.control import Health, TargetHealth
from appliance.bus.link import ControlLink
from appliance.bus.tasks import spawn
from appliance.model.errors import OperatorError
from appliance.model.names import Disposition, Stage
from appliance.policy.disk import read_snapshot
from appliance.policy.engine import Policy
from appliance.policy.snapshot import PolicySnapshot

CUT_BY_POLICY = "policy"


class FollowAddon:
    """Keeps the link to the supervisor. `fill`: the journal's, 0-1; `targets`: how those of routes are."""

    def __init__(
        self,
        worker: Worker,
        compiler: Callable[[PolicySnapshot], Policy],
        streaming: StreamingAddon,
        fill: Callable[[], float],
        targets: Callable[[], tuple[TargetHealth, ...]] = tuple,
    ) -> None:
        self._worker = worker
        self._compile = compiler
        self._streaming = streaming
        self._fill = fill
        self._targets = targets
        self._folder = Path(worker.config.state_dir) / "policy"
        self._link: ControlLink | None = None

    def running(self) -> None:
        """Link up."""
        self._link = ControlLink(Path(self._worker.config.run_dir), self._health, self.on_snapshot)
        self._link.start()

    async def done(self) -> None:
        """Let go of the link."""
        if self._link is not None:
            await self._link.close()

    def on_snapshot(self, version: int) -> None:
        """Another snapshot is current: load, swap, re-judge, report."""
        worker = self._worker
        if version == worker.policy.version or version < 1:
            return
        try:
            policy = self._compile(read_snapshot(self._folder, version))
        except BaseException as error:  # noqa: BLE001 - the link must live, or no later policy would come
            told = str(error) if isinstance(error, OperatorError) else type(fault_of(error)).__name__
            worker.telemetry.notice("alarm", "policy_refused", f"snapshot {version}: {told}")
            return
        worker.adopt(policy)
        told = f"snapshot {version}, stage {policy.stage}, {self._end_blocked()} exchanges ended"
        worker.telemetry.notice("info", "policy_applied", told)
        if self._link is not None:
            spawn(self._link.applied(version), "policy applied")

    def _end_blocked(self) -> int:
        ended = 0
        for flow in list(self._worker.running.values()):
            exchange = flow.metadata.get(EXCHANGE)
            if isinstance(exchange, Exchange) and self._blocked(exchange):
                cancel_stream(flow, self._words(flow), CUT_BY_POLICY)
                ended += 1
        return ended

    def _blocked(self, exchange: Exchange) -> bool:
        worker = self._worker
        if exchange.facts is None:
            return False
        try:
            return worker.judge(exchange.facts, exchange.service).effective is Disposition.BLOCK
        except BaseException as error:  # noqa: BLE001 - the others are to be judged all the same
            self._told(error)
            return worker.stage is Stage.ENFORCE

    def _words(self, flow: http.HTTPFlow) -> bytes:
        try:
            return self._streaming.farewell(flow, CUT_BY_POLICY)
        except BaseException as error:  # noqa: BLE001 - it ends all the same, without words
            self._told(error)
            return b""

    def _told(self, error: BaseException) -> None:
        detail = f"FollowAddon.on_snapshot: {type(fault_of(error)).__name__}"
        self._worker.telemetry.notice("alarm", "guard_fault", detail)

    def _health(self) -> Health:
        worker = self._worker
        return Health(
            worker=worker.telemetry.worker,
            policy_version=worker.policy.version,
            active=len(worker.running),
            journal_fill=self._fill(),
            detectors=worker.counted(),
            targets=self._targets(),
        )
