"""The store as a service: verbs on two sockets, one writer, some readers, a schedule.

Owns: which verb stands on which socket. Rules: ingest.sock (0600) only takes records in; analyst.sock (0660 for a
group) asks named queries, decides and erases; each handler is `async (request, body, peer) -> Reply`. Retention runs in
the background in small jobs between the frames.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from appliance.bus.peer import Peer
from appliance.bus.server import Limits, Reply, Server, Verb
from appliance.bus.tasks import cancel, spawn
from appliance.bus.verbs import Done
from appliance.config.catalogue import load_catalogue
from appliance.config.credentials import usable
from appliance.config.schema import Config
from appliance.journal import aside
from appliance.model.errors import PeerError
from appliance.store import hosts, retention
from appliance.store.decisions import ADMIN, Decisions, role_of
from appliance.store.export import Exporter, public_names
from appliance.store.export import Limits as ExportLimits
from appliance.store.export_wire import ExportDone, ExportRead, ExportRequest
from appliance.store.feasible import Feasible
from appliance.store.feedback import FeedbackBook
from appliance.store.feedback_pages import FeedbackRequest
from appliance.store.finding_pages import APPLIANCE, FINDINGS, MAX_EVIDENCE
from appliance.store.finding_verbs import FindingVerbs
from appliance.store.findings import Findings
from appliance.store.governance_verbs import GovernanceVerbs
from appliance.store.ingest import Ingest
from appliance.store.owner import Owner, Settings
from appliance.store.pages import Health, HealthRequest, PageHead
from appliance.store.pushes import Coalescer
from appliance.store.queries import QUERIES, Query, marks, table_sizes
from appliance.store.reader import Reader
from appliance.store.signals import EVERY_S as SIGNALS_EVERY_S
from appliance.store.signals import Signals
from appliance.store.tally_pages import TallyRequest
from appliance.store.wire import Append, Appended, Decide, Erase, Erased, MarkRequest
from appliance.store.writer import Writer

RETENTION_EVERY_S: Final = 3600.0
RETENTION_PAUSE_S: Final = 0.2
EXPIRY_EVERY_S: Final = 1.0
CHANGED: Final = "snapshot"  # push topic on analyst.sock: a new policy snapshot is in force


class SnapshotPush(msgspec.Struct, frozen=True):
    """Push on topic `snapshot`."""

    version: int


class Store:
    """Everything that runs in the store's process. `on_fatal` is called (on any thread) when writing has failed."""

    def __init__(
        self,
        config: Config,
        on_fatal: Callable[[BaseException], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._policy = Path(config.state_dir) / "policy"
        self._clock = clock
        self._on_fatal = on_fatal
        self._loop = asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = []
        self._owner = Owner.open(
            Path(config.state_dir) / "store", clock(), Settings(memory_limit=config.store.memory_limit)
        )
        try:
            self._assemble()
        except BaseException:
            self._owner.close()
            raise

    def _assemble(self) -> None:
        config = self._config
        self._connection = self._owner.cursor()
        self._catalogue = load_catalogue(Path(config.catalogue.override) if config.catalogue.override else None)
        self._findings = self._make_findings()
        self._ingest = Ingest(self._connection, self._clock, time.time_ns(), self._findings)
        if self._owner.torn is not None:
            told = f"the write-ahead file had a cut-short tail; copy: {self._owner.torn}"
            self._ingest.tell("store_wal_torn", told + aside.told(self._owner.outdated))
        self._writer = Writer(self._ingest, self._on_fatal, self._findings)
        self._reader = Reader(self._owner.cursor())
        self._said = FeedbackBook(self._connection, self._clock)
        if (broken := self._said.broken()) is not None:
            self._ingest.tell("feedback_damaged", broken)
        self._decisions = self._make_decisions()
        self._decisions.reconcile()
        self._findings.begin(self._ingest.position)
        self._verbs = FindingVerbs(
            (self._reader, self._writer, self._findings, self._decisions),
            self._catalogue,
            self._policy,
            self._clock,
            self._publish,
        )
        self._exporter = self._make_exporter()
        run_dir = Path(config.run_dir)
        self._ingest_server = Server(
            run_dir / "ingest.sock", self.ingest_verbs(), mode=0o600, limits=Limits(in_flight=4)
        )
        self._analyst_server = Server(
            run_dir / "analyst.sock",
            self.analyst_verbs(),
            mode=0o660,
            group=config.store.analyst_group,
            allow=self._may_ask,
            on_gone=self._exporter.gone,
            topics=frozenset({CHANGED, FINDINGS, APPLIANCE}),
        )

    def _make_findings(self) -> Findings:
        self._pushes = Coalescer(self._loop, lambda push: self._analyst_server.publish(FINDINGS, push))
        return Findings(
            self._connection,
            self._catalogue,
            self._clock,
            suppression_s=self._config.findings.suppression_s,
            on_change=self._pushes.changed_elsewhere,
            on_fault=self._alarm,
        )

    def _publish(self, topic: str, head: msgspec.Struct) -> int:
        return self._analyst_server.publish(topic, head)

    def _alarm(self, note: str, detail: str) -> None:
        self._ingest.tell(note, detail)

    def _make_decisions(self) -> Decisions:
        config = self._config
        routes, portal = config.gateway.routes, bool(config.portal.approved)
        feasible = Feasible(self._catalogue, routes, lambda: usable(config), portal=portal)
        return Decisions(
            self._connection,
            self._policy,
            self._clock,
            self._tell_snapshot,
            followers=self._findings,
            why_not=feasible.why_not,
        )

    def ingest_verbs(self) -> dict[str, Verb]:
        """Verbs of ingest.sock."""
        own = {"append": Verb(Append, self._append), "mark": Verb(MarkRequest, self._mark)}
        return own | self._verbs.for_ingest()

    def analyst_verbs(self) -> dict[str, Verb]:
        """Verbs of analyst.sock."""
        verbs = {name: Verb(query.request, self._answering(query)) for name, query in QUERIES.items()}
        verbs |= self._verbs.for_analysts() | GovernanceVerbs(self._config, self._reader, self._clock).for_analysts()
        verbs["health"] = Verb(HealthRequest, self._health)
        verbs["tally"] = Verb(TallyRequest, self._tally)
        verbs["decide"] = Verb(Decide, self._decide)
        verbs["feedback"] = Verb(FeedbackRequest, self._feedback)
        verbs["erase"] = Verb(Erase, self._erase)
        verbs["export"] = Verb(ExportRequest, self._export)
        verbs["export_read"] = Verb(ExportRead, self._export_read)
        verbs["export_done"] = Verb(ExportDone, self._export_done)
        return verbs

    async def start(self) -> None:
        """Write, serve, and keep to the schedule."""
        self._writer.start()
        await self._ingest_server.start()
        await self._analyst_server.start()
        self._tasks.append(spawn(self._keep_retention(), "retention"))
        self._tasks.append(spawn(self._keep_time(), "expiry"))
        if self._config.signals.enabled:
            self._tasks.append(spawn(self._keep_signals(), "signals"))

    async def close(self) -> None:
        """Stop serving, write what was taken, close the file."""
        await cancel(*self._tasks)
        self._exporter.stop()
        await self._ingest_server.close()
        await self._analyst_server.close()
        await self._exporter.close()
        await self._writer.close()
        self._pushes.close()
        await self._reader.close()
        self._connection.close()
        self._owner.close()

    async def retain(self) -> int:
        """Delete what is past its age now, in batches; how many rows went."""
        deleted = 0
        for place, days in retention.ages(self._config.store).items():
            before = self._clock() - days * retention.DAY_S
            while gone := await self._writer.call(partial(retention.delete_batch, self._connection, place, before)):
                deleted += gone
                if place[0] == "findings":
                    await self._writer.call(self._findings.reload)
                await asyncio.sleep(RETENTION_PAUSE_S)
        await self._writer.call(partial(retention.trim_evidence, self._connection, MAX_EVIDENCE))
        await self._writer.call(partial(retention.trim_hosts, self._connection, hosts.MAX_HOSTS))
        return deleted

    async def _keep_time(self) -> None:
        """Findings follow decisions that expire."""
        while True:
            ends = self._findings.expires
            if ends is not None and ends <= self._clock():
                await self._writer.call(self._findings.restate)
            await asyncio.sleep(EXPIRY_EVERY_S)

    async def _keep_retention(self) -> None:
        while True:
            await self.retain()
            await asyncio.sleep(RETENTION_EVERY_S)

    async def _keep_signals(self) -> None:
        """Look for signals over time; one that takes too long is told once, and tried again."""
        looker = Signals(self._config.signals, (self._reader, self._writer, self._findings), self._clock)
        told = False
        while True:
            try:
                await looker.look()
            except PeerError as error:
                if not told:
                    await self._writer.call(partial(self._ingest.tell, "signals_late", str(error), "warning"))
                told = True
            await asyncio.sleep(SIGNALS_EVERY_S)

    def _tell_snapshot(self, version: int) -> None:
        self._loop.call_soon_threadsafe(self._analyst_server.publish, CHANGED, SnapshotPush(version))

    def _role(self, peer: Peer) -> str:
        return role_of(peer, os.geteuid(), self._config.store.analyst_group)

    def _may_ask(self, peer: Peer) -> bool:
        try:
            self._role(peer)
        except PeerError:
            return False
        return True

    async def _append(self, request: Append, body: bytes, _peer: Peer) -> Reply:
        return Reply(await self._writer.append(request, body))

    async def _mark(self, request: MarkRequest, _body: bytes, _peer: Peer) -> Reply:
        mark = await self._writer.call(lambda: self._ingest.mark(request.producer, request.epoch, request.peer))
        return Reply(Appended(mark.seq))

    def _answering(self, query: Query) -> Callable[[msgspec.Struct, bytes, Peer], Awaitable[Reply]]:
        async def answer(request: msgspec.Struct, _body: bytes, _peer: Peer) -> Reply:
            rows = await self._reader.run(lambda connection: query.run(connection, request))
            full = query.key is not None and len(rows) == getattr(request, "limit", 0)
            following = getattr(rows[-1], query.key) if full and query.key else None
            return Reply(PageHead(len(rows), following), msgspec.json.encode(rows))

        return answer

    async def _health(self, _request: HealthRequest, _body: bytes, _peer: Peer) -> Reply:
        rows, states = await self._reader.run(lambda connection: (table_sizes(connection), marks(connection)))
        file_bytes, wal_bytes = self._owner.sizes()
        told = msgspec.structs.asdict(self._ingest.counters)
        return Reply(
            Health(
                pid=os.getpid(),
                rows=rows,
                marks=states,
                position=self._ingest.position,
                file_bytes=file_bytes,
                wal_bytes=wal_bytes,
                waiting=self._writer.waiting,
                last_commit_ms=round(self._writer.last_commit_ms, 3),
                **told,
            )
        )

    async def _tally(self, request: TallyRequest, _body: bytes, _peer: Peer) -> Reply:
        return Reply(self._ingest.tally.told(request))

    async def _decide(self, request: Decide, _body: bytes, peer: Peer) -> Reply:
        role = self._role(peer)
        return Reply(await self._writer.call(lambda: self._decisions.decide(request, peer.user, role)))

    async def _feedback(self, request: FeedbackRequest, _body: bytes, peer: Peer) -> Reply:
        role = self._role(peer)
        return Reply(await self._writer.call(lambda: self._said.say(request, peer.user, role)))

    async def _erase(self, request: Erase, _body: bytes, peer: Peer) -> Reply:
        if self._role(peer) != ADMIN:
            raise PeerError("erase: only the appliance's own user or root may erase", 403)

        def run() -> int:
            now = self._clock()
            removed = 0
            for digest in (request.digest, *hosts.linked(self._connection, request.digest)):
                removed += retention.erase(self._connection, digest, now, peer.user)
                self._ingest.forget(digest, now)
            return removed

        return Reply(Erased(await self._writer.call(run)))

    def _make_exporter(self) -> Exporter:
        return Exporter(
            self._owner.cursor(),
            self._owner.exports,
            lambda note, detail: self._writer.call(partial(self._ingest.tell, note, detail, "info")),
            public_names(self._catalogue),
            self._clock,
            ExportLimits(reserve_bytes=self._config.journal.max_bytes),  # what the journal may come to need
        )

    async def _export(self, request: ExportRequest, _body: bytes, peer: Peer) -> Reply:
        return Reply(await self._exporter.export(request, peer, self._role(peer)))

    async def _export_read(self, request: ExportRead, _body: bytes, peer: Peer) -> Reply:
        return Reply(*await self._exporter.read(request, peer))

    async def _export_done(self, request: ExportDone, _body: bytes, peer: Peer) -> Reply:
        await self._exporter.done(request, peer)
        return Reply(Done())
