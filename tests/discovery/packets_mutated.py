"""Packets of every capture that is there, with bytes changed and cut short, through the parsers.

Run: `python tests/discovery/packets_mutated.py --packets 1000000 --seed 1`. It prints what was counted, and fails at a
fault of ours, at a packet that takes too long, and where more is held than the limits allow.
"""

import argparse
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from discovery.engine import Engine
from discovery.files import Frame, read
from discovery.limits import Limits, Weird

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "pcaps", ROOT.parent / "shared" / "data" / "pcaps")
SLOWEST_S = 1.0  # of the processor, for one packet
MOST = 400  # packets of one capture before another begins
CHANGES = (0, 0, 1, 3, 10)


def captures() -> list[tuple[str, list[Frame]]]:
    """Name and packets of each."""
    paths = [path for folder in FOLDERS for path in sorted(folder.glob("*.pcap*"))]
    return [(path.name, list(read(path))) for path in paths]


def mutated(frames: list[Frame], turn: random.Random) -> Iterator[Frame]:
    """These packets, some as they are."""
    for ts, linktype, frame in frames[:MOST]:
        data = bytearray(frame)
        for _ in range(turn.choice(CHANGES) if data else 0):
            data[turn.randrange(len(data))] = turn.randrange(256)
        if turn.random() < 0.1:
            del data[turn.randrange(len(data) + 1) :]
        yield ts, linktype, bytes(data)


def run(packets: int, seed: int) -> Counter[str]:
    """What was weird about that many packets; AssertionError where something failed."""
    turn, weird, done = random.Random(seed), Counter[str](), 0  # noqa: S311 - the same at each run
    known = captures()
    while done < packets:
        name, frames = turn.choice(known)
        engine = Engine(hosts=True)
        for ts, linktype, data in mutated(frames, turn):
            begun = time.process_time()
            engine.feed(ts, linktype, data)
            done += 1
            slow = time.process_time() - begun > SLOWEST_S
            assert not slow, f"{name}: slow: {linktype} {data.hex()}"
            assert Weird.PARSER_FAULT not in engine.counters.weird, f"{name}: {linktype} {data.hex()}"
        assert held(engine) <= 2 * Limits().held_bytes
        engine.expire(math.inf)
        assert not held(engine)
        weird.update(engine.counters.weird)
    return weird


def held(engine: Engine) -> int:
    """Bytes of what is not whole."""
    tables = (engine._streams.open, engine._quic._open, engine._dtls._open)
    return sum(table._bytes for table in tables)


def main() -> int:
    """0 where nothing failed."""
    parser = argparse.ArgumentParser(description="mutated packets through the parsers")
    parser.add_argument("--packets", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sys.stdout.write(f"{dict(run(options.packets, options.seed))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
