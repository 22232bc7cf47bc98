"""What an application usually asks, so that what it never asked can be told: a baseline with its own percentile.

Theory: an agent that was taken over asks otherwise than it did: other words, another length, another language, other
tools, at another hour. Of each application (client, service, beginning of the system prompt: never a person) the
average of hashed words and word pairs is kept, and how often each language, set of tools and hour came; the distance of
a request from that is compared with the distances of those before it. One of two hundred lies above the 99.5th
percentile by definition, so this is a sign for people and never a reason to block.

Rules: pure, time as an argument; costs tens of microseconds; bounded in applications and in everything kept of one; all
of it can be written down (`Baselines.encode`) and read back (`decode`), and what cannot be read is refused whole. No
text can be told from what is kept: words become one of `DIMENSIONS` sums.
"""

import math
import zlib
from collections import Counter, OrderedDict
from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

import msgspec

DIMENSIONS = 256
MAX_APPLICATIONS = 128
LEARNT = 500
"""Requests after which an application has habits."""
SHARE = 0.005
"""Of an application's requests that are unusual: above its 99.5th percentile."""
_MEMORY = 2000  # requests over which habits fade
_BINS = 128
_KINDS = 32  # languages, sets of tools
_SAMPLE = 400  # characters of the text that are read
_WEIGHTS = (0.4, 0.2, 0.15, 0.15, 0.1)  # text, size, language, tools, hour
_HOURS = 24
_VERSION = 1
_SMALL = 1e-6
_COMMON = {
    "en": frozenset({"the", "and", "of", "to", "is", "in", "you", "that", "for", "with"}),
    "de": frozenset({"der", "die", "das", "und", "ist", "nicht", "ein", "zu", "mit", "ich"}),
    "fr": frozenset({"le", "la", "les", "et", "des", "est", "un", "une", "pour", "vous"}),
    "es": frozenset({"el", "los", "las", "y", "que", "en", "un", "una", "por", "para"}),
    "it": frozenset({"il", "di", "che", "e", "per", "un", "una", "non", "sono", "con"}),
    "pt": frozenset({"o", "os", "que", "e", "um", "uma", "não", "para", "com", "do"}),
}
_SCRIPTS = ((0x0400, "cyrillic"), (0x0590, "hebrew"), (0x0600, "arabic"), (0x0900, "indic"), (0x3040, "east asian"))


class Features(NamedTuple):
    """A request as habits see it. `terms`: hashed words and pairs with their share, of length 1 in all."""

    terms: tuple[tuple[int, float], ...]
    size: float  # logarithm of all characters
    language: str
    tools: str
    hour: int  # 0-23, UTC


def features(text: str, chars: int, tools: Iterable[str], now: float) -> Features:
    """Of the newest text of a user, all characters of the request, declared tools, and epoch seconds."""
    words = text[:_SAMPLE].lower().split()
    counts = Counter(_places(words))
    norm = math.sqrt(sum([count * count for count in counts.values()])) or 1.0
    declared = f"{zlib.crc32(' '.join(sorted(tools)).encode('utf-8', 'replace')):08x}"
    terms = tuple([(place, count / norm) for place, count in counts.items()])
    return Features(terms, math.log1p(chars), language(words), declared, int(now // 3600) % _HOURS)


def _places(words: list[str]) -> list[int]:
    """The sums that words and pairs of neighbours, with a blank between, belong to: checksums of their UTF-8."""
    written = " ".join(words).encode("utf-8", "replace").split(b" ")
    singles = list(map(zlib.crc32, written)) if words else []
    pairs = map(zlib.crc32, map(b" ".__add__, written[1:]), singles)  # a checksum goes on where another ended
    return [checksum % DIMENSIONS for checksum in chain(singles, pairs)]


def language(words: list[str]) -> str:
    """A guess by common words or by script, good enough to see a change."""
    met = set(words)
    best, common = max(((len(met & few), name) for name, few in _COMMON.items()), default=(0, ""))
    if best > 1:
        return common
    letter = next((ord(word[0]) for word in words if word[0] > "\u0400"), 0)
    return next((name for first, name in reversed(_SCRIPTS) if letter >= first), "other")


class Baseline(msgspec.Struct):
    """Habits of one application. Shares fade with `_MEMORY`; `centroid` is `scale` times the average text."""

    count: int = 0
    scale: float = 1.0
    centroid: list[float] = msgspec.field(default_factory=lambda: [0.0] * DIMENSIONS)
    norm: float = 0.0  # square of the average's length
    size: float = 0.0
    spread: float = 0.0
    languages: dict[str, float] = {}
    tools: dict[str, float] = {}
    hours: list[float] = msgspec.field(default_factory=lambda: [0.0] * _HOURS)
    distances: list[float] = msgspec.field(default_factory=lambda: [0.0] * _BINS)

    @property
    def sound(self) -> bool:
        """What was read back can be reckoned with."""
        lengths = (len(self.centroid), len(self.hours), len(self.distances)) == (DIMENSIONS, _HOURS, _BINS)
        numbers = (self.scale, self.norm, self.size, self.spread, *self.centroid, *self.hours, *self.distances)
        shares = (*self.languages.values(), *self.tools.values())
        bounded = max(len(self.languages), len(self.tools)) <= _KINDS
        return lengths and bounded and self.scale > _SMALL / 10 and all(map(math.isfinite, (*numbers, *shares)))

    def score(self, seen: Features) -> float:
        """How far a request is from the habits, 0-1."""
        length = math.sqrt(max(self.norm, 0.0))
        likeness = min(1.0, max(0.0, self._dot(seen) / length)) if length > _SMALL else 0.0
        width = 4 * math.sqrt(max(self.spread, 0.0)) + 0.25
        usual = max(self.hours)
        parts = (
            1 - likeness,
            min(1.0, abs(seen.size - self.size) / width),
            1 - self.languages.get(seen.language, 0.0),
            1 - self.tools.get(seen.tools, 0.0),
            1 - self.hours[seen.hour] / usual if usual > 0 else 0.0,
        )
        return min(1.0, max(0.0, sum(weight * part for weight, part in zip(_WEIGHTS, parts, strict=True))))

    def is_unusual(self, score: float) -> bool:
        """Above the application's own 99.5th percentile, once it has habits."""
        if self.count < LEARNT:
            return False
        above = sum(self.distances[_bin(score) :])
        return above < SHARE * sum(self.distances)

    def observe(self, seen: Features, score: float) -> None:
        """Take a request into the habits."""
        self.count += 1
        share = max(1 / self.count, 1 / _MEMORY)
        self._move(seen, share)
        away = seen.size - self.size
        self.size += share * away
        self.spread = (1 - share) * (self.spread + share * away * away)
        _fade(self.languages, seen.language, share)
        _fade(self.tools, seen.tools, share)
        self.hours = [hour * (1 - share) for hour in self.hours]
        self.hours[seen.hour] += share
        self.distances[_bin(score)] += 1
        if self.count % _MEMORY == 0:
            self.distances = [number / 2 for number in self.distances]

    def _dot(self, seen: Features) -> float:
        centroid = self.centroid
        return self.scale * sum([centroid[place] * share for place, share in seen.terms])

    def _move(self, seen: Features, share: float) -> None:
        """The average moves by `share` towards the request: only the terms that it holds are touched."""
        keep = 1 - share
        if keep <= 0:
            self.centroid, self.scale, self.norm, keep = [0.0] * DIMENSIONS, 1.0, 0.0, 1.0
        self.norm = keep * keep * self.norm + 2 * share * keep * self._dot(seen) + share * share
        self.scale *= keep
        for place, part in seen.terms:
            self.centroid[place] += share * part / self.scale
        if self.scale < _SMALL:
            self.centroid = [number * self.scale for number in self.centroid]
            self.scale = 1.0


class _Written(msgspec.Struct, frozen=True):
    version: int
    applications: list[tuple[str, Baseline]]


class Baselines:
    """Habits of all applications that this process sees; the one not seen for longest goes first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Baseline] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def judge(self, application: str, seen: Features) -> float | None:
        """The distance of an unusual request, 0-1; None: as usual, or too early to tell. Then it is a habit too."""
        kept = self._kept.get(application)
        if kept is None:
            kept = self._kept[application] = Baseline()
            if len(self._kept) > MAX_APPLICATIONS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(application)
        score = kept.score(seen)
        unusual = kept.is_unusual(score)
        kept.observe(seen, score)
        return round(score, 3) if unusual else None

    def encode(self) -> bytes:
        """All habits, to be kept over a restart."""
        return msgspec.msgpack.encode(_Written(_VERSION, list(self._kept.items())))

    @classmethod
    def decode(cls, data: bytes) -> "Baselines":
        """What `encode` wrote. ValueError: it did not write this."""
        try:
            written = msgspec.msgpack.decode(data, type=_Written)
        except msgspec.MsgspecError as error:
            raise ValueError(f"no habits of applications: {error}") from None
        sound = all(kept.sound for _, kept in written.applications)
        if written.version != _VERSION or len(written.applications) > MAX_APPLICATIONS or not sound:
            raise ValueError("no habits of applications that this version can read")
        made = cls()
        made._kept = OrderedDict(written.applications)
        return made


def _bin(score: float) -> int:
    return min(_BINS - 1, int(score * _BINS))


def _fade(shares: dict[str, float], met: str, share: float) -> None:
    """Every share fades, the one that was met grows; the rarest goes where there are too many."""
    for name in shares:
        shares[name] *= 1 - share
    shares[met] = shares.get(met, 0.0) + share
    if len(shares) > _KINDS:
        del shares[min((name for name in shares if name != met), key=shares.__getitem__)]
