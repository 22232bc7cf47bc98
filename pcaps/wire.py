"""What the generators of captures share: a wire to put packets on, TLS hellos as programs send them, expectations.

Rules: everything is the same at each run: times, ports, hardware addresses, "random" bytes are worked out from names.
Addresses are those set aside for examples (RFC 5737, RFC 3849) and 10.20.0.0/16. The expectations are written down from
what was put on the wire, with fingerprints worked out here from the lists of numbers, not read back from bytes.
Sources: RFC 8446 (TLS 1.3), RFC 8701 (GREASE), the JA3 and JA4 descriptions.
"""

import hashlib
import json
import struct
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

START = 1_767_258_000.0  # 2026-01-01 09:00:00 UTC
MSS = 1_400
ROW_KEYS = (
    *("ts", "src", "sport", "dst", "dport", "transport", "kind", "server_name", "alpn", "ja3", "ja4", "host", "path"),
    *("user_agent", "service", "category", "confidence", "evidence"),
)


def noise(label: str, length: int) -> bytes:
    """Bytes that look random and are the same for the same label."""
    out, count = b"", 0
    while len(out) < length:
        out += hashlib.sha256(f"{label} {count}".encode()).digest()
        count += 1
    return out[:length]


def mac(address: str) -> str:
    """A locally administered hardware address for a network address."""
    return "02:" + ":".join(f"{byte:02x}" for byte in hashlib.sha256(address.encode()).digest()[:5])


class Wire:
    """Packets in the order in which they pass, and what a sensor must make of them."""

    def __init__(self) -> None:
        self.now = START
        self.packets: list[tuple[float, bytes]] = []
        self.rows: list[dict[str, Any]] = []

    def put(self, src: str, dst: str, above: Packet, tags: Sequence[Packet] = ()) -> None:
        """One frame now; the next passes a millisecond later. `tags`: VLAN heads, outermost first."""
        network = IPv6(src=src, dst=dst) if ":" in src else IP(src=src, dst=dst, id=len(self.packets) & 0xFFFF)
        frame = Ether(src=mac(src), dst=mac(dst))
        for tag in tags:
            frame /= tag.copy()
        self.packets.append((self.now, bytes(frame / network / above)))
        self.wait(0.001)

    def wait(self, seconds: float) -> None:
        """Nothing passes for so long."""
        self.now = round(self.now + seconds, 6)

    def datagram(self, src: str, sport: int, dst: str, dport: int, data: bytes) -> None:
        """A UDP datagram."""
        self.put(src, dst, UDP(sport=sport, dport=dport) / Raw(data))

    def expect(self, **fields: Any) -> None:
        """The packet that was put last completes an observation: what its row holds beside the time."""
        row = {"ts": self.packets[-1][0], **{key: value for key, value in fields.items() if value is not None}}
        if unknown := set(row) - set(ROW_KEYS):
            raise KeyError(*unknown)
        self.rows.append({key: row[key] for key in ROW_KEYS if key in row})

    def pcap(self) -> bytes:
        """The packets as a capture file, microseconds, Ethernet."""
        parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)]
        for when, frame in self.packets:
            seconds, micros = divmod(round(when * 1_000_000), 1_000_000)
            parts += [struct.pack("<IIII", seconds, micros, len(frame), len(frame)), frame]
        return b"".join(parts)

    def expectations(self, name: str) -> bytes:
        """The rows as YAML; keys that are not named must be null."""
        lines = [f"# What a sensor must read from {name}.pcap, in this order. Written by {name}.py.", "rows:"]
        for row in self.rows:
            lines += [f"  {'- ' if key == 'ts' else '  '}{key}: {json.dumps(value)}" for key, value in row.items()]
        return "\n".join([*lines, ""]).encode()


def main(wire: Wire, source: str) -> None:
    """Write the capture and its expectations beside the generator `source`, or into the folder named as argument."""
    path = Path(source)
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else path.parent
    (folder / f"{path.stem}.pcap").write_bytes(wire.pcap())
    (folder / f"{path.stem}.expect.yaml").write_bytes(wire.expectations(path.stem))


class Stream:
    """A TCP connection, opened at once: `send` from the client, `reply` from the server."""

    def __init__(
        self, wire: Wire, src: str, sport: int, dst: str, dport: int, tags: Sequence[Packet] = (), open_: bool = True
    ) -> None:
        self.wire, self.tags = wire, tags
        self.client, self.server = (src, sport), (dst, dport)
        seed = noise(f"{src} {sport} {dst} {dport}", 8)
        self.seq, self.ack = struct.unpack(">II", seed)
        if open_:
            self._segment(up=True, flags="S")
            self.seq += 1
            self._segment(up=False, flags="SA")
            self.ack += 1
            self._segment(up=True, flags="A")

    @property
    def ends(self) -> dict[str, Any]:
        """Source, destination and transport as rows have them."""
        (src, sport), (dst, dport) = self.client, self.server
        return {"src": src, "sport": sport, "dst": dst, "dport": dport, "transport": "tcp"}

    def send(self, data: bytes, mss: int = MSS) -> None:
        """From the client, in segments."""
        for piece in cut(data, mss):
            self._segment(up=True, flags="PA", data=piece)
            self.seq += len(piece)

    def send_pieces(self, pieces: Sequence[bytes], order: Iterable[int]) -> None:
        """Segments of one text, put on the wire in any order, any of them more than once."""
        starts = [sum(map(len, pieces[:number])) for number in range(len(pieces))]
        for number in order:
            self._segment(up=True, flags="PA", data=pieces[number], offset=starts[number])
        self.seq += sum(map(len, pieces))

    def reply(self, data: bytes, mss: int = MSS) -> None:
        """From the server, in segments, acknowledged."""
        for piece in cut(data, mss):
            self._segment(up=False, flags="PA", data=piece)
            self.ack += len(piece)
        self._segment(up=True, flags="A")

    def close(self) -> None:
        """Both ends."""
        self._segment(up=True, flags="FA")
        self.seq += 1
        self._segment(up=False, flags="FA")
        self.ack += 1
        self._segment(up=True, flags="A")

    def _segment(self, *, up: bool, flags: str, data: bytes = b"", offset: int = 0) -> None:
        (src, sport), (dst, dport) = (self.client, self.server) if up else (self.server, self.client)
        seq, ack = (self.seq + offset, self.ack) if up else (self.ack, self.seq)
        counts = {"seq": seq & 0xFFFFFFFF, "ack": ack & 0xFFFFFFFF, "window": 64_240}
        head = TCP(sport=sport, dport=dport, flags=flags, **counts)
        self.wire.put(src, dst, head / Raw(data) if data else head, self.tags)


def cut(data: bytes, size: int) -> list[bytes]:
    """In pieces of at most `size`."""
    return [data[start : start + size] for start in range(0, len(data), size)]


def vlan(number: int) -> Packet:
    """An 802.1Q head."""
    return Dot1Q(vlan=number)


def service_vlan(number: int) -> Packet:
    """An 802.1ad head, as providers put outside."""
    return Dot1AD(vlan=number)


# --- TLS


@dataclass(frozen=True)
class Hello:
    """A ClientHello as lists of numbers. `extensions`: type and body in order."""

    ciphers: tuple[int, ...]
    extensions: tuple[tuple[int, bytes], ...]
    groups: tuple[int, ...]
    signatures: tuple[int, ...]
    alpn: tuple[bytes, ...] = ()
    sni: bool = True
    label: str = "hello"
    points: tuple[int, ...] = (0,)
    stack: str = "chrome/boringssl"

    def message(self) -> bytes:
        """The handshake message."""
        body = struct.pack(">H", 0x0303) + noise(f"{self.label} random", 32) + vector(1, noise(f"{self.label} id", 32))
        body += vector(2, numbers(self.ciphers)) + vector(1, b"\0")
        body += vector(2, b"".join(struct.pack(">H", kind) + vector(2, value) for kind, value in self.extensions))
        return b"\x01" + vector(3, body)

    def record(self, version: int = 0x0301) -> bytes:
        """The message in one record."""
        return record(22, self.message(), version)

    def ja3(self) -> str:
        """MD5 over the numbers without GREASE."""
        kinds = [kind for kind, _ in self.extensions]
        lists = (plain(self.ciphers), plain(kinds), plain(self.groups), self.points)
        text = ",".join(["771", *("-".join(map(str, each)) for each in lists)])
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    def ja4(self) -> str:
        """Count and hash of sorted ciphers and extensions, then signature algorithms in order."""
        ciphers, kinds = plain(self.ciphers), plain([kind for kind, _ in self.extensions])
        first = self.alpn[0].decode() if self.alpn else "00"
        head = f"t13{'d' if self.sni else 'i'}{len(ciphers):02}{len(kinds):02}{first[0]}{first[-1]}"
        said = ",".join(sorted(f"{kind:04x}" for kind in kinds if kind not in {0, 16}))
        said += "_" + ",".join(f"{number:04x}" for number in self.signatures)
        return f"{head}_{short(','.join(sorted(f'{each:04x}' for each in ciphers)))}_{short(said)}"

    def signs(self) -> list[str]:
        """What a row notes of any such hello."""
        return ["ech_offered"] if any(kind == 0xFE0D for kind, _ in self.extensions) else []  # noqa: PLR2004 - RFC 9849

    def evidence(self, name: str) -> list[str]:
        """What a row says when the name is that of a service."""
        return [f"sni {name}", f"ja4 {self.ja4()} ({self.stack})", *self.signs()]

    def facts(self) -> dict[str, Any]:
        """What a row says of it, beside the name."""
        return {"kind": "tls", "alpn": b",".join(self.alpn).decode() or None, "ja3": self.ja3(), "ja4": self.ja4()}


GREASE = frozenset(0x0A0A + 0x1010 * number for number in range(16))  # RFC 8701


def short(text: str) -> str:
    """The first 12 digits of the SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def plain(values: Iterable[int]) -> list[int]:
    """Without GREASE."""
    return [value for value in values if value not in GREASE]


def vector(width: int, data: bytes) -> bytes:
    """`data` behind its length in `width` bytes."""
    return len(data).to_bytes(width, "big") + data


def numbers(values: Iterable[int]) -> bytes:
    """Each in two bytes."""
    return b"".join(struct.pack(">H", value) for value in values)


def record(kind: int, data: bytes, version: int = 0x0303) -> bytes:
    """A TLS record."""
    return struct.pack(">BH", kind, version) + vector(2, data)


def server_name(name: bytes) -> tuple[int, bytes]:
    """The extension that names the server."""
    return 0, vector(2, b"\0" + vector(2, name))


def protocols(names: Sequence[bytes]) -> tuple[int, bytes]:
    """The extension that offers protocols (ALPN)."""
    return 16, vector(2, b"".join(vector(1, name) for name in names))


def shares(parts: Sequence[tuple[int, bytes]]) -> tuple[int, bytes]:
    """The extension with key shares."""
    return 51, vector(2, b"".join(struct.pack(">H", group) + vector(2, key) for group, key in parts))


OPENSSL_CIPHERS = (
    *(0x1302, 0x1303, 0x1301, 0xC02C, 0xC030, 0xC02B, 0xC02F, 0xCCA9, 0xCCA8, 0xC024, 0xC028, 0xC023, 0xC027, 0x009F),
    *(0x009E, 0x006B, 0x0067, 0x00FF),
)
OPENSSL_GROUPS = (0x001D, 0x0017, 0x001E, 0x0019, 0x0018, 0x0100, 0x0101, 0x0102, 0x0103, 0x0104)
OPENSSL_SIGNATURES = (
    *(0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x080A, 0x080B, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601),
    *(0x0303, 0x0301, 0x0302, 0x0402, 0x0502, 0x0602),
)


def python_hello(name: bytes | None, alpn: Sequence[bytes] = (b"http/1.1",), label: str = "", group: int = 29) -> Hello:
    """As Python with OpenSSL 3.0 sends it, the hello of most SDKs for Python."""
    label = label or f"python {name!r}"
    key = noise(f"{label} key {group}", 32 if group == 29 else 65)  # noqa: PLR2004 - x25519, else a point
    extensions = (
        *([server_name(name)] if name is not None else []),
        (11, vector(1, b"\0\1\2")),
        *[(10, vector(2, numbers(OPENSSL_GROUPS))), (35, b"")],
        *([protocols(alpn)] if alpn else []),
        *[(22, b""), (23, b""), (13, vector(2, numbers(OPENSSL_SIGNATURES)))],
        *[(43, vector(1, numbers((0x0304, 0x0303)))), (45, vector(1, b"\1")), shares([(group, key)])],
    )
    bare = Hello(
        *(OPENSSL_CIPHERS, extensions, OPENSSL_GROUPS, OPENSSL_SIGNATURES, tuple(alpn)),
        *(name is not None, label, (0, 1, 2), "python/openssl"),
    )
    length = len(bare.message())
    if not 256 <= length < 512:  # noqa: PLR2004 - RFC 7685: some servers could not bear these lengths
        return bare
    return replace(bare, extensions=(*extensions, (21, bytes(max(512 - length - 4, 1)))))


CHROME_CIPHERS = (
    *(0x2A2A, 0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013, 0xC014, 0x009C, 0x009D),
    *(0x002F, 0x0035),
)
CHROME_GROUPS = (0x3A3A, 0x11EC, 0x001D, 0x0017, 0x0018)
CHROME_SIGNATURES = (0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601)


def chrome_hello(name: bytes, label: str = "") -> Hello:
    """As a current Chrome sends it: GREASE, an ML-KEM share of 1,216 bytes that stands before the name, GREASE ECH."""
    label = label or f"chrome {name!r}"
    alpn = (b"h2", b"http/1.1")
    share = shares([(0x3A3A, b"\0"), (0x11EC, noise(f"{label} kem", 1216)), (0x001D, noise(f"{label} key", 32))])
    ech = b"\0" + struct.pack(">HHB", 1, 1, 7) + vector(2, noise(f"{label} ech", 32)) + vector(2, noise(label, 176))
    extensions = [
        *[(0x4A4A, b""), (10, vector(2, numbers(CHROME_GROUPS))), (23, b""), share, (43, _versions()), (0xFE0D, ech)],
        *[(5, b"\1\0\0\0\0"), (18, b""), (11, vector(1, b"\0")), protocols(alpn), (27, vector(1, b"\0\2")), (35, b"")],
        *[(45, vector(1, b"\1")), server_name(name), (13, vector(2, numbers(CHROME_SIGNATURES)))],
        *[(17613, vector(2, vector(1, b"h2"))), (0xFF01, b"\0"), (0x5A5A, b"\0")],
    ]
    return Hello(CHROME_CIPHERS, tuple(extensions), CHROME_GROUPS, CHROME_SIGNATURES, alpn, label=label)


def _versions() -> bytes:
    return vector(1, numbers((0x6A6A, 0x0304, 0x0303)))


def server_hello(label: str, *, retry: bool = False) -> bytes:
    """A ServerHello record, or a HelloRetryRequest that asks for P-256, and a change of cipher spec."""
    special = hashlib.sha256(b"HelloRetryRequest").digest()
    share = (51, numbers((0x0017,))) if retry else (51, numbers((0x001D,)) + vector(2, noise(f"{label} key", 32)))
    extensions = b"".join(struct.pack(">H", kind) + vector(2, value) for kind, value in ((43, b"\3\4"), share))
    random = special if retry else noise(f"{label} random", 32)
    body = b"\3\3" + random + vector(1, noise(f"{label} id", 32)) + b"\x13\x01\0"
    return record(22, b"\x02" + vector(3, body + vector(2, extensions))) + record(20, b"\1")


def sealed(label: str, length: int) -> bytes:
    """A record of application data."""
    return record(23, noise(label, length))


def converse(stream: Stream, hello: Hello, up: int = 500, down: int = 1_500) -> None:
    """What follows a hello that was sent: the rest of the handshake, `up` bytes, `down` bytes, the end."""
    stream.reply(server_hello(hello.label) + sealed(f"{hello.label} certificate", 1_800))
    stream.send(record(20, b"\1") + sealed(f"{hello.label} finished", 53))
    stream.send(sealed(f"{hello.label} up", up))
    stream.reply(sealed(f"{hello.label} down", down))
    stream.close()


def visit(wire: Wire, src: str, sport: int, dst: str, hello: Hello, **said: Any) -> None:
    """A TLS connection to port 443 with everything; `said`: what the row says beside addresses and hello."""
    stream = Stream(wire, src, sport, dst, 443)
    stream.send(hello.record())
    wire.expect(**stream.ends, **hello.facts(), **said)
    converse(stream, hello)


# --- DNS

QUERY, ANSWER = 0x0100, 0x8180
A, NS, TXT, AAAA, HTTPS = 1, 2, 16, 28, 65


def dns(name: bytes | Sequence[bytes], kind: int, label: str, flags: int = QUERY, answer: bytes = b"") -> bytes:
    """A message with one question; `name` in text, or as labels of any bytes. `answer`: the data of one record."""
    labels = [part for part in name.split(b".") if part] if isinstance(name, bytes) else name
    question = b"".join(vector(1, part) for part in labels) + b"\0" + struct.pack(">HH", kind, 1)
    head = noise(f"dns {label}", 2) + struct.pack(">HHHHH", flags, 1, 1 if answer else 0, 0, 0)
    reply = b"\xc0\x0c" + struct.pack(">HHI", kind, 1, 300) + vector(2, answer) if answer else b""
    return head + question + reply


def resolve(
    wire: Wire, client: str, name: str, address: bytes, kind: int = A, server: str = "10.20.0.1", **said: Any
) -> None:
    """A question over UDP with its answer. `said`: what the row says beside the name."""
    port = 40_000 + int.from_bytes(noise(f"{client} {name} {kind}", 2)) % 20_000
    wire.datagram(client, port, server, 53, dns(name.encode(), kind, name))
    wire.expect(
        src=client,
        sport=port,
        dst=server,
        dport=53,
        transport="udp",
        **{"kind": "dns", "server_name": name, **said},
    )
    wire.datagram(server, 53, client, port, dns(name.encode(), kind, name, ANSWER, address))
