"""Stands in for the store where records are shipped: takes them at ingest.sock and passes them to the central store.

The other way come the decisions of the central appliance's analysts, for the supervisor to put in force.

Rules: it holds nothing, so its death costs nothing; a line is acknowledged to its journal only with the central
store's own acknowledgement; while the central appliance is away every caller is told so at once, keeps its lines, and
asks again.
"""

from __future__ import annotations

import asyncio
import logging
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance.bus import control, ingest
from appliance.bus.client import AsyncClient
from appliance.bus.control import PeerStanding
from appliance.bus.errors import RemoteError, Unreachable
from appliance.bus.server import Server
from appliance.bus.verbs import Limits, Reply, Verb
from appliance.model.errors import EvidenceError, OperatorError, PeerError
from appliance.peers.backlog import backlog
from appliance.peers.central_link import CALL_S, CentralLink
from appliance.store.wire import Append, Appended, MarkRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.bus.peer import Peer
    from appliance.config.schema import Config


_log = logging.getLogger("gnomon.peers")
SHIPPER: Final = "shipper"  # what the supervisor calls this process


class Forwarder:
    """`await start()`, `await close()`. `changed()` is called when `standing` may have."""

    def __init__(self, config: Config, changed: Callable[[], None]) -> None:
        if config.central is None or config.central.journal is None or config.role == "appliance":
            raise OperatorError("role: only an edge or a sidecar with central.journal ships its records")
        self._central = config.central
        self._journals = Path(config.state_dir) / "journal"
        self._control = AsyncClient(Path(config.run_dir) / control.SOCKET)
        self._link = CentralLink(config.central, (config.role, version("gnomon")), self._behind, changed, self._decided)
        verbs = {"append": Verb(Append, self._append), "mark": Verb(MarkRequest, self._mark)}
        path = Path(config.run_dir) / ingest.SOCKET
        self._server = Server(path, verbs, mode=0o600, limits=Limits(in_flight=4))

    async def start(self) -> None:
        """Take records, and look for the central appliance."""
        await self._server.start()
        self._link.start()

    async def close(self) -> None:
        """Let calls under way finish, then end."""
        await self._server.close()
        await self._link.close()
        await self._control.close()

    def standing(self) -> PeerStanding:
        """How it stands with the central appliance."""
        link = self._link
        name = str(self._central.journal)
        return PeerStanding(name, "central", link.connected, link.last_seen, link.behind, link.problem[:600])

    async def _append(self, request: Append, body: bytes, _peer: Peer) -> Reply:
        return await self._pass("append", request, body)

    async def _mark(self, request: MarkRequest, body: bytes, _peer: Peer) -> Reply:
        return await self._pass("mark", request, body)

    async def _pass(self, verb: str, request: Any, body: bytes) -> Reply:
        if not self._link.connected:
            raise RemoteError("away", f"{self._central.journal}: {self._link.problem}")
        try:
            told, _ = await self._link.client.call(verb, request, body, reply=Appended, within=CALL_S)
        except RemoteError as error:
            if error.kind == "evidence":
                raise EvidenceError(error.message) from None
            raise RemoteError("away", f"{self._central.journal}: {error.message}") from None
        except (Unreachable, PeerError) as error:
            raise RemoteError("away", str(error)) from None
        return Reply(told)

    async def _decided(self, body: bytes) -> str:
        """Have the supervisor put the central appliance's decisions in force; why it does not, empty: it does."""
        try:
            told, _ = await self._control.call("decided", control.Decided(SHIPPER), body, reply=control.Snapshot)
        except (RemoteError, Unreachable) as error:
            return str(error)
        _log.info("decisions of %s are in force with snapshot %d", self._central.journal, told.version)
        return ""

    async def _behind(self) -> int:
        return await asyncio.to_thread(backlog, self._journals)
