"""What a replay came to, for `gnomon replay --stats`.

Owns: the record and how it is printed. Rules: sums over all files; times are those of the packets, only `took_s` is the
clock's; every table is ordered by its counts, then by name.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from appliance.model.observation import Sighting
from appliance.sanitise import one_line
from discovery.files import Frame
from discovery.layers import Layers, link_name


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Of everything that was read. `bytes`: of packets as captured; `dropped`: what pcapng files say was lost.

    `first`, `last`: epoch seconds of packets, None without any. `no_transport`: packets with no TCP or UDP in them.
    """

    files: int
    packets: int
    bytes: int
    first: float | None
    last: float | None
    dropped: int
    no_transport: int
    links: Mapping[str, int]
    encapsulations: Mapping[str, int]
    kinds: Mapping[str, int]
    services: Mapping[str, int]
    weird: Mapping[str, int]
    took_s: float
    packets_per_s: float


class Stats:
    """Counts while a replay goes on."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._files = self._packets = self._bytes = self._dropped = self._untold = 0
        self._first: float | None = None
        self._last: float | None = None
        self._links: Counter[int] = Counter()
        self._kinds: Counter[str] = Counter()
        self._services: Counter[str] = Counter()
        self._weird: Counter[str] = Counter()
        self._encapsulations: Counter[str] = Counter()
        self._layers = Layers()

    def take(self, batch: Sequence[Frame], seen: Sequence[Sighting]) -> None:
        """Packets of the present file, and what was seen in them."""
        for ts, link, frame in batch:
            self._links[link] += 1
            self._bytes += len(frame)
            self._layers.take(ts, link, frame)
        if batch:
            times = [ts for ts, _, _ in batch]
            first, last = min(times), max(times)
            self._first = first if self._first is None else min(first, self._first)
            self._last = last if self._last is None else max(last, self._last)
        self._packets += len(batch)
        for sighting in seen:
            self._kinds[sighting.observation.kind.value] += 1
            if sighting.service:
                self._services[sighting.service] += 1

    def file(self, dropped: int, weird: Mapping[str, int]) -> None:
        """A file has ended."""
        self._files += 1
        self._dropped += dropped
        self._weird.update(weird)
        self._encapsulations += self._layers.encapsulations
        self._untold += self._layers.untold
        self._layers = Layers()

    def sums(self) -> Statistics:
        """So far."""
        took = time.perf_counter() - self._begun
        return Statistics(
            files=self._files,
            packets=self._packets,
            bytes=self._bytes,
            first=self._first,
            last=self._last,
            dropped=self._dropped,
            no_transport=self._untold,
            links=_ordered({link_name(link): count for link, count in self._links.items()}),
            encapsulations=_ordered(self._encapsulations),
            kinds=_ordered(self._kinds),
            services=_ordered(self._services),
            weird=_ordered(self._weird),
            took_s=round(took, 3),
            packets_per_s=round(self._packets / took) if took else 0.0,
        )


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(
        sorted(((name, count) for name, count in counts.items() if count), key=lambda each: (-each[1], each[0]))
    )


def lines(sums: Statistics) -> Iterator[tuple[str, str]]:
    """For a person: what, and how much."""
    span = 0.0 if sums.first is None or sums.last is None else sums.last - sums.first
    yield "files", f"{sums.files:,}"
    yield "packets", f"{sums.packets:,} in {span:,.3f} s, {sums.bytes:,} bytes"
    yield "read in", f"{sums.took_s:,.2f} s, {sums.packets_per_s:,.0f} packets/s with these statistics"
    yield "lost by the capture", f"{sums.dropped:,} (as far as the files say)"
    yield "without TCP or UDP", f"{sums.no_transport:,}"
    tables = {
        "link": sums.links,
        "in": sums.encapsulations,
        "seen": sums.kinds,
        "service": sums.services,
        "weird": sums.weird,
    }
    for word, counts in tables.items():
        for name, count in counts.items():
            yield f"{word} {one_line(name)}", f"{count:,}"
