"""Frames for tests of the parsers: hellos, queries and requests, and the layers around them, byte by byte."""

import ssl
import struct
from collections.abc import Sequence
from ipaddress import ip_address

ETHERNET = 1
CLIENT, SERVER = "10.0.0.7", "203.0.113.9"
SYN, SYN_ACK, ACK = 0x02, 0x12, 0x10


def extension(kind: int, body: bytes) -> bytes:
    return struct.pack(">HH", kind, len(body)) + body


def listed(body: bytes, prefix: int = 2) -> bytes:
    return len(body).to_bytes(prefix) + body


def numbers(*values: int) -> bytes:
    return b"".join(value.to_bytes(2) for value in values)


def server_name(name: bytes) -> bytes:
    return extension(0, listed(b"\0" + listed(name)))


def alpn(*names: bytes) -> bytes:
    return extension(16, listed(b"".join(listed(name, 1) for name in names)))


def hello_body(
    name: bytes | None = b"api.example.com",
    *,
    extensions: bytes = b"",
    ciphers: bytes = b"\x13\x01\x13\x02",
    version: int = 0x0303,
    cookie: bytes | None = None,
) -> bytes:
    block = (b"" if name is None else server_name(name)) + extensions
    cookies = b"" if cookie is None else listed(cookie, 1)
    return version.to_bytes(2) + bytes(32) + b"\0" + cookies + listed(ciphers) + b"\x01\0" + listed(block)


def message(body: bytes) -> bytes:
    return b"\x01" + listed(body, 3)


def record(payload: bytes, size: int = 16_384) -> bytes:
    """TLS records of at most `size` bytes each."""
    pieces = [payload[at : at + size] for at in range(0, len(payload), size)]
    return b"".join(b"\x16\x03\x01" + listed(piece) for piece in pieces)


def hello(name: bytes | None = b"api.example.com", *, extensions: bytes = b"", size: int = 16_384) -> bytes:
    return record(message(hello_body(name, extensions=extensions)), size)


def openssl_hello(name: str, protocols: Sequence[str] = ("h2", "http/1.1")) -> bytes:
    """What this machine's OpenSSL sends."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(list(protocols))
    sent = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        return sent.read()
    raise AssertionError


def query(*names: bytes, flags: int = 0x0100) -> bytes:
    """A DNS message that asks for each name; a name is its labels with dots between."""
    questions = b"".join(
        b"".join(listed(part, 1) for part in name.split(b".") if part) + b"\0\0\x01\0\x01" for name in names
    )
    return struct.pack(">HHHHHH", 7, flags, len(names), 0, 0, 0) + questions


def tcp(payload: bytes, *, seq: int = 1, sport: int = 40_000, dport: int = 443, flags: int = ACK) -> bytes:
    return struct.pack(">HHIIBBHHH", sport, dport, seq & 0xFFFF_FFFF, 0, 0x50, flags, 0, 0, 0) + payload


def udp(payload: bytes, *, sport: int = 40_000, dport: int = 53) -> bytes:
    return struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload


def ip(body: bytes, protocol: int, *, src: str = CLIENT, dst: str = SERVER, fragment: int = 0) -> bytes:
    addresses = ip_address(src).packed + ip_address(dst).packed
    if len(addresses) > 8:
        return struct.pack(">IHBB", 6 << 28, len(body), protocol, 64) + addresses + body
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 7, fragment, 64, protocol, 0) + addresses + body


def ether(packet: bytes) -> bytes:
    return bytes(12) + (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00") + packet


def segment(payload: bytes, **options: int) -> bytes:
    """A TCP segment from client to server, in IPv4 and Ethernet."""
    return ether(ip(tcp(payload, **options), 6))


def datagram(payload: bytes, **options: int) -> bytes:
    """A UDP datagram from client to server, in IPv4 and Ethernet."""
    return ether(ip(udp(payload, **options), 17))
