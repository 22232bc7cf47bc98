"""What the records of hosts come to: one row for each address.

Owns: every write to table hosts but that of retention. Rules: runs inside of the transaction that takes the records in;
the newest record tells what is so, older ones what was: names add up, unless another hardware address has taken the
address over, for then it is another host. Times only grow apart. Nothing here is a clear value.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from appliance.store.connection import Connection
from appliance.store.rows import HostRow

MAX_NAMES: Final = 16  # of one host
MAX_HOSTS: Final = 200_000  # rows; their records stay for as long as records do
AHEAD_S: Final = 86_400.0  # a capture that claims to be from later does not outdo what comes after it


class Host(msgspec.Struct, frozen=True):
    """Table hosts, column by column."""

    address: str
    mac: str | None
    vendor: str
    names: tuple[str, ...]
    told_by: tuple[str, ...]
    system: str
    router: bool
    source: str
    first_seen: float
    last_seen: float
    touched: float


_COLUMNS: Final = Host.__struct_fields__
_KNOWN: Final = f"SELECT {', '.join(_COLUMNS)} FROM hosts WHERE list_contains(?::VARCHAR[], address)"  # noqa: S608 - names of ours
_CALLED: Final = (
    "SELECT mac, names FROM hosts WHERE address = ? UNION ALL SELECT mac, names FROM host_records WHERE address = ?"
)
_GONE: Final = "DELETE FROM hosts WHERE list_contains(?::VARCHAR[], address)"
_TYPES: Final = (
    '{"address":"VARCHAR","mac":"VARCHAR","vendor":"VARCHAR","names":["VARCHAR"],"told_by":["VARCHAR"],'
    '"system":"VARCHAR","router":"BOOLEAN","source":"VARCHAR","first_seen":"DOUBLE","last_seen":"DOUBLE",'
    '"touched":"DOUBLE"}'
)
_PUT: Final = (
    f"INSERT INTO hosts SELECT {', '.join(f'r.{name}' for name in _COLUMNS)} "  # noqa: S608 - names of ours
    f"FROM (SELECT from_json(x, '{_TYPES}') AS r FROM (SELECT unnest(?::VARCHAR[]) AS x))"
)


def keep(connection: Connection, rows: Sequence[HostRow]) -> None:
    """Put records down to their hosts."""
    addresses = list(dict.fromkeys(row.address for row in rows))
    known = {host.address: host for host in _read(connection.execute(_KNOWN, [addresses]).fetchall())}
    for row in sorted(rows, key=lambda row: row.n):
        known[row.address] = merged(known.get(row.address), row)
    connection.execute(_GONE, [addresses])
    connection.execute(_PUT, [[msgspec.json.encode(host).decode() for host in known.values()]])


def linked(connection: Connection, digest: str) -> tuple[str, ...]:
    """What stands, or stood, for the host of an address: the digests of its hardware addresses and its names.

    Of its records too: the row forgets names that are too many, and all of them with a change of hardware address.
    """
    found: list[tuple[Any, ...]] = connection.execute(_CALLED, [digest, digest]).fetchall()
    return tuple(dict.fromkeys(each for mac, names in found for each in (mac, *names) if each))


def merged(known: Host | None, row: HostRow) -> Host:
    """What is known after one more record."""
    latest = row.taken + AHEAD_S
    row = msgspec.structs.replace(row, ts=min(row.ts, latest), until=min(row.until, latest))
    newest: Host | HostRow = row
    if known is None or row.until >= known.last_seen:
        names = _together(known, row)
    else:
        newest, names = known, _together(_as_host(row), known)
    moved = known is not None and row.mac and known.mac and row.mac != known.mac
    return Host(
        address=row.address,
        mac=newest.mac if newest.mac or newest.router or known is None else (row.mac or known.mac),
        vendor=newest.vendor or ("" if newest.router or known is None else (row.vendor or known.vendor)),
        names=tuple(names),
        told_by=tuple(names.values()),
        system=newest.system or ("" if moved or known is None else known.system or row.system),
        router=newest.router,
        source=newest.source,
        first_seen=row.ts if known is None else min(known.first_seen, row.ts),
        last_seen=row.until if known is None else max(known.last_seen, row.until),
        touched=row.taken if known is None else max(known.touched, row.taken),
    )


def _as_host(row: HostRow) -> Host:
    told = {name: getattr(row, name) for name in ("address", "mac", "vendor", "names", "told_by", "system", "router")}
    return Host(**told, source=row.source, first_seen=row.ts, last_seen=row.until, touched=row.taken)


def _together(older: Host | None, newer: Host | HostRow) -> dict[str, str]:
    """Names to what told them; those of another hardware address are another host's."""
    names: dict[str, str] = {}
    other = older is not None and older.mac and newer.mac and older.mac != newer.mac
    for one in (newer,) if older is None or other else (older, newer):
        for name, by in zip(one.names, one.told_by, strict=True):
            names.pop(name, None)
            names[name] = by
    return dict(list(names.items())[-MAX_NAMES:])


def _read(rows: Iterable[tuple[Any, ...]]) -> list[Host]:
    return [msgspec.convert(dict(zip(_COLUMNS, row, strict=True)), Host) for row in rows]
