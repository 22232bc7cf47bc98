"""Answers count where their question was seen: same ends, ports, identifier and name, and not long ago."""

import struct

import pytest
from discovery_frames import CLIENT, SERVER, ether, ip, listed, query, tcp, udp

from discovery.dns_asked import ASKED_S, MAX_ASKED, Asked
from discovery.engine import Engine

FLOW, NAME = b"ends and ports", "api.example.com"


def reply(name: bytes = b"api.example.com", ident: int = 7) -> bytes:
    """An answer with one address."""
    asked = query(name)[12:]
    head = struct.pack(">HHHHHH", ident, 0x8180, 1, 1, 0, 0)
    return head + asked + b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 300, 4) + bytes((203, 0, 113, 7))


def answer(message: bytes, *, src: str = SERVER, dst: str = CLIENT, sport: int = 53, dport: int = 40_000) -> bytes:
    return ether(ip(udp(message, sport=sport, dport=dport), 17, src=src, dst=dst))


def question(name: bytes = b"api.example.com", **ends: str) -> bytes:
    return ether(ip(udp(query(name), sport=40_000, dport=53), 17, **ends))


def notes(*frames: bytes, gap: float = 0.0) -> tuple[list[tuple[str, ...]], dict[str, int]]:
    """What is noted of each answer, and what is counted."""
    engine = Engine()
    rows = [row for number, frame in enumerate(frames) for row in engine.feed(number * gap, 1, frame)]
    return [row.notes for row in rows if row.kind == "dns_answer"], dict(engine.counters.weird)


def test_an_answer_to_a_question_counts():
    assert notes(question(), answer(reply())) == ([()], {})
    assert notes(question(b"API.example.com"), answer(reply(b"api.EXAMPLE.com"))) == ([()], {}), "mixed on purpose"
    assert notes(question(), answer(reply()), answer(reply())) == ([(), ()], {})


@pytest.mark.parametrize(
    "frame",
    [
        answer(reply(ident=8)),
        answer(reply(), dport=40_001),
        answer(reply(), dst="10.0.0.8"),
        answer(reply(), src="203.0.113.10"),
        answer(reply(b"other.example.com")),
        answer(reply(), sport=40_001, dport=53),
    ],
    ids=["identifier", "port", "client", "resolver", "name", "to the port of resolvers"],
)
def test_an_answer_that_nobody_asked_for_is_told_noted_and_counted(frame):
    assert notes(question(), frame) == ([("unasked",)], {"unasked_answer": 1})


def test_a_question_is_answered_within_its_time():
    assert notes(question(), answer(reply()), gap=ASKED_S) == ([()], {})
    assert notes(question(), answer(reply()), gap=ASKED_S + 1) == ([("unasked",)], {"unasked_answer": 1})


def test_of_a_capture_that_begins_in_the_middle_the_answer_is_told():
    assert notes(answer(reply())) == ([("unasked",)], {"unasked_answer": 1})


def test_what_the_local_link_tells_is_noted_as_such_and_not_counted():
    assert notes(answer(reply(), sport=5353, dport=5353)) == ([("mdns",)], {})
    assert notes(answer(reply(), sport=5355)) == ([("llmnr",)], {})


@pytest.mark.parametrize(("name", "noted"), [(b"api.example.com", ()), (b"other.example", ("unasked",))])
def test_over_tcp_the_name_has_to_be_the_one_asked_for(name, noted):
    head = struct.pack(">HHIIBBHHH", 40_000, 53, 1, 900, 0x50, 0x18, 0, 0, 0)
    back = ether(ip(tcp(listed(reply(name)), seq=900, sport=53, dport=40_000), 6, src=SERVER, dst=CLIENT))
    assert notes(ether(ip(head + listed(query(b"api.example.com")), 6)), back)[0] == [noted]


def test_the_memory_is_bounded_and_forgets():
    asked = Asked(limit=2)
    asked.note(0, FLOW, b"", ["a", "b", "c"])
    assert [asked.knows(0, FLOW, b"", name) for name in "abc"] == [False, True, True]
    asked.expire(ASKED_S + 1)
    assert len(asked) == 0
    assert MAX_ASKED < 100_000
    assert not Asked().knows(0, FLOW, b"", NAME)
