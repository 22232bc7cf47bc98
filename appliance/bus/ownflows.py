"""Which connections the appliance itself has opened: a table in a mapped file that workers write and sensors read.

Owns: RUN/ownflows.map (0600): a header, then `REGIONS` regions of buckets of `WAYS` slots; a slot is a digest of a
connection's two addresses and ports, and the time of its connect. Rules: a worker notes a connection between
connect(2) and its first byte, so that no sensor can see a hello whose slot is not there; each worker writes into a
region of its own, so that no two writers meet; a full bucket loses its oldest slot; a slot holds for `TTL_S`. The file
is whole on disk before anybody maps it, and never replaced while it is sound: a worker of an earlier supervisor goes on
writing. Nothing here may fail a worker: a connection that could not be noted is seen as a client's, never the reverse.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Self

from appliance.bus import mapped

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "ownflows.map"
TTL_S: Final = 60.0
REGIONS: Final = 16
WAYS: Final = 4
BUCKETS: Final = 2048  # per region: 8,192 connections of one worker within TTL_S before old ones give way

_MAGIC: Final = b"GNMOWNF1"
_HEADER: Final = 64
_SLOT: Final = struct.Struct("<8sd")
_BUCKET_BYTES: Final = WAYS * _SLOT.size
_REGION_BYTES: Final = BUCKETS * _BUCKET_BYTES
SIZE: Final = _HEADER + REGIONS * _REGION_BYTES
_FORM: Final = mapped.Form(_MAGIC, SIZE, "the table of own connections")
_PORT: Final = struct.Struct("!H")


def flow_key(near: tuple[str, int], far: tuple[str, int]) -> bytes:
    """8 bytes that stand for one TCP connection from `near` to `far` (address, port). ValueError: no address.

    An IPv4 address in an IPv6 socket's form (::ffff:192.0.2.1) counts as the IPv4 address, for so it looks on the wire.
    """
    parts = b"".join(part for host, port in (near, far) for part in (_packed(host), _PORT.pack(port)))
    return blake2b(parts, digest_size=8, person=b"gnomon-ownflow").digest()


def _packed(host: str) -> bytes:
    try:
        if ":" not in host:
            return socket.inet_pton(socket.AF_INET, host)
        address = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except OSError:
        raise ValueError(f"{host!r}: not an address") from None
    return address[12:] if address[:12] == b"\0" * 10 + b"\xff\xff" else address


def bucket_at(region: int, key: bytes) -> int:
    """The byte at which the bucket of `key` begins in that region."""
    return _HEADER + region % REGIONS * _REGION_BYTES + int.from_bytes(key[:4]) % BUCKETS * _BUCKET_BYTES


def place(bucket: bytes, key: bytes) -> int:
    """Which slot of a bucket `key` goes into: its own, else the oldest (an empty one is the oldest)."""
    slots = list(_SLOT.iter_unpack(bucket))
    own = [number for number, (held, _) in enumerate(slots) if held == key]
    return own[0] if own else min(range(WAYS), key=lambda number: slots[number][1])


def holds(bucket: bytes, key: bytes, ts: float, within: float = TTL_S) -> bool:
    """Whether the bucket knows `key` from a time at most `within` seconds before `ts`, or `TTL_S` after it."""
    return any(held == key and -TTL_S <= ts - at <= within for held, at in _SLOT.iter_unpack(bucket))


def create(run_dir: Path, name: str = NAME) -> Path:
    """The file, made or found sound; OperatorError when it cannot be had."""
    return mapped.create(run_dir / name, _FORM)


class OwnFlows:
    """The mapped table. Writers give the number of their region."""

    def __init__(self, path: Path, region: int = 0, *, write: bool = False) -> None:
        """OperatorError: there is no sound file at `path`."""
        self._map = mapped.opened(path, _FORM, write=write)
        self._region, self._lock = region, threading.Lock()

    def note(self, near: tuple[str, int], far: tuple[str, int], now: float) -> None:
        """A connection that this process has just opened. ValueError: no addresses."""
        self.put(flow_key(near, far), now)

    def put(self, key: bytes, now: float) -> None:
        """Whatever `key` stands for has just happened."""
        at = bucket_at(self._region, key)
        with self._lock:
            slot = at + place(self._map[at : at + _BUCKET_BYTES], key) * _SLOT.size
            self._map[slot : slot + _SLOT.size] = _SLOT.pack(key, now)

    def knows(self, near: tuple[str, int], far: tuple[str, int], ts: float) -> bool:
        """Whether the appliance opened the connection that was seen at `ts` from `near` to `far`."""
        try:
            return self.has(flow_key(near, far), ts)
        except ValueError:
            return False

    def has(self, key: bytes, ts: float, within: float = TTL_S) -> bool:
        """Whether that happened at most `within` seconds before `ts`, or about then."""
        places = (bucket_at(region, key) for region in range(REGIONS))
        return any(holds(self._map[at : at + _BUCKET_BYTES], key, ts, within) for at in places)

    def close(self) -> None:
        """Give the mapping back."""
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def region_of(name: str) -> int:
    """The region of a worker by its name: its number, so that workers that live together do not meet."""
    digits = "".join(char for char in name if char.isdecimal())
    with contextlib.suppress(ValueError):
        return int(digits[-6:]) % REGIONS
    return 0
