"""Processes beside the plans, each kept alive where the configuration wants it.

The observer tells other systems how the appliance does; the receiver takes the records of edges and sidecars. Owns: its
one child. Rules: apart from the supervisor's plans, because nothing waits for it and nothing needs it: what
keeps it from starting is told as a problem and stops nothing; it ends before the program on disk takes over, and a
reload starts it anew. It is not in the note that one image leaves to the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, override

from appliance.bus.tasks import cancel, spawn
from appliance.supervisor.backoff import BackOff
from appliance.supervisor.child import Child, Listener, describe
from appliance.supervisor.log import pass_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.config.schema import Config
    from appliance.supervisor.supervisor import Supervisor

_log = logging.getLogger("gnomon.supervisor")
END_S: Final = 5.0  # to end when asked, before it is killed
USAGE: Final = 2  # exit code of a child whose operator must act


def wanted(config: Config) -> bool:
    """Something is to be told."""
    return bool(config.metrics.listen or config.otel.endpoint)


def takes_records(config: Config) -> bool:
    """Peers ship their records here."""
    return config.peers is not None and config.peers.journal is not None


@dataclass(frozen=True)
class Program:
    """A child beside: its name, its module, and whether a configuration wants it."""

    name: str
    module: str
    wanted: Callable[[Config], bool]


OBSERVER: Final = Program("observer", "appliance.observe", wanted)
RECEIVER: Final = Program("peers", "appliance.peers", takes_records)


class Observing(Listener):
    """At most one child of `program` at a time."""

    def __init__(self, boss: Supervisor, program: Program = OBSERVER) -> None:
        self._boss, self._program = boss, program
        self._child: Child | None = None
        self._gone = asyncio.Event()
        self._backoff = BackOff()
        self._served: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._problem = ""

    def start(self) -> None:
        """Keep one, from now on, where it is wanted."""
        if self._program.wanted(self._boss.config) and (self._task is None or self._task.done()):
            self._task = spawn(self._keep(), self._program.name)

    @property
    def pid(self) -> int:
        """Of the child; 0: there is none."""
        return self._child.pid if self._child is not None else 0

    async def stop(self) -> None:
        """Keep none; returns when it is gone."""
        await cancel(self._task)
        self._task = None
        if (child := self._child) is None:
            return
        child.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await self._gone.wait()
        if self._child is not None:
            child.signal(signal.SIGKILL)
            await self._gone.wait()

    async def restart(self) -> None:
        """The configuration has changed."""
        await self.stop()
        self._tell("")
        self.start()

    async def _keep(self) -> None:
        while True:
            self._gone.clear()
            argv = [sys.executable, "-I", "-m", self._program.module, "--run-dir", self._boss.config.run_dir]
            try:
                self._child = Child.spawn(self._program.name, argv, self, parent_fd=self._boss.lifeline[0])
            except OSError as error:
                self._tell(f"{self._program.name} cannot be started: {error.strerror}")
                return
            await self._gone.wait()
            await asyncio.sleep(max(0.0, self._backoff.not_before - time.monotonic()))

    def _tell(self, problem: str) -> None:
        """A problem instead of the one before; empty: none any more."""
        if self._problem:
            self._boss.problems = [one for one in self._boss.problems if one != self._problem]
            self._boss.tell()
        self._problem = problem
        if problem:
            self._boss.problem(problem)

    @override
    def ready(self, name: str) -> None:
        self._served = time.monotonic()
        self._tell("")

    @override
    def said(self, name: str, line: str) -> None:
        pass_on(name, line)

    @override
    def exited(self, name: str, status: int, last: str) -> None:
        self._backoff.died(time.monotonic(), self._served)
        self._child, self._served = None, None
        if self._task is not None and not self._task.done() and status:
            words = last.splitlines()[-1].partition(": ")[2] if last else describe(status)
            self._tell(f"{self._program.name}: {words or describe(status)}")
            if status == USAGE:
                self._task.cancel()  # until the configuration changes
        self._gone.set()
