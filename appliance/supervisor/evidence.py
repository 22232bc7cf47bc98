"""What the supervisor does for audit records and for what must exist before a worker starts.

Owns: the order at start-up, the adoption of dead workers' journals, the refund of their reservations, counters that
must be told anew. Rules: damaged evidence stops a start with words and overwrites nothing; while running it is a
problem to tell, never a reason to stop serving. Everything here blocks and runs in a thread.
"""

from __future__ import annotations

import contextlib
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.model.errors import EvidenceError, OperatorError
from appliance.supervisor import policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.config.schema import Config
    from appliance.journal.recover import RecoveryReport
    from appliance.ledger.levels import Used
    from appliance.model.names import Stage


class Evidence:
    """The real parts; tests put others in their place."""

    def prepare(self, config: Config, asked: Stage | None) -> list[str]:
        """Site key, journals, authority, policy: made or checked, in this order. What a person should know."""
        from appliance.config.site_key import load_site_key

        load_site_key(Path(config.state_dir))
        build_tables(config)
        check_journals(config)
        told = ensure_authority(config, starting=True)
        policy.ensure(config, asked)
        return [told] if told else []

    def reprepare(self, config: Config, asked: Stage | None) -> None:
        """The same for a reload: authority and policy follow the new configuration."""
        ensure_authority(config)
        policy.ensure(config, asked)

    def due(self, config: Config) -> str:
        """What the certificate authority waits for, in words; empty: nothing."""
        from appliance.ca.command import due

        return due(config)

    def living(self, config: Config) -> frozenset[str]:
        """Names of workers that an earlier supervisor left behind and that still write."""
        return living_producers(journal_root(config))

    def refund(self, config: Config) -> int:
        """Give back what dead workers had reserved; how many reservations that were."""
        from appliance.ledger.ledger import Ledger

        path = counter_file(config)
        if not path.exists():
            return 0
        with contextlib.closing(Ledger(path, claim=False)) as ledger:
            return ledger.refund_dead(now=time.time())

    def counters_stand(self, config: Config) -> bool:
        """Whether the counter file can be used as it is. OperatorError: it is damaged."""
        from appliance.ledger.rebuild import stands

        return stands(counter_file(config))

    def rebuild_counters(self, config: Config) -> int:
        """Counters from what the store holds, before any worker starts; how many. Unreachable: the store is away."""
        from zoneinfo import ZoneInfo

        from appliance.config.site_key import load_site_key
        from appliance.ledger.budgets import Budgets
        from appliance.ledger.rebuild import rebuild
        from appliance.model.pseudonym import Pseudonyms

        person = Pseudonyms(load_site_key(Path(config.state_dir))).person
        told = (lambda _since: ()) if config.ships_records else partial(stored_history, Path(config.run_dir))
        zone = ZoneInfo(config.site.timezone)
        return rebuild(counter_file(config), told, time.time(), Budgets(config.budgets, person), zone)

    def recover(self, config: Config) -> RecoveryReport:
        """Adopt the journals of the dead and ship them. EvidenceError: some are damaged, the others are done."""
        from appliance.bus import ingest
        from appliance.bus.client import BlockingClient
        from appliance.journal.recover import recover

        with BlockingClient(Path(config.run_dir) / ingest.SOCKET) as client:
            return recover(journal_root(config), ingest.sender(client), time.time())


def counter_file(config: Config) -> Path:
    """Where the ledger counts."""
    return Path(config.state_dir) / "ledger" / "counters.map"


def stored_history(run_dir: Path, since: float) -> Iterator[Used]:
    """What the store tells of requests since `since`, page by page."""
    import msgspec

    from appliance.bus.client import BlockingClient
    from appliance.ledger.levels import UNUSED, Used
    from appliance.store.pages import HistoryRequest, HistoryRow, PageHead

    unused, before = tuple(sorted(UNUSED)), None
    with BlockingClient(run_dir / "analyst.sock", timeout=60.0) as client:
        while True:
            request = HistoryRequest(since=since, unused=unused, before=before)
            head, body = client.call("history", request, reply=PageHead)
            for row in msgspec.json.decode(body, type=list[HistoryRow]):
                groups, tools = tuple(row.groups.split("\n")) if row.groups else (), row.tools or "[]"
                yield Used(
                    row.department,
                    row.principal,
                    row.service,
                    row.requests,
                    row.model,
                    row.key,
                    groups,
                    msgspec.json.decode(tools, type=tuple[str, ...]),
                    row.input_tokens,
                    row.output_tokens,
                    row.micros,
                )
            if (before := head.next) is None:
                return


def journal_root(config: Config) -> Path:
    """Where the journal folders lie."""
    return Path(config.state_dir) / "journal"


def build_tables(config: Config) -> None:
    """Detection tables that no set-up has built: in a process of its own, once, instead of in every worker."""
    import subprocess
    import sys

    from appliance.config.tables import tables_folder

    folder = tables_folder(Path(config.state_dir))
    if any(folder.glob("detect-*.tables")):
        return
    command = [sys.executable, "-I", "-m", "appliance.inspect.detect.prepare", str(folder)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603 - ourselves
    if done.returncode:
        raise OperatorError(f"{folder}: the detection tables cannot be built; run: gnomon prepare")


def check_journals(config: Config) -> None:
    """Refuse to start over damaged journals."""
    from appliance.journal.recover import check

    root = journal_root(config)
    root.mkdir(mode=0o700, exist_ok=True)
    try:
        check(root)
    except EvidenceError as error:
        raise OperatorError(str(error)) from None


def ensure_authority(config: Config, *, starting: bool = False) -> str:
    """Root and intermediates made or renewed where needed; what was done, in words."""
    from appliance.ca.command import prepare
    from appliance.config.catalogue import load_catalogue

    catalogue = load_catalogue(Path(config.catalogue.override) if config.catalogue.override else None)
    return prepare(config, catalogue, time.time(), starting=starting)[1]


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
