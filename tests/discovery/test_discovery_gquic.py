"""Hellos of Google's QUIC: Q043 and Q046 in clear, Q050 sealed, and damage."""

import struct

import pytest
from discovery_frames import datagram, hello_body, message
from hypothesis import given
from hypothesis import strategies as st
from test_discovery_quic import crypto, sealed_by

from appliance.model.observation import Observation
from discovery import gquic
from discovery.engine import Engine
from discovery.limits import Weird
from discovery.quic_packets import VERSIONS


def chlo(name: bytes = b"docs.google.com", agent: bytes = b"Chrome/57.0 Linux") -> bytes:
    values = [(b"PAD\0", b"-" * 300), (b"SNI\0", name), (b"VER\0", b"Q043"), (b"UAID", agent)]
    index, end = b"", 0
    for tag, value in values:
        end += len(value)
        index += tag + struct.pack("<I", end)
    return b"CHLO" + struct.pack("<HH", len(values), 0) + index + b"".join(value for _, value in values)


def q043(body: bytes, *, flags: int = 0x09, frame: int = 0xA0) -> bytes:
    number = {0: 1, 1: 2, 2: 4, 3: 6}[flags >> 4 & 3]
    size = struct.pack(">H", len(body)) if frame & 0x20 else b""
    return bytes((flags,)) + b"server-i" + b"Q043" + bytes(number) + bytes(12) + bytes((frame, 1)) + size + body


def q046(body: bytes) -> bytes:
    return b"\xc3Q046\x50server-i\0\0\0\1" + bytes(12) + b"\xa0\1" + struct.pack(">H", len(body)) + body


def said(engine: Engine, *payloads: bytes) -> list[Observation]:
    rows = [row for each in payloads for row in engine.feed(0.0, 1, datagram(each, dport=443))]
    assert "parser_fault" not in engine.counters.weird
    return rows


@pytest.mark.parametrize(
    "payload",
    [
        q043(chlo()),
        q043(chlo(), flags=0x39),
        q043(chlo(), frame=0x80),
        q046(chlo()),
        sealed_by(b"Q050", crypto(0, chlo())),
    ],
    ids=["q043", "a longer number", "without a length", "q046", "q050"],
)
def test_a_hello_tells_name_and_program_once(payload: bytes) -> None:
    engine = Engine()
    (row,) = said(engine, payload, payload)
    assert (row.kind.value, row.server_name, row.user_agent, row.notes) == (
        "quic",
        "docs.google.com",
        "Chrome/57.0 Linux",
        ("gquic",),
    )
    assert (row.ja3, row.ja4) == (None, None)
    assert not engine.counters.weird


@pytest.mark.parametrize("version", [b"T050", b"T051"])
def test_google_s_versions_with_tls_are_read_as_tls(version: bytes) -> None:
    (row,) = said(Engine(), sealed_by(version, crypto(0, message(hello_body(b"a.example"))) + bytes(40)))
    assert (row.server_name, row.notes) == ("a.example", ())
    assert version in VERSIONS


def test_a_hello_without_a_name_says_so() -> None:
    (row,) = said(Engine(), q043(chlo(name=b"")))
    assert (row.server_name, row.notes) == (None, ("gquic", "no_sni"))


def test_what_is_no_hello_is_no_row() -> None:
    engine = Engine()
    assert not said(engine, q043(b"REJ\0" + bytes(40)), q043(chlo())[:30], b"\x09" + bytes(40), b"\x00Q043")
    assert not engine.counters.weird
    assert gquic.parse(b"CHLO\xff\xff\0\0") is Weird.BAD_HELLO
    assert gquic.parse(b"CHLO\2\0\0\0SNI\0\5\0\0\0UAID\1\0\0\0hello") is Weird.BAD_HELLO


@given(st.integers(0, 500), st.integers(0, 255), st.binary(max_size=60))
def test_nothing_raises(place: int, byte: int, more: bytes) -> None:
    for whole in (q043(chlo()), q046(chlo())):
        damaged = whole[:place] + bytes((byte,)) + whole[place + 1 :]
        said(Engine(), whole[:place], damaged, damaged[: place + 9] + more)
    gquic.parse(b"CHLO" + more)
    gquic.size(b"CHLO" + more)
