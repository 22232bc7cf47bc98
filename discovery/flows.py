"""How large TCP connections were and how they ended, from the few segments that tell: SYN, FIN and RST.

Owns: the table of connections that have not ended. Rules: pure, time is that of the packets; a connection is known from
its SYN or its SYN-ACK on, what began before is not reported. Bytes are differences of sequence numbers (RFC 9293
section 3.4: modulo 2^32, a SYN and a FIN take one number each), so retransmissions cost nothing; of more than 4 GiB in
one direction the remainder is told unless segments in between are given, too. Connections that nobody answered are kept
apart, few and short: who floods with SYNs drives out no connection that exists, and is not reported. Connections that
are followed (segments in between are given to `follow`) are told while they go on, too: all of their bytes so far.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Final

from msgspec.structs import replace

from appliance.model.names import ObservationKind, Transport
from appliance.model.observation import Observation
from discovery.decode import Place
from discovery.held import Recent
from discovery.limits import Limits
from discovery.notes import Note
from discovery.text import address

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
ACK: Final = 0x10
TELLING: Final = FIN | SYN | RST  # what must be given to `Flows.take`; others may
MAX_ASKED: Final = 8_192  # connections that are not answered yet
ASKED_SECONDS: Final = 75.0  # as long as SYNs are repeated
FIRST_S, AGAIN_S = 10.0, 60.0  # after which a connection that goes on is told, if it is followed: first, and then
# Less than a client sends to finish a handshake and ask for something. Its end alone is up to 80 bytes in TLS 1.3 and
# 126 in TLS 1.2, an alert up to 31 more: many programs look at the certificate only after it, and leave.
ASKED_BYTES: Final = 160
MAX_BYTES: Final = (
    1 << 48
)  # told of one direction: forged numbers add gigabytes each, and the store has 63 bits for sums
MAX_GROWN: Final = 4_096  # connections that have grown and are to be told

_LIMITS: Final = Limits()
_MASK: Final = 0xFFFF_FFFF
_BEHIND: Final = 1 << 20  # what ends this little before the furthest is a repetition
_FAR: Final = 1 << 30  # a reset that claims to stand further ahead is not believed
_PORTS: Final = Struct(">HH").unpack_from


class _Way:
    """One direction: `base`, the number of its first byte (None: not seen), and how far it came."""

    __slots__ = ("base", "fin", "reached")

    def __init__(self, base: int | None) -> None:
        self.base, self.reached, self.fin = base, 0, False

    def reach(self, number: int, most: int = _MASK - _BEHIND) -> bool:
        """It came up to `number` at least; False where that is not believed, or nothing to count from is known."""
        if self.base is None:
            return False
        ahead = (number - self.base - self.reached) & _MASK
        if ahead >= _MASK - _BEHIND:
            return True  # said before
        if ahead > most:
            return False
        if not self.fin:
            self.reached += ahead
        return True

    def end(self, number: int) -> None:
        """Its FIN stands at `number`; an acknowledgement that came earlier took the FIN for one more byte."""
        if not self.fin and self.base is not None and (self.base + self.reached - number) & _MASK == 1:
            self.reached -= 1
        self.fin = True


class _Flow:
    """A connection, by the key of who began it."""

    __slots__ = ("down", "greeted", "last", "since", "spoken", "told", "up")

    def __init__(self, now: float, up: int, down: int | None) -> None:
        self.since = self.last = now
        self.up, self.down = _Way(up), _Way(down)
        self.spoken: int | None = None  # bytes up with which its hello was complete
        self.greeted: int | None = None  # bytes up with which its last ClientHello was complete
        self.told = False  # that it goes on


class Flows:
    """`take` every segment with a flag of `TELLING`; `expire` now and then, `drain` at the end."""

    def __init__(self, limit: int = _LIMITS.flows, seconds: float = _LIMITS.flow_seconds) -> None:
        self._flows: Recent[_Flow] = Recent(limit + 1, seconds)
        self._limit, self._seconds = limit, seconds
        self._asked: Recent[_Flow] = Recent(MAX_ASKED, ASKED_SECONDS)
        self._grown: dict[bytes, float] = {}  # followed connections that have moved, and when they are to be told

    def __len__(self) -> int:
        return len(self._flows)

    def take(self, now: float, place: Place, flags: int, seq: int, ack: int) -> Observation | None:
        """A connection that ended because of this segment, or that had to be told because there was no room."""
        data, _, address, address_end, at, end = place
        middle = (address + address_end) >> 1
        there = data[address : at + 4] if at == address_end else data[address:address_end] + data[at : at + 4]
        if flags & SYN and not flags & ACK:
            return self._asks(now, there, seq)
        back = data[middle:address_end] + data[address:middle] + data[at + 2 : at + 4] + data[at : at + 2]
        if flags & SYN:
            return self._began(now, back, seq, ack)
        flow, key, up = self._known(there, back)
        if flow is None:
            return None
        length = max(0, end - at - ((data[at + 12] >> 4) << 2))
        return self._moved(now, flow, key, up=up, segment=(flags, seq, ack, length))

    def expire(self, now: float) -> Sequence[Observation]:
        """Tell and forget what has said nothing for too long."""
        told = self._going_on(now)
        self._asked.expire(now)
        while self._flows:
            key, (last, flow) = next(iter(self._flows.items()))
            if now - last <= self._seconds:
                break
            del self._flows[key]
            told.append(_told(key, flow, "open", at_least=True))
        return told

    def spoke(self, key: bytes, number: int) -> None:
        """The client's hello or request on the connection `key` ends before the sequence number `number`."""
        found = self._flows.get(key) or self._asked.get(key)
        if found is not None and found[1].spoken is None and found[1].up.base is not None:
            found[1].spoken = (number - found[1].up.base) & _MASK

    def greeted(self, key: bytes, number: int) -> None:
        """A ClientHello on the connection `key` ends before the sequence number `number`."""
        found = self._flows.get(key) or self._asked.get(key)
        if found is not None and found[1].up.base is not None:
            found[1].greeted = (number - found[1].up.base) & _MASK

    def asked(self, key: bytes) -> int:
        """Bytes that the client has sent on `key` behind its hello, as far as is known."""
        found = self._flows.get(key)
        return 0 if found is None or found[1].spoken is None else max(0, found[1].up.reached - found[1].spoken)

    def follow(self, now: float, ways: tuple[bytes, bytes], seq: int, ack: int, length: int) -> None:
        """A segment in the middle of a connection; `ways`: its key as sent, and turned. What is unknown stays so.

        Seen before or not: sequence numbers say how far a connection has come, not how many segments.
        """
        there, back = ways
        key = there if there in self._flows else back
        if (noted := self._flows.get(key)) is None:
            return
        flow = noted[1]
        mine, other = (flow.up, flow.down) if key is there else (flow.down, flow.up)
        before = mine.reached + other.reached
        mine.reach((seq + length) & _MASK)
        _acknowledged(other, ack, _MASK - _BEHIND)
        if mine.reached + other.reached > before:
            flow.last = now
            self._flows.note(key, now, flow)
            if key not in self._grown and len(self._grown) < MAX_GROWN:
                self._grown[key] = now + (AGAIN_S if flow.told else FIRST_S)

    def _going_on(self, now: float) -> list[Observation]:
        """Connections that are followed, have grown, and whose time to be told has come."""
        told = []
        for key in [key for key, due in self._grown.items() if due <= now]:
            del self._grown[key]
            if (noted := self._flows.get(key)) is not None:
                noted[1].told = True
                told.append(replace(_told(key, noted[1], "open", at_least=True), notes=(Note.GOES_ON.value,)))
        return told

    def drain(self) -> Sequence[Observation]:
        """Tell everything that has not ended; nothing is known then."""
        told = [_told(key, flow, "open", at_least=True) for key, (_, flow) in self._flows.items()]
        self._flows.clear()
        self._asked.clear()
        self._grown.clear()
        return told

    def _began(self, now: float, back: bytes, seq: int, ack: int) -> Observation | None:
        """A SYN-ACK; `back`: the key of who asked."""
        asked = self._asked.pop(back, None)
        if asked is None and back in self._flows:
            return None  # once more
        flow = asked[1] if asked else _Flow(now, ack & _MASK, None)
        flow.down.base = (seq + 1) & _MASK
        return self._note(now, back, flow)

    def _asks(self, now: float, there: bytes, seq: int) -> Observation | None:
        """A SYN."""
        first = (seq + 1) & _MASK
        known = self._flows.get(there)
        if known is not None:
            if known[1].up.base == first:
                return None
            del self._flows[there]
            self._asked.note(there, now, _Flow(now, first, None))
            return _told(there, known[1], "open", at_least=True)  # its ports are used again
        asked = self._asked.get(there)
        if asked is None or asked[1].up.base != first:
            self._asked.note(there, now, _Flow(now, first, None))
        return None

    def _note(self, now: float, key: bytes, flow: _Flow) -> Observation | None:
        flow.last = now
        self._flows.note(key, now, flow)
        if len(self._flows) <= self._limit:
            return None
        oldest, (_, gone) = self._flows.popitem(last=False)
        return _told(oldest, gone, "open", at_least=True)

    def _known(self, there: bytes, back: bytes) -> tuple[_Flow | None, bytes, bool]:
        """The connection, its key, and whether the segment comes from who began it."""
        if (found := self._flows.get(there)) is not None:
            return found[1], there, True
        if (found := self._flows.get(back)) is not None:
            return found[1], back, False
        if (found := self._asked.get(there)) is not None:
            return found[1], there, True  # only one direction is seen here
        return None, b"", False

    def _moved(
        self, now: float, flow: _Flow, key: bytes, *, up: bool, segment: tuple[int, int, int, int]
    ) -> Observation | None:
        flags, seq, ack, length = segment
        mine, other = (flow.up, flow.down) if up else (flow.down, flow.up)
        sure = mine.reach((seq + length) & _MASK, _FAR if flags & RST else _MASK - _BEHIND)
        heard = bool(flags & ACK) and _acknowledged(other, ack, _FAR if flags & RST else _MASK - _BEHIND)
        if sure:
            flow.last = now
        if flags & RST:
            self._forget(key)
            whole = (sure or mine.fin) and (heard or other.fin)
            return _told(key, flow, "rst", at_least=not whole)
        if flags & FIN and sure:
            mine.end((seq + length) & _MASK)
            if other.fin or other.base is None:
                self._forget(key)
                return _told(key, flow, "fin", at_least=other.base is None)
        if key in self._flows:
            self._flows.note(key, now, flow)
        return None

    def _forget(self, key: bytes) -> None:
        self._flows.pop(key, None)
        self._asked.pop(key, None)


def _acknowledged(way: _Way, ack: int, most: int) -> bool:
    """That side has come as far as the other says it has; its FIN, once seen, is no byte."""
    return way.fin or way.reach(ack & _MASK, most)


def _told(key: bytes, flow: _Flow, ended: str, *, at_least: bool) -> Observation:
    size = (len(key) - 4) // 2
    sport, dport = _PORTS(key, 2 * size)
    return Observation(
        ts=flow.last,
        src=address(key[:size]),
        sport=sport,
        dst=address(key[size : 2 * size]),
        dport=dport,
        transport=Transport.TCP,
        kind=ObservationKind.FLOW,
        bytes_up=min(flow.up.reached, MAX_BYTES),
        bytes_down=None if flow.down.base is None else min(flow.down.reached, MAX_BYTES),
        seconds=max(0.0, flow.last - flow.since),
        ended=ended,
        at_least=at_least,
        notes=(Note.LEFT_EARLY.value,) if ended != "open" and _left_early(flow) else (),
    )


def _left_early(flow: _Flow) -> bool:
    """After its hello the client sent less than a request takes: the end of the handshake, an alert, or nothing."""
    return flow.greeted is not None and 0 <= flow.up.reached - flow.greeted < ASKED_BYTES
