"""Which processes should live, and what to do next: a state machine without clock, process or socket.

Owns: the lives of one kind of child (the workers, or the store) through start, ready, drain and death, a rolling
restart and the final stop. Rules: pure; facts go in (`ready`, `exited`, `roll`, `stop`), actions come out of
`actions(now)`, and each action is given once. No two living children share a name, so that a journal, a ledger slot
and a log line belong to one of them; a rolling restart therefore takes the next free name. With `overlap` a new child
is ready before an old one is told to drain; without it (the store: one lock, one owner) the old one ends first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from appliance.supervisor.backoff import BackOff

if TYPE_CHECKING:
    from collections.abc import Iterable

DRAIN_GRACE_S: Final = 10.0  # beyond drain_s, before a child that does not end is killed


class State(StrEnum):
    """Where a child stands in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


@dataclass(frozen=True)
class Start:
    """Start a child under `name`."""

    name: str


@dataclass(frozen=True)
class Drain:
    """Ask `name` to finish and end (SIGTERM)."""

    name: str


@dataclass(frozen=True)
class Kill:
    """End `name` now (SIGKILL): it overran its time to start or to drain."""

    name: str
    why: str


type Action = Start | Drain | Kill


@dataclass
class Life:
    """One child from its start to its death. `since`: when it entered `state`; `born`: when it was started."""

    name: str
    generation: int
    born: float
    since: float
    state: State = State.STARTING
    killed: bool = False


class Plan:
    """Keeps `count` children alive. `start_s`: until ready; `drain_s`: to finish; both end in a kill."""

    def __init__(
        self,
        kind: str,
        count: int,
        *,
        overlap: bool,
        drain_s: float,
        start_s: float = 300.0,
        backoff: BackOff | None = None,
    ) -> None:
        self.kind, self.count, self.drain_s = kind, count, drain_s
        self.lives: dict[str, Life] = {}
        self.generation = 0
        self.restarts = 0
        self.stopping = False
        self.backoff = backoff or BackOff()
        self.taken: frozenset[str] = frozenset()  # names that others still use
        self._overlap, self._start_s = overlap, start_s

    # facts

    def adopt(self, names: Iterable[str], now: float) -> None:
        """Children of an earlier image of this process: they count, as an older generation."""
        for name in names:
            self.lives[name] = Life(name, self.generation - 1, now, now, State.READY)

    def ready(self, name: str, now: float) -> None:
        """It serves."""
        if (life := self.lives.get(name)) is not None and life.state is State.STARTING:
            life.state, life.since = State.READY, now

    def exited(self, name: str, now: float) -> bool:
        """It is dead. True when that was asked for."""
        life = self.lives.pop(name)
        if life.state is State.DRAINING:
            return True
        self.restarts += 1
        self.backoff.died(now, life.since if life.state is State.READY else None)
        return False

    def roll(self) -> None:
        """Replace every child by a new one, without a gap where `overlap` holds."""
        self.generation += 1

    def stop(self) -> None:
        """Drain all and start none."""
        self.stopping = True

    def hurry(self) -> None:
        """Give nobody more time to drain."""
        self.drain_s = -DRAIN_GRACE_S

    @property
    def rolled(self) -> bool:
        """Nobody of an older generation serves any more."""
        return all(life.generation == self.generation or life.state is State.DRAINING for life in self.lives.values())

    @property
    def settled(self) -> bool:
        """As many children of the newest generation as asked for are ready, and no others run."""
        return len(self.lives) == self.count and all(
            life.state is State.READY and life.generation == self.generation for life in self.lives.values()
        )

    @property
    def serving(self) -> int:
        """How many children are ready."""
        return sum(life.state is State.READY for life in self.lives.values())

    # decisions

    def actions(self, now: float) -> list[Action]:
        """What is to be done now; the plan takes it as done."""
        found: list[Action] = [*self._overdue(now), *self._drains(now)]
        if not self.stopping and now >= self.backoff.not_before:
            found += self._starts(now)
        return found

    def wake(self, now: float) -> float | None:
        """Seconds until time alone may call for an action; None: only an event can."""
        deadlines = (self._deadline(life) for life in self.lives.values() if not life.killed)
        times = [at for at in deadlines if at is not None]
        if not self.stopping and now < self.backoff.not_before:
            times.append(self.backoff.not_before)
        return max(min(times) - now, 0.0) if times else None

    def _deadline(self, life: Life) -> float | None:
        if life.state is State.STARTING:
            return life.since + self._start_s
        return life.since + self.drain_s + DRAIN_GRACE_S if life.state is State.DRAINING else None

    def _overdue(self, now: float) -> list[Action]:
        found: list[Action] = []
        for life in self.lives.values():
            deadline = self._deadline(life)
            if deadline is not None and now >= deadline and not life.killed:
                life.killed = True
                found.append(Kill(life.name, f"still {life.state} after {now - life.since:.0f} s"))
        return found

    def _drains(self, now: float) -> list[Action]:
        chosen = [life for life in self._surplus() if life.state is not State.DRAINING]
        for life in chosen:
            life.state, life.since = State.DRAINING, now
        return [Drain(life.name) for life in chosen]

    def _surplus(self) -> list[Life]:
        if self.stopping:
            return list(self.lives.values())
        active = [life for life in self.lives.values() if life.state is not State.DRAINING]
        current = [life for life in active if life.generation == self.generation]
        old = [life for life in active if life.generation != self.generation]
        if not self._overlap:
            return old
        ready = sum(life.state is State.READY for life in current)
        keep = max(self.count - ready, 0)
        old.sort(key=lambda life: life.state is State.READY, reverse=True)  # give up first what does not serve yet
        current.sort(key=lambda life: life.state is State.READY, reverse=True)
        return old[keep:] + current[self.count :]

    def _starts(self, now: float) -> list[Action]:
        active = [life for life in self.lives.values() if life.state is not State.DRAINING]
        current = [life for life in active if life.generation == self.generation]
        if not self._overlap:
            missing = self.count - len(self.lives)
        else:
            missing = self.count - len(active)
            starting = any(life.state is State.STARTING for life in current)
            if len(current) < self.count and len(active) > len(current) and not starting:
                missing = max(missing, 1)  # one new one beside the old
            missing = min(missing, 2 * self.count + 1 - len(self.lives))  # drainers are bounded too
        return [self._start(now) for _ in range(missing)]

    def _start(self, now: float) -> Action:
        name = self._free_name()
        self.lives[name] = Life(name, self.generation, now, now)
        return Start(name)

    def _free_name(self) -> str:
        if not self._overlap:
            return self.kind
        number = 0
        while (name := f"{self.kind}{number}") in self.lives or name in self.taken:
            number += 1
        return name
