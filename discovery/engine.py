"""The parsers as one machine: captured frames in, observations out, in the order of the capture.

Rules: no I/O, no clock but that of the packets; nothing that the wire holds raises to the caller, and what is not read
is counted. A segment that begins nothing and belongs to nothing open returns before any row, object or copy is made.
"""

from collections.abc import Container, Sequence
from struct import Struct

from appliance.model.names import Transport
from appliance.model.observation import Observation
from discovery import dns, dns_answers, followed, gquic, quic, tunnels
from discovery.beginnings import DNS_PORT, FIRST_BYTES, Item
from discovery.cadence import Cadence, records_of
from discovery.decode import ETHERNET, TCP, UDP, Decoder, Place
from discovery.dns_asked import Asked
from discovery.dtls import Dtls
from discovery.flows import TELLING, Flows
from discovery.hello import ClientHello
from discovery.limits import Counters, Limits, Tally, Weird
from discovery.neighbours import PORTS as HOST_PORTS
from discovery.neighbours import Neighbours
from discovery.notes import Note
from discovery.quic_packets import VERSIONS as QUIC_VERSIONS
from discovery.rows import ANSWERED, ends_of, row
from discovery.streams import Streams, turned

_TCP = Struct(">HHIxxxxBB").unpack_from  # ports, sequence number, data offset, flags
_UDP = Struct(">HHH").unpack_from  # ports, length
_PLAIN = Struct(">12xHBxHxxHxB12xH8xBB").unpack_from  # EtherType to protocol, then port, data offset, flags
_PLAIN_SIZE = 54  # Ethernet, IPv4, TCP, no options
_IPV4, _NO_OPTIONS = 0x0800, 0x45
_TCP_SIZE, _UDP_SIZE = 20, 8
_SYN, _SYN_ACK = 0x02, 0x12
_NUMBERS = Struct(">2xHII").unpack_from  # port, sequence number, the number that is acknowledged
_DTLS = b"\x16\xfe"
_DNS = DNS_PORT.to_bytes(2)
_NAME_PORTS = frozenset(dns.PORTS)
_LOCAL_PORTS = _NAME_PORTS - {DNS_PORT}
_UDP_PORTS = _NAME_PORTS | tunnels.UDP_PORTS.keys() | HOST_PORTS
_UDP_PAYLOAD = 42  # Ethernet, IPv4 without options, UDP
SEALED = 24  # bytes of a sealed alert, which begins like any other data
_DATA = 0x17
_NOTHING: tuple[Observation, ...] = ()
_OF_NOBODY: Place = (b"", 0, 0, 0, 0, 0)


class Engine:
    """One capture or one interface; not to be shared between threads."""

    def __init__(self, limits: Limits | None = None, *, cadence: bool = False, hosts: bool = False) -> None:
        limits = limits or Limits()
        self._tally = Tally()
        self._decoder = Decoder(limits, self._tally)
        self._streams = Streams(limits, self._tally)
        self._quic = quic.Quic(limits, self._tally)
        self._dtls = Dtls(limits, self._tally)
        self._asked = Asked()
        self._flows = Flows(limits.flows, limits.flow_seconds)
        self._cadence = Cadence(limits.written) if cadence else None
        self._neighbours = Neighbours() if hosts else None
        self._packets = 0
        self._observations = 0

    @property
    def waited_for(self) -> tuple[Container[bytes], Container[bytes]]:
        """Who has begun something that is not whole, and of whom something is expected: addresses and ports as sent."""
        return self._streams.open, self._streams.expected

    def left_aside(self, packets: int) -> None:
        """So many packets were not fed, because nothing would have come of it."""
        self._packets += packets

    @property
    def counters(self) -> Counters:
        """What was done so far."""
        weird = {word.value: count for word, count in self._tally.items() if count}
        return Counters(packets=self._packets, observations=self._observations, weird=weird)

    def feed(self, ts: float, linktype: int, data: bytes) -> Sequence[Observation]:
        """The rows that this frame completes; `ts` in epoch seconds, `linktype` as in a capture file (LINKTYPE_*)."""
        self._packets += 1
        place = self._plain(data) if linktype == ETHERNET else None
        if place is _OF_NOBODY:
            return _NOTHING
        try:
            if place is not None and self._cadence is None:
                rows = self._wanted(ts, place)
            else:
                place = self._decoder.locate(ts, linktype, data)
                if place is None:
                    return _NOTHING
                rows = self._tcp(ts, place) if place[1] == TCP else self._udp(ts, place)
            if rows and self._neighbours is not None and linktype == ETHERNET:
                met = self._neighbours.met(ts, data, place)
                rows = rows if met is None else [*rows, met]
        except Exception:  # noqa: BLE001 - the net below every parser: a fault of ours must not end the sensor
            self._tally[Weird.PARSER_FAULT] += 1
            return _NOTHING
        if rows:
            self._observations += len(rows)
        return rows

    def follow(self, ts: float, linktype: int, data: bytes) -> Sequence[Observation]:
        """A frame of the second ring: how far its connection has come. The first ring may have it, too: not counted."""
        try:
            segment = followed.segment(linktype, data)
            return _NOTHING if segment is None else self._followed(ts, segment)
        except Exception:  # noqa: BLE001 - as in `feed`
            self._tally[Weird.PARSER_FAULT] += 1
            return _NOTHING

    def _followed(self, ts: float, segment: followed.Segment) -> Sequence[Observation]:
        self._flows.follow(ts, (segment.there, segment.back), segment.seq, segment.ack, segment.length)
        if self._cadence is None or not segment.length:
            return _NOTHING
        sizes = records_of(segment.begins)
        if segment.dport < segment.sport:
            self._cadence.says(ts, segment.there, sizes, segment.length)
            return _NOTHING
        written = self._cadence.answers(ts, segment.back, sizes, self._flows.asked(segment.back))
        self._observations += written is not None
        return _NOTHING if written is None else [written]

    def expire(self, now: float) -> Sequence[Observation]:
        """Let go of what waits in vain; to be called now and then where packets may cease. `now` as `ts`.

        The connections of which nothing was heard for too long are told as open, and those that are followed now and
        then.
        """
        self._streams.expire(now)
        self._decoder.expire(now)
        self._quic.expire(now)
        self._dtls.expire(now)
        self._asked.expire(now)
        rows = self._flows.expire(now)
        self._observations += len(rows)
        return rows

    def _plain(self, data: bytes) -> Place | None:  # noqa: PLR0911 - asked of every packet: the quickest answer first
        """Where the head of a whole packet in plain IPv4 is; None: it is none, or may hold a tunnel.

        `_OF_NOBODY` for what `_tcp` or `_udp` would leave aside: most packets are.
        """
        size = len(data)
        if size < _PLAIN_SIZE:
            return None
        kind, head, total, fragment, protocol, dport, offset, flags = _PLAIN(data)
        if protocol == UDP:
            if kind == _IPV4 and head == _NO_OPTIONS and not fragment & 0x3FFF and _is_data(data, total, dport):
                return _OF_NOBODY
            return None
        if kind != _IPV4 or head != _NO_OPTIONS or protocol != TCP or fragment & 0x3FFF:
            return None
        payload, end = 34 + ((offset >> 4) << 2), 14 + total
        if not _PLAIN_SIZE <= end <= size:
            return None
        if not flags & TELLING:
            if payload >= end:
                return _OF_NOBODY
            key = data[26:38]
            if not (
                data[payload] in FIRST_BYTES
                or key in self._streams.expected
                or key in self._streams.open
                or dport == DNS_PORT
                or (data[payload] == _DATA and (end - payload == SEALED or self._cadence is not None))
            ):
                return _OF_NOBODY
        return data, TCP, 26, 34, 34, end

    def _wanted(self, ts: float, place: Place) -> Sequence[Observation]:
        """`_tcp` of what `_plain` has looked at."""
        data = place[0]
        payload = 34 + ((data[46] >> 4) << 2)
        if data[47] & TELLING:
            return self._telling(ts, place, payload)
        return self._segment(ts, place, data[26:38], payload)

    def _tcp(self, ts: float, place: Place) -> Sequence[Observation]:
        data, _, address, address_end, at, end = place
        if end - at < _TCP_SIZE:
            self._tally[Weird.TRUNCATED] += 1
            return _NOTHING
        _, dport, _, offset, flags = _TCP(data, at)
        payload = at + ((offset >> 4) << 2)
        if flags & TELLING:
            return self._telling(ts, place, payload)
        if payload >= end:
            return _NOTHING
        if self._cadence is not None and data[payload] == _DATA and (written := self._cadence.take(ts, place, payload)):
            return [written]
        streams = self._streams
        key = data[address : at + 4] if address_end == at else data[address:address_end] + data[at : at + 4]
        if not (
            data[payload] in FIRST_BYTES
            or key in streams.open
            or key in streams.expected
            or dport == DNS_PORT
            or (end - payload == SEALED and data[payload] == _DATA)
        ):
            return _NOTHING
        return self._segment(ts, place, key, payload)

    def _telling(self, ts: float, place: Place, payload: int) -> Sequence[Observation]:
        """A segment that begins or ends a connection; it may hold data, too."""
        data, _, address, address_end, at, end = place
        _, seq, ack = _NUMBERS(data, at)
        flags = data[at + 13]
        flow = self._flows.take(ts, place, flags, seq, ack)
        key = data[address:address_end] + data[at : at + 4]
        if flags & _SYN_ACK == _SYN:
            self._streams.connecting(key, ts, seq)
        rows = self._segment(ts, place, key, payload) if payload < end else _NOTHING
        return rows if flow is None else [*rows, flow]

    def _segment(self, ts: float, place: Place, key: bytes, payload: int) -> Sequence[Observation]:
        """What a segment with data completes."""
        data, _, _, _, at, end = place
        dport, seq, ack = _NUMBERS(data, at)
        if data[at + 13] & _SYN:
            seq += 1  # TCP Fast Open: the SYN takes a number of its own
        items = self._streams.take(key, ts, seq, data[payload:end], dport)
        if not items:
            return _NOTHING
        if dport == DNS_PORT or key[-4:-2] == _DNS:
            self._heard(ts, place, b"", items)
        if type(items[-1]) in ANSWERED:
            self._flows.spoke(key, seq + end - payload)
            if type(items[-1]) is ClientHello:
                self._flows.greeted(key, seq + end - payload)
            self._streams.answered(turned(key), ts, ack)
        return self._rows(ts, place, items, Transport.TCP)

    def _udp(self, ts: float, place: Place) -> Sequence[Observation]:
        data, _, _, _, at, end = place
        if end - at < _UDP_SIZE:
            self._tally[Weird.TRUNCATED] += 1
            return _NOTHING
        sport, dport, size = _UDP(data, at)
        payload = at + _UDP_SIZE
        if _UDP_SIZE <= size < end - at:
            end = at + size
        items: Sequence[Item]
        if dport in _NAME_PORTS or sport in _NAME_PORTS:
            items = _names(data[payload:end], dport)
            if sport not in _LOCAL_PORTS:  # on the local link everybody tells unasked, and nobody is believed
                self._heard(ts, place, data[payload : payload + 2], items)
        elif data[payload + 1 : payload + 5] in QUIC_VERSIONS and data[payload] & 0xC0 == 0xC0:  # noqa: PLR2004 - a long header
            items = self._quic.take(*_both_ways(place), ts, data[payload:end])
        elif data[payload : payload + 2] == _DTLS:
            items = self._dtls.take(_both_ways(place)[0], ts, data[payload:end])
        elif gquic.VERSION in data[payload + 1 : payload + 12]:
            items = self._quic.old(_both_ways(place)[0], ts, data[payload:end])
        elif dport in HOST_PORTS and self._neighbours is not None:
            told = self._neighbours.told(ts, place, data[payload:end])
            return _NOTHING if told is None else [told]
        else:
            return _NOTHING
        return self._rows(ts, place, items, Transport.UDP) if items else _NOTHING

    def _heard(self, ts: float, place: Place, identifier: bytes, items: Sequence[Item]) -> None:
        """Remember questions of DNS; an answer that nobody was seen to ask for is counted, and noted as such."""
        there, back = _both_ways(place)
        for item in items:
            if type(item) is dns.Question:
                self._asked.note(ts, there, identifier, (item.name,))
            elif type(item) is dns_answers.Answer and not self._asked.knows(ts, back, identifier, item.name):
                self._tally[Weird.UNASKED_ANSWER] += 1
                item.notes += (Note.UNASKED.value,)

    def _rows(self, ts: float, place: Place, items: Sequence[Item], transport: Transport) -> Sequence[Observation]:
        """Observations from what was found; what is weird is counted."""
        ends = ends_of(ts, place, transport)
        rows = []
        for item in items:
            if isinstance(item, Weird):
                self._tally[item] += 1
            else:
                rows.append(row(ends, item))
        return rows


def _is_data(data: bytes, total: int, dport: int) -> bool:
    """Whether a datagram in plain IPv4 of `total` bytes is whole and begins nothing: QUIC's data, mostly."""
    return (
        _UDP_PAYLOAD <= 14 + total <= len(data)
        and dport not in _UDP_PORTS
        and (data[34] << 8 | data[35]) not in _NAME_PORTS
        and data[_UDP_PAYLOAD + 1 : _UDP_PAYLOAD + 5] not in QUIC_VERSIONS
        and data[_UDP_PAYLOAD : _UDP_PAYLOAD + 2] != _DTLS
        and data.find(gquic.VERSION, _UDP_PAYLOAD + 1, _UDP_PAYLOAD + 12) < 0
    )


def _names(message: bytes, dport: int) -> Sequence[Item]:
    """Questions towards a port of names, and answers; `dport` is where this one was sent to."""
    if dns_answers.is_answer(message):
        answer = dns_answers.answer(message)
        return () if answer is None else (answer,)
    if dport not in _NAME_PORTS:
        return ()
    most = dns.MOST[dport]
    names = dns.questions(message, most)
    if not names:
        return () if names is not None else (Weird.BAD_DNS,)
    asked: list[Item] = [dns.Question(name) for name in names]
    return [*asked, Weird.NAMES_UNREAD] if dns.asks_more(message, most) else asked


def _both_ways(place: Place) -> tuple[bytes, bytes]:
    """What tells a flow, and the flow that answers it."""
    data, _, address, address_end, at, _ = place
    middle = (address + address_end) >> 1
    src, dst = data[address:middle], data[middle:address_end]
    return src + dst + data[at : at + 4], dst + src + data[at + 2 : at + 4] + data[at : at + 2]
