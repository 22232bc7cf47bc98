"""Carries the journal to the store: a thread that sends, so that the loop never waits for it.

Rules: what the store has not acknowledged stays on disk; a store that is away costs nothing but space.
"""

from pathlib import Path

from addons.worker import Worker
from appliance.bus import ingest
from appliance.bus.client import BlockingClient
from appliance.journal.ship import INTERVAL_S, ShipThread
from appliance.journal.writer import Journal

STOP_S = 5.0


class ShippingAddon:
    """Starts and stops the shipper with the worker."""

    def __init__(self, worker: Worker, journal: Journal) -> None:
        self._worker = worker
        self._journal = journal
        self._client = BlockingClient(Path(worker.config.run_dir) / ingest.SOCKET)
        self._thread = ShipThread(journal, ingest.sender(self._client))
        self._often = worker.config.journal.sync_ms >= INTERVAL_S * 1000
        worker.telemetry.shipping = self._syncs

    def running(self) -> None:
        """Ship from now on."""
        self._thread.start()

    def _syncs(self) -> bool:
        return self._often and self._thread.error is None

    def done(self) -> None:
        """Sync, ship what can still be shipped, let go of the journal: recovery takes the rest."""
        self._worker.telemetry.close()
        self._thread.stop(STOP_S)
        self._client.close()
        self._journal.close()
