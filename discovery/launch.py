"""A sensor: `python -m discovery.launch --run-dir DIR --name NAME (--interface IF | --pcap FILE | --folder DIR)`.

Owns: the start of its two processes. This one opens the capture, starts `discovery.watch` with it, gives up every
capability and then records what that one reads; it keeps the user that owns the journal, and the second ring's socket,
whose filter it exchanges as connections become of interest. Rules: everything is
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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from appliance.bus import ingest
from appliance.bus.client import BlockingClient
from appliance.bus.lifeline import on_parent_gone, tell_ready
from appliance.bus.tasks import cancel, spawn
from appliance.config.catalogue import load_catalogue
from appliance.config.effective import read_effective
from appliance.config.known_files import load_known
from appliance.config.site_key import load_site_key
from appliance.confine import privileges
from appliance.journal.ship import ShipThread
from appliance.journal.writer import Journal
from appliance.model.errors import OperatorError
from appliance.model.pseudonym import Pseudonyms
from discovery import box, mac_vendors, progress, rotated, standing, surroundings
from discovery.aggregate import Aggregate
from discovery.box import Box
from discovery.classify import Classifier
from discovery.following import Following
from discovery.inventory import Inventory
from discovery.keeper import Keeper
from discovery.learned import Learned
from discovery.losses import Losses
from discovery.opener import Opener
from discovery.progress import Progress
from discovery.rotated import Rotated
from discovery.sensor import JOIN_S, Sensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from appliance.config.schema import Config, SensorConfig
    from discovery.folder import Found

_log = logging.getLogger("gnomon.sensor")
SHIP_S: Final = 5.0  # for what is left to ship; recovery takes the rest
REAP_S: Final = 2.0
_NO_SECOND: Final = "no second ring: sizes are told when connections have ended"


@dataclass(frozen=True)
class Capture:
    """An open capture. `linktype` None: a file. `source`: how records call it; `means`: how it is read, for people.

    `fds`: one for each process that reads a part of it; None: what libpcap opens, by its name. `second`: as many
    sockets of the second ring, or none.
    """

    fds: tuple[int | None, ...]
    source: str
    label: str
    linktype: int | None = None
    means: str = ""
    second: tuple[socket.socket, ...] = ()


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
    user = privileges.user_ids(config.sensor.user) if os.geteuid() == 0 else None
    site = load_known(config.sensor, catalogue)
    classifier, version = Classifier(catalogue, site=site), f"{catalogue.version}{site.version}"
    if options.folder:
        return _rotated(config, options, user, classifier, version)
    capture = _open(options, frozenset(port for _, port in listeners.values()), config.sensor)
    noted = _progress(config, options, version)
    if noted and noted.done:
        return 0
    watchers = start_watchers(capture, user, cadence=config.sensor.cadence)
    privileges.drop_capabilities()
    privileges.hide()
    sensor = Sensor(
        options.name,
        capture.source,
        classifier.sight,
        Pseudonyms(site_key),
        Box(listeners, box.own_addresses()),
        Aggregate(config.sensor.suppression_s),
        None if noted else surroundings.own_flows(Path(config.run_dir)),
        JOIN_S,
        _inventory(config, options.name, capture.source, Pseudonyms(site_key)),
    )
    sensor.learned = Learned(known=classifier.known)
    if not noted:
        sensor.rejections.known = surroundings.rejected(Path(config.run_dir))
    refresh = _as_it_is if noted else surroundings.refresher(Path(config.run_dir), classifier.known)
    following = _following(capture, config.sensor)
    journal = Journal(state / "journal", options.name, time.time_ns(), max_bytes=config.journal.max_bytes)
    try:
        return asyncio.run(_keep(config, sensor, journal, watchers, noted, following, refresh))
    finally:
        journal.close()
        for watcher in watchers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                watcher.process.wait(REAP_S)


def _rotated(
    config: Config,
    options: argparse.Namespace,
    user: tuple[int, int] | None,
    classifier: Classifier,
    version: str,
) -> int:
    """A folder of captures, until stopped; what opens them keeps the rights that this process gives up."""
    state, folder, name = Path(config.state_dir), Path(options.folder), str(options.name)
    memory, pseudonyms = rotated.remembered(state, folder), Pseudonyms(load_site_key(state))
    opener = Opener(folder, user, cadence=config.sensor.cadence)
    privileges.drop_capabilities()
    privileges.hide()
    where = Box(dict(options.listener), box.own_addresses())

    def make(source: str) -> Sensor:
        hosts = _inventory(config, name, source, pseudonyms)
        repeats = Aggregate(config.sensor.suppression_s)
        made = Sensor(name, source, classifier.sight, pseudonyms, where, repeats, None, JOIN_S, hosts)
        made.learned = Learned(known=classifier.known)
        return made

    def noted(found: Found) -> Progress:
        place, which = state / rotated.FOLDER, f"{found.inode}:{found.size}:{found.changed}"
        return Progress(place, f"{folder}/{which}", which, _eyes(config, version))

    journal = Journal(state / "journal", name, time.time_ns(), max_bytes=config.journal.max_bytes)
    settled_s = config.sensor.folder_settled_s
    reading = Rotated(folder, memory, opener.start, make, noted, journal, name, settled_s=settled_s)
    try:
        return asyncio.run(_rotate(config, name, reading, journal))
    finally:
        journal.close()
        opener.close()


async def _rotate(config: Config, name: str, reading: Rotated, journal: Journal) -> int:
    client, telling = BlockingClient(Path(config.run_dir) / ingest.SOCKET), list[asyncio.Task[None]]()
    shipper = ShipThread(journal, ingest.sender(client))

    def begun() -> None:
        tell_ready()
        stands = partial(standing.sensing, name, losses=Losses())
        told = standing.tell(Path(config.run_dir), lambda: stands(means=reading.means, now=time.time()))
        telling.append(spawn(told, "standing"))

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, reading.stop)
    on_parent_gone(reading.stop)
    shipper.start()
    try:
        await reading.run(begun)
    finally:
        await cancel(*telling)
        await asyncio.to_thread(shipper.stop, SHIP_S)
        client.close()
    return 0


def _as_it_is(_: Sensor) -> None:
    """A file is judged by what is known before it is read, so that it gives the same records again."""


def _inventory(config: Config, name: str, source: str, pseudonyms: Pseudonyms) -> Inventory | None:
    return Inventory(name, source, pseudonyms, mac_vendors.vendor) if config.sensor.hosts else None


def _following(capture: Capture, sensor: SensorConfig) -> Following | None:
    if not capture.second or capture.linktype is None:
        return None
    from discovery.capture import attach

    each = [partial(attach, one) for one in capture.second]
    return Following(each, capture.linktype, nameless=sensor.cadence)


async def _keep(
    config: Config,
    sensor: Sensor,
    journal: Journal,
    watchers: Sequence[Watcher],
    noted: Progress | None,
    following: Following | None,
    refresh: Callable[[Sensor], None],
) -> int:
    client = BlockingClient(Path(config.run_dir) / ingest.SOCKET)
    shipper = ShipThread(journal, ingest.sender(client))
    sock, *others = (watcher.sock for watcher in watchers)
    means = watchers[0].means
    telling: list[asyncio.Task[None]] = []

    def begun() -> None:
        tell_ready()
        stands = partial(standing.sensing, sensor.name, means, keeper.losses)
        telling.append(spawn(standing.tell(Path(config.run_dir), lambda: stands(time.time())), "standing"))

    keeper = Keeper(
        sensor,
        journal,
        sock,
        others=others,
        means=means,
        following=following,
        progress=noted,
        begun=begun,
        refresh=refresh,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, keeper.stop)
    on_parent_gone(keeper.stop)
    shipper.start()
    try:
        return 0 if await keeper.run() else 1
    finally:
        await cancel(*telling)
        await asyncio.to_thread(shipper.stop, SHIP_S)
        client.close()


def _open(options: argparse.Namespace, ports: frozenset[int], sensor: SensorConfig) -> Capture:
    """The capture, opened with the rights that this process still has. OperatorError: what to do."""
    if options.interface:
        return _live(options.interface, ports, sensor.processes, records=sensor.cadence)
    path = Path(options.pcap)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        kind = os.fstat(fd).st_mode
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read: {error.strerror}; give a capture file to --pcap") from None
    if not stat.S_ISREG(kind):
        raise OperatorError(f"{path}: not a regular file; read it with: gnomon replay")
    os.set_blocking(fd, True)
    return Capture((fd,), path.name, str(path))


def _live(interface: str, ports: frozenset[int], processes: int, *, records: bool) -> Capture:
    from discovery.capture import interfaces, open_followed, open_parts

    if interface not in interfaces() and _libpcap_knows(interface):
        _log.warning("%s: no network interface: captured by libpcap, in one process", interface)
        return Capture((None,), interface, interface, means="libpcap in 1 process")
    second = open_followed(interface, processes)
    parts = open_parts(interface, ports, processes, records=records and not second)
    why = ["" if second else _NO_SECOND, *(part.instead for part in parts)]
    less = "; ".join(dict.fromkeys(filter(None, why)))
    if less:
        _log.warning("%s: captured with less than there might be: %s", interface, less)
    shared = f"{len(parts)} process{'es' if len(parts) > 1 else ''}"
    means = f"{parts[0].means} in {shared}{less and f' ({less})'}"
    fds = tuple(part.detach() for part in parts)
    return Capture(fds, interface, interface, parts[0].linktype, means, second)


def _progress(config: Config, options: argparse.Namespace, known: str) -> Progress | None:
    if not options.pcap:
        return None
    eyes = _eyes(config, known)
    return Progress(Path(config.run_dir), str(options.pcap), progress.identity(Path(options.pcap)), eyes)


def _eyes(config: Config, known: str) -> str:
    """What makes another reading of a file give other records."""
    return f"{known} {config.sensor.suppression_s:g} {JOIN_S:g} {config.sensor.hosts:d}"


def _libpcap_knows(device: str) -> bool:
    from discovery import capture, libpcap

    library = capture.libpcap()
    return library is not None and device in libpcap.devices(library)


@dataclass(frozen=True)
class Watcher:
    """A process that parses, our end of the socket to it, and how it reads."""

    process: subprocess.Popen[bytes]
    sock: socket.socket
    means: str


def start_watchers(capture: Capture, user: tuple[int, int] | None, *, cadence: bool = False) -> tuple[Watcher, ...]:
    """The processes that parse, one for each part of the capture; what is theirs is closed here."""
    started = []
    for part, fd in enumerate(capture.fds):
        more = ("--cadence",) if cadence else ()
        second = capture.second[part].fileno() if capture.second else None
        process, sock = _start_watcher(capture, (fd, second), user, more)
        started.append(Watcher(process, sock, capture.means))
    return tuple(started)


def _start_watcher(
    capture: Capture, fds: tuple[int | None, int | None], user: tuple[int, int] | None, more: tuple[str, ...] = ()
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A process that parses what the first of `fds` captures, with one end of a socket; both are closed here.

    None: it opens it. The second of them is the second ring's and stays open here, too.
    """
    fd, second = fds
    ours, theirs = socket.socketpair()
    argv = [sys.executable, "-I", "-O", "-m", "discovery.watch", "--socket-fd", str(theirs.fileno())]
    argv += [f"--device={capture.source}"] if fd is None else ["--capture-fd", str(fd), f"--label={capture.label}"]
    argv += [] if capture.linktype is None else ["--linktype", str(capture.linktype)]
    argv += more if second is None else (*more, "--second-fd", str(second))
    argv += [] if user is None else ["--uid", str(user[0]), "--gid", str(user[1])]
    try:
        watcher = subprocess.Popen(  # noqa: S603 - argv is ours
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(), *(one for one in fds if one is not None)),
            env={},
        )
    finally:
        theirs.close()
        if fd is not None:
            os.close(fd)
    return watcher, ours


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
    source.add_argument("--folder", metavar="DIR")
    parser.add_argument("--listener", type=_listener, action="append", default=[], metavar="NAME=ADDRESS:PORT")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
