"""What the supervisor does for audit records and for what must exist before a worker starts.

Owns: the order at start-up, the adoption of dead workers' journals, the refund of their reservations. Rules: damaged
evidence stops a start with words and overwrites nothing; while running it is a problem to tell, never a reason to
stop serving. Everything here blocks and runs in a thread, save `bury`, which must be done before a name is used
again.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.model.errors import EvidenceError, OperatorError
from appliance.supervisor import policy

if TYPE_CHECKING:
    from appliance.config.schema import Config
    from appliance.journal.recover import RecoveryReport
    from appliance.model.names import Stage


class Evidence:
    """The real parts; tests put others in their place."""

    def prepare(self, config: Config, asked: Stage | None) -> list[str]:
        """Site key, journals, authority, policy: made or checked, in this order. What a person should know."""
        from appliance.config.site_key import load_site_key

        load_site_key(Path(config.state_dir))
        check_journals(config)
        told = ensure_authority(config)
        policy.ensure(config, asked)
        return [told] if told else []

    def reprepare(self, config: Config, asked: Stage | None) -> None:
        """The same for a reload: authority and policy follow the new configuration."""
        ensure_authority(config)
        policy.ensure(config, asked)

    def living(self, config: Config) -> frozenset[str]:
        """Names of workers that an earlier supervisor left behind and that still write."""
        return living_producers(journal_root(config))

    def refund(self, config: Config) -> int:
        """Give back what dead workers had reserved; how many reservations that were."""
        from appliance.ledger import Ledger

        path = Path(config.state_dir) / "ledger" / "counters.map"
        if not path.exists():
            return 0
        with contextlib.closing(Ledger(path, claim=False)) as ledger:
            return ledger.refund_dead()

    def recover(self, config: Config) -> RecoveryReport:
        """Adopt the journals of the dead and ship them. EvidenceError: some are damaged, the others are done."""
        from appliance.bus import ingest
        from appliance.bus.client import BlockingClient
        from appliance.journal.recover import recover

        with BlockingClient(Path(config.run_dir) / ingest.SOCKET) as client:
            return recover(journal_root(config), ingest.sender(client), time.time())


def journal_root(config: Config) -> Path:
    """Where the journal folders lie."""
    return Path(config.state_dir) / "journal"


def check_journals(config: Config) -> None:
    """Refuse to start over damaged journals."""
    from appliance.journal.recover import check

    root = journal_root(config)
    root.mkdir(mode=0o700, exist_ok=True)
    try:
        check(root)
    except EvidenceError as error:
        raise OperatorError(str(error)) from None


def ensure_authority(config: Config) -> str:
    """Root and intermediate made or renewed where needed; what was done, in words."""
    from appliance.ca.command import prepare
    from appliance.config.catalogue import load_catalogue

    catalogue = load_catalogue(Path(config.catalogue.override) if config.catalogue.override else None)
    return prepare(config, catalogue, time.time())[1]


def living_producers(root: Path) -> frozenset[str]:
    """Producers whose folder is locked by a living writer."""
    from appliance.journal.folder import adopt, folders

    found = set()
    for folder in folders(root):
        lock = adopt(folder)
        if lock is None:
            found.add(folder.producer)
        else:
            os.close(lock)
    return frozenset(found)
