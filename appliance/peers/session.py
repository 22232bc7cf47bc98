"""What one peer may say on one connection, and what becomes of it.

Owns: the verbs. Rules: the peer is the name of its certificate and nothing it says; `hello` with a role that the
configuration gives it comes first; a record is acknowledged only after the store has it; what the store says of the
peer's own lines is passed on, everything else is "away", which makes the peer ask again.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from appliance.bus.errors import RemoteError, Unreachable
from appliance.bus.verbs import Limits, Reply
from appliance.model.errors import EvidenceError, PeerError
from appliance.peers.allowance import Allowance
from appliance.peers.wire import FRAME_BYTES, STANDING_S, Current, DecisionsRequest, Hello, Standing, Welcome
from appliance.policy.disk import current_version, read_current
from appliance.store.wire import Append, Appended, MarkRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from appliance.bus.client import AsyncClient
    from appliance.bus.peer import Peer
    from appliance.bus.verbs import Handler
    from appliance.config.placement_schema import AcceptEntry

STORE_S: Final = 6.0  # for the store's answer; the peer waits longer
STORE_CALLS: Final = 4  # at once, of all peers together
MAX_DECISIONS: Final = FRAME_BYTES - 4_096  # bytes
LIMITS: Final = Limits(in_flight=2, frame_bytes=FRAME_BYTES, idle_s=6 * STANDING_S)
_PRODUCER: Final = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")


class Standings:
    """One peer, over all its connections. Times: epoch seconds, but for the allowance."""

    def __init__(self, name: str, now: float) -> None:
        self.name, self.allowance = name, Allowance(now)
        self.connections = 0
        self.role = ""
        self.last_seen = 0.0
        self.behind = 0


class Ingest:
    """The store's socket, shared by all sessions."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._turns = asyncio.Semaphore(STORE_CALLS)

    async def ask(self, verb: str, request: msgspec.Struct, body: bytes = b"") -> Appended:
        """EvidenceError, PeerError: what the store finds wrong with the peer's lines. RemoteError `away`: ask again."""
        try:
            async with self._turns:
                return (await self._client.call(verb, request, body, reply=Appended, within=STORE_S))[0]
        except RemoteError as error:
            if error.kind == "evidence":
                raise EvidenceError(error.message) from None
            if error.kind in ("peer", "malformed"):
                raise PeerError(error.message) from None
        except Unreachable:
            pass
        raise RemoteError("away", "the store of the central appliance does not answer; ask again")


class Session:
    """Serves one connection (see `appliance.bus.connection.Serving`)."""

    path: Path = Path("peers.journal")
    limits: Limits = LIMITS
    topics: frozenset[str] = frozenset()

    def __init__(
        self,
        peer: Standings,
        entry: AcceptEntry,
        ingest: Ingest,
        policy: Path,
        clocks: tuple[Callable[[], float], Callable[[], float]],
    ) -> None:
        """`policy`: the folder of snapshots; `clocks`: epoch and monotonic."""
        self._peer, self._entry, self._ingest, self._policy = peer, entry, ingest, policy
        self._clock, self._monotonic = clocks
        self._greeted = False
        served: dict[str, tuple[type[msgspec.Struct], Handler]] = {
            "hello": (Hello, self._hello),
            "standing": (Standing, self._standing),
            "append": (Append, self._append),
            "mark": (MarkRequest, self._mark),
            "decisions": (DecisionsRequest, self._decisions),
        }
        self.verbs: Mapping[str, tuple[msgspec.json.Decoder[Any], Handler]] = {
            verb: (msgspec.json.Decoder(record), handler) for verb, (record, handler) in served.items()
        }

    async def _hello(self, request: Hello, _body: bytes, _peer: Peer) -> Reply:
        if request.role not in self._entry.roles:
            may = " and ".join(self._entry.roles)
            raise RemoteError("forbidden", f"{self._peer.name} is accepted as {may}, not as {request.role}")
        await self._turn(0)
        self._greeted = True
        self._peer.role = request.role
        return Reply(Welcome(self._clock()))

    async def _standing(self, request: Standing, _body: bytes, _peer: Peer) -> Reply:
        await self._turn(0)
        self._must_be_greeted()
        self._peer.behind = request.behind
        return Reply(Current(current_version(self._policy)))

    async def _decisions(self, _request: DecisionsRequest, _body: bytes, _peer: Peer) -> Reply:
        await self._turn(FRAME_BYTES)
        self._must_be_greeted()
        found = await asyncio.to_thread(read_current, self._policy)
        if found is None:
            return Reply(Current(), b"[]")
        body = msgspec.json.encode(found.decisions)
        if len(body) > MAX_DECISIONS:
            raise PeerError(f"the decisions have {len(body)} bytes; {MAX_DECISIONS} is the most that is handed on")
        return Reply(Current(found.version), body)

    async def _append(self, request: Append, body: bytes, _peer: Peer) -> Reply:
        await self._turn(len(body))
        self._must_be_greeted()
        self._check(request)
        told = msgspec.structs.replace(request, peer=self._peer.name, edge="edge" in self._entry.roles)
        return Reply(await self._ingest.ask("append", told, body))

    async def _mark(self, request: MarkRequest, _body: bytes, _peer: Peer) -> Reply:
        await self._turn(0)
        self._must_be_greeted()
        self._check(request)
        return Reply(await self._ingest.ask("mark", msgspec.structs.replace(request, peer=self._peer.name)))

    async def _turn(self, size: int) -> None:
        self._peer.last_seen = self._clock()
        if (wait := self._peer.allowance.wait(size, self._monotonic())) > 0:
            await asyncio.sleep(wait)

    def _must_be_greeted(self) -> None:
        if not self._greeted:
            raise RemoteError("forbidden", "say hello first")

    def _check(self, request: Append | MarkRequest) -> None:
        if request.peer is not None:
            raise PeerError("a peer speaks for itself only; leave `peer` out", 403)
        if not _PRODUCER.match(request.producer):
            raise PeerError("not the name of a worker's journal", 403)
        if not self._peer.allowance.knows(request.producer, request.epoch, self._monotonic()):
            raise RemoteError("busy", "too many new journals in a short time; ask again")
