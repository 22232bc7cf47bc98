"""Whether a sensor's memory stays flat: many packets and many connections, made as they are read.

Owns: the measurement of `python -m discovery.bench_flat`. Rules: one process that parses and gathers as a sensor's two
do, engine and keeper's judgement, without wire and journal; the mix of `gnomon bench live`, whose time runs at 300,000
packets a second; every connection has an address of its own, every tenth of them goes to each of two AI services. What
is counted is what the process has resident beside its files: after each quarter, so that what fills once is told apart
from what grows.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from appliance.model.pseudonym import Pseudonyms
from discovery import bench_capture, bench_live, replay
from discovery.aggregate import Aggregate
from discovery.box import Box
from discovery.engine import Engine
from discovery.files import Frame
from discovery.inventory import Inventory
from discovery.sensor import Sensor

PACKETS: Final = 50_000_000
RATE: Final = 300_000  # packets a second of the packets' own time
_QUARTERS: Final = 4
_START: Final = 1_767_258_000.0
_LINK: Final = 1
_CLIENT: Final = bytes([10, 0, 0, 0])
_UP, _DOWN = (26, 34), (30, 36)  # where the client's address and port stand in a frame
_GATHER_S, _REPEATS_S = 1.0, 300.0  # as a sensor has them


class Conversations:
    """Endless packets. `flows`: TCP connections begun so far."""

    def __init__(self) -> None:
        self.flows = 0
        self._own = [_places(_whole(frames)) for frames in bench_capture.conversations()]

    def batches(self) -> Iterator[list[Frame]]:
        """One conversation after the other: question, answer, connection, its end."""
        at, turn = 0, 0
        while True:
            frames = self._own[turn % len(self._own)]
            address, port = (0x0A00_0000 + turn % 0xFF_FFFF).to_bytes(4), (32_768 + turn % 28_000).to_bytes(2)
            batch: list[Frame] = []
            for number, (frame, (where, which)) in enumerate(frames, at):
                frame[where : where + 4] = address
                frame[which : which + 2] = port
                batch.append((_START + number / RATE, _LINK, bytes(frame)))
            at, turn = at + len(frames), turn + 1
            self.flows += 1
            yield batch


def _whole(frames: Sequence[bytes]) -> list[bytes]:
    """With more data and the end; a datagram behind it shows that it has ended."""
    return list(bench_live.bulky([*frames, frames[0]]))[:-1]


def _places(frames: Sequence[bytes]) -> list[tuple[bytearray, tuple[int, int]]]:
    return [(bytearray(frame), _UP if frame[26:30] == _CLIENT else _DOWN) for frame in frames]


def measure(packets: int) -> dict[str, float]:
    """Read that many.

    `resident_mib_1` to `_4`: after each quarter; `grown_mib`: from the first to the last; `records`: what a journal
    would have been given; `cpu_us_per_packet`: making the packets included.
    """
    pseudonyms = Pseudonyms(bytes(32))
    hosts = Inventory("flat", "flat", pseudonyms, lambda _: "")
    sight = replay.classifier(None).sight
    sensor = Sensor("flat", "flat", sight, pseudonyms, Box({}, set()), Aggregate(_REPEATS_S), None, _GATHER_S, hosts)
    engine, made, told, records = Engine(hosts=True), Conversations(), list[float](), 0
    begun, due, done = time.process_time(), 0.0, 0
    for batch in made.batches():
        found = [seen for frame in batch for seen in engine.feed(*frame)]
        done, now = done + len(batch), batch[-1][0]
        if now >= due:
            due = now + 1
            found += engine.expire(now)
            records += sum(1 for _ in sensor.due(now))
        records += sum(1 for seen in found for _ in sensor.take(seen))
        if done >= packets * (len(told) + 1) / _QUARTERS:
            told.append(resident_mib())
            if len(told) == _QUARTERS:
                break
    used = time.process_time() - begun
    return {
        **{f"resident_mib_{quarter}": round(mib, 1) for quarter, mib in enumerate(told, 1)},
        "grown_mib": round(told[-1] - told[0], 1),
        "packets": done,
        "flows": made.flows,
        "observations": engine.counters.observations,
        "records": records,
        "weird": sum(engine.counters.weird.values()),
        "cpu_us_per_packet": round(used / done * 1e6, 2),
    }


def resident_mib() -> float:
    """Memory of this process that is no file's: proc_pid_statm(5)."""
    words = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return (int(words[1]) - int(words[2])) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else PACKETS)) + "\n")
