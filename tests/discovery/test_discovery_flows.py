"""Sizes of connections from SYN, FIN and RST: whatever the numbers, orders and repetitions."""

import struct
from ipaddress import ip_address

import pytest
from discovery_frames import CLIENT, SERVER, ip
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.names import ObservationKind
from discovery import flows as sizes
from discovery.flows import ACK, FIN, MAX_BYTES, RST, SYN, Flows
from discovery.report import check

TOP = 1 << 32


class Wire:
    """A connection between two ends whose segments are given to the table."""

    def __init__(self, up=1000, down=5000, sport=40_000, client=CLIENT, server=SERVER, table=None):
        self.table = Flows() if table is None else table
        self.ends, self.sport = (client, server), sport
        self.numbers = [up % TOP, down % TOP]
        self.now = 100.0

    def send(self, side, flags, payload=b"", *, ack=True, seq=None):
        """One segment of `side` (0: who began it); the numbers go on."""
        flags |= ACK if ack else 0
        ports = (self.sport, 443) if side == 0 else (443, self.sport)
        own = self.numbers[side] if seq is None else seq
        acked = self.numbers[1 - side] if ack else 0
        head = struct.pack(">HHIIBBHHH", *ports, own % TOP, acked % TOP, 0x50, flags, 0, 0, 0)
        src, dst = self.ends if side == 0 else self.ends[::-1]
        packet = ip(head + payload, 6, src=src, dst=dst)
        at = 20 if packet[0] >> 4 == 4 else 40
        first = at - 8 if at == 20 else at - 32
        self.now += 1
        found = self.table.take(self.now, (packet, 6, first, at, at, len(packet)), flags, own % TOP, acked % TOP)
        if seq is None:
            self.numbers[side] = (own + len(payload) + bool(flags & (SYN | FIN))) % TOP
        return found

    def open(self):
        assert self.send(0, SYN, ack=False) is None
        assert self.send(1, SYN) is None
        return self

    def moved(self, up, down):
        """Data that the table does not see."""
        self.numbers = [(self.numbers[0] + up) % TOP, (self.numbers[1] + down) % TOP]
        return self


def told(found):
    return found.bytes_up, found.bytes_down, found.ended, found.at_least


@pytest.mark.parametrize(("client", "server"), [(CLIENT, SERVER), ("2001:db8::7", "2001:db8::9")], ids=["v4", "v6"])
def test_two_fins_tell_the_bytes_of_both_ways(client, server):
    wire = Wire(client=client, server=server).open().moved(1234, 56_789)
    assert wire.send(0, FIN) is None
    found = wire.send(1, FIN)
    assert told(found) == (1234, 56_789, "fin", False)
    assert (found.src, found.sport, found.dst, found.dport) == (client, 40_000, server, 443)
    assert (found.kind, found.seconds, found.ts) == (ObservationKind.FLOW, 3.0, 104.0)
    assert len(wire.table) == 0
    assert wire.send(0, ACK) is None
    assert wire.send(1, FIN, seq=wire.numbers[1] - 1) is None, "what comes again is not told again"


@given(
    st.integers(0, TOP - 1),
    st.integers(0, TOP - 1),
    st.integers(0, TOP - (1 << 21)),
    st.integers(0, TOP - (1 << 21)),
    st.lists(st.sampled_from(["syn", "synack", "fin"]), max_size=4),
    st.booleans(),
    st.binary(max_size=40),
)
def test_any_numbers_wrapped_or_repeated_give_the_bytes(first_up, first_down, up, down, again, server_first, last):
    wire = Wire(first_up, first_down)
    assert wire.send(0, SYN, ack=False) is None
    if "syn" in again:
        assert wire.send(0, SYN, ack=False, seq=first_up) is None
    assert wire.send(1, SYN) is None
    if "synack" in again:
        assert wire.send(1, SYN, seq=first_down) is None
    wire.moved(up, down)
    one, other = (1, 0) if server_first else (0, 1)
    assert wire.send(one, FIN, last) is None
    if "fin" in again:
        assert wire.send(one, FIN, last, seq=wire.numbers[one] - 1 - len(last)) is None
    found = wire.send(other, FIN)
    sizes_told = (up, down + len(last)) if server_first else (up + len(last), down)
    assert told(found) == (*sizes_told, "fin", False)


def test_a_reset_ends_it_and_says_what_it_can():
    wire = Wire().open().moved(10, 20)
    assert told(wire.send(0, RST)) == (10, 20, "rst", False)
    wire = Wire().open().moved(10, 20)
    assert told(wire.send(0, RST, ack=False)) == (10, 0, "rst", True), "the other way is not known"
    wire = Wire().open().moved(10, 20)
    assert wire.send(1, FIN) is None
    assert told(wire.send(0, RST, ack=False)) == (10, 20, "rst", False), "the other way had ended"


def test_forged_numbers_tell_no_more_bytes_than_a_report_may_hold():
    wire = Wire().open()
    assert wire.send(0, FIN) is None
    far = TOP - (1 << 22)
    for _ in range(MAX_BYTES // far + 2):  # each acknowledges gigabytes that nobody sent
        wire.moved(0, far).send(0, FIN, seq=wire.numbers[0] - 1)
    (found,) = wire.table.drain()
    assert found.bytes_down == MAX_BYTES
    check(found)


def test_a_fin_is_no_byte_in_whatever_order_it_comes():
    wire = Wire().open().moved(10, 20)
    wire.send(0, FIN)
    assert told(wire.send(0, RST)) == (10, 20, "rst", False), "the reset stands behind the FIN"
    wire = Wire().open().moved(10, 20)
    fin = wire.numbers[1]
    wire.numbers[1] += 1
    assert wire.send(0, FIN) is None, "it acknowledges a FIN that comes later"
    assert told(wire.send(1, FIN, seq=fin)) == (10, 20, "fin", False)
    wire = Wire().open().moved(10, 20)
    wire.send(0, 0)
    assert told(wire.send(0, RST, seq=wire.numbers[0] - 5)) == (10, 20, "rst", False), "a repetition"


def test_a_forged_reset_makes_no_gigabytes():
    wire = Wire().open().moved(10, 20)
    found = wire.send(0, RST, seq=wire.numbers[0] + (2 << 30), ack=False)
    assert told(found) == (0, 0, "rst", True)


def test_one_direction_alone_tells_that_direction():
    wire = Wire()
    wire.send(0, SYN, ack=False)
    wire.moved(77, 88)
    assert told(wire.send(0, FIN)) == (77, None, "fin", True)


def test_a_beginning_seen_from_its_answer_on_is_whole():
    wire = Wire(up=TOP - 1)
    wire.numbers[0] = 0
    assert wire.send(1, SYN) is None
    wire.moved(5, 6)
    wire.send(1, FIN)
    assert told(wire.send(0, FIN)) == (5, 6, "fin", False)


def test_what_began_before_is_not_told():
    wire = Wire()
    assert wire.send(0, FIN) is None
    assert wire.send(1, RST) is None
    assert len(wire.table) == 0


def test_used_ports_tell_the_old_connection_first():
    wire = Wire().open().moved(10, 20)
    wire.send(0, 0)
    found = wire.send(0, SYN, ack=False, seq=99)
    assert told(found) == (10, 20, "open", True)


def test_a_full_table_tells_its_oldest_and_a_flood_of_beginnings_drives_out_nobody():
    table = Flows(limit=3)
    kept = [Wire(sport=number, table=table).open() for number in range(1, 4)]
    for number in range(10_000, 10_000 + sizes.MAX_ASKED + 10):
        assert Wire(sport=number, table=table).send(0, SYN, ack=False) is None
    assert len(table) == 3
    fourth = Wire(sport=9, table=table)
    fourth.send(0, SYN, ack=False)
    assert fourth.send(1, SYN).sport == kept[0].sport
    assert len(table) == 3
    assert [one.sport for one in table.drain()] == [2, 3, 9]
    assert len(table) == 0


def test_silence_ends_it_as_open():
    table = Flows(seconds=50)
    wire = Wire(table=table).open()
    assert list(table.expire(wire.now + 50)) == []
    [found] = table.expire(wire.now + 51)
    assert told(found) == (0, 0, "open", True)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 255), st.integers(0, TOP - 1), st.integers(0, TOP - 1))))
def test_no_segment_harms_it(segments):
    wire = Wire()
    wire.open()
    for side, flags, seq, ack in segments:
        wire.numbers[1 - side] = ack
        found = wire.send(side, flags & ~ACK, b"x", seq=seq, ack=bool(flags & ACK))
        assert found is None or (found.bytes_up >= 0 and (found.bytes_down or 0) >= 0)


class TestFollowed:
    """Segments in between, as a second ring has them."""

    def follow(self, wire, side, payload=b""):
        """A segment of `side` with data, which the first ring does not have."""
        ports = struct.pack(">HH", *((wire.sport, 443) if side == 0 else (443, wire.sport)))
        packed = [ip_address(end).packed for end in (wire.ends if side == 0 else wire.ends[::-1])]
        back = packed[1] + packed[0] + ports[2:] + ports[:2]
        ways = packed[0] + packed[1] + ports, back
        wire.table.follow(wire.now, ways, wire.numbers[side], wire.numbers[1 - side], len(payload))
        wire.numbers[side] = (wire.numbers[side] + len(payload)) % TOP

    def test_a_connection_that_goes_on_is_told_now_and_then_with_all_of_its_bytes(self):
        wire = Wire(up=TOP - 100).open()
        self.follow(wire, 0, bytes(2000))
        self.follow(wire, 1, bytes(300))
        assert list(wire.table.expire(wire.now + sizes.FIRST_S - 1)) == []
        (found,) = wire.table.expire(wire.now + sizes.FIRST_S)
        assert (*told(found), found.notes) == (2000, 300, "open", True, ("goes_on",))
        assert list(wire.table.expire(wire.now + 1000)) == [], "nothing has been added"
        wire.now += 1000
        self.follow(wire, 1, bytes(50))
        assert list(wire.table.expire(wire.now + sizes.FIRST_S)) == []
        (found,) = wire.table.expire(wire.now + sizes.AGAIN_S)
        assert told(found)[:2] == (2000, 350)

    def test_what_both_rings_have_counts_once(self):
        wire = Wire().open()
        for _ in range(3):
            self.follow(wire, 0, b"x" * 10)
            wire.numbers[0] -= 10
        self.follow(wire, 0, b"x" * 10)
        wire.send(0, FIN)
        found = wire.send(1, FIN)
        assert (*told(found), found.notes) == (10, 0, "fin", False, ())
        assert list(wire.table.expire(wire.now + 1000)) == [], "what has ended does not go on"

    def test_what_is_not_known_stays_unknown(self):
        wire = Wire()
        self.follow(wire, 0, b"x" * 10)
        assert len(wire.table) == 0
        assert list(wire.table.expire(wire.now + 1000)) == []

    def test_the_bytes_behind_a_hello_are_a_question(self):
        wire = Wire(up=TOP - 3).open()
        key = ip_address(CLIENT).packed + ip_address(SERVER).packed + struct.pack(">HH", wire.sport, 443)
        assert wire.table.asked(key) == 0
        wire.table.spoke(key, wire.numbers[0] + 517)
        wire.moved(517, 0)
        self.follow(wire, 1, b"x")
        assert wire.table.asked(key) == 0
        self.follow(wire, 0, bytes(1500))
        assert wire.table.asked(key) == 1500
        wire.table.spoke(key, wire.numbers[0])
        assert wire.table.asked(key) == 1500, "the first hello"


def _greeted(*sent, ended):
    """A connection with a hello, what the client says then, and its end as noted."""
    wire = Wire().open().moved(500, 3_000)
    key = ip_address(CLIENT).packed + ip_address(SERVER).packed + struct.pack(">HH", 40_000, 443)
    wire.table.greeted(key, wire.numbers[0])
    for size in sent:
        wire.moved(size, 0)
    found = wire.send(0, ended)
    if ended == FIN:
        found = wire.send(1, FIN)
    return found.notes


@pytest.mark.parametrize(
    ("sent", "noted"),
    [
        ((), ("left_early",)),
        ((7,), ("left_early",)),  # an alert in clear
        ((30,), ("left_early",)),  # a change of cipher spec and a sealed alert
        ((58,), ("left_early",)),  # the end of a handshake, by SHA-256
        ((126, 31), ("left_early",)),  # that of TLS 1.2, and a sealed alert
        ((64, 300), ()),
    ],
)
@pytest.mark.parametrize("ended", [FIN, RST])
def test_a_client_that_asks_for_nothing_after_its_hello_has_left_early(sent, noted, ended):
    assert _greeted(*sent, ended=ended) == noted


def test_without_a_hello_and_without_an_end_nobody_has_left_early():
    wire = Wire().open()
    wire.send(0, FIN)
    assert wire.send(1, FIN).notes == ()
    wire = Wire().open()
    wire.table.greeted(ip_address(CLIENT).packed + ip_address(SERVER).packed + struct.pack(">HH", 40_000, 443), 1_001)
    assert [one.notes for one in wire.table.drain()] == [()]
