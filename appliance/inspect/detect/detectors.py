"""The façade: one text in, what was found out.

Owns: the detectors' composition, their version, the cache and what each has cost. Rules: any string is taken, lone
surrogates included; the first `max_chars` characters are covered completely, or `OutOfTime` tells which classes are
not, or `DetectorFailure` is raised; what is cheap and certain runs first, and none is begun behind the deadline. The
cache holds complete answers under a keyed digest of the text, never text, and the key dies with the process; it belongs
to one set of detectors and settings, so that no answer of another is ever in it.
"""

import hashlib
import secrets as randomness
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from appliance.inspect.detect import hyperscan, order, presidio, recognisers_own, tables
from appliance.inspect.detect.alphabet import as_class, characters, ranges
from appliance.inspect.detect.answering import output_families
from appliance.inspect.detect.custom import Custom
from appliance.inspect.detect.english import Tokenizer
from appliance.inspect.detect.failure import DetectorFailure, OutOfTime, TooMany
from appliance.inspect.detect.families import Family, families
from appliance.inspect.detect.lookalikes import told_apart
from appliance.inspect.detect.pii import Pii, Worth
from appliance.inspect.detect.prefilter import Prefilter
from appliance.inspect.detect.secrets import Secrets
from appliance.inspect.detect.settings import PLAIN, Settings
from appliance.inspect.detect.statistics import Statistics
from appliance.inspect.detect.unlike import unlike
from appliance.inspect.identifiers import is_count
from appliance.inspect.looking import Detector, Looked, Seen
from appliance.inspect.numbers import SURE
from appliance.inspect.output.patterns import Patterns, exact
from appliance.inspect.views_counted import COUNTING, counted
from appliance.model.detection import Detection
from appliance.model.names import Source

# Raised whenever the same rules and libraries would find something else than before.
REVISION = 2
MAX_CHARS = 1 << 18
TIME_LIMIT_S = 5.0  # for one text; presidio allows 60 s for each expression and then leaves it out
CERTAIN = Worth(SURE, COUNTING)  # what counts in a view that is sure
_FEW = 2000  # all digits of all scripts, and then some
_CACHE_ENTRIES = 4096
_CACHE_BYTES = 8 << 20
_BYTES_PER_ENTRY = 200  # digest, ordering and the tuple itself, roughly
_BYTES_PER_DETECTION = 150
_OF_PATTERNS = ("pii", "secret")
_BY_EXACT = frozenset({"patterns", "views", Patterns.name})  # stages that a watch does without, or does itself


type Chooser = Callable[[Detection], bool]


class Scan(NamedTuple):
    """Detections sorted by place; `scanned` is how many leading characters were looked at, `complete` if all."""

    detections: tuple[Detection, ...]
    scanned: int
    complete: bool


class _Stage(NamedTuple):
    """A detector in its turn; `classes`: of which something is missing when it does not finish."""

    name: str
    classes: tuple[str, ...]
    sources: frozenset[Source]
    find: Callable[[Looked, float], Iterable[Detection]]


class Detectors:
    """Patterns, then every other detector. Build with `Detectors.load`; safe to use from several threads."""

    def __init__(
        self,
        pii: Pii,
        secrets: Secrets,
        custom: Custom,
        made: tables.Tables,
        version: str,
        max_chars: int,
        settings: Settings,
    ) -> None:
        further = order.detectors(settings)
        told = (version, settings.digest(), *(f"{one.name}={one.version}" for one in further))
        self.version = hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:32]
        self.classes: tuple[str, ...] = tuple(dict.fromkeys((*_OF_PATTERNS, *(one.detector_class for one in further))))
        self.max_chars = max_chars
        self.time_limit_s = TIME_LIMIT_S
        self._pii = pii
        self._secrets = secrets
        self._custom = custom
        self._prefilter = Prefilter(made)
        self._first_secret = len(made.scopes) - len(secrets.rules)
        self._stages = self._in_turn(further)
        self.stages = {stage.name: stage.classes for stage in self._stages}
        self.statistics = Statistics()
        self._cache = _Cache(_CACHE_ENTRIES, _CACHE_BYTES)

    @classmethod
    def load(cls, cache_dir: Path | None, max_chars: int = MAX_CHARS, settings: Settings = PLAIN) -> "Detectors":
        """Ready in well under a second from the tables in `cache_dir`, in several seconds where they must be built."""
        pii, secrets = Pii(), Secrets()
        version = _fingerprint(pii, secrets)
        made = tables.obtain(cache_dir, version, lambda: _build(pii, secrets))
        made_well = len(made.scopes) > len(secrets.rules)
        if not made_well:
            raise DetectorFailure("the detection tables are empty: remove the cache folder and start again")
        custom = Custom(settings.recognisers, cache_dir, made.unlike)
        detectors = cls(pii, secrets, custom, made, version, max_chars, settings)
        detectors.scan(_WARM_UP)
        return detectors

    def families(self) -> tuple[Family, ...]:
        """Every detector by itself, for texts that grow."""
        shipped = families(self._pii, self._secrets, self._prefilter, self._first_secret)
        return (*shipped, *self._custom.families(), *output_families())

    @property
    def tokenizer(self) -> Tokenizer:
        """What splits the words around a match."""
        return self._pii.tokenizer

    def scan(self, text: str, source: Source = Source.UNKNOWN) -> tuple[Detection, ...]:
        """What the first `max_chars` characters hold, overlaps included, sorted by place.

        Raises OutOfTime with what was found until then, and DetectorFailure.
        """
        return self.look(text, source).found

    def look(self, text: str, source: Source = Source.UNKNOWN, enough: Chooser | None = None) -> Seen:
        """`scan`, and what of the text was not looked at in full.

        `enough`: whether a finding makes further ones needless; detectors that come later are not asked then.
        """
        seen = text[: self.max_chars]
        key = self._cache.key(seen, source)
        known = self._cache.get(key)
        self.statistics.asked += 1
        if known is not None:
            self.statistics.remembered += 1
            return known
        made = self._find(Looked(seen, source, order.views), time.monotonic() + self.time_limit_s, enough=enough)
        if not made.skipped:
            self._cache.put(key, made)
        return made

    def scan_bounded(self, text: str, source: Source = Source.UNKNOWN) -> Scan:
        """`scan`, and how far was looked: a caller must treat the rest as not scanned."""
        found, seen = self.scan(text, source), min(len(text), self.max_chars)
        return Scan(found, seen, seen == len(text))

    def exact(self, text: str) -> tuple[Detection, ...]:
        """What the patterns alone find in the letters as they stand: what a watch over a growing text decides by."""
        deadline = time.monotonic() + self.time_limit_s
        seen = text[: self.max_chars]
        key = self._cache.key(seen, _EXACT)
        known = self._cache.get(key)
        if known is None:
            found = self._shielded(lambda: [*self._patterns(seen, deadline), *exact(seen)])
            known = Seen(tuple(sorted(one for one in found if not is_count(seen[one.start : one.end]))))
            self._cache.put(key, known)
        return known.found

    def keys(self, text: str) -> tuple[Detection, ...]:
        """Keys alone, in the first `max_chars` characters as they stand: where there is no time for more."""
        seen = text[: self.max_chars]

        def find() -> list[Detection]:
            try:
                regions = self._prefilter.regions(seen)
                return self._secrets.scan(seen, regions, self._first_secret, time.monotonic() + self.time_limit_s)
            except OutOfTime as late:
                return list(late.found)

        return tuple(sorted(self._shielded(find)))

    def beside(self, text: str) -> tuple[Detection, ...]:
        """What the other detectors say of an answer that has gone, without the forms that `exact` knows of it.

        What does not finish in time has said nothing: nobody waits for it, and the statistics tell.
        """
        looked = Looked(text[: self.max_chars], Source.ANSWER, order.views)
        stages = [one for one in self._stages if one.name not in _BY_EXACT]
        try:
            return self._find(looked, time.monotonic() + self.time_limit_s, stages).found
        except OutOfTime as late:
            return late.found

    @staticmethod
    def _shielded(find: Callable[[], list[Detection]]) -> list[Detection]:
        try:
            return find()
        except DetectorFailure:
            raise
        except Exception as error:  # noqa: BLE001 - the text must not travel in a traceback
            raise DetectorFailure(f"detection failed ({type(error).__name__})") from None

    def _in_turn(self, further: Iterable[Detector]) -> tuple[_Stage, ...]:
        """What runs on a text, cheap and certain first."""
        everywhere: frozenset[Source] = frozenset()
        return (
            _Stage("patterns", _OF_PATTERNS, everywhere, self._in_letters),
            _Stage("views", _OF_PATTERNS, everywhere, self._in_views),
            *(_Stage(one.name, (one.detector_class,), one.sources, one.find) for one in further),
        )

    def _find(
        self,
        looked: Looked,
        deadline: float,
        stages: Sequence[_Stage] | None = None,
        enough: Chooser | None = None,
    ) -> Seen:
        found: list[Detection] = []
        lacking: list[str] = []
        skipped: list[str] = []
        now = time.monotonic()
        for stage in self._stages if stages is None else stages:
            if stage.sources and looked.source not in stage.sources:
                continue
            if enough is not None and (skipped or any(map(enough, found))):
                skipped.append(stage.name)
                continue
            before = now
            more, finished = self._run(stage, looked, deadline, before)
            now = time.monotonic()
            found += more
            if finished:
                self.statistics.ran(stage.name, now - before, len(more))
            else:
                self.statistics.failed(stage.name, now - before, late=True)
                lacking += stage.classes
        if lacking:
            classes = tuple(dict.fromkeys(lacking))
            raise OutOfTime(f"out of time; not complete: {', '.join(classes)}", tuple(sorted(found)), classes)
        return Seen(tuple(sorted(found)), tuple(sorted(looked.partial)), tuple(skipped))

    def _run(self, stage: _Stage, looked: Looked, deadline: float, now: float) -> tuple[Sequence[Detection], bool]:
        """What a detector finds, and whether it finished in time. A failure for another reason is raised."""
        if now > deadline:
            return (), False
        try:
            return list(stage.find(looked, deadline)), True
        except Exception as error:  # noqa: BLE001 - the text must not travel in a traceback
            now = time.monotonic()
            known = isinstance(error, DetectorFailure)
            if isinstance(error, TooMany) or (known and now > deadline):
                return error.found if isinstance(error, OutOfTime) else (), False
            self.statistics.failed(stage.name, 0.0, late=False)
            message = str(error) if known else f"{stage.name}: detection failed ({type(error).__name__})"
        raise DetectorFailure(message) from None

    def _in_letters(self, looked: Looked, deadline: float) -> list[Detection]:
        found = self._likely(looked.text, deadline)
        looked.said = tuple(found)
        return found

    def _in_views(self, looked: Looked, deadline: float) -> list[Detection]:
        found: list[Detection] = []
        for view in looked.others:
            worth = CERTAIN if view.sure else None
            try:
                # Called before the next turn of the loop.
                found += counted(view, lambda text: self._likely(text, deadline, worth), [*looked.said, *found])  # noqa: B023
            except OutOfTime as late:  # places of a view: what was found in the others holds
                raise OutOfTime(str(late), tuple(found), late.lacking) from None
        return found

    def _likely(self, text: str, deadline: float, worth: Worth | None = None) -> list[Detection]:
        return told_apart(text, self._patterns(text, deadline, worth))

    def _patterns(self, text: str, deadline: float, worth: Worth | None = None) -> list[Detection]:
        found = self._custom.scan(text, deadline)
        regions = self._prefilter.regions(text)
        if not regions:
            return found
        # First: nothing that takes long may cost a key.
        try:
            found += self._secrets.scan(text, regions, self._first_secret, deadline)
            return found + self._pii.scan(text, regions, self._first_secret, deadline, worth)
        except DetectorFailure as fault:
            more = fault.found if isinstance(fault, OutOfTime) else ()
            raise OutOfTime(str(fault), (*found, *more), _OF_PATTERNS) from None


# One of each slow first time: suffix list, phone metadata, tokenizer.
_EXACT = "exact"  # beside the sources: what the patterns alone find
_WARM_UP = "warm-up: phone 212-555-0100, mail nobody@example.com, +49 30 901820, card 4111 1111 1111 1111"


class _Cache:
    """Least recently used first out; bounded by entries and by an estimate of bytes."""

    def __init__(self, entries: int, size: int) -> None:
        self._entries = entries
        self._size = size
        self._used = 0
        self._held: OrderedDict[bytes, Seen] = OrderedDict()
        self._keyed = hashlib.blake2b(digest_size=16, key=randomness.token_bytes(32))
        self._lock = threading.Lock()

    def key(self, text: str, source: str) -> bytes:
        digest = self._keyed.copy()
        digest.update(f"{source} {text}".encode("utf-8", "surrogatepass"))
        return digest.digest()

    def get(self, key: bytes) -> Seen | None:
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def put(self, key: bytes, seen: Seen) -> None:
        with self._lock:
            if key in self._held:
                return
            self._held[key] = seen
            self._used += _weight(seen)
            while len(self._held) > self._entries or self._used > self._size:
                self._used -= _weight(self._held.popitem(last=False)[1])


def _weight(seen: Seen) -> int:
    return _BYTES_PER_ENTRY + _BYTES_PER_DETECTION * len(seen.found)


def _fingerprint(pii: Pii, secrets: Secrets) -> str:
    """Everything that decides what is found, as 32 hex digits; of checks written in Python tells REVISION."""
    shapes = [
        (one.name, one.entity, [(rule.expression, rule.score) for rule, _ in rules], one.context, one.regions)
        for one, rules in pii.recognisers
    ]
    facts = (
        REVISION,
        presidio.version(),
        recognisers_own.version(),
        hyperscan.version(),
        shapes,
        [tuple(rule) for rule, _ in secrets.rules],
    )
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
