"""Sizes of connections in shared captures: what sequence numbers tell is what the payloads add up to."""

from collections import defaultdict
from pathlib import Path

import pytest

from appliance.model.errors import EvidenceError, OperatorError
from appliance.model.names import ObservationKind
from discovery import cadence, files
from discovery.decode import TCP, Decoder
from discovery.engine import Engine
from discovery.limits import Limits, Tally

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "pcaps", ROOT.parent / "shared" / "data" / "pcaps")
CAPTURES = sorted(path for folder in FOLDERS for path in folder.glob("*.pcap*") if path.is_file())
pytestmark = pytest.mark.skipif(len(CAPTURES) < 50, reason="needs the shared captures in ../shared/data/pcaps")


def read(path):
    try:
        return [frame for batch in files.batches(str(path)) for frame in batch]
    except (EvidenceError, OperatorError):
        return []


def payloads(frames):
    """Direction of a connection and its first number -> different bytes of its stream, counted by brute force."""
    decoder, bases = Decoder(Limits(), Tally()), {}
    seen = defaultdict(set)
    for ts, link, frame in frames:
        place = decoder.locate(ts, link, frame)
        if place is None or place[1] != TCP or place[5] - place[4] < 20:
            continue
        data, _, address, address_end, at, end = place
        flags, seq = data[at + 13], int.from_bytes(data[at + 4 : at + 8])
        key = data[address:address_end] + data[at : at + 4]
        if flags & 2:
            bases[key] = seq + 1
        elif key in bases:
            first = (seq - bases[key]) % (1 << 32)
            seen[key, bases[key]].update(range(first, first + end - at - (data[at + 12] >> 4 << 2)))
    return {key: len(numbers) for key, numbers in seen.items()}


def test_sizes_are_those_of_the_payloads():
    compared = differing = 0
    for path in CAPTURES:
        frames = read(path)
        brute = sorted(payloads(frames).values())
        engine = Engine()
        rows = [row for frame in frames for row in engine.feed(*frame) if row.kind is ObservationKind.FLOW]
        for row in rows:
            if row.at_least or row.ended != "fin":
                continue
            compared += 2
            differing += sum(size not in brute and size > 0 for size in (row.bytes_up, row.bytes_down))
    assert compared > 100
    assert differing <= 1, "one capture lacks a fragment"


def test_no_connection_of_them_looks_written():
    """What is measured for docs: the rule is wrong about none of these."""
    tried = told = 0
    for path in CAPTURES:
        engine = Engine(cadence=True)
        rows = [row for frame in read(path) for row in engine.feed(*frame)]
        tried += len(engine._cadence)
        told += sum(any(note.startswith(cadence.NOTE) for note in row.notes) for row in rows)
    assert tried > 80, "connections in which a client asks"
    assert told == 0
