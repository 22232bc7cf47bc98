"""What servers answer in QUIC: the packet that RFC 9001 prints, hellos in pieces, and what anybody could send."""

import pytest
from discovery_frames import CLIENT, SERVER, ether, extension, ip, listed, udp
from hypothesis import given
from hypothesis import strategies as st
from test_discovery_quic import DCID, HELLO, V1, crypto, feed, initial

from discovery.engine import Engine
from discovery.quic_server import MAX_HELLO, MAX_PACKETS

# RFC 9001 appendix A.3: the packet, and the keys of appendix A.1 that seal it.
PRINTED = bytes.fromhex(
    "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf7"
    "3c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f"
    "58891850abbdca3d20398c276456cbc42158407dd074ee"
)
KEYS = (*V1[:2], "cf3a5331653c364c88f0f379b6067e37", "0ac1493ca1905853b0bba03e", "c206b8d9b9f0f37644430b490eeaa314")
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


def server_hello(cipher: int = 0x1302, *, random: bytes = bytes(32), share: int = 32) -> bytes:
    extensions = extension(43, b"\3\4") + extension(51, b"\0\x1d" + listed(bytes(share)))
    body = b"\3\3" + random + b"\0" + cipher.to_bytes(2) + b"\0" + listed(extensions)
    return b"\x02" + listed(body, 3)


def sealed(*frames: bytes, number: int = 0) -> bytes:
    return initial(b"".join(frames) + bytes(40), number=number, version=KEYS, dcid=b"client")


def back(payload: bytes, *, dport: int = 40_000) -> bytes:
    return ether(ip(udp(payload, sport=443, dport=dport), 17, src=SERVER, dst=CLIENT))


def told(*payloads: bytes, dport: int = 40_000) -> list[tuple[str | None, str | None, tuple[str, ...]]]:
    engine = Engine()
    assert len(feed(engine, initial(crypto(0, HELLO)))) == 1
    rows = [row for payload in payloads for row in engine.feed(0.1, 1, back(payload, dport=dport))]
    assert "parser_fault" not in engine.counters.weird
    assert {(row.kind, row.transport, row.src, row.dport) for row in rows} <= {("tls_server", "udp", SERVER, 40_000)}
    return [(row.cipher, row.tls_version, row.notes) for row in rows]


def test_the_packet_that_the_rfc_prints():
    assert DCID.hex() == "8394c8f03e515708"
    assert told(PRINTED) == [("1301", "TLS 1.3", ())]


def test_a_hello_in_any_pieces_is_told_once():
    hello = server_hello(share=1_120)
    pieces = [sealed(b"\x02\0\0\0\0", crypto(900, hello[900:]), number=1), sealed(crypto(0, hello[:900]))]
    assert told(*pieces) == told(*reversed(pieces)) == [("1302", "TLS 1.3", ())]
    assert told(*pieces, *pieces) == [("1302", "TLS 1.3", ())]
    assert told(pieces[0]) == []


def test_after_a_retry_of_the_hello_the_second_is_told():
    first, second = server_hello(random=RETRY), server_hello(0x1301)
    assert told(sealed(crypto(0, first)), sealed(crypto(len(first), second), number=1)) == [
        ("1302", "TLS 1.3", ("hello_retry",)),
        ("1301", "TLS 1.3", ()),
    ]


@pytest.mark.parametrize(
    "payload",
    [
        initial(crypto(0, server_hello()) + bytes(40), dcid=b"client"),  # under the client's keys
        PRINTED[:-1] + b"\0",
        PRINTED[:60],
        sealed(crypto(MAX_HELLO, b"x")),
        sealed(b"\x1e"),
    ],
    ids=["another seal", "broken", "cut", "far", "no frame of an Initial"],
)
def test_what_cannot_be_opened_or_makes_no_sense_is_left_alone(payload):
    assert told(payload) == []


def test_only_to_a_client_that_asked():
    assert told(PRINTED, dport=40_001) == []


def test_packets_are_bounded():
    junk = [sealed(crypto(1_000 + number, b"x"), number=number) for number in range(MAX_PACKETS)]
    assert told(*junk, sealed(crypto(0, server_hello()), number=99)) == []
    assert told(*junk[1:], sealed(crypto(0, server_hello()), number=99)) == [("1302", "TLS 1.3", ())]


@given(st.binary(max_size=200))
def test_nothing_raises(frames):
    told(sealed(crypto(0, frames)), sealed(frames, number=1))
