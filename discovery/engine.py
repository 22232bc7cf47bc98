"""The parsers as one machine: captured frames in, observations out, in the order of the capture.

Rules: no I/O, no clock but that of the packets; nothing that the wire holds raises to the caller, and what is not read
is counted. A segment that begins nothing and belongs to nothing open returns before any row, object or copy is made.
"""

from collections.abc import Sequence
from socket import AF_INET, AF_INET6, inet_ntop
from struct import Struct

from appliance.model.names import ObservationKind, Transport
from appliance.model.observation import Observation
from discovery import dns, dtls, ja, quic
from discovery.beginnings import DNS_PORT, FIRST_BYTES, Item, Question
from discovery.decode import TCP, Decoder, Place
from discovery.held import Recent
from discovery.hello import ClientHello
from discovery.http import Request
from discovery.limits import Counters, Limits, Tally, Weird
from discovery.streams import Streams
from discovery.text import printable

_TCP = Struct(">HHIxxxxBB").unpack_from  # ports, sequence number, data offset, flags
_UDP = Struct(">HHH").unpack_from  # ports, length
_TCP_SIZE, _UDP_SIZE = 20, 8
_SYN, _SYN_ACK = 0x02, 0x12
_PORTS = Struct(">HH").unpack_from
_ALPN_CHARS = 255
_DTLS, _DTLS_HANDSHAKE = b"\x16\xfe", 13
_NAME_KINDS = {port: ObservationKind(kind) for port, kind in dns.PORTS.items()}
_NOTHING: tuple[Observation, ...] = ()

type _Ends = tuple[str, int, str, int]


class Engine:
    """One capture or one interface; not to be shared between threads."""

    def __init__(self, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self._tally = Tally()
        self._decoder = Decoder(limits, self._tally)
        self._streams = Streams(limits, self._tally)
        self._quic = quic.Quic(limits, self._tally)
        self._datagrams: Recent[int] = Recent(limits.finished, limits.finished_seconds)  # a digest of DTLS's last hello
        self._packets = 0
        self._observations = 0

    @property
    def counters(self) -> Counters:
        """What was done so far."""
        weird = {word.value: count for word, count in self._tally.items() if count}
        return Counters(packets=self._packets, observations=self._observations, weird=weird)

    def feed(self, ts: float, linktype: int, data: bytes) -> Sequence[Observation]:
        """The rows that this frame completes; `ts` in epoch seconds, `linktype` as in a capture file (LINKTYPE_*)."""
        self._packets += 1
        try:
            place = self._decoder.locate(ts, linktype, data)
            if place is None:
                return _NOTHING
            rows = self._tcp(ts, place) if place[1] == TCP else self._udp(ts, place)
        except Exception:  # noqa: BLE001 - the net below every parser: a fault of ours must not end the sensor
            self._tally[Weird.PARSER_FAULT] += 1
            return _NOTHING
        if rows:
            self._observations += len(rows)
        return rows

    def expire(self, now: float) -> None:
        """Let go of what waits in vain; to be called now and then where packets may cease. `now` as `ts`."""
        self._streams.expire(now)
        self._decoder.expire(now)
        self._quic.expire(now)
        self._datagrams.expire(now)

    def _tcp(self, ts: float, place: Place) -> Sequence[Observation]:
        data, _, address, address_end, at, end = place
        if end - at < _TCP_SIZE:
            self._tally[Weird.TRUNCATED] += 1
            return _NOTHING
        _, dport, seq, offset, flags = _TCP(data, at)
        payload = at + ((offset >> 4) << 2)
        streams = self._streams
        if payload >= end and not flags & _SYN:
            return _NOTHING
        key = data[address : at + 4] if address_end == at else data[address:address_end] + data[at : at + 4]
        if flags & _SYN:
            if flags & _SYN_ACK == _SYN:
                streams.connecting(key, ts, seq)
            if payload >= end:
                return _NOTHING
            seq += 1  # TCP Fast Open: the SYN takes a number of its own
        if not (data[payload] in FIRST_BYTES or key in streams.open or key in streams.expected or dport == DNS_PORT):
            return _NOTHING
        items = streams.take(key, ts, seq, data[payload:end], dport)
        return self._rows(ts, place, items, Transport.TCP) if items else _NOTHING

    def _udp(self, ts: float, place: Place) -> Sequence[Observation]:
        data, _, _, _, at, end = place
        if end - at < _UDP_SIZE:
            self._tally[Weird.TRUNCATED] += 1
            return _NOTHING
        _, dport, size = _UDP(data, at)
        payload = at + _UDP_SIZE
        if _UDP_SIZE <= size < end - at:
            end = at + size
        items: Sequence[Item]
        if dport in _NAME_KINDS:
            names = dns.questions(data[payload:end])
            items = [Weird.BAD_DNS] if names is None else list(map(Question, names))
        elif data[payload + 1 : payload + 5] in quic.VERSIONS and data[payload] & 0xC0 == 0xC0:  # noqa: PLR2004 - a long header
            items = self._quic.take(*_both_ways(place), ts, data[payload:end])
        elif data[payload : payload + 2] == _DTLS:
            items = self._dtls(ts, place, data[payload:end])
        else:
            return _NOTHING
        return self._rows(ts, place, items, Transport.UDP) if items else _NOTHING

    def _dtls(self, ts: float, place: Place, datagram: bytes) -> Sequence[Item]:
        """The hello, unless it is the one that these ports sent last."""
        hello = dtls.read(datagram)
        if isinstance(hello, ClientHello):
            key, digest = _both_ways(place)[0], hash(datagram[_DTLS_HANDSHAKE:])
            before = self._datagrams.recall(key, ts)
            self._datagrams.note(key, ts, digest)
            if before == digest:
                return ()
        return () if hello is None else (hello,)

    def _rows(self, ts: float, place: Place, items: Sequence[Item], transport: Transport) -> Sequence[Observation]:
        """Observations from what was found; what is weird is counted."""
        ends = _ends(place)
        rows = []
        for item in items:
            if isinstance(item, Weird):
                self._tally[item] += 1
            elif isinstance(item, ClientHello):
                rows.append(_tls_row(ts, ends, item, transport))
            elif isinstance(item, Request):
                rows.append(_http_row(ts, ends, item, transport))
            else:
                rows.append(_name_row(ts, ends, item, transport))
        return rows


def _both_ways(place: Place) -> tuple[bytes, bytes]:
    """What tells a flow, and the flow that answers it."""
    data, _, address, address_end, at, _ = place
    middle = (address + address_end) >> 1
    src, dst = data[address:middle], data[middle:address_end]
    return src + dst + data[at : at + 4], dst + src + data[at + 2 : at + 4] + data[at : at + 2]


def _ends(place: Place) -> _Ends:
    data, _, address, address_end, at, _ = place
    middle = (address + address_end) >> 1
    family = AF_INET if middle - address == 4 else AF_INET6  # noqa: PLR2004 - bytes of an IPv4 address
    sport, dport = _PORTS(data, at)
    return inet_ntop(family, data[address:middle]), sport, inet_ntop(family, data[middle:address_end]), dport


def _tls_row(ts: float, ends: _Ends, hello: ClientHello, transport: Transport) -> Observation:
    src, sport, dst, dport = ends
    kind = ObservationKind.TLS
    letter = "t"
    if transport is Transport.UDP:
        letter = "d" if hello.version >> 8 == _DTLS[1] else "q"
        kind = ObservationKind.TLS if letter == "d" else ObservationKind.QUIC
    return Observation(
        ts=ts,
        src=src,
        sport=sport,
        dst=dst,
        dport=dport,
        transport=transport,
        kind=kind,
        server_name=hello.server_name,
        alpn=tuple([printable(name, _ALPN_CHARS) for name in hello.alpn]),
        ja3=ja.ja3(hello),
        ja4=ja.ja4(hello, letter),
        notes=hello.notes if hello.server_name else (*hello.notes, "no_sni"),
    )


def _http_row(ts: float, ends: _Ends, request: Request, transport: Transport) -> Observation:
    src, sport, dst, dport = ends
    return Observation(
        ts=ts,
        src=src,
        sport=sport,
        dst=dst,
        dport=dport,
        transport=transport,
        kind=ObservationKind.HTTP,
        method=request.method,
        host=request.host,
        path=request.path,
        user_agent=request.user_agent,
        notes=request.notes,
    )


def _name_row(ts: float, ends: _Ends, question: Question, transport: Transport) -> Observation:
    src, sport, dst, dport = ends
    return Observation(
        ts=ts,
        src=src,
        sport=sport,
        dst=dst,
        dport=dport,
        transport=transport,
        kind=_NAME_KINDS[dport],
        server_name=question.name,
    )
