"""Slows down guessing: failures per client address make the next attempt wait.

Rules: sans-io, time as argument; bounded; a success takes nothing back, or one valid account would buy free guesses;
failures are forgotten after a quiet time. Cached credentials are not held up: they are looked up before this is asked.
"""

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network


@dataclass(slots=True)
class _Record:
    failures: int
    until: float
    last: float


class BackOff:
    """`free` failures cost nothing, then the wait doubles from `first` up to `longest` seconds."""

    def __init__(
        self, *, free: int = 3, first: float = 1.0, longest: float = 60.0, forget: float = 900.0, limit: int = 10_000
    ) -> None:
        self._free = free
        self._first = first
        self._longest = longest
        self._forget = forget
        self._limit = limit
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def wait(self, address: str, now: float) -> float:
        """Seconds until an attempt from `address` is looked at; 0: now."""
        record = self._records.get(neighbourhood(address))
        return max(0.0, record.until - now) if record is not None else 0.0

    def failed(self, address: str, now: float) -> None:
        """Note a failure."""
        key = neighbourhood(address)
        record = self._records.get(key)
        if record is None or now - record.last > self._forget:
            record = _Record(0, 0.0, now)
        record.failures += 1
        record.last = now
        excess = record.failures - self._free
        if excess > 0:
            # The exponent is bounded, so that a patient guesser cannot overflow it.
            record.until = now + min(self._longest, self._first * 2.0 ** min(excess - 1, 30))
        self._records[key] = record
        self._records.move_to_end(key)
        while len(self._records) > self._limit:
            self._records.popitem(last=False)


def neighbourhood(address: str) -> str:
    """What counts as one client: an IPv4 address, an IPv6 /64 (one host owns all of it), else the text itself."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, 64), strict=False))
