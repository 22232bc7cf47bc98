"""Observations from what the parsers found: who said it to whom, in the words of `appliance.model.observation`.

Rules: pure; addresses become text here and nowhere before; bytes from the network become printable text.
"""

from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

from appliance.model.names import ObservationKind, Transport
from appliance.model.observation import Observation
from discovery import dns, ja
from discovery.beginnings import Item
from discovery.decode import Place
from discovery.dns_answers import Answer
from discovery.gquic import GoogleHello
from discovery.hello import ClientHello
from discovery.http import Request
from discovery.http_answers import Response
from discovery.notes import Note
from discovery.server_hello import Alert, ServerHello
from discovery.text import address, printable

_PORTS = Struct(">HH").unpack_from
_ALPN_CHARS = 255
_DTLS_MAJOR = 0xFE
_KINDS = {port: ObservationKind(kind) for port, kind in dns.PORTS.items()}
_VERSIONS = {0x0300: "SSL 3.0", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}


class Ends(NamedTuple):
    """From whom, to whom, when and how."""

    ts: float
    src: str
    sport: int
    dst: str
    dport: int
    transport: Transport


def ends_of(ts: float, place: Place, transport: Transport) -> Ends:
    """The ends of a packet as text."""
    data, _, start, end, at, _ = place
    middle = (start + end) >> 1
    sport, dport = _PORTS(data, at)
    made = (ts, address(data[start:middle]), sport, address(data[middle:end]), dport, transport)
    return tuple.__new__(Ends, made)


def row(ends: Ends, item: Item) -> Observation:
    """The observation; `item` is none that is weird."""
    return _MAKERS[type(item)](ends, item)


def _tls(ends: Ends, hello: ClientHello) -> Observation:
    ts, src, sport, dst, dport, transport = ends
    kind = ObservationKind.TLS
    letter = "t"
    if transport is Transport.UDP:
        letter = "d" if hello.version >> 8 == _DTLS_MAJOR else "q"
        kind = ObservationKind.TLS if letter == "d" else ObservationKind.QUIC
    ja3, ja4 = ja.both(hello, letter)
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
        ja3=ja3,
        ja4=ja4,
        notes=hello.notes if hello.server_name else (*hello.notes, "no_sni"),
    )


def _google(ends: Ends, hello: GoogleHello) -> Observation:
    ts, src, sport, dst, dport, transport = ends
    return Observation(
        ts=ts,
        src=src,
        sport=sport,
        dst=dst,
        dport=dport,
        transport=transport,
        kind=ObservationKind.QUIC,
        server_name=hello.server_name,
        user_agent=hello.user_agent,
        notes=("gquic",) if hello.server_name else ("gquic", "no_sni"),
    )


def _http(ends: Ends, request: Request) -> Observation:
    ts, src, sport, dst, dport, transport = ends
    shown = request.shown
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
        marks=shown.marks,
        software=shown.software,
        model=shown.model,
        tools=shown.tools,
        notes=request.notes,
    )


def _name(ends: Ends, question: dns.Question) -> Observation:
    ts, src, sport, dst, dport, transport = ends
    return Observation(
        ts=ts,
        src=src,
        sport=sport,
        dst=dst,
        dport=dport,
        transport=transport,
        kind=_KINDS.get(dport, ObservationKind.DNS),
        server_name=question.name,
        notes=question.notes,
    )


def _answer(ends: Ends, answer: Answer) -> Observation:
    """Of multicast DNS and LLMNR the notes say so."""
    ts, src, sport, dst, dport, transport = ends
    notes = answer.notes
    if sport != dns.PORT and sport in dns.PORTS:
        notes = (*notes, dns.PORTS[sport])
    return Observation(
        ts=ts,
        src=src,
        sport=sport,
        dst=dst,
        dport=dport,
        transport=transport,
        kind=ObservationKind.DNS_ANSWER,
        server_name=answer.name,
        addresses=answer.addresses,
        aliases=answer.aliases,
        ttl=answer.ttl,
        front=answer.front,
        notes=notes,
    )


def _server(ends: Ends, hello: ServerHello) -> Observation:
    ts, src, sport, dst, dport, transport = ends
    return Observation(
        ts=ts,
        src=src,
        sport=sport,
        dst=dst,
        dport=dport,
        transport=transport,
        kind=ObservationKind.TLS_SERVER,
        alpn=(printable(hello.alpn, _ALPN_CHARS),) if hello.alpn else (),
        names=hello.names,
        tls_version=_VERSIONS.get(hello.version) or f"{hello.version:04x}",
        cipher=f"{hello.cipher:04x}",
        notes=("hello_retry",) if hello.retry else (),
    )


def _alert(ends: Ends, alert: Alert) -> Observation:
    ts, src, sport, dst, dport, transport = ends
    return Observation(
        ts=ts,
        src=src,
        sport=sport,
        dst=dst,
        dport=dport,
        transport=transport,
        kind=ObservationKind.TLS_SERVER,
        alert=alert.word,
        notes=() if alert.word else (Note.SEALED_ALERT.value,),
    )


def _response(ends: Ends, response: Response) -> Observation:
    ts, src, sport, dst, dport, transport = ends
    shown = response.shown
    return Observation(
        ts=ts,
        src=src,
        sport=sport,
        dst=dst,
        dport=dport,
        transport=transport,
        kind=ObservationKind.HTTP_RESPONSE,
        status=response.status,
        server=response.server,
        content_type=response.content_type,
        marks=shown.marks,
        software=shown.software,
        model=shown.model,
        tools=shown.tools,
        notes=response.notes,
    )


_MAKERS: dict[type, Callable[..., Observation]] = {
    ClientHello: _tls,
    GoogleHello: _google,
    Request: _http,
    dns.Question: _name,
    Answer: _answer,
    ServerHello: _server,
    Alert: _alert,
    Response: _response,
}
ANSWERED = frozenset({ClientHello, Request, dns.Question})  # what the other side of a stream answers
