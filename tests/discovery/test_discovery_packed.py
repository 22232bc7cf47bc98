"""Packed captures: the same packets, whatever packs them; damage, bombs and cut ends."""

import contextlib
import gzip
import io
import os
import random
import struct
import subprocess
import sys
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from test_discovery_watch import PCAPS, received, start

from appliance.model.errors import EvidenceError, OperatorError
from discovery import files, packed

NOISE = random.Random(3)  # noqa: S311 - filler
FRAMES = [NOISE.randbytes(300 + number) for number in range(400)]  # does not shrink: damage is where it is put
CAPTURE = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1) + b"".join(
    struct.pack("<IIII", number, 0, len(frame), len(frame)) + frame for number, frame in enumerate(FRAMES)
)


def zstd(data: bytes, **options: int) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(data)


def half(pack, data: bytes = CAPTURE) -> bytes:
    """Two members or frames, the second of which begins in the middle of a packet."""
    middle = len(data) // 2
    return pack(data[:middle]) + pack(data[middle:])


def read_until_damage(data: bytes) -> tuple[list[bytes], str]:
    found: list[bytes] = []
    try:
        for batch in files.batches(io.BytesIO(data)):
            found += [frame for _, _, frame in batch]
    except EvidenceError as error:
        return found, str(error)
    return found, ""


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(CAPTURE),
        half(gzip.compress),
        gzip.compress(CAPTURE) + bytes(9),
        gzip.compress(CAPTURE[:5]) + gzip.compress(b"") + gzip.compress(CAPTURE[5:]),
        zstd(CAPTURE),
        zstd(CAPTURE, level=19),
        half(zstd),
    ],
)
def test_the_packets_are_those_of_the_plain_file(data):
    assert read_until_damage(data) == (FRAMES, "")


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_the_bytes_told_are_those_of_the_packed_file(pack, tmp_path):
    path, parts = tmp_path / "a.pcap.packed", []
    path.write_bytes(pack(CAPTURE))
    list(files.batches(path, parts.append))
    assert sum(parts) == path.stat().st_size


def test_a_pipe_is_unpacked_as_it_comes():
    read, write = os.pipe()
    try:
        os.write(write, zlib.compress(CAPTURE[:600], wbits=31)[:-8])  # the member's end is still to come
        with open(read, "rb", closefd=False) as pipe:
            got = packed.unpacked(pipe.read1, "pipe")(600)
        assert CAPTURE.startswith(got)
    finally:
        os.close(read)
        os.close(write)


@pytest.mark.parametrize("pack", [gzip.compress, zstd, lambda data: half(gzip.compress, data)])
@pytest.mark.parametrize("at", [0.3, 0.6, 0.97])
def test_what_was_whole_comes_before_the_damage(pack, at):
    data = pack(CAPTURE)
    cut, said = read_until_damage(data[: int(len(data) * at)])
    assert cut == FRAMES[: len(cut)]
    assert said
    assert len(cut) > (at * len(FRAMES) - 3 if pack is not zstd else 0)


def test_of_a_damaged_gzip_file_all_before_the_byte_that_breaks_it_is_read():
    data = bytearray(gzip.compress(CAPTURE))
    data[-8] ^= 1  # its checksum: every packet is there
    found, said = read_until_damage(bytes(data))
    assert found == FRAMES
    assert "packed with gzip, and damaged near byte" in said


def test_damage_of_zstd_is_told():
    data = bytearray(zstd(CAPTURE, level=1))
    data[4] |= 0x08  # a reserved bit of the frame's head
    with pytest.raises(EvidenceError, match="packed with zstd, and damaged"):
        list(files.read(io.BytesIO(bytes(data))))


@pytest.mark.parametrize("pack", [lambda data: gzip.compress(data, 9), zstd])
def test_a_bomb_ends_where_it_shows(pack, monkeypatch):
    monkeypatch.setattr(packed, "FREE_BYTES", 1 << 20)
    monkeypatch.setattr(packed, "MAX_RATIO", 100)
    found, said = read_until_damage(pack(CAPTURE[:24] + bytes(8 << 20)))
    assert "unpacks to more than 100 times its size" in said
    assert len(found) < (4 << 20) // 16


def test_a_window_that_asks_for_too_much_memory_is_refused():
    options = zstandard.ZstdCompressionParameters(window_log=27)
    data = zstandard.ZstdCompressor(compression_params=options).compressobj().compress(CAPTURE * 40)
    found, said = read_until_damage(data)
    assert (found, "memory" in said) == ([], True)


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_packed_twice_or_packed_something_else_is_no_capture(pack):
    for inner in (pack(CAPTURE), b"hello world, this is no capture"):
        with pytest.raises(OperatorError, match="not a capture file"):
            list(files.read(io.BytesIO(pack(inner))))


@given(data=st.binary(max_size=300), pack=st.sampled_from([packed.GZIP, packed.ZSTD, gzip.compress(b"x")[:10]]))
def test_nothing_else_is_raised_whatever_the_bytes(data, pack):
    with contextlib.suppress(EvidenceError, OperatorError):
        list(files.read(io.BytesIO(pack + data)))


def test_what_a_file_needs_is_imported_before_it_cannot_be(tmp_path):
    program = """
import os, sys
from discovery import packed
fd = os.open(sys.argv[1], os.O_RDONLY)
packed.prepare(fd)
print("zstandard" in sys.modules, os.lseek(fd, 0, os.SEEK_CUR))
"""
    for data, told in ((zstd(CAPTURE), "True 0"), (gzip.compress(CAPTURE), "False 0"), (b"", "False 0")):
        path = tmp_path / "capture"
        path.write_bytes(data)
        done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, check=True, text=True)
        assert done.stdout.strip() == told


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_the_process_that_may_open_nothing_unpacks_as_well(pack, tmp_path):
    path = tmp_path / "packed"
    path.write_bytes(pack((PCAPS / "mixed-office.pcap").read_bytes()))
    told = []
    for each in (PCAPS / "mixed-office.pcap", path):
        process, sock = start(each)
        with sock:
            told.append([one for report in received(sock) for one in report.observations])
        assert process.wait(20) == 0
        process.stderr.close()
    assert told[1] == told[0]
    assert len(told[0]) > 20
