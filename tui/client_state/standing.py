"""How the appliance stands: stage, policy version, on how many workers it is applied, and decisions on their way.

Rules: the version is the highest that anybody told, so that a late message never shows an older policy as current; a
decision is applied when every ready worker judges by its snapshot or a later one.
"""

from __future__ import annotations

from typing import Final

from appliance.store.finding_pages import ApplianceState
from tui.client_state.spans import Line, Span, foreign, line

PENDING: Final = 50  # decisions that are watched until they are applied


class Standing:
    """What is known of the appliance. `told` False: nothing yet."""

    def __init__(self) -> None:
        self.state = ApplianceState()
        self.version = 0
        self.told = False
        self._pending: dict[int, int] = {}

    def learn(self, state: ApplianceState) -> None:
        """The appliance as its supervisor tells it."""
        self.state, self.told = state, True
        self.version = max(self.version, state.version)

    def snapshot(self, version: int) -> None:
        """A policy snapshot became current."""
        self.version = max(self.version, version)

    def decided(self, number: int, version: int) -> None:
        """Watch a decision until the workers apply it."""
        self.snapshot(version)
        self._pending[number] = version
        while len(self._pending) > PENDING:
            del self._pending[next(iter(self._pending))]

    @property
    def enforcing(self) -> bool:
        """Verdicts act."""
        return self.state.stage == "enforce"

    def applied(self, version: int | None = None) -> tuple[int, int]:
        """Ready workers that judge by `version` (None: the current one), and how many are ready."""
        wanted = self.version if version is None else version
        ready = [worker for worker in self.state.workers if worker.ready]
        return sum(worker.applied >= wanted for worker in ready), len(ready)

    def arrived(self) -> list[tuple[int, int]]:
        """Decisions that every ready worker applies by now, told once: number and how many workers."""
        done = []
        for number, version in tuple(self._pending.items()):
            have, of = self.applied(version)
            if of and have == of:
                del self._pending[number]
                done.append((number, of))
        return done

    def badge(self) -> Span:
        """The stage in one word."""
        word = self.state.stage.upper() if self.state.stage in {"observe", "enforce"} else "UNKNOWN"
        return Span(f" {word} ", {"OBSERVE": "observe", "ENFORCE": "enforce"}.get(word, "unknown"))

    def bar(self) -> Line:
        """The status bar behind the badge."""
        if not self.told:
            return line(" waiting for word from the appliance")
        have, of = self.applied()
        lagging = "" if have == of else "warning"
        parts = [Span(f" policy {self.version} applied on {have}/{of}", lagging), self._workers(), self._sensors()]
        if self.state.phase != "up":
            parts.insert(0, Span(f" {foreign(self.state.phase, 16)}", "warning"))
        if problems := len(self.state.problems):
            parts.append(Span(f"  problems {problems}", "warning"))
        if self._pending:
            parts.append(Span(f"  {len(self._pending)} on the way", "warning"))
        return line(*parts)

    def _workers(self) -> Span:
        ready, every = sum(worker.ready for worker in self.state.workers), len(self.state.workers)
        return Span(f"  workers {ready}/{every}", "" if ready == every and ready else "warning")

    def _sensors(self) -> Span:
        sensors = self.state.sensors
        if not sensors:
            return Span("  no sensor", "dim")
        failed = sum(sensor.state == "failed" for sensor in sensors)
        busy = sum(sensor.state in {"capturing", "starting"} for sensor in sensors)
        if failed:
            return Span(f"  sensors {busy}/{len(sensors)}, {failed} failed", "warning")
        return Span(f"  sensors {busy}/{len(sensors)}")
