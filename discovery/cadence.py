"""Answers that are written word by word, known from sizes and times of encrypted records alone.

Owns: the rule and the table of connections that it is tried on. Rules: pure, time is that of the packets; bounded in
connections and in records of each; a sign of this kind is weak, it is never a reason to block, and it is looked for
only where somebody switched it on. What else looks so: dashboards fed by server-sent events, chats, shells inside TLS,
games, captions of live speech. The rule: the client sends more than `ASKED_BYTES` and then nothing, while the server
sends `RECORDS` or more records, nine of ten of them small, at a steady pace for longer than `LEAST_SECONDS`. After
"LLMs Have Rhythm" (arXiv 2502.20589) and "Whisper Leak" (arXiv 2511.03675), which show that pace and sizes tell models.
"""

from collections.abc import Sequence
from itertools import pairwise
from socket import AF_INET, AF_INET6, inet_ntop
from statistics import fmean, median, pstdev
from struct import Struct
from typing import Final

import msgspec

from appliance.model.names import ObservationKind, Transport
from appliance.model.observation import Observation
from discovery.decode import Place
from discovery.held import Recent
from discovery.limits import Limits

ASKED_BYTES: Final = 1_024  # a prompt with its head, sealed
RECORDS: Final = 40
SMALL: Final = range(40, 601)  # bytes of a sealed record that holds a token or a few, and its wrapping
SMALL_PART: Final = 0.9
GAP_S: Final = (0.005, 0.150)  # median time between two records
MOST_VARIATION: Final = 1.5  # standard deviation of the gaps over their mean; pages come in bursts
LEAST_SECONDS: Final = 3.0
MAX_RECORDS: Final = 512  # of one answer; what comes then changes no verdict
SILENT_S: Final = 60.0
APPLICATION_DATA: Final = 0x17  # RFC 8446 section 5.1
_LIMITS: Final = Limits()
NOTE: Final = "cadence"  # how a sign of this kind begins
_V4_BYTES: Final = 4
_HEADER: Final = Struct(">BBxH").unpack_from
_HEADER_BYTES: Final = 5
_PORTS: Final = Struct(">HH").unpack_from


class Rhythm(msgspec.Struct, frozen=True):
    """What made an answer look written: how many records, seconds of the median gap, and of the whole."""

    records: int
    gap: float
    variation: float
    seconds: float


class Answer:
    """One connection: what was asked last, and the records of the answer so far."""

    __slots__ = ("asked", "sizes", "times", "told")

    def __init__(self) -> None:
        self.asked, self.told = 0, False
        self.times: list[float] = []
        self.sizes: list[int] = []

    def up(self, size: int) -> None:
        """The client sends: an answer is over, or the question goes on."""
        if self.times:
            self.asked = 0
            self.times.clear()
            self.sizes.clear()
        self.asked += size

    def down(self, now: float, sizes: Sequence[int]) -> Rhythm | None:
        """The server sends records; the rhythm, once per connection, when it is there."""
        if self.told or self.asked <= ASKED_BYTES or len(self.times) >= MAX_RECORDS:
            return None
        self.times += [now] * len(sizes)
        self.sizes += sizes
        if len(self.times) < RECORDS or now - self.times[0] <= LEAST_SECONDS:
            return None
        found = rhythm(self.times, self.sizes)
        self.told = found is not None
        return found


def rhythm(times: Sequence[float], sizes: Sequence[int]) -> Rhythm | None:
    """The rhythm of records at `times` (seconds, rising) with `sizes` (bytes); None: they do not look written."""
    seconds = times[-1] - times[0] if times else 0.0
    if len(times) < RECORDS or seconds <= LEAST_SECONDS:
        return None
    if sum(size in SMALL for size in sizes) < SMALL_PART * len(sizes):
        return None
    gaps = [gap for before, after in pairwise(times) if (gap := after - before) > 0]
    if len(gaps) < RECORDS // 2 or not GAP_S[0] <= (middle := median(gaps)) <= GAP_S[1]:
        return None
    variation = pstdev(gaps) / fmean(gaps)
    return Rhythm(len(times), middle, variation, seconds) if variation <= MOST_VARIATION else None


def records_of(segment: bytes) -> list[int]:
    """Sizes of the application data records that begin in a segment; empty: it begins none, or is none of TLS."""
    sizes: list[int] = []
    at = 0
    while at + _HEADER_BYTES <= len(segment):
        kind, major, size = _HEADER(segment, at)
        if kind != APPLICATION_DATA or major != 3:  # noqa: PLR2004 - every version of TLS
            break
        sizes.append(size)
        at += _HEADER_BYTES + size
    return sizes


class Cadence:
    """The connections of one engine. `take` every segment with payload that may be TLS."""

    def __init__(self, limit: int = _LIMITS.written) -> None:
        self._answers: Recent[Answer] = Recent(limit, SILENT_S)

    def __len__(self) -> int:
        return len(self._answers)

    def take(self, now: float, place: Place, payload: int) -> Observation | None:
        """The connection whose answer is written, once. `payload`: where the segment's own bytes begin.

        Of the two ports the lower is the server's.
        """
        data, _, address, address_end, at, end = place
        if end - payload <= 0:
            return None
        sport, dport = _PORTS(data, at)
        middle = (address + address_end) >> 1
        src, dst = data[address:middle], data[middle:address_end]
        sizes = records_of(data[payload:end])
        if dport < sport:
            self.says(now, src + dst + data[at : at + 4], sizes, end - payload)
            return None
        return self.answers(now, dst + src + data[at + 2 : at + 4] + data[at : at + 2], sizes)

    def says(self, now: float, key: bytes, sizes: Sequence[int], length: int) -> None:
        """The client of the connection `key` (addresses and ports, its own first) sends records in `length` bytes."""
        if sizes:
            self._of(key, now).up(length)

    def answers(self, now: float, key: bytes, sizes: Sequence[int], asked: int = 0) -> Observation | None:
        """The server sends records; `asked`: bytes of a question that was not seen but must have been sent."""
        if not sizes:
            return None
        answer = self._answers.recall(key, now)
        if answer is None:
            if asked <= ASKED_BYTES:
                return None
            answer = self._of(key, now)
            answer.asked = asked
        found = answer.down(now, sizes)
        return None if found is None else _told(now, key, found)

    def _of(self, key: bytes, now: float) -> Answer:
        found = self._answers.recall(key, now) or Answer()
        self._answers.note(key, now, found)
        return found


def _told(now: float, key: bytes, found: Rhythm) -> Observation:
    size = (len(key) - 4) // 2
    family = AF_INET if size == _V4_BYTES else AF_INET6
    sport, dport = _PORTS(key, 2 * size)
    return Observation(
        ts=now,
        src=inet_ntop(family, key[:size]),
        sport=sport,
        dst=inet_ntop(family, key[size : 2 * size]),
        dport=dport,
        transport=Transport.TCP,
        kind=ObservationKind.FLOW,
        seconds=found.seconds,
        ended="open",
        at_least=True,
        notes=(f"{NOTE} of {found.records} records, {found.gap * 1000:.0f} ms apart",),
    )
