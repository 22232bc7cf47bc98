"""What was seen on the wire: a name, an answer or the sizes of a connection, as the sensor's parsers read them.

Rules: facts of the packets only, no verdict; every text comes from the network and is hostile; nothing here is bounded
by this record, parsers bound what they fill in. Addresses are clear text and never leave the sensor except as digests.
"""

import msgspec

from appliance.model.names import FindingKind, ObservationKind, Transport


class Observation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One completed hello, one DNS question or answer, one head of HTTP, or one connection that is over.

    `ts`: epoch seconds of the packet that completed it. `server_name`: SNI, or the name asked for. `alpn`: protocols
    offered, in order. `ja3`: the MD5 in hexadecimal, `ja4`: as FoxIO writes it. `host`: without port, lower case.
    `path`: with its query, as sent. `src` is who sent it: of an answer the server. `marks`: what fingerprints saw
    in a head or in the first bytes of a body, in words of `discovery.marks`; what was said is not here.
    """

    ts: float
    src: str
    sport: int
    dst: str
    dport: int
    transport: Transport
    kind: ObservationKind
    server_name: str | None = None
    alpn: tuple[str, ...] = ()
    ja3: str | None = None
    ja4: str | None = None
    method: str | None = None
    host: str | None = None
    path: str | None = None
    user_agent: str | None = None
    names: tuple[str, ...] = ()  # of a server's certificate
    tls_version: str | None = None  # as the server chose it
    cipher: str | None = None  # four hexadecimal digits, as the server chose it
    alert: str | None = None  # in clear, by either side, e.g. `unknown_ca`
    addresses: tuple[str, ...] = ()  # that a name has
    aliases: tuple[str, ...] = ()  # that a name stands for
    ttl: int | None = None  # seconds for which an answer holds
    front: str | None = None  # the name in clear of hellos to a name that an answer has encrypted (ECH)
    status: int | None = None
    server: str | None = None  # as a head tells it
    content_type: str | None = None
    marks: tuple[str, ...] = ()
    software: str | None = None  # name and version as shown, e.g. `litellm 1.2.3`
    model: str | None = None  # asked for or served
    tools: tuple[str, ...] = ()  # of an MCP server, called or listed
    bytes_up: int | None = None  # from who began the connection
    bytes_down: int | None = None
    seconds: float | None = None  # from the first packet to the last
    ended: str | None = None  # `fin`, `rst`, or `open`
    at_least: bool = False  # the end was not seen: bytes are no more than a lower bound
    mac: str | None = None  # of a host in the same network
    hostname: str | None = None  # as a host calls itself
    notes: tuple[str, ...] = ()  # signs worth keeping as evidence, e.g. `ech`, `no_sni`, `hello_retry`

    @property
    def name(self) -> str | None:
        """The host name that tells the service: the server's name, else the Host of a request."""
        return self.server_name or self.host


class Sighting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An observation with what the catalogue says. All None: no AI service is known by that name."""

    observation: Observation
    service: str | None = None
    category: str | None = None
    surface: str | None = None
    confidence: float | None = None  # 0-1
    evidence: tuple[str, ...] = ()
    kinds: tuple[FindingKind, ...] = ()  # what it is a sign of beside use
