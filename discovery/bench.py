"""How many packets a second `gnomon replay` takes, beside what other programs take.

Owns: the measurement behind `gnomon bench replay`, and the capture it is made on. Rules: one process each, one core,
one file for all; ours is the whole path from the file to JSON lines on /dev/null. The mix is that of an office at work:
each conversation is a question and an answer of DNS, a TLS connection whose hello is OpenSSL's own (every third one
longer than a segment) with data in both directions, and every fifth time a request in clear as well. 9 of 100 packets
complete an observation, about 800 bytes are the average; addresses and ports differ from one to the next.
"""

import contextlib
import os
import random
import shutil
import ssl
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

PACKETS: Final = 500_000
SCAPY_PACKETS: Final = 5_000  # scapy would take minutes for all of them
_NAMES: Final = (
    *("www.example.com", "mail.example.com", "intranet.example", "cdn.example.net", "updates.example.org"),
    *("api.openai.com", "login.example.com", "static.example.net", "chatgpt.com", "metrics.example.org"),
)
_MSS: Final = 1_400
_SHARE: Final = 1_216
_DATA_SEGMENTS: Final = 10
_START: Final = 1_767_258_000
_SERVERS: Final = (bytes([10, 20, 0, 1]), bytes([203, 0, 113, 9]))
_RECORD, _ADDRESSES = struct.Struct("<IIII"), 26  # a record's head; where the addresses stand in a frame
_CLIENT: Final = bytes([10, 0, 0, 0])


def run(seconds: float, *, with_peers: bool = False) -> dict[str, float]:
    """Measure for about `seconds`, scapy and dpkt included; `with_peers`: tshark, too, where it is installed.

    `packets_per_s`: file to JSON lines. `reader_packets_per_s`: reading the file alone. `against_*`: ours by theirs.
    """
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as folder:
        path = Path(folder) / "office.pcap"
        write_capture(path, PACKETS)
        reader, ours = _told([sys.executable, "-m", "discovery.bench", str(path), str(seconds / 2)])
        numbers = {"packets_per_s": ours, "reader_packets_per_s": reader}
        peers = {
            "dpkt": _told([sys.executable, "-c", _DPKT, str(path)])[0],
            "scapy": _told([sys.executable, "-c", _SCAPY, str(path), str(SCAPY_PACKETS)])[0],
        }
        if with_peers and (tshark := shutil.which("tshark")):
            peers["tshark"] = _tshark(tshark, path)
    for name, theirs in peers.items():
        numbers[f"{name}_packets_per_s"] = theirs
        numbers[f"against_{name}"] = round(ours / theirs, 2)
    return numbers


def _told(command: Sequence[str]) -> list[float]:
    done = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - this interpreter, programs of ours
    return [round(float(word)) for word in done.stdout.split()]


# What a program written with these libraries does at least: read the packet, find its name.
_DPKT = """
import dpkt, sys, time
begun, count = time.perf_counter(), 0
for _, frame in dpkt.pcap.Reader(open(sys.argv[1], "rb")):
    count += 1
    segment = dpkt.ethernet.Ethernet(frame).data.data
    data = bytes(segment.data)
    try:
        if isinstance(segment, dpkt.udp.UDP) and 53 in (segment.sport, segment.dport):
            dpkt.dns.DNS(data)
        elif data[:2] == b"\\x16\\x03":
            dpkt.ssl.tls_multi_factory(data)
        elif data[:4] in (b"GET ", b"POST"):
            dpkt.http.Request(data)
    except dpkt.Error:
        pass
print(count / (time.perf_counter() - begun))
"""
_SCAPY = """
import logging, sys, time
logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.layers import dns, inet, l2
from scapy.utils import PcapReader
begun, count = time.perf_counter(), 0
for packet in PcapReader(sys.argv[1]):
    count += 1
    if count == int(sys.argv[2]):
        break
print(count / (time.perf_counter() - begun))
"""


def _tshark(program: str, path: Path) -> float:
    fields = ("tls.handshake.extensions_server_name", "tls.handshake.ja3", "dns.qry.name", "http.host")
    command = [program, "-n", "-r", str(path), "-T", "fields", *(word for field in fields for word in ("-e", field))]
    begun = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)  # noqa: S603 - as found
    return round(PACKETS / (time.perf_counter() - begun))


def write_capture(path: Path, packets: int) -> int:
    """A capture of at least `packets` packets, the same at every call; their number."""
    blocks = [_Block(frames) for frames in _conversations()]
    written, turn = 0, random.Random(7)  # noqa: S311 - a fixed mix, no secret
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
        while written < packets:
            block = turn.choice(blocks)
            file.write(block.at(written))
            written += block.packets
    return written


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
            seconds, micros = divmod((number + index) * 100, 1_000_000)
            struct.pack_into("<II", out, record, _START + seconds, micros)
            out[address : address + 4] = client
            out[place : place + 2] = port
        return bytes(out)


def _conversations() -> Iterator[list[bytes]]:
    """One for each name."""
    noise = random.Random(11)  # noqa: S311 - filler, no secret
    for number, name in enumerate(_NAMES):
        yield [*_dns(name), *_tls(name, noise, long=number % 3 == 0), *(_http(name, noise) if number % 5 == 0 else ())]


def _dns(name: str) -> list[bytes]:
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0\0\1\0\1"
    query = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + question
    answer = struct.pack(">HHHHHH", 7, 0x8180, 1, 1, 0, 0) + question
    answer += b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 300, 4) + _SERVERS[1]
    return [_udp(query, up=True), _udp(answer, up=False)]


def _tls(name: str, noise: random.Random, *, long: bool) -> list[bytes]:
    hello, seq, ack = _hello(name, long=long), 1_000, 5_000
    frames = [_tcp(0x02, seq, 0, up=True), _tcp(0x12, ack, seq + 1, up=False), _tcp(0x10, seq + 1, ack + 1, up=True)]
    seq, ack = seq + 1, ack + 1
    answer = b"\x16\x03\x03\x0a\x00" + noise.randbytes(2_560)
    turns = [(True, hello), (False, answer), (True, b"\x17\x03\x03\x00\x35" + noise.randbytes(53))]
    turns.append((False, b"\x17\x03\x03\x3a\x00" + noise.randbytes(_DATA_SEGMENTS * _MSS - 5)))
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


def _measure(path: str, seconds: float) -> tuple[float, float]:
    """Packets a second of reading alone and of the whole path; each is repeated for half of the time."""
    from discovery import files, replay

    classifier, rates = replay.classifier(None), []
    with open(os.devnull, "wb") as sink:  # noqa: PTH123 - a device

        def whole() -> int:
            return replay.replay([path], classifier, sink, encode=replay.jsonl, tell=print).packets

        def reading() -> int:
            return sum(map(len, files.batches(path)))

        for work in (reading, whole):
            packets, begun = 0, time.perf_counter()
            while time.perf_counter() - begun < seconds / 2 or not packets:
                packets += work()
            rates.append(packets / (time.perf_counter() - begun))
    return rates[0], rates[1]


if __name__ == "__main__":
    print(*_measure(sys.argv[1], float(sys.argv[2])))  # noqa: T201 - for the process that started this one
