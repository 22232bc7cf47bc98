"""Questions over UDP, TCP and multicast, and messages that try to mislead."""

import base64
import struct

import pytest
from discovery_frames import datagram, listed, query, segment
from hypothesis import given
from hypothesis import strategies as st

from discovery.dns import PORTS, Question, in_path, plausible, questions
from discovery.engine import Engine


def raw(name: bytes, count: int = 1, flags: int = 0x0100) -> bytes:
    return struct.pack(">HHHHHH", 7, flags, count, 0, 0, 0) + name


TYPE = b"\0\1\0\1"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"\x03API\x07Example\x03com\0", "API.Example.com"),
        (b"\0", "."),
        (b"\x04a.b\\\0", "a\\.b\\\\"),
        (b"\x03a\x1bb\x01\xff\0", "a\\027b.\\255"),
        (b"\x0bGomez's Mac\x05_http\x04_tcp\0", "Gomez's Mac._http._tcp"),
        (listed("büro".encode(), 1) + b"\0", "büro"),
        (listed("b\u202eo".encode(), 1) + b"\0", "b\\226\\128\\174o"),
        (b"\x05[red]\0", "[red]"),
        ((b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0", ".".join(["a" * 63] * 3 + ["a" * 61])),
    ],
)
def test_names_are_shown_with_escapes(name: bytes, shown: str) -> None:
    assert questions(raw(name + TYPE)) == [shown]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        raw(b"")[:11],
        raw(b""),
        raw(b"\x03abc\0"),
        raw(b"\x03abc\0" + TYPE[:3]),
        raw(b"\x03abc"),
        raw(b"\x09abc\0" + TYPE),
        raw(b"\x40abc\0" + TYPE),
        raw(b"\x80abc\0" + TYPE),
        raw(b"\xc0"),
        raw(b"\xc0\x0c" + TYPE),
        raw(b"\xc0\x0e" + TYPE + b"\xc0\x0c"),
        raw(b"\x01a\xc0\x0c" + TYPE),
        raw(b"\xff\xff" + TYPE),
        raw((b"\x3f" + b"a" * 63) * 4 + b"\0" + TYPE),
        raw(b"\x01a\0" + TYPE, count=2),
        raw((b"\x01a\0" + TYPE) * 513, count=513),
        raw(b"\x01a" * 100 + b"\0" + TYPE + (b"\xc0\x0c" + TYPE) * 20, count=21),  # more labels than bytes
    ],
)
def test_what_cannot_be_read_is_counted(message: bytes) -> None:
    assert questions(message) is None
    engine = Engine()
    assert not engine.feed(0.0, 1, datagram(message, dport=5353))
    assert engine.counters.weird == {"bad_dns": 1}


def test_pointers_lead_backwards_a_few_times() -> None:
    chain = b"\x01a\0" + TYPE + b"\x01b\xc0\x0c" + TYPE + b"\x01c\xc0\x13" + TYPE
    assert questions(raw(chain, count=3)) == ["a", "b.a", "c.b.a"]
    links = b"\0" + b"".join(b"\xc0" + bytes((at,)) for at in (12, *range(13, 60, 2)))
    assert questions(raw(links[:1] + TYPE + links[1:] + TYPE)) == ["."]
    deep = bytearray(raw(b"\0" + TYPE, count=30))
    last = 12
    for _ in range(29):
        here = len(deep)
        deep += b"\xc0" + bytes((last,)) + TYPE
        last = here
    assert questions(bytes(deep)) is None


def test_a_device_that_wakes_asks_for_many_names() -> None:
    names = [f"printer-{number}.local" for number in range(240)]
    questions_ = b"".join(listed(f"printer-{number}".encode(), 1) + b"\x05local\0" + TYPE for number in range(240))
    assert questions(raw(questions_, count=240)) == names


@pytest.mark.parametrize("flags", [0x8000, 0x8180, 0x2800, 0x1000, 0x7800])
def test_answers_and_other_opcodes_are_no_questions(flags: int) -> None:
    assert questions(query(b"a.example", flags=flags)) == []


@pytest.mark.parametrize(("port", "kind"), PORTS.items())
def test_each_port_has_its_kind_and_each_question_its_row(port: int, kind: str) -> None:
    rows = Engine().feed(2.5, 1, datagram(query(b"a.example", b"b.example"), dport=port))
    assert [(row.kind.value, row.server_name, row.transport.value, row.ts) for row in rows] == [
        (kind, "a.example", "udp", 2.5),
        (kind, "b.example", "udp", 2.5),
    ]


def test_over_tcp() -> None:
    engine = Engine()
    rows = engine.feed(0.0, 1, segment(listed(query(b"a.example")) + listed(query(b"b.example")), dport=53))
    assert [(row.kind.value, row.server_name, row.transport.value) for row in rows] == [
        ("dns", "a.example", "tcp"),
        ("dns", "b.example", "tcp"),
    ]
    assert not engine.feed(0.0, 1, segment(listed(query(b"a.example", flags=0x8180)), dport=53, sport=2))
    assert not engine.feed(0.0, 1, segment(listed(raw(b"\xc0\x0c" + TYPE)), dport=53, sport=3))
    assert not engine.feed(0.0, 1, segment(b"\x20\0" + query(b"a.example") + bytes(9_000), dport=53, sport=4))
    assert engine.counters.weird == {"bad_dns": 1}


def test_what_may_begin_a_query() -> None:
    whole = listed(query(b"a.example"))
    assert all(plausible(whole[:size]) for size in range(1, len(whole)))
    assert not plausible(listed(query(b"a.example", flags=0x8180)))
    assert not plausible(b"\0\0" + bytes(20))
    assert not plausible(listed(query()))


@given(st.binary(max_size=120))
def test_no_bytes_raise(data: bytes) -> None:
    for message in (data, raw(data, count=3)):
        names = questions(message)
        assert names is None or all(name.isprintable() for name in names)


def test_a_question_over_http_in_clear_stands_in_the_path() -> None:
    coded = base64.urlsafe_b64encode(query(b"www.example.com")).decode().rstrip("=")
    assert in_path(f"/dns-query?dns={coded}") == [Question("www.example.com", ("doh",))]
    engine = Engine()
    frame = segment(f"GET /dns-query?dns={coded} HTTP/1.1\r\nHost: dns.example\r\n\r\n".encode(), dport=8_053)
    rows = engine.feed(0.0, 1, frame)
    assert [(row.kind.value, row.name, row.notes) for row in rows] == [
        ("http", "dns.example", ()),
        ("dns", "www.example.com", ("doh",)),
    ]


@pytest.mark.parametrize(
    "path", ["/", "/dns-query?dns=", "/dns-query?dns=%%%", "/dns-query?dns=\u00fc", "/dns-query?dns=AAAA"]
)
def test_what_is_no_question_in_a_path_is_none(path: str) -> None:
    assert in_path(path) == []


@pytest.mark.parametrize(("port", "told"), [(53, 16), (5353, 128), (5355, 16)])
def test_of_many_names_the_first_are_told_and_the_rest_is_counted(port: int, told: int) -> None:
    first = b"\x03abc\x05local\0" + TYPE + b"\x01a\xc0\x0c" + TYPE
    message = raw(first + (b"\xc0\x0c" + TYPE) * 498, count=500)
    engine = Engine()
    rows = engine.feed(0.0, 1, datagram(message, sport=port, dport=port))
    assert [row.server_name for row in rows] == ["abc.local", "a.abc.local", *["abc.local"] * (told - 2)]
    assert engine.counters.weird == {"names_unread": 1}
