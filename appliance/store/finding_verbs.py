"""Verbs over findings and hosts, and of the appliance's state.

Owns: what analyst.sock answers about findings and what ingest.sock takes of the supervisor's word. Rules: reads run on
the reader's connections, what changes something on the writer's thread; authors come from peer credentials.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from appliance.bus.peer import Peer
from appliance.bus.server import Reply, Verb
from appliance.bus.verbs import Done
from appliance.model.catalogue import Catalogue
from appliance.policy.disk import read_current
from appliance.store.connection import Connection
from appliance.store.decisions import Decisions
from appliance.store.exposure import exposure
from appliance.store.exposure_pages import ExposureRequest
from appliance.store.feedback import totals
from appliance.store.feedback_pages import DetectorsRequest
from appliance.store.finding_pages import (
    APPLIANCE,
    ApplianceRequest,
    ApplianceState,
    FindingRequest,
    FindingsRequest,
    Overview,
    OverviewRequest,
    Preview,
    PreviewRequest,
    TriageRequest,
)
from appliance.store.finding_queries import finding, findings
from appliance.store.findings import Findings
from appliance.store.host_pages import HostRequest, HostsRequest
from appliance.store.host_queries import host, hosts
from appliance.store.overview import overview
from appliance.store.preview import preview
from appliance.store.reader import Reader
from appliance.store.writer import Writer

type Publish = Callable[[str, msgspec.Struct], object]


class FindingVerbs:
    """Handlers. `publish(topic, head)` pushes to analysts; `policy`: the folder of snapshots."""

    def __init__(
        self,
        desk: tuple[Reader, Writer, Findings, Decisions],
        catalogue: Catalogue,
        policy: Path,
        clock: Callable[[], float],
        publish: Publish,
    ) -> None:
        self._reader, self._writer, self._findings, self._decisions = desk
        self._catalogue = catalogue
        self._policy = policy
        self._clock = clock
        self._publish = publish
        self._state = ApplianceState()

    def for_analysts(self) -> dict[str, Verb]:
        """Verbs of analyst.sock."""
        return {
            "findings": Verb(FindingsRequest, self._list),
            "finding": Verb(FindingRequest, self._one),
            "triage": Verb(TriageRequest, self._triage),
            "preview": Verb(PreviewRequest, self._preview),
            "overview": Verb(OverviewRequest, self._overview),
            "appliance": Verb(ApplianceRequest, self._appliance),
            "detectors": Verb(DetectorsRequest, self._detectors),
            "hosts": Verb(HostsRequest, self._hosts),
            "host": Verb(HostRequest, self._host),
            "exposure": Verb(ExposureRequest, self._exposure),
        }

    def for_ingest(self) -> dict[str, Verb]:
        """Verbs of ingest.sock."""
        return {"appliance": Verb(ApplianceState, self._learn)}

    async def _list(self, request: FindingsRequest, _body: bytes, _peer: Peer) -> Reply:
        head, rows = await self._reader.run(lambda connection: findings(connection, request))
        return Reply(head, msgspec.json.encode(rows))

    async def _one(self, request: FindingRequest, _body: bytes, _peer: Peer) -> Reply:
        now = self._clock()
        return Reply(await self._reader.run(lambda connection: finding(connection, request, self._catalogue, now)))

    async def _triage(self, request: TriageRequest, _body: bytes, peer: Peer) -> Reply:
        return Reply(await self._writer.call(lambda: self._findings.triage(request, peer.user)))

    async def _preview(self, request: PreviewRequest, _body: bytes, _peer: Peer) -> Reply:
        def run(connection: Connection) -> Preview:
            refusal = self._decisions.refusal(connection, request.proposal)
            return preview(connection, request, read_current(self._policy), refusal, self._clock())

        return Reply(await self._reader.run(run))

    async def _overview(self, request: OverviewRequest, _body: bytes, _peer: Peer) -> Reply:
        def run(connection: Connection) -> Overview:
            return overview(connection, request, self._catalogue)

        return Reply(await self._reader.run(run))

    async def _appliance(self, _request: ApplianceRequest, _body: bytes, _peer: Peer) -> Reply:
        return Reply(self._state)

    async def _detectors(self, _request: DetectorsRequest, _body: bytes, _peer: Peer) -> Reply:
        return Reply(await self._reader.run(totals))

    async def _hosts(self, request: HostsRequest, _body: bytes, _peer: Peer) -> Reply:
        head, rows = await self._reader.run(lambda connection: hosts(connection, request))
        return Reply(head, msgspec.json.encode(rows))

    async def _host(self, request: HostRequest, _body: bytes, _peer: Peer) -> Reply:
        return Reply(await self._reader.run(lambda connection: host(connection, request)))

    async def _exposure(self, request: ExposureRequest, _body: bytes, _peer: Peer) -> Reply:
        head, rows = await self._reader.run(lambda connection: exposure(connection, request))
        return Reply(head, msgspec.json.encode(rows))

    async def _learn(self, state: ApplianceState, _body: bytes, _peer: Peer) -> Reply:
        if state != self._state:
            self._state = state
            self._publish(APPLIANCE, state)
        return Reply(Done())
