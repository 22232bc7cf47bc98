"""Capture files: every variant of the formats, damage at every byte, and bounds."""

import io
import os
import struct
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.model.errors import EvidenceError, OperatorError
from discovery import files

FRAMES = [b"a" * 60, b"", b"b" * 1_500, b"c"]
MAGICS = {0xA1B2C3D4: (1e-6, 0), 0xA1B23C4D: (1e-9, 0), 0xA1B2CD34: (1e-6, 8)}


def pcap(order: str = "<", magic: int = 0xA1B2C3D4, link: int = 1, frames=FRAMES, major: int = 2) -> bytes:
    parts = [struct.pack(order + "IHHiIII", magic, major, 4, 0, 0, 65_535, link)]
    for number, frame in enumerate(frames):
        parts += [struct.pack(order + "IIII", 100 + number, 250_000, len(frame), len(frame) + 9)]
        parts += [bytes(MAGICS[magic][1]), frame]
    return b"".join(parts)


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order: str = "<", link: int = 1, options: bytes = b"") -> bytes:
    return block(order, 1, struct.pack(order + "HHI", link, 0, 0) + options)


def enhanced(order: str, number: int, ticks: int, frame: bytes, options: bytes = b"") -> bytes:
    body = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame) + 5)
    return block(order, 6, body + frame + bytes(-len(frame) % 4) + options)


def option(order: str, code: int, value: bytes) -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def read(data: bytes) -> list[files.Frame]:
    return list(files.read(io.BytesIO(data)))


def read_until_damage(data: bytes) -> tuple[list[files.Frame], str]:
    found, said = [], ""
    try:
        for batch in files.batches(io.BytesIO(data)):
            found += batch
    except EvidenceError as error:
        said = str(error)
    return found, said


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", list(MAGICS))
def test_every_kind_of_pcap(order, magic):
    unit = MAGICS[magic][0]
    found = read(pcap(order, magic, link=113))
    assert [frame for _, _, frame in found] == FRAMES
    assert {link for _, link, _ in found} == {113}
    assert [ts for ts, _, _ in found] == pytest.approx([100 + n + 250_000 * unit for n in range(4)], abs=1e-9)


def test_bits_above_the_link_type_are_not_part_of_it():
    assert read(pcap(link=1 | 0x1400_0000))[0][1] == 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_with_sections_interfaces_and_clocks(order):
    other = ">" if order == "<" else "<"
    nanos = option(order, 2, b"eth0") + option(order, 9, b"\x09") + option(order, 0, b"")
    halves = option(order, 9, b"\x81") + option(order, 14, struct.pack(order + "q", 1_000))
    data = section(order) + interface(order) + interface(order, 101, nanos) + interface(order, 113, halves)
    data += enhanced(order, 0, 5_000_000, b"micro", option(order, 1, b"a comment"))
    data += enhanced(order, 1, 7_500_000_000, b"nano") + enhanced(order, 2, 3, b"halves")
    data += block(order, 3, struct.pack(order + "I", 4) + b"plai")
    data += block(order, 0x0BAD, b"unknown blocks are skipped")
    data += block(order, 2, struct.pack(order + "HHIIII", 1, 0, 0, 9, 3, 3) + b"old")
    data += section(other) + interface(other, 12) + enhanced(other, 0, 1 << 40, b"other order")
    assert read(data) == [
        (5.0, 1, b"micro"),
        (pytest.approx(7.5), 101, b"nano"),
        (1_001.5, 113, b"halves"),
        (1_001.5, 1, b"plai"),
        (pytest.approx(9e-9), 101, b"old"),
        (pytest.approx((1 << 40) * 1e-6), 12, b"other order"),
    ]


def test_a_simple_packet_that_was_cut_when_captured():
    data = section() + interface() + block("<", 3, struct.pack("<I", 1_500) + b"1234")
    assert read(data) == [(0.0, 1, b"1234")]


@pytest.mark.parametrize(
    "data", [pcap(), section() + interface() + b"".join(enhanced("<", 0, n, f) for n, f in enumerate(FRAMES))]
)
def test_cut_at_every_byte_all_that_is_whole_comes_first(data):
    whole = [frame for _, _, frame in read(data)]
    ends, told = set(), 0
    for end in range(28 if data[:4] == b"\x0a\x0d\x0d\x0a" else 24, len(data)):
        found, said = read_until_damage(data[:end])
        assert [frame for _, _, frame in found] == whole[: len(found)]
        ends.add(len(found))
        told += bool(said)
        if said:
            assert f"cut short at byte {int(said.split('byte ')[1].split(':')[0])}" in said
    assert ends == {0, 1, 2, 3}  # the last byte belongs to the last packet
    assert told > len(data) - 40


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is empty"),
        (b"\xd4\xc3\xb2\xa1\x02", "it ends or breaks in its first 24 bytes"),
        (b"\x0a\x0d\x0d\x0a\x1c\0\0\0\0\0\0\0" + bytes(20), "it ends or breaks in its first 24 bytes"),
        (b"hello world", "it begins with 68 65 6c 6c"),
        (b"\xfd7zXZ" + bytes(30), "packed with xz; unpack it and pipe it"),
        (b"BZh9" + bytes(30), "packed with bzip2"),
        (pcap(major=1), "pcap of version 1"),
    ],
)
def test_what_is_no_capture(data, said):
    with pytest.raises(OperatorError, match=said):
        read(data)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (block("<", 1, b"")[:8] + bytes(8), "two lengths differ|a block of"),
        (struct.pack("<II", 6, 7) + bytes(4), "a block of 7 bytes"),
        (struct.pack("<II", 6, 1 << 30) + bytes(8), "a block of 1073741824 bytes"),
        (enhanced("<", 3, 1, b"x"), "interface 3, which nothing describes"),
        (block("<", 6, bytes(8)), "a block of kind 6 with 8 bytes"),
        (block("<", 6, struct.pack("<IIIII", 0, 0, 0, 5_000, 5_000)), "a packet of 5000 bytes"),
        (block("<", 0x0A0D0D0A, b"\1\2\3\4" + bytes(16)), "a section without byte order"),
    ],
)
def test_broken_blocks(more, said):
    found, told = read_until_damage(section() + interface() + enhanced("<", 0, 1, b"whole") + more)
    assert [frame for _, _, frame in found] == [b"whole"]
    assert "damaged at byte 88" in told
    assert any(part in told for part in said.split("|"))


def test_a_packet_larger_than_any_ends_the_file():
    data = pcap(frames=[b"first"]) + struct.pack("<IIII", 1, 1, files.MAX_FRAME + 1, 1) + bytes(100)
    found, said = read_until_damage(data)
    assert [frame for _, _, frame in found] == [b"first"]
    assert "damaged at byte 45: a packet of 262145 bytes" in said


def test_interfaces_are_bounded(monkeypatch):
    monkeypatch.setattr(files, "MAX_INTERFACES", 2)
    assert "more than 2 interfaces" in read_until_damage(section() + interface() * 3)[1]
    assert read_until_damage((section() + interface() * 2) * 3)[1] == ""


@pytest.mark.parametrize("size", [1, 7, 64, 4_096])
def test_the_size_of_what_is_read_at_once_does_not_matter(monkeypatch, size):
    monkeypatch.setattr(files, "_CHUNK", size)
    data = section() + interface() + b"".join(enhanced("<", 0, n, f) for n, f in enumerate(FRAMES))
    assert [frame for _, _, frame in read(data)] == FRAMES
    assert [frame for _, _, frame in read(pcap())] == FRAMES


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_is_changed_nothing_else_is_raised(data):
    base = bytearray(data.draw(st.sampled_from([pcap(), section() + interface() + enhanced("<", 0, 9, FRAMES[0]) * 3])))
    for _ in range(data.draw(st.integers(1, 6))):
        base[data.draw(st.integers(0, len(base) - 1))] = data.draw(st.integers(0, 255))
    try:
        found, _ = read_until_damage(bytes(base[: data.draw(st.integers(0, len(base)))]))
    except OperatorError:
        return
    assert all(len(frame) <= files.MAX_FRAME for _, _, frame in found)


def test_a_path_a_folder_and_nothing(tmp_path: Path):
    (tmp_path / "a.pcap").write_bytes(pcap())
    assert len(list(files.read(tmp_path / "a.pcap"))) == len(list(files.read(str(tmp_path / "a.pcap")))) == 4
    with pytest.raises(OperatorError, match="a folder, not a capture"):
        list(files.read(tmp_path))
    with pytest.raises(OperatorError, match="No such file"):
        list(files.read(tmp_path / "none"))


def test_a_pipe_hands_out_packets_before_it_ends():
    take, give = os.pipe()
    with os.fdopen(take, "rb") as reader, os.fdopen(give, "wb", buffering=0) as writer:
        data = pcap()
        writer.write(data)
        batches = files.batches(reader)
        assert [frame for _, _, frame in next(batches)] == FRAMES
        late = threading.Thread(target=lambda: (writer.write(data[24:]), writer.close()))
        late.start()
        assert [frame for batch in batches for _, _, frame in batch] == FRAMES
        late.join()


def statistics(order: str, number: int, *options: tuple[int, int]) -> bytes:
    told = b"".join(option(order, code, struct.pack(order + "Q", value)) for code, value in options)
    return block(order, 5, struct.pack(order + "III", number, 0, 0) + told + option(order, 0, b""))


@pytest.mark.parametrize("order", ["<", ">"])
def test_what_the_capture_lost_is_told_as_the_last_block_of_each_interface_says(order):
    told = files.Told()
    first = section(order) + interface(order) + statistics(order, 0, (4, 900), (5, 3), (7, 4))
    second = section(order) + interface(order) + statistics(order, 0, (5, 1)) + statistics(order, 0, (5, 2))
    unknown = statistics(order, 9, (5, 100)) + statistics(order, 0, (4, 7))  # no such interface; nothing lost
    assert not any(files.batches(io.BytesIO(first + second + unknown), told=told))
    assert told.dropped == 9


def test_the_bytes_of_the_file_are_told_as_they_are_read(tmp_path):
    path, parts = tmp_path / "a.pcap", []
    path.write_bytes(pcap())
    list(files.batches(path, parts.append))
    assert sum(parts) == path.stat().st_size
