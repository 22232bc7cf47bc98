"""How many live packets a second a sensor reads, at what cost: the measurement behind `gnomon bench live`.

Rules: everything in a network namespace of its own, which ends with the process that made it; a pair of virtual
interfaces, a sender at one end, the sensor's own packet-reading process at the other, confined as always. What is lost
is counted from the packets: one slow turn of the same traffic tells how many pass the filter, and so how many should
have arrived; a loss anywhere on the way counts. The kernel runs the filter in the sender's time, not in the sensor's.
"""

import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from appliance.confine import privileges
from appliance.model.errors import OperatorError
from discovery import losses, report
from discovery.report import Tally

OFFICE: Final = 1_600  # packets of one turn before it becomes bulkier: few enough for the processor's cache
BULK: Final = 2  # times that a large segment of data is sent again further on: 50 packets for each connection
RATE: Final = 300_000  # packets a second
SLOW: Final = 20_000  # so that none is lost
SETTLED_S: Final = 2.5  # without news from the watcher: it has read all there is
_TCP, _LARGE, _TLS_PORT = 6, 1_400, b"\x01\xbb"
_SENDS, _READS = "gnomon0", "gnomon1"
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def run(seconds: float) -> dict[str, float]:
    """Measure for about `seconds`. OperatorError: not root, or no namespace is to be had.

    `packets_per_s` on the wire, `dropped` of those that pass the filter, `cpu_fraction` of one core that the reading
    process took, `passed_fraction` of the packets passed the filter, `resident_mib` of the reading process after half
    of the packets and `resident_grown_mib` from then to the end; `packets`: how many were sent.
    """
    if os.geteuid() != 0:
        raise OperatorError("bench live: makes network interfaces of its own: run as root")
    command = [sys.executable, "-m", "discovery.bench_live", str(seconds)]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - this interpreter, a program of ours
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise OperatorError(f"bench live: {said[-1] if said else 'ended without a word'}")
    return msgspec.json.decode(done.stdout, type=dict[str, float])


class _Watched:
    """The sensor's reading processes, and what they told last."""

    def __init__(self, parts: int) -> None:
        from discovery import capture, launch

        lives = capture.open_parts(_READS, (), parts)
        fds = tuple(live.detach() for live in lives)
        opened = launch.Capture(fds, _READS, _READS, lives[0].linktype)
        self._watchers = launch.start_watchers(opened, privileges.user_ids("nobody"))
        self._tallies = [Tally()] * parts
        self.told_at = time.monotonic()
        self.begun = threading.Semaphore(0)
        for part, watcher in enumerate(self._watchers):
            threading.Thread(target=self._hear, args=(part, watcher.sock), daemon=True).start()

    def _hear(self, part: int, sock: socket.socket) -> None:
        with sock.makefile("rb") as told:
            while head := told.read(4):
                one = report.read(told.read(report.length_of(head)))
                if one.tally is not None:
                    self._tallies[part], self.told_at = one.tally, time.monotonic()
                if one.begun:
                    self.begun.release()

    def settled(self) -> Tally:
        """Everything that they read, once they have had time to tell it."""
        self.told_at = time.monotonic()
        while time.monotonic() - self.told_at < SETTLED_S:
            time.sleep(0.1)
        return losses.total(self._tallies)

    def cpu_s(self) -> float:
        """Processor seconds so far."""
        fields = [self._stat(watcher.process.pid) for watcher in self._watchers]
        return sum(int(each[11]) + int(each[12]) for each in fields) / _TICKS

    def resident_mib(self) -> float:
        """Memory of all of them but the rings, which belong to the kernel."""
        pages = os.sysconf("SC_PAGE_SIZE")
        told = [Path(f"/proc/{watcher.process.pid}/statm").read_text().split() for watcher in self._watchers]
        return sum(int(each[1]) - int(each[2]) for each in told) * pages / (1 << 20)

    @staticmethod
    def _stat(pid: int) -> Sequence[str]:
        """proc_pid_stat(5) from the state on."""
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()

    def end(self) -> None:
        """Have them end, and wait for it."""
        for watcher in self._watchers:
            watcher.sock.close()
            watcher.process.kill()
            watcher.process.wait()


class _Sending:
    """The process that sends."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-m", "discovery.bench_sender", _SENDS, str(path)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)  # noqa: S603 - ours

    def send(self, turns: int, rate: float) -> tuple[int, float]:
        """Packets and seconds."""
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError
        self._process.stdin.write(f"{turns} {rate}\n")
        self._process.stdin.flush()
        packets, seconds = self._process.stdout.readline().split()
        return int(packets), float(seconds)

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def _wire() -> None:
    """A namespace with the two ends of a wire, without the kernel's own chatter."""
    os.unshare(os.CLONE_NEWNET)
    commands = [f"link add name {_SENDS} type veth peer name {_READS}"]
    commands += [f"link set dev {name} up" for name in (_SENDS, _READS)]
    for name in ("all", "default"):
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
    for command in commands:
        subprocess.run(["ip", *command.split()], check=True)  # noqa: S603, S607 - words of ours


def measure(seconds: float, parts: int) -> dict[str, float]:
    """As `run`, in this process's own namespace from now on; `parts`: processes that share the packets."""
    from discovery import bench_capture, files

    _wire()
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as folder:
        path = Path(folder) / "office.pcap"
        bench_capture.write_capture(path, OFFICE)
        frames = list(bulky(frame for batch in files.batches(path) for _, _, frame in batch))
        turn = _write(path, frames)
        watched, sending = _Watched(parts), _Sending(path)
        try:
            for _ in range(parts):
                watched.begun.acquire()
            return _measured(watched, sending, seconds, turn)
        finally:
            sending.end()
            watched.end()


def bulky(frames: Iterable[bytes]) -> Iterator[bytes]:
    """The mix of `gnomon bench replay` with more data for each connection, and its end.

    Frames: Ethernet, IPv4, TCP or UDP; each conversation begins with a datagram.
    """
    ends: dict[bytes, bytes] = {}  # the last segment of either side
    for frame in frames:
        if frame[23] != _TCP:
            yield from map(_fin, ends.values())
            ends.clear()
        yield frame
        if frame[23] == _TCP and _TLS_PORT in (frame[34:36], frame[36:38]):
            ends[frame[34:36]] = frame
            for more in range(1, BULK + 1 if len(frame) > _LARGE and frame[34:36] == _TLS_PORT else 1):
                yield frame[:38] + _seq(frame, more * 100_000) + frame[42:54] + frame[-1400:]


def _seq(frame: bytes, more: int) -> bytes:
    return ((int.from_bytes(frame[38:42]) + more) & 0xFFFF_FFFF).to_bytes(4)


def _fin(frame: bytes) -> bytes:
    """The segment that ends what this one is the last of."""
    return (
        frame[:16]
        + (40).to_bytes(2)
        + frame[18:38]
        + _seq(frame, len(frame) - 54)
        + frame[42:47]
        + b"\x11"
        + frame[48:54]
    )


def _write(path: Path, frames: Sequence[bytes]) -> int:
    """A capture file; how many packets."""
    records = (struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame for frame in frames)
    path.write_bytes(b"".join([struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1), *records]))
    return len(frames)


def _measured(watched: _Watched, sending: _Sending, seconds: float, turn: int) -> dict[str, float]:
    sending.send(1, SLOW)
    one = watched.settled()
    turns = max(round(seconds * RATE / turn), 10)
    cpu, sent, took = watched.cpu_s(), 0, 0.0
    for share in (turns // 2, turns - turns // 2):
        before = watched.resident_mib() if sent else 0.0
        packets, passed = sending.send(share, RATE)
        sent, took = sent + packets, took + passed
    last = watched.settled()
    expected = one.packets * turns
    return {
        "packets_per_s": round(sent / took),
        "dropped": expected - (last.packets - one.packets),
        "cpu_fraction": round((watched.cpu_s() - cpu) / took, 3),
        "passed_fraction": round(one.packets / turn, 3),
        "observations_per_s": round((last.observations - one.observations) / took),
        "missed": last.missed,
        "resident_mib": round(before, 1),
        "resident_grown_mib": round(watched.resident_mib() - before, 1),
        "packets": sent,
    }


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(measure(float(sys.argv[1]), int((*sys.argv, "1")[2]))))
