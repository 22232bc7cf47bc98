"""What is left aside where it stands in a file is what the engine would leave aside, and nothing else."""

import io
import random
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import packets_mutated
import pytest
from discovery_frames import SYN, hello, listed, query, segment
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.errors import EvidenceError
from appliance.model.observation import Observation
from discovery import bench_capture, files
from discovery.engine import Engine
from discovery.files import Frame
from discovery.limits import Counters
from discovery.sift import Sift

UNIT = 1e-6
type Rows = list[tuple[int, Sequence[Observation]]]


def as_file(frames: Iterable[Frame], order: str = "<", link: int = 1) -> bytes:
    head = struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, link)
    records = (struct.pack(order + "IIII", int(ts), 7, len(data), len(data)) + data for ts, _, data in frames)
    return head + b"".join(records)


def sifted(file: bytes) -> tuple[Rows, Counters, int]:
    """Rows with the numbers of their packets, what was counted, and how many packets there were."""
    engine = Engine()
    sift = Sift(engine)
    read_with(sift, file)
    return sift.found, engine.counters, sift.packets


def read_with(sift: Sift, file: bytes) -> None:
    for batch in files.batches(io.BytesIO(file), take=sift.take):
        sift.feed(batch)


def fed(file: bytes) -> tuple[Rows, Counters, int]:
    engine, rows, number = Engine(), [], 0
    for number, frame in enumerate(files.read(io.BytesIO(file)), 1):
        if found := engine.feed(*frame):
            rows.append((number, found))
    return rows, engine.counters, number


def office(tmp_path: Path) -> bytes:
    path = tmp_path / "office.pcap"
    bench_capture.write_capture(path, 2_000)
    return path.read_bytes()


def test_of_changed_and_cut_packets_nothing_is_left_aside_that_would_be_read() -> None:
    turn = random.Random(3)  # noqa: S311 - the same at each run
    for name, known in packets_mutated.captures():
        if known and all(link == 1 for _, link, _ in known):
            file = as_file(packets_mutated.mutated(known, turn))
            assert sifted(file) == fed(file), name


def test_most_packets_of_an_office_are_not_even_cut_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, asked = office(tmp_path), []
    expected = fed(file)
    real = Engine.feed
    monkeypatch.setattr(Engine, "feed", lambda *given: asked.append(given) or real(*given))
    assert sifted(file) == expected
    assert len(asked) * 2 < expected[2]


HELLO = hello()
SEALED = b"\x17\x03\x03\0\x13" + bytes(19)


@pytest.mark.parametrize(
    "frames",
    [
        [segment(HELLO), segment(SEALED, seq=1 + len(HELLO))],
        [segment(HELLO[:60]), segment(HELLO[60:], seq=61)],
        [segment(b"", seq=0, flags=SYN), segment(HELLO[60:], seq=61), segment(HELLO[:60])],
        [segment(listed(query(b"one.example")), dport=53)],
    ],
    ids=["sealed alert", "in two", "overtaken", "DNS over TCP"],
)
def test_what_does_not_begin_like_a_beginning_is_read_where_it_is_one(frames: list[bytes]) -> None:
    file = as_file((1.0, 1, frame) for frame in [*frames, *[segment(bytes(200), sport=9)] * 3])
    assert sifted(file) == fed(file)
    assert "api" in str(sifted(file)[0]) or "one" in str(sifted(file)[0])


@pytest.mark.parametrize(("order", "link"), [(">", 1), ("<", 101), ("<", 12)])
def test_files_of_another_kind_are_read_as_ever(tmp_path: Path, order: str, link: int) -> None:
    frames = [(ts, link, data[14 if link != 1 else 0 :]) for ts, _, data in files.read(io.BytesIO(office(tmp_path)))]
    file = as_file(frames, order, link)
    engine = Engine()
    sift = Sift(engine)
    assert sum(map(len, files.batches(io.BytesIO(file), take=sift.take))) == len(frames)
    assert not sift.packets


def test_a_file_that_ends_in_a_packet_is_told_and_its_packets_are_counted(tmp_path: Path) -> None:
    file = office(tmp_path)
    whole = fed(file)[2]
    sift = Sift(Engine())
    with pytest.raises(EvidenceError, match="cut short at byte"):
        read_with(sift, file[:-1])
    assert sift.packets == whole - 1


def test_a_packet_of_a_length_that_cannot_be_is_told(tmp_path: Path) -> None:
    file = office(tmp_path) + struct.pack("<IIII", 0, 0, 1 << 30, 1 << 30) + bytes(100)
    sift = Sift(Engine())
    with pytest.raises(EvidenceError, match="a packet of 1073741824 bytes"):
        read_with(sift, file)


@given(
    st.lists(st.binary(max_size=90), max_size=6),
    st.sampled_from([b"", b"\x45\0\0\x28\0\0\x40\0\x40\x06", b"\x45\0\0\x50\0\0\0\0\x40\x06"]),
)
def test_any_bytes_are_read_as_the_engine_reads_them(parts: list[bytes], head: bytes) -> None:
    file = as_file((1.0, 1, bytes(12) + b"\x08\0" + head + part) for part in parts)
    assert sifted(file) == fed(file)
