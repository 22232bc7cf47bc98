"""A ring of blocks made by hand: what is read, whose turn a block is, and what was taken off a frame comes back."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.ring import Ring, with_tag

BLOCK, HEAD, LINK = 4096, 48, 82
ETHERNET, RAW_IP = 1, 101


def block(frames, status=1):
    """A block as the kernel hands it over; a frame may stand with (tag, its type)."""
    out, at = bytearray(BLOCK), HEAD
    for index, frame in enumerate(frames):
        data, tag = frame if isinstance(frame, tuple) else (frame, None)
        size = (LINK + len(data) + 15) // 16 * 16
        flags = 1 if tag is None else 1 | 0x10 | (0x40 if tag[1] else 0)
        fields = (
            size,
            1_700_000_000,
            250_000_000,
            len(data),
            len(data),
            flags,
            LINK,
            LINK + 14,
            0,
            *(tag or (0, 0)),
            0,
        )
        struct.pack_into("=IIIIIIHHIIHH", out, at, *fields)
        out[at + LINK : at + LINK + len(data)] = data
        at += size
        assert at <= BLOCK, index
    struct.pack_into("=IIIII", out, 0, 2, 48, status, len(frames), HEAD)
    return out


def status(memory, number):
    return int.from_bytes(memory[number * BLOCK + 8 : number * BLOCK + 12], "little")


def ring(*blocks, linktype=ETHERNET):
    memory = bytearray().join(blocks)
    return Ring(memory, linktype, tags=linktype == ETHERNET, block=BLOCK), memory


def frames(*sizes):
    return [bytes([number + 1]) * size for number, size in enumerate(sizes)]


def test_packets_come_with_their_times_and_the_block_goes_back():
    one, memory = ring(block(frames(60, 1400, 0)), block([], 0), linktype=RAW_IP)
    assert one.frames(10) == [(1_700_000_000.25, RAW_IP, data) for data in frames(60, 1400, 0)]
    assert status(memory, 0) == 0
    assert one.frames(10) == []


def test_a_block_stays_ours_until_its_last_packet_is_taken():
    one, memory = ring(block(frames(*[60] * 5)), block(frames(70)))
    assert [len(one.frames(2)) for _ in range(2)] == [2, 2]
    assert (status(memory, 0), status(memory, 1)) == (1, 1)
    assert [frame[2] for frame in one.frames(2)] == [bytes([5]) * 60, bytes([1]) * 70]
    assert (status(memory, 0), status(memory, 1)) == (0, 0)


def test_a_block_that_is_the_kernels_is_not_read_though_the_next_is_ours():
    one, _ = ring(block(frames(60), 0), block(frames(60)))
    assert one.frames(10) == []


def test_a_block_without_packets_goes_back():
    one, memory = ring(block([]), block(frames(60)))
    assert sum(len(one.frames(10)) for _ in range(2)) == 1
    assert status(memory, 0) == 0


def test_the_ring_goes_round():
    one, memory = ring(block(frames(60)), block(frames(61)))
    for turn in range(5):
        assert [len(frame[2]) for frame in one.frames(10)] == [60, 61]
        memory[:] = block(frames(60)) + block(frames(61))
        assert turn < 5


@pytest.mark.parametrize(("kind", "expected"), [(0x88A8, b"\x88\xa8\x00\x07"), (0, b"\x81\x00\x00\x07")])
def test_a_tag_that_was_taken_off_comes_back(kind, expected):
    plain = bytes(range(12)) + b"\x08\x00rest"
    one, _ = ring(block([(plain, (7, kind)), plain]))
    assert [frame[2] for frame in one.frames(10)] == [plain[:12] + expected + plain[12:], plain]


def test_a_packet_without_a_link_head_has_no_place_for_a_tag():
    one, _ = ring(block([(b"\x45" + bytes(30), (7, 0))]), linktype=RAW_IP)
    assert one.frames(1)[0][2] == b"\x45" + bytes(30)


@given(st.lists(st.lists(st.integers(0, 300), max_size=9), min_size=1, max_size=4), st.integers(1, 7))
def test_nothing_is_lost_or_read_twice_in_whatever_portions(sizes, limit):
    one, memory = ring(*(block(frames(*each)) for each in sizes))
    found = []
    for _ in range(sum(map(len, sizes)) + len(sizes)):
        taken = one.frames(limit)
        assert len(taken) <= limit
        found += [frame[2] for frame in taken]
    assert found == [data for each in sizes for data in frames(*each)]
    assert all(status(memory, number) == 0 for number in range(len(sizes)))


def test_a_tag_is_twelve_bits_and_its_priority():
    assert with_tag(bytes(14), 0xFFFF_E007, 0) == bytes(12) + b"\x81\x00\xe0\x07\0\0"
