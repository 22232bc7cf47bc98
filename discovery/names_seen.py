"""Which names a client was told stand at an address: answers of resolvers, kept while they may be in use.

Owns: the tables and how long an answer counts. Rules: pure, time as an argument; what one client was told says
nothing of another; all tables are bounded and lose what was used longest ago. An answer counts for its TTL, at least
`SHORTEST_S` because programs go on using what they hold, at most `LONGEST_S`. Names that nobody asks for again are
never written down.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, NamedTuple

SHORTEST_S: Final = 300.0
LONGEST_S: Final = 86_400.0
MAX_ENTRIES: Final = 32_768  # pairs of client and address, and as many of client and name
MAX_NAMES: Final = 8  # of one address for one client
# Nobody has a site there, it stands in clear for others (developers.cloudflare.com/ssl/edge-certificates/ech).
KNOWN_FRONTS: Final = frozenset({"cloudflare-ech.com"})
MAX_ADDRESSES: Final = 32  # of one name for one client; beyond that the oldest answer gives way

type _Pair = tuple[str, str]


class Told(NamedTuple):
    """One thing a client was told, and until when it counts (epoch seconds)."""

    what: str
    until: float


class NamesSeen:
    """The memory of one sensor."""

    def __init__(self, limit: int = MAX_ENTRIES) -> None:
        self._limit = limit
        self._names: OrderedDict[_Pair, tuple[Told, ...]] = OrderedDict()
        self._addresses: OrderedDict[_Pair, tuple[Told, ...]] = OrderedDict()
        self._fronts: OrderedDict[_Pair, tuple[Told, ...]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._names) + len(self._addresses) + len(self._fronts)

    def note(self, now: float, client: str, name: str, addresses: Iterable[str], ttl: int | None) -> None:
        """`client` was told that `name` (as it asked for it, aliases followed) stands at `addresses`."""
        name = name.lower().removesuffix(".")
        until = now + min(max(float(ttl or 0), SHORTEST_S), LONGEST_S)
        for address in tuple(addresses)[:MAX_ADDRESSES]:
            self._keep(self._names, (client, address), Told(name, until), now, MAX_NAMES)
            self._keep(self._addresses, (client, name), Told(address, until), now, MAX_ADDRESSES)

    def note_front(self, now: float, client: str, front: str, ttl: int | None) -> None:
        """`client` was told to encrypt a name behind `front`."""
        front = front.lower().removesuffix(".")
        until = now + min(max(float(ttl or 0), SHORTEST_S), LONGEST_S)
        self._keep(self._fronts, (client, front), Told(front, until), now, 1)

    def is_front(self, now: float, client: str, name: str) -> bool:
        """Whether a hello of `client` to `name` may hide another: it was told so, or the name is there for that."""
        name = name.lower().removesuffix(".")
        return name in KNOWN_FRONTS or bool(_held(self._fronts.get((client, name), ()), now))

    def names(self, now: float, client: str, address: str) -> tuple[str, ...]:
        """Names that stand at `address` for `client`, the one told last first."""
        return _held(self._names.get((client, address), ()), now)

    def addresses(self, now: float, client: str, name: str) -> tuple[str, ...]:
        """Addresses that `client` was told for `name`; empty: it was not told, or not seen to be told."""
        return _held(self._addresses.get((client, name.lower().removesuffix(".")), ()), now)

    def elsewhere(self, now: float, client: str, name: str, address: str) -> bool:
        """The client knows where `name` stands, and that is not `address`. False where nothing is known."""
        known = self.addresses(now, client, name)
        return bool(known) and len(known) < MAX_ADDRESSES and address not in known

    def _keep(self, table: OrderedDict[_Pair, tuple[Told, ...]], key: _Pair, told: Told, now: float, most: int) -> None:
        others = (one for one in table.get(key, ()) if one.what != told.what and one.until >= now)
        table[key] = (told, *others)[:most]
        table.move_to_end(key)
        if len(table) > self._limit:
            table.popitem(last=False)


def _held(told: tuple[Told, ...], now: float) -> tuple[str, ...]:
    return tuple(one.what for one in told if one.until >= now)
