"""The store's side of an export, asked over analyst.sock.

Rules: one connection from the question to the last piece, for the store forgets an export when its connection ends;
every file is checked against its length and SHA-256 while it is read; what the appliance says of itself is optional.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from appliance.bus.client import BlockingClient
from appliance.bus.errors import RemoteError, Unreachable
from appliance.bus.verbs import Done
from appliance.model.errors import EvidenceError
from appliance.store.budget_pages import BudgetsHead, BudgetsRequest, BudgetState
from appliance.store.export_wire import (
    SUMMARY_FILE,
    ExportDone,
    Exported,
    ExportFile,
    ExportPiece,
    ExportRead,
    ExportRequest,
    ExportSummary,
)
from appliance.store.finding_pages import ApplianceRequest, ApplianceState

SOCKET: Final = "analyst.sock"
MAKING_S: Final = 660.0  # a little longer than the store gives itself
MAX_SUMMARY: Final = 4 << 20


class Fetched:
    """An export that lies ready in the store."""

    def __init__(self, client: BlockingClient, exported: Exported) -> None:
        self._client = client
        self.exported = exported

    def pieces(self, file: ExportFile) -> Iterator[bytes]:
        """The bytes of a file. EvidenceError when they are not those that the store described."""
        digest, offset = hashlib.sha256(), 0
        while offset < file.bytes:
            request = ExportRead(id=self.exported.id, file=file.name, offset=offset)
            _, data = self._client.call("export_read", request, reply=ExportPiece)
            if not data:
                break
            digest.update(data)
            offset += len(data)
            yield data
        if offset != file.bytes or digest.hexdigest() != file.sha256:
            raise EvidenceError(f"{file.name}: {offset} bytes arrived that are not what the store made; export again")

    def summary(self) -> ExportSummary | None:
        """The figures for the page, if they were asked for."""
        for file in self.exported.files:
            if file.name == SUMMARY_FILE and file.bytes <= MAX_SUMMARY:
                return msgspec.json.decode(b"".join(self.pieces(file)), type=ExportSummary)
        return None

    def done(self) -> None:
        """Let the store delete its copy; should it be gone already, so be it."""
        try:
            self._client.call("export_done", ExportDone(id=self.exported.id), reply=Done)
        except (RemoteError, Unreachable):
            return


def fetch(client: BlockingClient, request: ExportRequest) -> Fetched:
    """Have the store make an export. RemoteError: refused, with the reason; Unreachable: nobody answers."""
    exported, _ = client.call("export", request, reply=Exported, within=MAKING_S)
    return Fetched(client, exported)


def appliance_state(client: BlockingClient) -> ApplianceState | None:
    """The appliance as it stands now, where the store knows it."""
    try:
        return client.call("appliance", ApplianceRequest(), reply=ApplianceState)[0]
    except RemoteError:
        return None


def budgets_now(client: BlockingClient) -> tuple[BudgetState, ...] | None:
    """Where budgets stand now, where that can be read."""
    try:
        head, body = client.call("budgets", BudgetsRequest(), reply=BudgetsHead)
        return None if head.problem else msgspec.json.decode(body, type=tuple[BudgetState, ...])
    except (RemoteError, msgspec.MsgspecError):
        return None


def analyst_socket(run_dir: str) -> Path:
    """Where the store answers analysts."""
    return Path(run_dir) / SOCKET
