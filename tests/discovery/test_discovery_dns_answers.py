"""Answers of DNS: addresses, aliases, service records, over UDP, TCP and multicast; and messages that mislead."""

import struct
from socket import AF_INET, AF_INET6, inet_pton

import pytest
from discovery_frames import CLIENT, SERVER, ether, ip, listed, query, tcp, udp
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.observation import Observation
from discovery import dns_answers
from discovery.dns_answers import Answer, answer, is_answer
from discovery.engine import Engine
from discovery.limits import Weird

SELF = b"\xc0\x0c"  # a pointer to the first question


def wire(name: bytes) -> bytes:
    return b"".join(listed(part, 1) for part in name.split(b".") if part) + b"\0"


def record(kind: int, data: bytes, *, ttl: int = 300, owner: bytes = SELF) -> bytes:
    return owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def reply(*records: bytes, name: bytes = b"api.example.com", flags: int = 0x8180, asked: int = 1) -> bytes:
    question = wire(name) + b"\0\1\0\1"
    return struct.pack(">HHHHHH", 7, flags, asked, len(records), 0, 0) + question * asked + b"".join(records)


def a(address: str) -> bytes:
    return record(1, inet_pton(AF_INET, address))


def parameter(key: int, value: bytes) -> bytes:
    return struct.pack(">HH", key, len(value)) + value


def said(message: bytes, *, sport: int = 53, dport: int = 40_000) -> list[Observation]:
    engine = Engine()
    frame = ether(ip(udp(message, sport=sport, dport=dport), 17, src=SERVER, dst=CLIENT))
    rows = list(engine.feed(1.0, 1, frame))
    assert "parser_fault" not in engine.counters.weird
    return rows


def test_addresses_and_aliases_of_a_name() -> None:
    message = reply(
        record(5, wire(b"edge.example.net"), ttl=60),
        record(1, inet_pton(AF_INET, "203.0.113.7"), owner=wire(b"edge.example.net")),
        record(28, inet_pton(AF_INET6, "2001:db8::7"), ttl=30),
        record(16, b"\x04text", ttl=1),
    )
    (row,) = said(message)
    assert (row.kind.value, row.src, row.sport, row.dst, row.dport) == ("dns_answer", SERVER, 53, CLIENT, 40_000)
    assert (row.server_name, row.addresses, row.aliases) == (
        "api.example.com",
        ("203.0.113.7", "2001:db8::7"),
        ("edge.example.net",),
    )
    assert (row.ttl, row.notes) == (30, ("unasked",))


def test_a_service_record_tells_hints_and_a_sealed_hello() -> None:
    data = (
        b"\0\1\0"
        + parameter(1, b"\x02h3")
        + parameter(4, bytes(range(8)))
        + parameter(5, b"key")
        + parameter(6, bytes(16))
    )
    assert answer(reply(record(65, data))) == Answer("api.example.com", ("0.1.2.3", "4.5.6.7", "::"), (), 300, ("ech",))
    alias = b"\0\0" + wire(b"other.example")
    assert answer(reply(record(64, alias))) == Answer("api.example.com", (), ("other.example",), 300)


def _configs(name: bytes, *, version: int = 0xFE0D) -> bytes:
    """An ECHConfigList of one configuration (RFC 9849 section 4)."""
    contents = b"\x07\0\x20" + listed(bytes(32)) + listed(b"\0\1\0\1") + b"\x20" + listed(name, 1) + b"\0\0"
    return listed(version.to_bytes(2) + listed(contents))


@pytest.mark.parametrize(
    ("configs", "name"),
    [
        (_configs(b"Front.example"), "front.example"),
        (listed(b"\xfe\x0a\0\3abc" + _configs(b"front.example")[2:]), "front.example"),
        (_configs(b"front.example", version=0xFE0A), None),
        (_configs(b""), None),
        *((_configs(b"front.example")[:cut], None) for cut in range(58)),
        (b"key", None),
    ],
)
def test_the_front_of_a_sealed_hello_is_told(configs: bytes, name: str | None) -> None:
    found = answer(reply(record(65, b"\0\1\0" + parameter(5, configs))))
    assert isinstance(found, Answer)
    assert (found.front, found.notes) == (name, ("ech",))


@pytest.mark.parametrize(
    "message",
    [reply(), reply(a("1.2.3.4"), flags=0x8183), reply(a("1.2.3.4"), flags=0xA980), reply(record(16, b"\x01x"))],
    ids=["no records", "an error", "another opcode", "text only"],
)
def test_what_tells_no_address_is_no_row(message: bytes) -> None:
    assert answer(message) is None
    assert not said(message)


@pytest.mark.parametrize(
    "message",
    [
        b"\0\7\x81\x80",
        reply(a("1.2.3.4"))[:-1],
        reply(record(1, b"1234", owner=b"\xff\xff"))[:-6],
        reply(record(1, b"1234", owner=b"\x40a")),
        struct.pack(">HHHHHH", 7, 0x8180, 9_999, 1, 0, 0) + bytes(60),
    ],
)
def test_what_cannot_be_read_is_counted(message: bytes) -> None:
    assert answer(message) is Weird.BAD_DNS
    assert not said(message)


def test_an_answer_that_says_it_was_cut_keeps_what_is_there() -> None:
    message = reply(a("1.2.3.4"), a("1.2.3.5"), flags=0x8380)[:-5]
    assert answer(message) == Answer("api.example.com", ("1.2.3.4",), (), 300)


def test_tables_are_bounded_and_nothing_stands_twice() -> None:
    many = answer(reply(*(a(f"10.0.0.{number % 50}") for number in range(127)), *(a("10.0.0.1"),)))
    assert isinstance(many, Answer)
    assert len(many.addresses) == len(set(many.addresses)) == 32
    names = answer(reply(*(record(5, wire(b"n%d.example" % number)) for number in range(40))))
    assert isinstance(names, Answer)
    assert names.aliases == tuple(f"n{number}.example" for number in range(16))


def test_multicast_and_local_answers_say_so() -> None:
    service = reply(
        record(12, wire(b"Ollama on box._http._tcp.local"), owner=wire(b"_http._tcp.local")),
        record(33, struct.pack(">HHH", 0, 0, 11_434) + wire(b"box.local"), owner=wire(b"x.local")),
        record(1, bytes((10, 0, 0, 9)), owner=wire(b"box.local")),
        asked=0,
        flags=0x8400,
    )
    (row,) = said(service, sport=5353, dport=5353)
    assert (row.kind.value, row.server_name, row.notes) == ("dns_answer", "_http._tcp.local", ("mdns",))
    assert row.aliases == ("Ollama on box._http._tcp.local", "box.local")
    assert row.addresses == ("10.0.0.9",)
    (row,) = said(reply(a("10.0.0.9"), flags=0x8000), sport=5355)
    assert row.notes == ("llmnr",)


@pytest.mark.parametrize("cut", [1, 2, 5, 30, 60])
def test_answers_over_tcp_in_pieces(cut: int) -> None:
    asked, told = listed(query(b"api.example.com")), listed(reply(a("203.0.113.7")))
    head = struct.pack(">HHIIBBHHH", 40_000, 53, 1, 900, 0x50, 0x18, 0, 0, 0)
    engine = Engine()
    frames = [ether(ip(head + asked, 6))]
    frames += [
        ether(ip(tcp(piece, seq=seq, sport=53, dport=40_000), 6, src=SERVER, dst=CLIENT))
        for seq, piece in ((900, told[:cut]), (900 + cut, told[cut:]))
    ]
    rows = [row for frame in frames for row in engine.feed(0.0, 1, frame)]
    assert [(row.kind.value, row.server_name) for row in rows] == [
        ("dns", "api.example.com"),
        ("dns_answer", "api.example.com"),
    ]
    assert not engine.counters.weird


WHOLE = reply(record(5, wire(b"edge.example.net")), a("203.0.113.7"), record(65, b"\0\1\0" + parameter(4, bytes(4))))


@given(place=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255), more=st.binary(max_size=40))
def test_damage_never_raises_and_stays_bounded(place: int, byte: int, more: bytes) -> None:
    for message in (WHOLE[:place], WHOLE[:place] + bytes((byte,)) + WHOLE[place + 1 :], WHOLE[:place] + more):
        is_answer(message)
        found = answer(message)
        if isinstance(found, Answer):
            assert len(found.name) <= 1_020
            assert len(found.addresses) <= 32


def test_pointers_that_repeat_a_name_cost_no_more_than_the_bound() -> None:
    deep = wire(b".".join([b"a"] * 120))
    message = struct.pack(">HHHHHH", 7, 0x8180, 0, 128, 0, 0) + record(5, SELF + b"", owner=deep) * 128
    assert answer(message) in {None, Weird.BAD_DNS} or isinstance(answer(message), Answer)


def _many(owner: bytes, count: int = 128) -> bytes:
    name = (b"\x3f" + b"\x01" * 63) * 3 + b"\0"
    head = struct.pack(">HHHHHH", 1, 0x8180, 1, count, 0, 0) + name + b"\0\5\0\1"
    alias = b"\x01%c\xc0\x0c"
    return head + b"".join(owner + b"\0\5\0\1\0\0\0\1\0\4" + alias % (97 + number % 26) for number in range(count))


@pytest.mark.parametrize("owner", [b"\xc0\x0c", b"\x01z\xc0\x0c", b"\x01z\0"])
def test_of_many_records_no_more_names_are_read_than_are_kept(owner, monkeypatch):
    read = []
    name_at = dns_answers.name_at

    def counting(message, at):
        read.append(at)
        return name_at(message, at)

    monkeypatch.setattr(dns_answers, "name_at", counting)
    found = dns_answers.answer(_many(owner))
    assert len(found.aliases) == dns_answers.MAX_ALIASES
    assert len(read) == 1 + dns_answers.MAX_ALIASES


@pytest.mark.parametrize("owner", [b"\x40z\0", b"\xbf", b"\x3f" + b"a" * 20])
def test_a_later_owner_that_is_no_name_makes_the_message_unreadable(owner):
    assert dns_answers.answer(_many(b"\xc0\x0c", 1)) is not None
    whole = bytearray(_many(b"\xc0\x0c", 1))
    whole[7] = 2
    assert dns_answers.answer(bytes(whole) + owner) is Weird.BAD_DNS
