"""What was seen on the wire: one name in one packet or stream, as the sensor's parsers read it.

Rules: facts of the packets only, no verdict; every text comes from the network and is hostile; nothing here is bounded
by this record, parsers bound what they fill in. Addresses are clear text and never leave the sensor except as digests.
"""

import msgspec

from appliance.model.names import ObservationKind, Transport


class Observation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One completed ClientHello, one DNS question or one HTTP request head.

    `ts`: epoch seconds of the packet that completed it. `server_name`: SNI, or the name asked for. `alpn`: protocols
    offered, in order. `ja3`: the MD5 in hexadecimal, `ja4`: as FoxIO writes it. `host`: without port, lower case.
    `path`: with its query, as sent. `src` is who sent it.
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
