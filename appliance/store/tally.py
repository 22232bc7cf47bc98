"""What this life of the store has counted of events as they came in.

Owns: the counters and a ring of exchanges that ended. Rules: fed on the writer's thread after COMMIT, asked on the
loop's; each event counts once, because a repeat never gets here. Bounded: beyond `MAX_SERVICES` services share a
label, of opens that wait for their close the oldest are forgotten, of ended exchanges the newest are kept.
"""

import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from itertools import islice
from operator import attrgetter
from typing import Final

from appliance.store.rows import CloseRow, LossesRow, NoticeRow, ObservationRow, OpenRow, RefusalRow, Row
from appliance.store.tally_pages import BOUNDS, Ended, Series, Spread, Tallied, TallyRequest

MAX_SERVICES: Final = 500
MAX_OPEN: Final = 65_536
MAX_RING: Final = 4_096
OTHER: Final = "other"
NONE: Final = "none"
_MICROS: Final = 1e6
_BY_NUMBER: Final = attrgetter("n")
_TOKENS: Final = ("input", "output", "cached", "reasoning")

type _Key = tuple[str, tuple[str, ...]]


class Tally:
    """Counts. `life`: any number that is another after a restart."""

    def __init__(self, life: int) -> None:
        self._life = life
        self._lock = threading.Lock()
        self._counts: dict[_Key, float] = {}
        self._spreads: dict[_Key, list[float]] = {}  # counts by bound and beyond, then the sum
        self._services: set[str] = set()
        self._open: dict[str, OpenRow] = {}
        self._aside: dict[str, None] = {}  # exchanges of which another record counts
        self._ring: deque[tuple[int, OpenRow, CloseRow]] = deque(maxlen=MAX_RING)
        self._number = 0

    def take(self, rows: Iterable[Row]) -> None:
        """Count rows that are on disk."""
        with self._lock:
            for row in sorted(rows, key=_BY_NUMBER):  # an open before its close
                if isinstance(row, OpenRow):
                    self._opened(row)
                elif isinstance(row, CloseRow):
                    self._closed(row)
                elif isinstance(row, RefusalRow):
                    self._add("refusals", 1, row.reason)
                elif isinstance(row, NoticeRow):
                    self._add("notices", 1, row.severity if row.severity in ("info", "warning", "alarm") else OTHER)
                elif isinstance(row, ObservationRow):
                    self._add("sightings", row.count, row.leg)
                elif isinstance(row, LossesRow):
                    self._add("packets_lost", sum(row.dropped))

    def told(self, request: TallyRequest) -> Tallied:
        """As it stands."""
        with self._lock:
            series = tuple(Series(name, labels, value) for (name, labels), value in self._counts.items())
            spreads = tuple(
                Spread(name, labels, tuple(map(int, values[:-1])), values[-1])
                for (name, labels), values in self._spreads.items()
            )
            after = request.after
            newer = () if after is None else (one for one in self._ring if one[0] > after)
            ended = tuple(_ended(*one) for one in islice(newer, request.limit))
            return Tallied(self._life, len(self._open), series, spreads, ended, self._number)

    def _opened(self, row: OpenRow) -> None:
        if row.handed:  # counted by the record of who has sent it on
            self._aside[row.exchange] = None
            if len(self._aside) > MAX_OPEN:
                del self._aside[next(iter(self._aside))]
            return
        service = self._service(row.service)
        self._add("exchanges_opened", 1, service, row.effective)
        self._add("request_bytes", row.request_bytes, service)
        self._spread("inspect_seconds", row.inspect_ms, service)
        self._open[row.exchange] = row
        if len(self._open) > MAX_OPEN:
            del self._open[next(iter(self._open))]

    def _closed(self, row: CloseRow) -> None:
        if row.exchange in self._aside:
            del self._aside[row.exchange]
            return
        opened = self._open.pop(row.exchange, None)
        service = self._service(opened.service if opened else None)
        self._add("exchanges_closed", 1, service, row.outcome)
        self._add("response_bytes", row.response_bytes, service)
        numbers = (row.input_tokens, row.output_tokens, row.cached_tokens, row.reasoning_tokens)
        for kind, number in zip(_TOKENS, numbers, strict=True):
            if number:
                self._add("tokens", number, service, kind)
        if row.cost_priced:
            self._add("cost_usd", (row.cost_micros or 0) / _MICROS, service)
        elif row.cost_priced is False:
            self._add("unpriced", 1, service)
        if row.first_byte_ms is not None:
            self._spread("first_byte_seconds", row.first_byte_ms, service)
        self._spread("duration_seconds", row.duration_ms, service)
        if opened is not None:
            self._number += 1
            self._ring.append((self._number, opened, row))

    def _service(self, name: str | None) -> str:
        if name is None:
            return NONE
        if name in self._services:
            return name
        if len(self._services) >= MAX_SERVICES:
            return OTHER
        self._services.add(name)
        return name

    def _add(self, family: str, number: float, *labels: str) -> None:
        key = (family, labels)
        self._counts[key] = self._counts.get(key, 0) + number

    def _spread(self, family: str, milliseconds: float, service: str) -> None:
        values = self._spreads.setdefault((family, (service,)), [0.0] * (len(BOUNDS) + 2))
        seconds = max(milliseconds, 0.0) / 1000
        values[bisect_left(BOUNDS, seconds)] += 1
        values[-1] += seconds


def _ended(number: int, opened: OpenRow, closed: CloseRow) -> Ended:
    return Ended(
        number=number,
        exchange=opened.exchange,
        began=opened.ts,
        ended=max(closed.ts, opened.ts),
        service=opened.service or NONE,
        api=opened.api,
        model=opened.model,
        stream=opened.stream,
        host=opened.host,
        port=opened.port,
        outcome=closed.outcome,
        status=closed.status,
        effective=opened.effective,
        model_served=closed.model_served,
        input_tokens=closed.input_tokens,
        output_tokens=closed.output_tokens,
        cached_tokens=closed.cached_tokens,
        first_byte_ms=closed.first_byte_ms,
        conversation=opened.conversation,
    )
