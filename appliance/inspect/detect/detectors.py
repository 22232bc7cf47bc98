"""The façade: one text in, what was found out.

Owns: the detectors' composition, their version and the cache. Rules: any string is taken, lone surrogates included, and
the first `max_chars` characters are covered completely or `DetectorFailure` is raised; how far was looked is in the
result. The cache holds detections under a keyed digest of the text, never text, and the key dies with the process.
"""

import hashlib
import secrets as randomness
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from appliance.inspect.detect import hyperscan, order, presidio, tables
from appliance.inspect.detect.alphabet import as_class, characters, ranges
from appliance.inspect.detect.english import Tokenizer
from appliance.inspect.detect.failure import DetectorFailure
from appliance.inspect.detect.families import Family, families
from appliance.inspect.detect.keyrules import KEY_RULES
from appliance.inspect.detect.pii import Pii
from appliance.inspect.detect.prefilter import Prefilter
from appliance.inspect.detect.secrets import Secrets
from appliance.inspect.detect.settings import PLAIN, Settings
from appliance.inspect.detect.unlike import unlike
from appliance.inspect.looking import Looked, View
from appliance.model.detection import Detection
from appliance.model.names import Source

# Raised whenever the same rules and libraries would find something else than before.
REVISION = 1
MAX_CHARS = 1 << 18
TIME_LIMIT_S = 5.0  # for one text; presidio allows 60 s for each expression and then leaves it out
_FEW = 2000  # all digits of all scripts, and then some
_CACHE_ENTRIES = 4096
_CACHE_BYTES = 8 << 20
_BYTES_PER_ENTRY = 200  # digest, ordering and the tuple itself, roughly
_BYTES_PER_DETECTION = 150


class Scan(NamedTuple):
    """Detections sorted by place; `scanned` is how many leading characters were looked at, `complete` if all."""

    detections: tuple[Detection, ...]
    scanned: int
    complete: bool


class Detectors:
    """Patterns, then every other detector. Build with `Detectors.load`; safe to use from several threads."""

    def __init__(
        self, pii: Pii, secrets: Secrets, made: tables.Tables, version: str, max_chars: int, settings: Settings
    ) -> None:
        self._further = order.detectors(settings)
        told = (version, settings.digest(), *(f"{one.name}={one.version}" for one in self._further))
        self.version = hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:32]
        self.classes: tuple[str, ...] = tuple(
            dict.fromkeys(("pii", "secret", *(one.detector_class for one in self._further)))
        )
        self.max_chars = max_chars
        self.time_limit_s = TIME_LIMIT_S
        self._pii = pii
        self._secrets = secrets
        self._prefilter = Prefilter(made)
        self._first_secret = len(made.scopes) - len(KEY_RULES)
        self._cache = _Cache(_CACHE_ENTRIES, _CACHE_BYTES)

    @classmethod
    def load(cls, cache_dir: Path | None, max_chars: int = MAX_CHARS, settings: Settings = PLAIN) -> "Detectors":
        """Ready in well under a second from the tables in `cache_dir`, in several seconds where they must be built."""
        pii, secrets = Pii(), Secrets()
        version = _fingerprint()
        made = tables.obtain(cache_dir, version, lambda: _build(pii, secrets))
        made_well = len(made.scopes) > len(KEY_RULES)
        if not made_well:
            raise DetectorFailure("the detection tables are empty: remove the cache folder and start again")
        detectors = cls(pii, secrets, made, version, max_chars, settings)
        detectors.scan(_WARM_UP)
        return detectors

    def families(self) -> tuple[Family, ...]:
        """Every detector by itself, for texts that grow."""
        return families(self._pii, self._secrets, self._prefilter, self._first_secret)

    @property
    def tokenizer(self) -> Tokenizer:
        """What splits the words around a match."""
        return self._pii.tokenizer

    def scan(self, text: str, source: Source = Source.UNKNOWN) -> tuple[Detection, ...]:
        """What the first `max_chars` characters hold, overlaps included, sorted by place. See `scan_bounded`."""
        return self.scan_bounded(text, source).detections

    def scan_bounded(self, text: str, source: Source = Source.UNKNOWN) -> Scan:
        """Detections and how far was looked; a caller must treat the rest as not scanned. Raises DetectorFailure."""
        seen = text[: self.max_chars]
        key = self._cache.key(seen, source)
        found = self._cache.get(key)
        if found is None:
            found = self._guarded(seen, source)
            self._cache.put(key, found)
        return Scan(found, len(seen), len(seen) == len(text))

    def exact(self, text: str) -> tuple[Detection, ...]:
        """What the patterns alone find in the letters as they stand: what a watch over a growing text decides by."""
        deadline = time.monotonic() + self.time_limit_s
        return tuple(sorted(self._shielded(lambda: self._patterns(text[: self.max_chars], deadline))))

    def _guarded(self, text: str, source: Source) -> tuple[Detection, ...]:
        deadline = time.monotonic() + self.time_limit_s
        return tuple(sorted(self._shielded(lambda: self._find(Looked(text, source, order.views), deadline))))

    @staticmethod
    def _shielded(find: Callable[[], list[Detection]]) -> list[Detection]:
        try:
            return find()
        except DetectorFailure:
            raise
        except Exception as error:  # noqa: BLE001 - the text must not travel in a traceback
            raise DetectorFailure(f"detection failed ({type(error).__name__})") from None

    def _find(self, looked: Looked, deadline: float) -> list[Detection]:
        found = self._patterns(looked.text, deadline)
        for view in looked.others:
            found += self._in_view(view, deadline)
        for detector in self._further:
            if not detector.sources or looked.source in detector.sources:
                found += detector.find(looked, deadline)
        return found

    def _patterns(self, text: str, deadline: float) -> list[Detection]:
        regions = self._prefilter.regions(text)
        if not regions:
            return []
        found = self._pii.scan(text, regions, self._first_secret, deadline)
        return found + self._secrets.scan(text, regions, self._first_secret)

    def _in_view(self, view: View, deadline: float) -> list[Detection]:
        found: list[Detection] = []
        for one in self._patterns(view.text, deadline):
            start, end = view.placed(one.start, one.end)
            found.append(msgspec.structs.replace(one, start=start, end=end))
        return found


# One of each slow first time: suffix list, phone metadata, tokenizer.
_WARM_UP = "warm-up: phone 212-555-0100, mail nobody@example.com, +49 30 901820, card 4111 1111 1111 1111"


class _Cache:
    """Least recently used first out; bounded by entries and by an estimate of bytes."""

    def __init__(self, entries: int, size: int) -> None:
        self._entries = entries
        self._size = size
        self._used = 0
        self._held: OrderedDict[bytes, tuple[Detection, ...]] = OrderedDict()
        self._secret = randomness.token_bytes(32)
        self._lock = threading.Lock()

    def key(self, text: str, source: Source) -> bytes:
        told = f"{source.value} {text}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(told, digest_size=16, key=self._secret).digest()

    def get(self, key: bytes) -> tuple[Detection, ...] | None:
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def put(self, key: bytes, found: tuple[Detection, ...]) -> None:
        with self._lock:
            if key in self._held:
                return
            self._held[key] = found
            self._used += _weight(found)
            while len(self._held) > self._entries or self._used > self._size:
                self._used -= _weight(self._held.popitem(last=False)[1])


def _weight(found: tuple[Detection, ...]) -> int:
    return _BYTES_PER_ENTRY + _BYTES_PER_DETECTION * len(found)


def _fingerprint() -> str:
    """Everything that decides what is found, as 32 hex digits."""
    facts = (REVISION, presidio.version(), hyperscan.version(), [tuple(rule) for rule in KEY_RULES])
    return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()[:32]


def _build(pii: Pii, secrets: Secrets) -> tables.Tables:
    pairs = [*pii.expressions(), *secrets.expressions()]
    database = hyperscan.compile_expressions([expression for expression, _ in pairs])
    different = unlike()
    narrow = 0
    settled: dict[tables.Scope, tables.Scope] = {}
    for scope in {scope for _, scope in pairs if scope.unicode and scope.members is not None}:
        members = characters(scope.members or "")
        wide = (members & different).bit_count() > _FEW
        narrow |= 0 if wide else members & different
        settled[scope] = msgspec.structs.replace(scope, agreed=as_class(members & ~different), wide=wide)
    scopes = tuple(settled.get(scope, scope) for _, scope in pairs)
    return tables.Tables(database, scopes, tuple(ranges(different)), tuple(ranges(narrow)))
