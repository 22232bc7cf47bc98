"""A sensor: `python -m discovery.launch --run-dir DIR --name NAME (--interface IF | --pcap FILE)`.

Owns: the start of its two processes. This one opens the capture, starts `discovery.watch` with it, gives up every
capability and then records what that one reads; it keeps only the user that owns the journal. Rules: everything is
learnt from DIR/effective.json; SIGTERM, SIGINT and the supervisor's death mean: tell the last, flush, ship, end. Exit
0: stopped, or a file read to its end; 1: the capture broke; 2: it cannot begin, and one line says what to do.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from appliance.bus import ingest, ownflows
from appliance.bus.client import BlockingClient
from appliance.bus.lifeline import on_parent_gone, tell_ready
from appliance.bus.ownflows import OwnFlows
from appliance.config.catalogue import load_catalogue
from appliance.config.effective import read_effective
from appliance.config.site_key import load_site_key
from appliance.confine import privileges
from appliance.journal.ship import ShipThread
from appliance.journal.writer import Journal
from appliance.model.errors import OperatorError
from appliance.model.pseudonym import Pseudonyms
from discovery import box, progress
from discovery.aggregate import Aggregate
from discovery.box import Box
from discovery.classify import Classifier
from discovery.keeper import Keeper
from discovery.progress import Progress
from discovery.sensor import Knows, Sensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from appliance.config.schema import Config

_log = logging.getLogger("gnomon.sensor")
SHIP_S: Final = 5.0  # for what is left to ship; recovery takes the rest
REAP_S: Final = 2.0
ADDRESSES_S: Final = 30.0  # how old what we know of the machine's addresses may be


@dataclass(frozen=True)
class Capture:
    """An open capture. `linktype` None: a file. `source`: how records call it."""

    fd: int
    source: str
    label: str
    linktype: int | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code, as the module says."""
    options = _options(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", stream=sys.stderr)
    try:
        return _sense(options)
    except OperatorError as error:
        sys.stderr.write(f"gnomon sensor {options.name}: {error}\n")
        return 2


def _sense(options: argparse.Namespace) -> int:
    config = read_effective(options.run_dir)
    state = Path(config.state_dir)
    site_key = load_site_key(state)
    catalogue = load_catalogue(Path(config.catalogue.override) if config.catalogue.override else None)
    listeners = dict(options.listener)
    capture = _open(options, frozenset(port for _, port in listeners.values()))
    noted = _progress(config, options, catalogue.version)
    if noted and noted.done:
        return 0
    watcher, sock = _start_watcher(capture, privileges.user_ids(config.sensor.user) if os.geteuid() == 0 else None)
    privileges.drop_capabilities()
    privileges.hide()
    sensor = Sensor(
        options.name,
        capture.source,
        Classifier(catalogue).sight,
        Pseudonyms(site_key),
        Box(listeners, box.own_addresses()),
        Aggregate(config.sensor.suppression_s),
        None if noted else _own_flows(config),
    )
    journal = Journal(state / "journal", options.name, time.time_ns(), max_bytes=config.journal.max_bytes)
    try:
        return asyncio.run(_keep(config, sensor, journal, sock, noted))
    finally:
        journal.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            watcher.wait(REAP_S)


async def _keep(config: Config, sensor: Sensor, journal: Journal, sock: socket.socket, noted: Progress | None) -> int:
    client = BlockingClient(Path(config.run_dir) / ingest.SOCKET)
    shipper = ShipThread(journal, ingest.sender(client))
    keeper = Keeper(sensor, journal, sock, progress=noted, begun=tell_ready, refresh=_refresher())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, keeper.stop)
    on_parent_gone(keeper.stop)
    shipper.start()
    try:
        return 0 if await keeper.run() else 1
    finally:
        await asyncio.to_thread(shipper.stop, SHIP_S)
        client.close()


def _open(options: argparse.Namespace, ports: frozenset[int]) -> Capture:
    """The capture, opened with the rights that this process still has. OperatorError: what to do."""
    if options.interface:
        from discovery.capture import open_live

        live = open_live(options.interface, ports)
        return Capture(os.dup(live.fileno()), options.interface, options.interface, live.linktype)
    path = Path(options.pcap)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        kind = os.fstat(fd).st_mode
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read: {error.strerror}; give a capture file to --pcap") from None
    if not stat.S_ISREG(kind):
        raise OperatorError(f"{path}: not a regular file; read it with: gnomon replay")
    os.set_blocking(fd, True)
    return Capture(fd, path.name, str(path))


def _progress(config: Config, options: argparse.Namespace, catalogue: str) -> Progress | None:
    if not options.pcap:
        return None
    eyes = f"{catalogue} {config.sensor.suppression_s:g}"
    return Progress(Path(config.run_dir), str(options.pcap), progress.identity(Path(options.pcap)), eyes)


def _start_watcher(capture: Capture, user: tuple[int, int] | None) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """The process that parses, with the capture and one end of a socket; both are closed here."""
    ours, theirs = socket.socketpair()
    argv = [sys.executable, "-I", "-O", "-m", "discovery.watch", "--socket-fd", str(theirs.fileno())]
    argv += ["--capture-fd", str(capture.fd), "--label", capture.label]
    argv += [] if capture.linktype is None else ["--linktype", str(capture.linktype)]
    argv += [] if user is None else ["--uid", str(user[0]), "--gid", str(user[1])]
    try:
        watcher = subprocess.Popen(  # noqa: S603 - argv is ours
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(), capture.fd),
            env={},
        )
    finally:
        theirs.close()
        os.close(capture.fd)
    return watcher, ours


def _own_flows(config: Config) -> Knows:
    """What tells the appliance's own connections; without the table, nothing is known to be its own."""
    try:
        return OwnFlows(Path(config.run_dir) / ownflows.NAME).knows
    except (OSError, OperatorError) as error:
        _log.warning("the appliance's own connections cannot be told from clients': %s", error)
        return lambda _near, _far, _ts: False


def _refresher() -> Callable[[Sensor], None]:
    """Renews what the sensor knows of the machine's addresses now and then."""
    due = time.monotonic() + ADDRESSES_S

    def refresh(sensor: Sensor) -> None:
        nonlocal due
        if (now := time.monotonic()) >= due:
            due = now + ADDRESSES_S
            sensor.box = sensor.box.renewed(box.own_addresses())

    return refresh


def _listener(text: str) -> tuple[str, tuple[str, int]]:
    name, _, place = text.partition("=")
    return name, box.split(place)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="discovery.launch", description="one sensor; started by `gnomon up`")
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--name", required=True)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--interface", metavar="IF")
    source.add_argument("--pcap", metavar="FILE")
    parser.add_argument("--listener", type=_listener, action="append", default=[], metavar="NAME=ADDRESS:PORT")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
