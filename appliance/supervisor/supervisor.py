"""The supervisor: from the configuration to running children and back to none.

Owns: the order of start and stop, and the one loop that turns plans into processes. Order of a start: folders and
locks, safe addresses, listeners (from here on nobody is refused), site key, journals, authority, policy,
control.sock, store, recovery of dead journals beside it, counters, workers and sensors. Order of a stop: listeners,
workers (drain), sensors, last recovery, store. Rules: what fails before the first worker serves stops the start with
one sentence, but for a sensor, which is only told; afterwards nothing but a request stops it. All decisions about lives
are the plans'.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, override

from appliance.bus import ownflows, programs, rejected
from appliance.bus.tasks import cancel, spawn
from appliance.config.effective import write_effective
from appliance.model.errors import OperatorError
from appliance.supervisor import listeners
from appliance.supervisor.change import reload, upgrade
from appliance.supervisor.child import Child, Listener, describe
from appliance.supervisor.instance import Instance, make_folders
from appliance.supervisor.log import pass_on
from appliance.supervisor.observing import RECEIVER, Observing
from appliance.supervisor.plan import Action, Drain, Kill, Plan, Start
from appliance.supervisor.preflight import known_version
from appliance.supervisor.recovery import Recovery
from appliance.supervisor.relay import Teller, relay
from appliance.supervisor.sensors import Sensors
from appliance.supervisor.service import Control

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.config.schema import Config
    from appliance.supervisor.handover import Handover
    from appliance.supervisor.settings import Settings

_log = logging.getLogger("gnomon.supervisor")
WATCH_S: Final = 1.0  # between looks at the current snapshot, should the store's word be missed
LAST_RECOVERY_S: Final = 10.0
TAKEOVER_S: Final = 15.0  # how long the store may be kept waiting by a killed supervisor's store
STORE_DRAIN_S: Final = 20.0
SENSORS_S: Final = 10.0  # how long `up` waits for sensors to capture or to say why not
CAPTURES: Final = "captures"  # folder below run_dir: how far sensors have read which file
_START_TRIES: Final = 4
_USAGE: Final = 2  # exit code of a child whose operator must act


class Supervisor(Listener):
    """One run of the appliance. `await run()` returns when it was told to stop."""

    def __init__(self, settings: Settings, config: Config) -> None:
        self.settings, self.config = settings, config
        self.phase = "starting"
        self.started = time.monotonic()
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.children: dict[str, Child] = {}
        self.listeners: dict[str, socket.socket] = {}
        self.addresses: dict[str, str] = {}
        self.store = Plan("shipper" if config.ships_records else "store", 1, overlap=False, drain_s=STORE_DRAIN_S)
        self.workers = Plan("w", config.worker_count, overlap=True, drain_s=config.drain_s)
        self.sensors = Sensors(config)
        self.known = known_version(config)  # what the site knows of AI software, as its sensors have read it
        self._teller = Teller(self)
        self.observing, self.receiving = Observing(self), Observing(self, RECEIVER)
        self.control = Control(self)
        self._recovery = Recovery(self)
        self._plans: list[Plan] = []
        self._changed, self._changing = asyncio.Event(), asyncio.Lock()
        self._fatal: OperatorError | None = None
        self._stopping = self._upgrading = self._sensing = False
        self.lifeline: tuple[int, int] = (-1, -1)
        self.instance: Instance | None = None
        self.retired: list[socket.socket] = []
        self._took_over = False
        self._terminal = _terminal_lives()

    # the run

    async def run(self, inherited: Handover | None = None) -> None:
        """Serve until told to stop. OperatorError: it could not start, and nothing is left running."""
        background: list[asyncio.Task[None]] = []
        try:
            await self._prepare(inherited)
            background = [
                spawn(self._recovery.forever(), "recovery"),
                spawn(self._watch_policy(), "policy watch"),
            ]
            if not self.config.ships_records:
                background += [
                    spawn(relay(Path(self.config.run_dir), self.control.look_at_policy), "snapshot relay"),
                    spawn(self._teller.forever(), "state relay"),
                ]
            await self._start_children()
            if not self._stopping:
                self.phase = "up"
                self.tell()
                self.settings.announce(self)
                self.observing.start()
                self.receiving.start()
            while not self._stopping:
                await self._steer(lambda: self._stopping or self._upgrading)
                if self._upgrading:
                    self._upgrading = False
                    await upgrade(self)
        finally:
            await cancel(*background)
            await self._finish()

    async def _prepare(self, inherited: Handover | None) -> None:
        config = self.config
        make_folders(config)
        self.instance = Instance(inherited.locks) if inherited else Instance.claim(config)
        self._took_over = self.instance.succeeds
        self.lifeline = inherited.lifeline if inherited else os.pipe()
        listeners.check_safe(config)
        if inherited:
            self._inherit(inherited)
        patience = listeners.RETRY_S if self._took_over else 0.0
        self.listeners |= await listeners.bind_all(config, patience, self.listeners)
        asked = None if inherited else self.settings.stage  # an old flag must not undo a later `gnomon stage`
        self.name_addresses()
        self.notes = await asyncio.to_thread(self.settings.evidence.prepare, config, asked)
        self.workers.taken = self.settings.evidence.living(config) - set(self.children)
        write_effective(config, Path(config.run_dir))
        prepare_sensing(Path(config.run_dir), fresh=inherited is None)
        self._handle_signals()
        await self.control.start()
        await self._look_at_authority()

    def _inherit(self, inherited: Handover) -> None:
        self.listeners = {name: socket.socket(fileno=fd) for name, fd in inherited.listeners.items()}
        now = time.monotonic()
        for heir in inherited.children:
            self.children[heir.name] = Child(heir.name, heir.pid, heir.stderr, self)
            if heir.kind in (self.store.kind, self.workers.kind):
                (self.store if heir.kind == self.store.kind else self.workers).adopt([heir.name], now)
            else:
                self.sensors.adopt(heir.name, now)

    def name_addresses(self) -> None:
        """Note where the listeners are, for status and after they are closed."""
        self.addresses = {name: listeners.shown(sock) for name, sock in self.listeners.items()}

    async def _start_children(self) -> None:
        self._plans = [self.store]
        await self._steer(lambda: self._stopping or self.store.settled)
        self._recovery.due()  # the store is there: ship what the dead left
        while not await self._recovery.counters() and not self._stopping:
            await self._steer(lambda: self._stopping or self.store.settled)
        self._plans, self._sensing = [self.store, self.workers], True
        await self._steer(lambda: self._stopping or self.workers.settled)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SENSORS_S):
                await self._steer(lambda: self._stopping or self.sensors.settled)

    async def _finish(self) -> None:
        self.phase, self._fatal = "draining", None
        self.tell()
        if self.children:
            _log.info("draining")
        await self.observing.stop()
        await self.receiving.stop()
        for sock in (*self.listeners.values(), *self.retired):
            sock.close()
        self.workers.stop()
        self._plans = [self.store, self.workers]
        await self._steer(lambda: not self.workers.lives)
        self.sensors.stop()
        await self._steer(lambda: self.sensors.ended)
        if self.store.serving:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_RECOVERY_S):
                    await self._recovery.once()
        self.store.stop()
        await self._steer(lambda: not self.store.lives)
        await self.control.close()
        for fd in self.lifeline:
            if fd >= 0:
                os.close(fd)
        if self.instance is not None:
            self.instance.release()

    # requests

    def stop(self, *, now: bool = False) -> None:
        """Drain and end. Asked a second time, or with `now`: end the children at once."""
        if now or self._stopping:
            self.workers.hurry()
            self.sensors.hurry()
            self.store.hurry()
        self._stopping = True
        self._changed.set()

    def tell(self) -> None:
        """What analysts are told of the appliance may have changed."""
        self._teller.due()

    def upgrade(self) -> None:
        """Become the program on disk; it then rolls the children."""
        self._upgrading = True
        self._changed.set()

    async def reload(self) -> str:
        """Take the configuration anew and roll the workers. OperatorError: it is bad and nothing has changed."""
        async with self._changing:
            told = await reload(self)
            await self._look_at_authority()
        self._changed.set()
        self.tell()
        return told

    # events of children

    @override
    def ready(self, name: str) -> None:
        plan = self.plan_of(name)
        plan.ready(name, time.monotonic())
        over = self.sensors.ready(name)
        self.problems = [problem for problem in self.problems if problem not in over]
        if plan is self.store:
            self._recovery.due()
        self.tell()
        _log.info("%s is ready", name)
        self._changed.set()

    @override
    def said(self, name: str, line: str) -> None:
        pass_on(name, line)

    @override
    def exited(self, name: str, status: int, last: str) -> None:
        plan, child = self.plan_of(name), self.children.pop(name)
        asked = plan.exited(name, time.monotonic())
        self.control.forget(name)
        calm = asked or (status == 0 and plan not in (self.store, self.workers))  # a file that was read to its end
        _log.log(logging.INFO if calm else logging.ERROR, "%s (pid %d) ended: %s", name, child.pid, describe(status))
        self._recovery.due()
        if plan not in (self.store, self.workers):
            if told := self.sensors.exited(name, status, _words(last), asked=asked):
                self.problem(told)
        elif not asked and self.phase == "starting" and not self._may_wait(name):
            self._judge_start(plan, name, status, last)
        self.tell()
        self._changed.set()

    def _judge_start(self, plan: Plan, name: str, status: int, last: str) -> None:
        """A child that says what the operator must do, or fails again and again, ends the start."""
        if status == _USAGE:
            self._fatal = OperatorError(_words(last) or f"{name} refused to start and said nothing")
        elif plan.backoff.failures >= _START_TRIES:
            words = f"; its last words: {last}" if last else ""
            self._fatal = OperatorError(f"{name} does not start ({describe(status)}){words}")

    def _may_wait(self, name: str) -> bool:
        """The store of a killed supervisor may hold the database for a moment."""
        return self._took_over and name == "store" and time.monotonic() - self.started < TAKEOVER_S

    def plan_of(self, name: str) -> Plan:
        """The plan that a child belongs to."""
        if name == self.store.kind:
            return self.store
        return self.sensors.plan_of(name) or self.workers

    # the loop

    async def _steer(self, done: Callable[[], bool]) -> None:
        """Act on the plans until `done`. Raises what makes a start impossible."""
        while not done():
            if self._fatal is not None:
                raise self._fatal
            self._changed.clear()
            self._close_retired()
            waits = [self._act(plan) for plan in [*self._plans, *(self.sensors.plans if self._sensing else ())]]
            if done():
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min((wait for wait in waits if wait is not None), default=None)):
                    await self._changed.wait()

    def _act(self, plan: Plan) -> float | None:
        now = time.monotonic()
        for action in plan.actions(now):
            self._do(plan, action)
        return plan.wake(now)

    def _do(self, plan: Plan, action: Action) -> None:
        match action:
            case Start(name):
                self._start(plan, name)
            case Drain(name):
                self.children[name].signal(signal.SIGTERM)
            case Kill(name, why):
                _log.error("%s is killed: %s", name, why)
                self.children[name].signal(signal.SIGKILL)

    def _start(self, plan: Plan, name: str) -> None:
        numbers = {listener: sock.fileno() for listener, sock in self.listeners.items()}
        fds = tuple(numbers.values())
        if plan is self.store:
            argv, fds = self.settings.programs.store(self.config), ()
        elif plan is not self.workers:
            source = self.sensors.source_of(name)
            argv, fds = self.settings.programs.sensor(self.config, name, source, self.addresses), ()
        else:
            argv = self.settings.programs.worker(self.config, name, numbers)
        try:
            child = Child.spawn(name, argv, self, fds=fds, parent_fd=self.lifeline[0])
        except OSError as error:
            self.problem(f"{name} cannot be started: {error.strerror}")
            plan.exited(name, time.monotonic())
            return
        self.children[name] = child
        _log.info("%s started (pid %d)", name, child.pid)

    def _close_retired(self) -> None:
        """Listeners that a reload has replaced live until the last worker that came with them drains."""
        if self.retired and self.workers.rolled:
            for sock in self.retired:
                sock.close()
            self.retired.clear()

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        loop.add_signal_handler(signal.SIGINT, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        loop.add_signal_handler(signal.SIGUSR2, self.upgrade)

    def _hung_up(self) -> None:
        """SIGHUP: a person's `kill -HUP` asks for a reload; a terminal that went away asks for the end."""
        if self._terminal and not _terminal_lives():
            self.stop()
        else:
            spawn(self._reload_by_signal(), "reload")

    async def _reload_by_signal(self) -> None:
        try:
            _log.info("%s", await self.reload())
        except OperatorError as error:
            self.problem(f"reload refused, nothing has changed: {error}")

    # words

    async def _watch_policy(self) -> None:
        while True:
            self.control.look_at_policy()
            await asyncio.sleep(WATCH_S)

    async def _look_at_authority(self) -> None:
        due = await asyncio.to_thread(self.settings.evidence.due, self.config)
        self.problems = [text for text in self.problems if not text.startswith("certificate authority:")]
        if due:
            self.problem(due)

    def problem(self, text: str) -> None:
        """Something that a person must know: logged, and shown by `gnomon status`; the same thing once."""
        if text not in self.problems:
            _log.error("%s", text)
            self.problems = [*self.problems[-19:], text]
            self.tell()


def prepare_sensing(run_dir: Path, *, fresh: bool) -> None:
    """What workers and sensors share; `fresh`: capture files count as unread."""
    ownflows.create(run_dir)
    programs.create(run_dir)
    rejected.create(run_dir)
    folder = run_dir / CAPTURES
    if fresh and folder.is_dir():
        for note in folder.iterdir():
            note.unlink(missing_ok=True)


def _words(last: str) -> str:
    """The child's message to the operator, without the name it put before it and the log lines above it."""
    found = list(re.finditer(r"^gnomon(?: [\w ]+)?: ", last, re.MULTILINE))
    return last[found[-1].end() :] if found else last


def _terminal_lives() -> bool:
    try:
        os.tcgetpgrp(0)
    except OSError:
        return False
    return True
