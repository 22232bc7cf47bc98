"""Datagrams in pieces: what holds, what is let go, and what is counted."""

import pytest
from discovery_frames import datagram, ether, hello_body, ip, query, tcp

from discovery.engine import Engine
from discovery.fragments import Fragments
from discovery.hello import parse
from discovery.limits import Limits, Tally, Weird

KEY = b"datagram"


def add(fragments: Fragments, *pieces: tuple[int, bytes], total: int, now: float = 0.0) -> list[bytes]:
    made = [fragments.add(KEY, now, at, piece, last=at + len(piece) == total) for at, piece in pieces]
    return [whole for whole in made if whole is not None]


@pytest.mark.parametrize(
    ("pieces", "whole", "differs"),
    [
        ([(0, b"abcd"), (4, b"efgh")], [b"abcdefgh"], 0),
        ([(4, b"efgh"), (0, b"abcd")], [b"abcdefgh"], 0),
        ([(0, b"abcdef"), (4, b"efgh")], [b"abcdefgh"], 0),
        ([(0, b"abcdef"), (4, b"XXgh")], [b"abcdefgh"], 1),
        ([(0, b"ab"), (0, b"Xbcd"), (4, b"efgh")], [b"abcdefgh"], 1),
        ([(0, b"abcd"), (0, b"abcd"), (4, b"efgh")], [b"abcdefgh"], 0),
        ([(0, b"ab"), (5, b"fgh"), (4, b"efgh")], [], 0),
        ([(0, b"abcd"), (4, b"")], [], 0),
    ],
)
def test_the_first_byte_seen_holds(pieces: list[tuple[int, bytes]], whole: list[bytes], differs: int) -> None:
    tally = Tally()
    assert add(Fragments(Limits(), tally), *pieces, total=8) == whole
    assert tally[Weird.OVERLAP_DIFFERS] == differs


def test_pieces_bytes_and_time_are_bounded() -> None:
    tally = Tally()
    fragments = Fragments(Limits(datagram_pieces=3, datagram_seconds=5), tally)
    assert not add(fragments, (0, b"a"), (2, b"c"), (4, b"e"), (1, b"b"), total=5)
    assert tally == {Weird.FRAGMENTS_LOST: 1}
    assert not add(fragments, (65_530, b"too long"), total=65_538)
    assert tally == {Weird.FRAGMENTS_LOST: 2}
    assert not add(fragments, (0, b"abcd"), total=8)
    assert not add(fragments, (4, b"efgh"), total=8, now=6.0)
    assert tally == {Weird.FRAGMENTS_LOST: 3}
    fragments.expire(20.0)
    assert tally == {Weird.FRAGMENTS_LOST: 4}


def test_padding_behind_a_datagram_is_no_part_of_it() -> None:
    engine = Engine()
    assert not engine.feed(
        0.0, 1, ether(ip(tcp(b""), 6, src="2001:db8::1", dst="2001:db8::2")) + b"GET / HTTP/1.1\r\n\r\n"
    )
    cut = bytearray(datagram(query(b"a.example")))
    cut[38:40] = (8 + 20).to_bytes(2)  # UDP's own length: it ends inside the name
    assert not engine.feed(0.0, 1, bytes(cut))
    assert engine.counters.weird == {"bad_dns": 1}


def test_half_a_length_of_extensions_is_no_hello() -> None:
    bare = hello_body()[:44]
    assert parse(bare[:43]) is not None
    assert parse(bare) is None
