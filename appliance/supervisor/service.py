"""control.sock: what the supervisor answers to workers and commands.

Rules: no decision is taken here; a child is believed only about itself (its pid is the kernel's word). The push of a
snapshot happens in one place, whenever the number on disk has changed, whoever wrote it.
"""

from __future__ import annotations

import asyncio
import os
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from appliance.bus import control
from appliance.bus.control import ChildStatus, Health, Reloaded, Snapshot, Status
from appliance.bus.errors import RemoteError
from appliance.bus.server import Peer, Reply, Server, Verb
from appliance.bus.verbs import Done
from appliance.model.decision import Decision
from appliance.supervisor import policy

if TYPE_CHECKING:
    from appliance.model.names import Stage
    from appliance.supervisor.supervisor import Supervisor


_CENTRAL: Final = "central appliance "


class Control:
    """The server, and what workers have told."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._told: dict[str, Health] = {}
        self._peers: tuple[control.PeerStanding, ...] = ()
        self._version = 0
        self._stage = supervisor.config.stage
        self._server: Server | None = None

    async def start(self) -> None:
        """Serve RUN/control.sock."""
        verbs = {
            "hello": Verb(control.Hello, self._hello),
            "health": Verb(Health, self._health),
            "applied": Verb(control.Applied, self._applied),
            "sensing": Verb(control.Sensing, self._sensing),
            "peering": Verb(control.Peering, self._peering),
            "decided": Verb(control.Decided, self._decided),
            "published": Verb(control.Published, self._published),
            "status": Verb(control.StatusRequest, self._status),
            "down": Verb(control.Down, self._down),
            "reload": Verb(control.Reload, self._reload),
            "stage": Verb(control.SetStage, self._set_stage),
        }
        path = Path(self._supervisor.config.run_dir) / control.SOCKET
        self._server = Server(path, verbs, mode=0o600, topics=frozenset({control.SNAPSHOT}))
        self.look_at_policy()
        await self._server.start()

    async def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            await self._server.close()
            self._server = None

    def forget(self, worker: str) -> None:
        """It is dead: what it told holds no longer."""
        self._told.pop(worker, None)

    def look_at_policy(self) -> None:
        """Push the current snapshot's number if it has changed."""
        now = policy.current_version(self._supervisor.config)
        if now == self._version:
            return
        self._version, self._stage = now, self._read_stage()
        if self._server is not None:
            self._server.publish(control.SNAPSHOT, Snapshot(now))
        self._supervisor.tell()

    def status(self) -> Status:
        """The whole as it stands."""
        boss = self._supervisor
        return Status(
            phase=boss.phase,
            pid=os.getpid(),
            seconds=round(time.monotonic() - boss.started, 1),
            version=version("gnomon"),
            stage=self._stage,
            policy_version=self._version,
            applied=sum(told.policy_version == self._version for told in self._told.values()),
            workers=boss.workers.count,
            proxy=boss.addresses["proxy"],
            gateway=boss.addresses["gateway"],
            state_dir=boss.config.state_dir,
            restarts=boss.store.restarts + boss.workers.restarts + boss.sensors.restarts,
            children=tuple(self._child(name) for name in sorted(boss.children)),
            problems=tuple(boss.problems),
            sensors=boss.sensors.states(),
            role=boss.config.role,
            peers=self._peers,
        )

    def told(self, worker: str) -> Health | None:
        """What a worker has told last."""
        return self._told.get(worker)

    @property
    def current(self) -> Snapshot:
        """The policy snapshot that is current."""
        return Snapshot(self._version)

    @property
    def stage(self) -> Stage:
        """Its stage."""
        return self._stage

    def _child(self, name: str) -> ChildStatus:
        boss, told = self._supervisor, self._told.get(name)
        life = boss.plan_of(name).lives[name]
        seconds = round(time.monotonic() - life.since, 1)
        if told is None:
            return ChildStatus(name, boss.children[name].pid, life.state, seconds)
        numbers = (told.policy_version, told.active, round(told.journal_fill, 4), told.detectors)
        return ChildStatus(name, boss.children[name].pid, life.state, seconds, *numbers)

    def _read_stage(self) -> Stage:
        from appliance.model.errors import OperatorError
        from appliance.policy.disk import read_current

        try:
            found = read_current(policy.folder_of(self._supervisor.config))
        except OperatorError as error:
            self._supervisor.problem(str(error))
            return self._stage
        return found.stage if found else self._supervisor.config.stage

    def _check(self, name: str, peer: Peer) -> None:
        child = self._supervisor.children.get(name)
        if child is None or child.pid != peer.pid:
            raise RemoteError("forbidden", f"pid {peer.pid} is not {name[:20]!r}")

    async def _hello(self, request: control.Hello, _body: bytes, peer: Peer) -> Reply:
        self._check(request.worker, peer)
        self._told[request.worker] = Health(request.worker, request.policy_version)
        self._supervisor.tell()
        return Reply(Snapshot(self._version))

    async def _health(self, request: Health, _body: bytes, peer: Peer) -> Reply:
        self._check(request.worker, peer)
        before, self._told[request.worker] = self._told.get(request.worker), request
        if before is None or before.policy_version != request.policy_version:
            self._supervisor.tell()
        return Reply(Done())

    async def _applied(self, request: control.Applied, _body: bytes, peer: Peer) -> Reply:
        self._check(request.worker, peer)
        before = self._told.get(request.worker, Health(request.worker))
        self._told[request.worker] = msgspec.structs.replace(before, policy_version=request.policy_version)
        self._supervisor.tell()
        return Reply(Done())

    async def _sensing(self, request: control.Sensing, _body: bytes, peer: Peer) -> Reply:
        self._check(request.sensor, peer)
        if self._supervisor.sensors.sensing(request):
            self._supervisor.tell()
        return Reply(Done())

    async def _peering(self, request: control.Peering, _body: bytes, peer: Peer) -> Reply:
        boss = self._supervisor
        if peer.pid != boss.receiving.pid:
            self._check(request.process, peer)
        self._peers = request.peers
        if boss.config.ships_records:
            boss.problems = [one for one in boss.problems if not one.startswith(_CENTRAL)]
            away = [f"{_CENTRAL}{one.name}: {one.problem}" for one in request.peers if one.problem]
            boss.problems += [words for words in away if words not in boss.problems]
        return Reply(Done())

    async def _decided(self, request: control.Decided, body: bytes, peer: Peer) -> Reply:
        boss = self._supervisor
        self._check(request.process, peer)
        if not boss.config.ships_records or request.process != boss.store.kind:
            raise RemoteError("forbidden", "decisions are made here")
        decisions = msgspec.json.decode(body, type=tuple[Decision, ...])
        snapshot = await asyncio.to_thread(policy.take_decisions, boss.config, decisions)
        self.look_at_policy()
        return Reply(Snapshot(snapshot.version))

    async def _published(self, _request: control.Published, _body: bytes, _peer: Peer) -> Reply:
        self.look_at_policy()
        return Reply(Done())

    async def _status(self, _request: control.StatusRequest, _body: bytes, _peer: Peer) -> Reply:
        return Reply(self.status())

    async def _down(self, request: control.Down, _body: bytes, _peer: Peer) -> Reply:
        self._supervisor.stop(now=request.now)
        return Reply(Done())

    async def _reload(self, request: control.Reload, _body: bytes, _peer: Peer) -> Reply:
        if request.upgrade:
            asyncio.get_running_loop().call_soon(self._supervisor.upgrade)
            return Reply(Reloaded("becoming the program on disk; its children are replaced one by one"))
        return Reply(Reloaded(await self._supervisor.reload()))

    async def _set_stage(self, request: control.SetStage, _body: bytes, _peer: Peer) -> Reply:
        snapshot = await asyncio.to_thread(policy.change_stage, self._supervisor.config, request.stage)
        self.look_at_policy()
        return Reply(Snapshot(snapshot.version))
