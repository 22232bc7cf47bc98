"""Initial packets sealed with the keys that RFC 9001 and RFC 9369 print for one connection id."""

import hmac
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from discovery_frames import alpn, datagram, ether, hello_body, ip, listed, message, udp
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.observation import Observation
from discovery.engine import Engine
from discovery.limits import Limits
from discovery.quic_packets import VERSIONS

DCID = bytes.fromhex("8394c8f03e515708")
V1 = (  # RFC 9001 appendix A.1
    b"\0\0\0\x01",
    0xC0,
    "1f369613dd76d5467730efcbe3b1a22d",
    "fa044b2f42a3fd3b46fb255c",
    "9f50449e04a0e810283a1e9933adedd2",
)
V2 = (  # RFC 9369 appendix A.1
    b"\x6b\x33\x43\xcf",
    0xD0,
    "8b1a0bc121284290a29e0971b5cd045d",
    "91f73e2351d8fa91660e909f",
    "45b95e15235d6f45a6b19cbcb0294ba9",
)
type Version = tuple[bytes, int, str, str, str]


def varint(number: int) -> bytes:
    return (number | 0x4000).to_bytes(2) if number < 0x4000 else (number | 0x8000_0000).to_bytes(4)


def crypto(offset: int, data: bytes) -> bytes:
    return b"\x06" + varint(offset) + varint(len(data)) + data


def initial(frames: bytes, *, number: int = 0, version: Version = V1, dcid: bytes = DCID, token: bytes = b"") -> bytes:
    """A client's Initial, sealed by the keys of `DCID` whatever its own connection id is."""
    wire, first, key, iv, hp = version
    packet_number = number.to_bytes(2)
    size = varint(len(packet_number) + len(frames) + 16)
    start = bytes((first | 1,)) + wire + listed(dcid, 1) + listed(b"client", 1) + varint(len(token)) + token + size
    nonce = (int(iv, 16) ^ number).to_bytes(12)
    sealed = AESGCM(bytes.fromhex(key)).encrypt(nonce, frames, start + packet_number)
    mask = Cipher(algorithms.AES(bytes.fromhex(hp)), modes.ECB()).encryptor().update(sealed[2:18])  # noqa: S305 - RFC 9001
    head = bytes((start[0] ^ (mask[0] & 15),)) + start[1:]
    return head + bytes(a ^ b for a, b in zip(packet_number, mask[1:3], strict=True)) + sealed


def _expand(secret: bytes, name: bytes, size: int) -> bytes:
    """HKDF-Expand-Label of one block (RFC 8446 section 7.1)."""
    info = size.to_bytes(2) + bytes((6 + len(name),)) + b"tls13 " + name + b"\x00\x01"
    return hmac.digest(secret, info, "sha256")[:size]


def sealed_by(wire: bytes, frames: bytes, *, number: int = 0, dcid: bytes = DCID) -> bytes:
    """An Initial of any version that derives its keys as QUIC does, from `dcid`."""
    kind = VERSIONS[wire]
    secret = _expand(hmac.digest(kind.salt, DCID, "sha256"), b"client in", 32)
    key, iv, hp = (
        _expand(secret, kind.label + what, size).hex() for what, size in ((b" key", 16), (b" iv", 12), (b" hp", 16))
    )
    return initial(frames + bytes(40), number=number, version=(wire, 0xC0 | kind.initial << 4, key, iv, hp), dcid=dcid)


def feed(engine: Engine, *payloads: bytes, **options: int) -> list[Observation]:
    frames = [datagram(payload, **({"dport": 443} | options)) for payload in payloads]
    rows = [row for frame in frames for row in engine.feed(0.0, 1, frame)]
    assert "parser_fault" not in engine.counters.weird
    return rows


HELLO = message(hello_body(b"api.example.com", extensions=alpn(b"h3") + b"\0\x15\3\xe8" + bytes(1_000)))


@pytest.mark.parametrize("version", [V1, V2], ids=["v1", "v2"])
def test_a_hello_in_one_packet(version: Version) -> None:
    engine = Engine()
    (row,) = feed(engine, initial(crypto(0, HELLO) + bytes(90), version=version))
    assert (row.kind.value, row.transport.value, row.server_name, row.alpn) == (
        "quic",
        "udp",
        "api.example.com",
        ("h3",),
    )
    assert (row.ja4 or "")[:10] == "q12d0203h3"
    assert not engine.counters.weird


@given(
    st.lists(st.integers(1, len(HELLO) - 1), max_size=10, unique=True), st.randoms(use_true_random=False), st.booleans()
)
def test_pieces_in_any_order_in_any_number_of_packets(edges: list[int], order: st.DataObject, together: bool) -> None:
    places = [0, *sorted(edges), len(HELLO)]
    pieces = [crypto(a, HELLO[a:b]) for a, b in pairwise(places)]
    order.shuffle(pieces)  # type: ignore[attr-defined]
    ack = b"\x02\x01\x00\x01\x00\x02\x03" + b"\x03\x01\x00\x00\x00\x01\x02\x03"
    payloads = (
        [initial(b"\x01" + bytes(3).join(pieces) + ack)]
        if together
        else [initial(bytes(2) + ack + piece, number=n) for n, piece in enumerate(pieces)]
    )
    engine = Engine()
    assert [row.server_name for row in feed(engine, *payloads, *payloads)] == ["api.example.com"]
    assert not engine.counters.weird


def test_two_packets_in_one_datagram_and_a_new_connection_id_from_the_server() -> None:
    engine = Engine()
    both = initial(crypto(0, HELLO[:400])) + initial(crypto(400, HELLO[400:700]), number=1)
    rest = initial(crypto(700, HELLO[700:]), number=2, dcid=b"chosen by server")
    assert not feed(engine, both)
    assert len(feed(engine, rest)) == 1


def test_another_hello_on_the_same_ports_is_another_row() -> None:
    other = message(hello_body(b"other.example"))
    rows = feed(
        Engine(),
        initial(crypto(0, HELLO)),
        initial(crypto(0, other) + bytes(40)),
        initial(crypto(0, other) + bytes(40)),
    )
    assert [row.server_name for row in rows] == ["api.example.com", "other.example"]


def test_the_servers_answer_is_none_of_ours() -> None:
    engine = Engine()
    feed(engine, initial(crypto(0, HELLO)))
    answer = ip(
        udp(initial(crypto(0, b"\2"), dcid=b"client"), sport=443, dport=40_000), 17, src="203.0.113.9", dst="10.0.0.7"
    )
    assert not engine.feed(0.0, 1, ether(answer))
    assert not engine.counters.weird


@pytest.mark.parametrize(
    "payload",
    [
        initial(crypto(0, HELLO), dcid=b"not the keys' id"),
        initial(crypto(0, HELLO))[:-1] + b"\0",
        initial(b"\x1f" + bytes(40)),
        initial(b"\x06\x00\xbf"),
        initial(b"\x02\x01\x00\xbf\xff\xff\xff"),
        initial(crypto(70_000, bytes(40))),
        initial(b"\x01" * 400),
    ],
)
def test_what_makes_no_sense_is_counted(payload: bytes) -> None:
    engine = Engine()
    assert not feed(engine, payload)
    assert engine.counters.weird == {"bad_quic": 1}


def test_a_hello_that_cannot_be_read_is_counted() -> None:
    engine = Engine()
    assert not feed(engine, initial(crypto(0, message(hello_body()[:50])) + bytes(40)))
    assert not feed(engine, initial(crypto(0, b"\2" + listed(bytes(50), 3))), sport=9)
    assert engine.counters.weird == {"bad_hello": 2}


def test_other_long_headers_are_let_be() -> None:
    engine = Engine()
    whole = initial(crypto(0, HELLO))
    others = [
        b"\xe0" + whole[1:],
        whole[:30],
        whole[:1] + b"\xff\0\0\x01" + whole[5:],
        b"\xc0" + V1[0],
        b"\x40" + whole[1:],
    ]
    assert not feed(engine, *others)
    assert not engine.counters.weird


def test_versions_are_told_by_four_bytes() -> None:
    assert {V1[0], V2[0], b"\xff\0\0\x1d"} <= VERSIONS.keys()
    assert {len(version) for version in VERSIONS} == {4}


def test_connections_are_bounded() -> None:
    engine = Engine(Limits(streams=5, quic_packets=3))
    for port in range(50):
        feed(engine, initial(crypto(0, HELLO[:300])), sport=port)
    assert engine.counters.weird == {"streams_evicted": 45}
    feed(engine, *[initial(crypto(9, HELLO[9:30]), number=n) for n in range(9)], sport=99)
    assert engine.counters.weird["bad_quic"] >= 1
    engine.expire(100.0)
    assert not engine._quic._open
    assert engine._quic._open._bytes == 0


@given(st.binary(max_size=80), st.integers(0, 1_300), st.integers(0, 255))
def test_no_bytes_raise(data: bytes, at: int, byte: int) -> None:
    whole = initial(crypto(0, HELLO))
    feed(
        Engine(),
        initial(data + bytes(4)),
        b"\xc0" + V1[0] + data,
        whole[:at],
        whole[:at] + bytes((byte,)) + whole[at + 1 :],
    )


def test_the_second_hello_after_a_retry_request_goes_on_where_the_first_ended() -> None:
    engine = Engine()
    second = message(hello_body(b"api.example.com", extensions=alpn(b"h3")))
    chosen = b"by-server"
    rows = feed(
        engine,
        initial(crypto(0, HELLO)),
        initial(b"\x02\0\0\0\0" + bytes(90), number=1, dcid=chosen),  # an acknowledgement
        initial(crypto(len(HELLO) + 60, second[60:]), number=2, dcid=chosen),
        initial(crypto(len(HELLO), second[:60]), number=3, dcid=chosen),
        initial(crypto(len(HELLO), second), number=4, dcid=chosen),
    )
    assert [(row.server_name, row.notes) for row in rows] == [
        ("api.example.com", ()),
        ("api.example.com", ("hello_retry",)),
    ]
    assert not engine.counters.weird
    assert not engine._quic._open
    assert not engine._quic._kept


def test_keys_kept_for_a_second_hello_are_few_and_short() -> None:
    engine = Engine(Limits(quic_kept=3))
    for port in range(9):
        feed(engine, initial(crypto(0, HELLO)), sport=40_000 + port)
    assert len(engine._quic._kept) == 3
    engine.expire(1e9)
    assert not engine._quic._kept
