"""Which clients have rejected the appliance's certificate for which services: a table that workers write, sensors read.

Owns: RUN/rejected.map (0600), made as that of own connections is: a slot is a digest of a client's address and a
service, and the time. Rules: under TLS 1.3 the alert with which a client rejects a certificate is sealed, and only the
worker at the other end reads it; a slot counts for `TTL_S`. Nothing here may fail a worker: a rejection that could not
be noted leaves a bypass with another cause.
"""

from __future__ import annotations

import ipaddress
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Self

from appliance.bus import ownflows
from appliance.bus.ownflows import OwnFlows

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "rejected.map"
TTL_S: Final = 900.0  # for so long a rejection explains why a client goes past the appliance


def create(run_dir: Path) -> Path:
    """The file, made or found sound; OperatorError when it cannot be had."""
    return ownflows.create(run_dir, NAME)


def pair_key(client: str, service: str) -> bytes:
    """8 bytes that stand for a client's address and a service's catalogue id. ValueError: no address."""
    address = ipaddress.ip_address(client.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    whole = (mapped or address).packed + service.encode()
    return blake2b(whole, digest_size=8, person=b"gnomon-rejected").digest()


class Rejected:
    """The mapped table. Writers give the number of their region."""

    def __init__(self, path: Path, region: int = 0, *, write: bool = False) -> None:
        """OperatorError: there is no sound file at `path`."""
        self._table = OwnFlows(path, region, write=write)

    def note(self, client: str, service: str, now: float) -> None:
        """The client has just rejected the certificate for that service. ValueError: no address."""
        self._table.put(pair_key(client, service), now)

    def knows(self, client: str, service: str, ts: float) -> bool:
        """Whether it did so not long before `ts`."""
        try:
            return self._table.has(pair_key(client, service), ts, TTL_S)
        except ValueError:
            return False

    def close(self) -> None:
        """Give the mapping back."""
        self._table.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
