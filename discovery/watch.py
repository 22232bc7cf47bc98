"""The process that reads packets: `python -m discovery.watch`, started by discovery.launch and by nobody else.

Owns: everything that touches hostile bytes. Rules: before the first packet is read it has become a user that owns
nothing, without capabilities, with bounded memory, and with system calls that only read and write what is open; it
holds the capture and one socket, no key, no name of a client beyond what it just read. Live it never waits for its
reader: what finds no room is dropped and counted. The second ring, whose filter others change, is read only while the
first has little to give: a stream that is followed costs no hello. A file waits as long as it takes. An alarm that
each turn renews ends it should a parser never return; it ends when the other end of its socket does.
"""

import argparse
import codecs
import contextlib
import io
import math
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, Protocol

from appliance.confine import privileges
from appliance.model.errors import EvidenceError, OperatorError
from appliance.model.names import ObservationKind
from appliance.model.observation import Observation
from discovery import files, packed, ring
from discovery.capture import BATCH, Live, libpcap
from discovery.engine import Engine
from discovery.libpcap import Pcap
from discovery.report import FOLLOWED_LOST, INTERFACE_DOWN, Report, Tally, frame, frames

BACKLOG_BYTES: Final = 8 << 20  # of unread reports in live mode; beyond it observations are dropped
TURN_S: Final = 30.0  # a turn that takes longer has met a parser that does not return
TALLY_S: Final = 1.0
WAIT_MS: Final = 500
CODECS: Final = ("ascii", "latin-1", "utf-8", "utf-16", "unicode_escape", "idna", "punycode")  # found now or never
FILE_TURN: Final = 4096  # packets of a file between two looks around
_SPARED: Final = frozenset({ObservationKind.FLOW, ObservationKind.DNS_ANSWER})  # the first to find no room


class _Frames(Protocol):
    downs: int

    def frames(self) -> Sequence[tuple[float, int, bytes]]: ...

    def drops(self) -> int: ...

    def fileno(self) -> int: ...


class Outlet:
    """The socket to the reader. `live`: never wait."""

    def __init__(self, sock: socket.socket, *, live: bool) -> None:
        self._sock, self._live = sock, live
        self._waiting = bytearray()
        self.held_back = 0
        sock.setblocking(not live)

    @property
    def pending(self) -> bool:
        """Something is still to be sent."""
        return bool(self._waiting)

    def observations(self, seen: Sequence[Observation]) -> None:
        """Send these; live, drop and count them when the reader is too far behind."""
        if self._live and len(self._waiting) > BACKLOG_BYTES:
            self.held_back += len(seen)
            return
        if self._live and len(self._waiting) > BACKLOG_BYTES // 2:  # a flood of sizes must not crowd out hellos
            told = len(seen)
            seen = [one for one in seen if one.kind not in _SPARED]
            self.held_back += told - len(seen)
        for data in frames(seen):
            self._send(data)

    def report(self, report: Report) -> None:
        """Send a report without observations."""
        self._send(frame(report))

    def _send(self, data: bytes) -> None:
        if not self._live:
            watched_send(self._sock, data)
            return
        self._waiting += data
        self.flush()

    def flush(self) -> None:
        """Send what can be sent now. OSError: the reader is gone."""
        while self._waiting:
            try:
                done = self._sock.send(self._waiting)
            except BlockingIOError:
                return
            del self._waiting[:done]

    def finish(self) -> None:
        """Send all that is left; the alarm ends the wait for a reader that does not read."""
        self._sock.setblocking(True)
        if self._waiting:
            self._sock.sendall(self._waiting)
            self._waiting.clear()


def watched_send(sock: socket.socket, data: bytes) -> None:
    """Send all, however long that takes while somebody is there: a wait is not taken for a parser that hangs."""
    poll, view = select.poll(), memoryview(data)
    poll.register(sock, select.POLLOUT)
    while view:
        renew()
        if poll.poll(WAIT_MS):
            with contextlib.suppress(BlockingIOError):
                view = view[sock.send(view, socket.MSG_DONTWAIT) :]


def renew() -> None:
    """Another turn begins."""
    signal.setitimer(signal.ITIMER_REAL, TURN_S)


class Watch:
    """Feeds an engine and tells what it saw."""

    def __init__(
        self, outlet: Outlet, sock: socket.socket, *, cadence: bool = False, second: _Frames | None = None
    ) -> None:
        self._outlet, self._sock, self._second = outlet, sock, second
        self._engine = Engine(cadence=cadence, hosts=True)
        self._seen = 0
        self._missed = self._downs = self._unfollowed = 0

    def file(self, batches: Iterable[Sequence[tuple[float, int, bytes]]]) -> str:
        """Every packet of a file; what cut it short, in words. OperatorError: it is no capture."""
        ended = select.poll()
        ended.register(self._sock, select.POLLRDHUP)
        begun = False
        try:
            for batch in batches:
                if not begun:
                    self._outlet.report(Report(begun=True))
                    begun = True
                for start in range(0, len(batch), FILE_TURN):
                    renew()
                    self._feed(batch[start : start + FILE_TURN])
                    if ended.poll(0):
                        return "stopped before its end"
        except EvidenceError as error:
            return str(error)
        finally:
            self._tell(self._engine.expire(math.inf))  # what was cut off is counted, what goes on is told
        return ""

    def live(self, source: _Frames, fd: int) -> str:
        """Packets as they come, until the reader has closed its end; what broke the capture, in words."""
        poll, told_at, told = select.poll(), 0.0, Tally()
        poll.register(fd, select.POLLIN)
        poll.register(self._sock, select.POLLRDHUP)
        if self._second is not None:
            poll.register(self._second.fileno(), select.POLLIN)
        while True:
            renew()
            poll.modify(self._sock, select.POLLRDHUP | (select.POLLOUT if self._outlet.pending else 0))
            events = dict(poll.poll(WAIT_MS))
            if events.get(self._sock.fileno(), 0) & (select.POLLRDHUP | select.POLLHUP | select.POLLERR):
                return ""
            self._outlet.flush()
            try:
                calm = fd not in events or self._feed(source.frames()) < BATCH
            except OSError as error:
                return error.strerror or type(error).__name__
            if calm and self._second is not None and self._second.fileno() in events:
                self._follow(self._second)
            now = time.monotonic()
            if now - told_at >= TALLY_S:
                self._missed, self._downs = source.drops(), source.downs
                self._unfollowed = self._second.drops() if self._second is not None else 0
                self._tell(self._engine.expire(time.time()))
                if (tally := self.tally()) != told:
                    self._outlet.report(Report(tally=tally))
                    told = tally
                told_at = now

    def _follow(self, second: _Frames) -> None:
        """Packets of the second ring, as many as one turn takes; that its interface is gone is the first one's news."""
        with contextlib.suppress(OSError):
            follow = self._engine.follow
            self._tell([seen for frame in second.frames() for seen in follow(*frame)])

    def _feed(self, batch: Sequence[tuple[float, int, bytes]]) -> int:
        """How many there were."""
        feed = self._engine.feed
        found: list[Observation] = []
        for ts, linktype, data in batch:
            if seen := feed(ts, linktype, data):
                found += seen
        self._tell(found)
        return len(batch)

    def _tell(self, found: Sequence[Observation]) -> None:
        if found:
            self._seen += len(found)
            self._outlet.observations(found)

    def tally(self) -> Tally:
        """Sums since the start."""
        counters = self._engine.counters
        weird = {name: count for name, count in counters.weird.items() if count}
        if self._downs:
            weird[INTERFACE_DOWN] = self._downs
        if self._unfollowed:
            weird[FOLLOWED_LOST] = self._unfollowed
        return Tally(counters.packets, self._seen, self._missed, self._outlet.held_back, weird)


def confine(user: tuple[int, int] | None) -> bool:
    """Give up everything; whether system calls are barred too. OperatorError: something could not be given up."""
    for codec in CODECS:
        codecs.lookup(codec)
    privileges.drop_bounding()
    if user is not None:
        privileges.become(*user)
    privileges.hide()
    privileges.die_with_parent()
    privileges.silence()
    privileges.bound()
    privileges.drop_capabilities()
    return privileges.only_reading()


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 told all there was to tell, 1 the capture broke, 2 it may not or cannot begin."""
    options = _options(arguments)
    sock = socket.socket(fileno=options.socket_fd)
    is_live = options.linktype is not None or options.device is not None
    outlet = Outlet(sock, live=is_live)
    watch = Watch(outlet, sock, cadence=options.cadence, second=_second(options))
    try:
        run = _reader(options, watch)
        barred = confine((options.uid, options.gid) if options.uid is not None else None)
        renew()
        outlet.report(Report(barred=barred, begun=is_live))
        fault = run()
        outlet.report(Report(tally=watch.tally(), ended=True, fault=fault))
        outlet.finish()
    except OperatorError as error:
        outlet.report(Report(refused=str(error)))
        return 2
    except BrokenPipeError:
        return 0  # nobody is left to tell
    except Exception as error:  # noqa: BLE001 - stderr is closed: the reader is the one who can tell
        outlet.report(Report(fault=_place(error)))
        outlet.finish()
        return 1
    return 1 if fault and is_live else 0


def _reader(options: argparse.Namespace, watch: Watch) -> Callable[[], str]:
    """What reads the inherited capture; everything that must be opened or imported for it is, now."""
    if options.linktype is not None or options.device is not None:
        source = _by_libpcap(options.device) if options.device else Live.adopt(options.capture_fd, options.linktype)
        return lambda: watch.live(source, source.fileno())
    packed.prepare(options.capture_fd)
    file = io.FileIO(options.capture_fd, "rb")
    file.name = options.label
    return lambda: watch.file(files.batches(file))


def _second(options: argparse.Namespace) -> Live | None:
    if options.second_fd is None:
        return None
    return Live.adopt(options.second_fd, options.linktype, blocks=ring.FEW_BLOCKS)


def _by_libpcap(device: str) -> Pcap:
    if (library := libpcap()) is None:
        raise OperatorError(f"{device}: no network interface, and libpcap, which may know it, is not installed")
    return Pcap(library, device)


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}{where}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="discovery.watch", description="reads packets; started by a sensor")
    parser.add_argument("--socket-fd", type=int, required=True)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--capture-fd", type=int, help="an open file, or with --linktype an open packet socket")
    source.add_argument("--device", help="what libpcap is to open")
    parser.add_argument("--second-fd", type=int, help="an open packet socket: servers of interest, cut packets")
    parser.add_argument("--linktype", type=int, help="of a live capture; without it the descriptor is a file")
    parser.add_argument("--label", default="capture", help="how the file is called")
    parser.add_argument("--cadence", action="store_true", help="look for answers that are written word by word")
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
