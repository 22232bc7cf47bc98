"""Frames of Initial packets, one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.limits import Tally
from discovery.quic_frames import MAX_FRAMES, begins, crypto_frames, joined, varint
from discovery.streams import Stream


@pytest.mark.parametrize(
    ("frames", "pieces"),
    [
        (b"", []),
        (bytes(9), []),
        (b"\x01\0\x06\0\x03abc", [(0, b"abc")]),
        (b"\x06\x40\x05\x02de\x06\0\x01a", [(5, b"de"), (0, b"a")]),
        (b"\x02\0\0\0\0\x06\0\x01a", [(0, b"a")]),
        (b"\x03\0\0\x01\0\1\1\1\1\1\x06\0\x01a", [(0, b"a")]),
        (b"\x06\0\x01a\x1c\xff\xff", [(0, b"a")]),
        (b"\x08\0", None),
        (b"\x06\0", None),
        (b"\x01" * (MAX_FRAMES + 1), None),
    ],
)
def test_crypto_frames_are_found_among_others(frames: bytes, pieces: list[tuple[int, bytes]] | None) -> None:
    assert crypto_frames(frames) == pieces


@given(st.binary(max_size=200))
def test_nothing_raises(frames: bytes) -> None:
    pieces = crypto_frames(frames)
    assert begins(frames) == any(piece and not offset for offset, piece in pieces or ())


@pytest.mark.parametrize(
    ("data", "number", "at"),
    [
        (b"\x25", 37, 1),
        (b"\x7b\xbd", 15_293, 2),
        (b"\x9d\x7f\x3e\x7d", 494_878_333, 4),
        (b"\xc0" + bytes(6) + b"\x09", 9, 8),
    ],
)
def test_numbers_as_rfc_9000_prints_them(data: bytes, number: int, at: int) -> None:
    assert varint(data, 0) == (number, at)


def _held(pieces: list[tuple[int, bytes]]) -> tuple[bytes, int]:
    stream = Stream(0.0, 0, None)
    for offset, piece in pieces:
        if piece:
            stream.add(offset, piece, Tally())
    return stream.buffer, stream.size


@given(st.permutations([(0, b"ab"), (2, b"cde"), (5, b""), (5, b"f"), (8, b"hi")]))
def test_pieces_in_any_order_are_joined(pieces: list[tuple[int, bytes]]) -> None:
    assert joined(pieces) == [(0, b"abcdef"), (8, b"hi")]


@given(st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=5)), max_size=6))
def test_joined_pieces_hold_what_the_pieces_do(pieces: list[tuple[int, bytes]]) -> None:
    assert _held(joined(pieces)) == _held(pieces)
