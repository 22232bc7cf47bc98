"""The capture that `gnomon bench replay` measures on: an office at work, mixed with captures that others made.

Owns: what is in it. Rules: the same at every call with the same files; every repetition has addresses of its own, so
that no flow comes twice. The generated half: each conversation is a question and an answer of DNS, a TLS connection
whose hello is OpenSSL's own (every third one longer than a segment) with data in both directions, and every fifth time
a request in clear as well; 9 of 100 packets complete an observation, about 800 bytes are the average. The other half:
Ethernet and IPv4 captures of a folder, whole, in turn; without the folder all of it is generated.
"""

import contextlib
import random
import ssl
import struct
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Final

from appliance.model.errors import EvidenceError, OperatorError
from discovery import files

NAMES: Final = (
    *("www.example.com", "mail.example.com", "intranet.example", "cdn.example.net", "updates.example.org"),
    *("api.openai.com", "login.example.com", "static.example.net", "chatgpt.com", "metrics.example.org"),
)
MOST_FRAMES: Final = 1_000  # of one capture: none of them drowns the others
_MSS: Final = 1_400
_SHARE: Final = 1_216
_DATA_SEGMENTS, _BULK_SEGMENTS = 10, 60  # of an answer; the second makes up for captures that hold little but heads
_START: Final = 1_767_258_000
_STEP_US: Final = 100
_SERVERS: Final = (bytes([10, 20, 0, 1]), bytes([203, 0, 113, 9]))
_RECORD, _ADDRESSES = struct.Struct("<IIII"), 26  # a record's head; where the addresses stand in a frame
_CLIENT: Final = bytes([10, 0, 0, 0])
_IPV4: Final = b"\x08\x00\x45"  # EtherType, and a head without options


def write_capture(path: Path, packets: int, folder: Path | None = None) -> tuple[int, int]:
    """A capture of at least `packets` packets; their number, and how many of them stem from captures in `folder`."""
    others = list(_captured(folder))
    own = [_Block(frames) for frames in conversations(_BULK_SEGMENTS if others else _DATA_SEGMENTS)]
    others_next, turn = cycle(others), random.Random(7)  # noqa: S311 - a fixed mix, no secret
    written = shared = 0
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
        while written < packets:
            foreign = bool(others) and shared * 2 <= written
            block = next(others_next) if foreign else turn.choice(own)
            file.write(block.at(written))
            written += block.packets
            shared += block.packets if foreign else 0
    return written, shared


class _Block:
    """The packets of a conversation as they stand in a file, with the places that differ each time."""

    def __init__(self, frames: Sequence[bytes]) -> None:
        self.packets = len(frames)
        self._bytes = bytearray()
        self._places: list[tuple[int, int, int]] = []  # of a record's head, the client's address, its port
        for frame in frames:
            start = len(self._bytes)
            up = frame[_ADDRESSES : _ADDRESSES + 4] == _CLIENT
            address, port = (_ADDRESSES, 34) if up else (_ADDRESSES + 4, 36)
            self._places.append((start, start + 16 + address, start + 16 + port))
            self._bytes += _RECORD.pack(0, 0, len(frame), len(frame)) + frame

    def at(self, number: int) -> bytes:
        """The conversation of a client of its own that begins with packet `number`, 100 microseconds each."""
        out = self._bytes
        client, port = struct.pack(">I", 0x0A000000 + number % 0xFFFF00), struct.pack(">H", 32_768 + number % 28_000)
        for index, (record, address, place) in enumerate(self._places):
            struct.pack_into("<II", out, record, *_time(number + index))
            out[address : address + 4] = client
            out[place : place + 2] = port
        return bytes(out)


class _Captured:
    """The packets of a capture; each repetition moves both ends of each packet by the same distance."""

    def __init__(self, frames: Sequence[bytes]) -> None:
        self.packets = len(frames)
        self._frames = [(frame[:27], frame[27:29], frame[29:31], frame[31:33], frame[33:]) for frame in frames]

    def at(self, number: int) -> bytes:
        """Beginning with packet `number`: the middle of each address is another one."""
        moved, parts = number & 0xFFFF, []
        for index, (head, src, between, dst, rest) in enumerate(self._frames):
            size = 33 + len(rest)
            parts.append(_RECORD.pack(*_time(number + index), size, size) + head)
            parts += (
                (int.from_bytes(src) ^ moved).to_bytes(2),
                between,
                (int.from_bytes(dst) ^ moved).to_bytes(2),
                rest,
            )
        return b"".join(parts)


def _time(number: int) -> tuple[int, int]:
    seconds, micros = divmod(number * _STEP_US, 1_000_000)
    return _START + seconds, micros


def _captured(folder: Path | None) -> Iterator[_Captured]:
    for path in sorted(folder.glob("*.pcap*")) if folder is not None else ():
        frames: list[bytes] = []
        with contextlib.suppress(EvidenceError, OperatorError):
            frames = [frame for _, link, frame in files.read(path) if link == 1 and _movable(frame)]
        if frames:
            yield _Captured(frames[:MOST_FRAMES])


def _movable(frame: bytes) -> bool:
    return frame[12:15] == _IPV4 and len(frame) > _ADDRESSES + 8


def conversations(segments: int = _DATA_SEGMENTS) -> Iterator[list[bytes]]:
    """One for each name."""
    noise = random.Random(11)  # noqa: S311 - filler, no secret
    for number, name in enumerate(NAMES):
        yield [
            *_dns(name),
            *_tls(name, noise, segments, long=number % 3 == 0),
            *(_http(name, noise) if number % 5 == 0 else ()),
        ]


def _dns(name: str) -> list[bytes]:
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0\0\1\0\1"
    query = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + question
    answer = struct.pack(">HHHHHH", 7, 0x8180, 1, 1, 0, 0) + question
    answer += b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 300, 4) + _SERVERS[1]
    return [_udp(query, up=True), _udp(answer, up=False)]


def _tls(name: str, noise: random.Random, segments: int, *, long: bool) -> list[bytes]:
    hello, seq, ack = _hello(name, long=long), 1_000, 5_000
    frames = [_tcp(0x02, seq, 0, up=True), _tcp(0x12, ack, seq + 1, up=False), _tcp(0x10, seq + 1, ack + 1, up=True)]
    seq, ack = seq + 1, ack + 1
    answer = b"\x16\x03\x03\x0a\x00" + noise.randbytes(2_560)
    turns = [(True, hello), (False, answer), (True, b"\x17\x03\x03\x00\x35" + noise.randbytes(53))]
    turns.append((False, b"\x17\x03\x03\x3a\x00" + noise.randbytes(segments * _MSS - 5)))
    turns.append((True, b"\x17\x03\x03\x03\x00" + noise.randbytes(768)))
    for up, data in turns:
        for start in range(0, len(data), _MSS):
            piece = data[start : start + _MSS]
            frames.append(_tcp(0x18, seq if up else ack, ack if up else seq, piece, up=up))
            seq, ack = (seq + len(piece), ack) if up else (seq, ack + len(piece))
        frames.append(_tcp(0x10, ack if up else seq, seq if up else ack, up=not up))
    return frames


def _http(name: str, noise: random.Random) -> list[bytes]:
    head = f"GET /index.html HTTP/1.1\r\nHost: {name}\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\r\n".encode()
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 2400\r\n\r\n" + noise.randbytes(2_400)
    return [
        _tcp(0x18, 9_000, 1, head, up=True, port=80),
        _tcp(0x18, 1, 9_000 + len(head), body[:_MSS], up=False, port=80),
        _tcp(0x18, 1 + _MSS, 9_000 + len(head), body[_MSS:], up=False, port=80),
    ]


def _hello(name: str, *, long: bool) -> bytes:
    """OpenSSL's hello; a long one has an extension more, of the size that a share for ML-KEM has."""
    context, sent = ssl.create_default_context(), ssl.MemoryBIO()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name).do_handshake()
    hello = bytearray(sent.read())
    if long:
        more = struct.pack(">HH", 0x0A0A, _SHARE) + bytes(_SHARE)
        session = 44 + hello[43]
        extensions = session + 2 + int.from_bytes(hello[session : session + 2]) + 2
        for place, width in ((3, 2), (6, 3), (extensions, 2)):  # of record, message, extensions
            length = int.from_bytes(hello[place : place + width]) + len(more)
            hello[place : place + width] = length.to_bytes(width)
        hello += more
    return bytes(hello)


def _tcp(flags: int, seq: int, ack: int, data: bytes = b"", *, up: bool, port: int = 443) -> bytes:
    ports = (40_000, port) if up else (port, 40_000)
    return _ip(6, struct.pack(">HHIIBBHHH", *ports, seq, ack, 0x50, flags, 64_240, 0, 0) + data, _SERVERS[1], up=up)


def _udp(data: bytes, *, up: bool) -> bytes:
    ports = (40_000, 53) if up else (53, 40_000)
    return _ip(17, struct.pack(">HHHH", *ports, 8 + len(data), 0) + data, _SERVERS[0], up=up)


def _ip(protocol: int, above: bytes, server: bytes, *, up: bool) -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(above), 1, 0x4000, 64, protocol, 0)
    ends = _CLIENT + server if up else server + _CLIENT
    return bytes(12) + b"\x08\x00" + head + ends + above
