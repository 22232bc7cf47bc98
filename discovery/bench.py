"""How many packets a second `gnomon replay` takes, beside what other programs take.

Owns: the measurement behind `gnomon bench replay` (`bench_capture` makes the file). Rules: one process each, one after
the other, all on one core, one file for all; ours is the whole path from the file to JSON lines on /dev/null. What
counts is the processor's time, of all processes that a program starts, so that other work on the machine spoils no
figure. nfstream runs in an environment of its own (`PEERS`), tshark is the machine's; one that is not there is told.
"""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from discovery.bench_capture import write_capture

PACKETS: Final = 1_000_000
SCAPY_PACKETS: Final = 5_000  # scapy would take minutes for all of them
_ROOT: Final = Path(__file__).parents[1]
PEERS: Final = _ROOT / ".cache" / "conformance" / "replay" / "bin" / "python"
CAPTURES: Final = _ROOT.parent / "shared" / "data" / "pcaps"


def run(seconds: float) -> dict[str, float]:
    """Measure for about `seconds`, and as long as the others take for the file.

    `packets_per_s`: file to JSON lines. `reader_packets_per_s`: reading the file alone. `against_*`: ours by theirs.
    `packets`: of the file, `shared_packets`: those of them that stem from captures of others.
    """
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as folder, _one_core():
        path = Path(folder) / "mixed.pcap"
        packets, shared = write_capture(path, PACKETS, CAPTURES if CAPTURES.is_dir() else None)
        reader, ours = _told([sys.executable, "-m", "discovery.bench", str(path), str(seconds / 2)])
        numbers = {"packets_per_s": ours, "reader_packets_per_s": reader, "packets": packets, "shared_packets": shared}
        peers = dict(_peers(path, packets))
    for name, theirs in peers.items():
        numbers[f"{name}_packets_per_s"] = theirs
        numbers[f"against_{name}"] = round(ours / theirs, 2)
    return numbers


def _peers(path: Path, packets: int) -> Iterator[tuple[str, float]]:
    if PEERS.is_file():
        yield "nfstream", _told([str(PEERS), "-I", "-c", _NFSTREAM, str(path), str(packets)])[0]
    else:
        sys.stderr.write(f"nfstream: not measured, {PEERS} is not there (make bench sets it up)\n")
    if tshark := shutil.which("tshark"):
        yield "tshark", _tshark(tshark, path, packets)
    else:
        sys.stderr.write("tshark: not measured, it is not installed\n")
    yield "dpkt", _told([sys.executable, "-c", _DPKT, str(path)])[0]
    yield "scapy", _told([sys.executable, "-c", _SCAPY, str(path), str(SCAPY_PACKETS)])[0]


@contextlib.contextmanager
def _one_core() -> Iterator[None]:
    """Children started inside inherit one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _told(command: Sequence[str]) -> list[float]:
    done = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - this interpreter, programs of ours
    return [round(float(word)) for word in done.stdout.splitlines()[-1].split()]  # nfstream warns above it


# What a program written with these libraries does at least: read the packet, find its name.
_DPKT = """
import dpkt, sys, time
begun, count = time.process_time(), 0
for _, frame in dpkt.pcap.Reader(open(sys.argv[1], "rb")):
    count += 1
    try:
        segment = dpkt.ethernet.Ethernet(frame).data.data
        data = bytes(segment.data)
        if isinstance(segment, dpkt.udp.UDP) and 53 in (segment.sport, segment.dport):
            dpkt.dns.DNS(data)
        elif data[:2] == b"\\x16\\x03":
            dpkt.ssl.tls_multi_factory(data)
        elif data[:4] in (b"GET ", b"POST"):
            dpkt.http.Request(data)
    except (dpkt.Error, AttributeError, IndexError):
        pass  # what it cannot read
print(count / (time.process_time() - begun))
"""
_NFSTREAM = """
import multiprocessing, os, sys
from nfstream import NFStreamer
begun, flows = sum(os.times()[:4]), 0
for flow in NFStreamer(source=sys.argv[1], n_meters=1):
    flows += 1
for meter in multiprocessing.active_children():
    meter.join()
assert flows
print(int(sys.argv[2]) / (sum(os.times()[:4]) - begun))
"""
_SCAPY = """
import logging, sys, time
logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.layers import dns, inet, l2
from scapy.utils import PcapReader
begun, count = time.process_time(), 0
for packet in PcapReader(sys.argv[1]):
    count += 1
    if count == int(sys.argv[2]):
        break
print(count / (time.process_time() - begun))
"""


def _tshark(program: str, path: Path, packets: int) -> float:
    fields = ("tls.handshake.extensions_server_name", "tls.handshake.ja3", "dns.qry.name", "http.host")
    command = [program, "-n", "-r", str(path), "-T", "fields", *(word for field in fields for word in ("-e", field))]
    begun = _children_s()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)  # noqa: S603 - as found
    return round(packets / (_children_s() - begun))


def _children_s() -> float:
    """Seconds of processor time of all that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _measure(path: str, seconds: float) -> tuple[float, float]:
    """Packets a second of reading alone and of the whole path; each is repeated for half of the time."""
    from discovery import files, replay

    classifier, rates = replay.classifier(None), []
    with open(os.devnull, "wb") as sink:  # noqa: PTH123 - a device

        def whole() -> int:
            return replay.replay([path], classifier, sink, encode=replay.jsonl, tell=print).packets

        def reading() -> int:
            return sum(map(len, files.batches(path)))

        for work in (reading, whole):
            packets, begun, until = 0, time.process_time(), time.perf_counter() + seconds / 2
            while time.perf_counter() < until or not packets:
                packets += work()
            rates.append(packets / (time.process_time() - begun))
    return rates[0], rates[1]


if __name__ == "__main__":
    print(*_measure(sys.argv[1], float(sys.argv[2])))  # noqa: T201 - for the process that started this one
