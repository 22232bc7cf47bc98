"""What one exchange knows of its answer before it comes: whom it may link to, and what it must not give away.

Owns: `Expected`, made from a request. Rules: bounded, whatever the request holds; hosts count as named only where the
person or the application named them, never a tool or a document, because those are where an attack comes from;
instructions are kept as hashes; what is not needed is not worked out.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property

from appliance.inspect.identifiers import is_count
from appliance.inspect.looking import source_of
from appliance.inspect.output.canary import LENGTH, Canaries
from appliance.inspect.output.hosts import BY_HOST, Allowed, named_in, without_allowed
from appliance.inspect.output.late import Flag, LateDetector
from appliance.inspect.output.leak import NONE, STEPS, SYSTEM_PROMPT_LEAK, Repeats, Shingles, shingles_of
from appliance.model.detection import Detection, Label, Segment
from appliance.model.names import DetectionKind, Source

_MOST_NAMING = 64 * 1024  # code points of texts in which hosts may be named
_OVERLAP_RULE, _CANARY_RULE = "system-prompt-overlap", "canary"
_SPOKEN = frozenset({"content", "reasoning", "refusal", "arguments"})


class Expected:
    """`allowed`: of the site and the provider. `naming`: texts whose hosts are allowed. `canaries`: of the site."""

    def __init__(
        self,
        allowed: Sequence[Allowed] = (),
        naming: Sequence[str] = (),
        shingles: Shingles = NONE,
        canaries: Canaries | None = None,
    ) -> None:
        self._given = tuple(allowed)
        self._naming = tuple(naming)
        self._shingles = shingles
        self._canaries = canaries

    @cached_property
    def _allowed(self) -> tuple[Allowed, ...]:
        named: set[str] = set()
        for text in self._naming:
            named |= named_in(text)
        return (*self._given, Allowed(named))

    def kept(self, text: str, found: Sequence[Detection]) -> tuple[Detection, ...]:
        """Findings in `text` without links and images to hosts that are allowed here."""
        if not any(one.entity in BY_HOST for one in found):
            return tuple(found)
        return without_allowed(text, found, self._allowed)

    def counts(self, entity: str, text: str) -> bool:
        """Whether a finding of `entity` over exactly `text` is one here."""
        if entity not in BY_HOST:
            return not is_count(text)
        return bool(without_allowed(text, (_over(entity, text),), self._allowed))

    def along(
        self, segments: Sequence[Segment], findings: Sequence[tuple[Detection, ...]]
    ) -> tuple[tuple[Detection, ...], ...]:
        """Findings along the texts of an answer: those that are kept, and what the model's words give away.

        A provider may repeat the request in its answer; that is no leak.
        """
        if self is NOTHING:
            return tuple(findings)
        pairs = zip(segments, findings, strict=True)
        return tuple(
            (*self.kept(one.text, found), *(self.leaks(one.text) if one.role == "assistant" else ()))
            for one, found in pairs
        )

    def leaks(self, text: str) -> tuple[Detection, ...]:
        """Instructions that a whole text repeats, and canaries in it."""
        found: list[Detection] = []
        if self._canaries is not None:
            found += (_leak(start, end, 1.0, _CANARY_RULE) for start, end in self._canaries.places(text))
        if self._shingles.hashes:
            repeats = Repeats(self._shingles)
            repeats.feed(text)
            repeats.close()
            if repeats.share:
                found.append(_leak(repeats.first, repeats.last, repeats.share, _OVERLAP_RULE))
        return tuple(found)

    def late(self, kind: str) -> list[LateDetector]:
        """What watches a growing text of a kind for what it gives away."""
        made: list[LateDetector] = []
        if kind not in _SPOKEN:
            return made
        if self._shingles.hashes:
            made.append(_LeakWatch(self._shingles))
        if self._canaries is not None:
            made.append(_CanaryWatch(self._canaries))
        return made


NOTHING = Expected()


class Expectations:
    """Makes an `Expected` of each request; one for the life of a worker. Shingles of the same texts are made once."""

    def __init__(self, allowed: Iterable[str] = (), canaries: Canaries | None = None, remember: int = 32) -> None:
        self.canaries = canaries
        self._allowed = Allowed(allowed)
        self._remember = remember
        self._known: dict[int, Shingles] = {}

    def of(self, segments: Sequence[Segment], hosts: Iterable[str] = ()) -> Expected:
        """`segments`: of the request; `hosts`: the provider's own."""
        naming: list[str] = []
        system: list[str] = []
        room = _MOST_NAMING
        for segment in reversed(segments):
            source = source_of(segment)
            if source is Source.SYSTEM and segment.channel == "content":
                system.append(segment.text)
            if source in (Source.USER, Source.SYSTEM) and room > 0:
                naming.append(segment.text[:room])
                room -= len(naming[-1])
        return Expected((self._allowed, Allowed(hosts)), naming, self._shingles(tuple(system)), self.canaries)

    def leaked(self, segments: Sequence[Segment]) -> tuple[Label, ...]:
        """Canaries of this site in a request: instructions that some application was given have got out."""
        count = self.canaries.count(one.text for one in segments) if self.canaries else 0
        return (Label(SYSTEM_PROMPT_LEAK, DetectionKind.OUTPUT, count, 1.0),) if count else ()

    def _shingles(self, texts: tuple[str, ...]) -> Shingles:
        if sum(map(len, texts)) < LENGTH:
            return NONE
        key = hash(texts)
        found = self._known.pop(key, None)
        if found is None:
            found = shingles_of(texts)
        self._known[key] = found
        if len(self._known) > self._remember:
            self._known.pop(next(iter(self._known)))
        return found


class _LeakWatch:
    """Tells of each step that the share comes to, once."""

    def __init__(self, shingles: Shingles) -> None:
        self._repeats = Repeats(shingles)
        self._steps = list(STEPS)

    def feed(self, text: str) -> Iterable[Flag]:
        """See `LateDetector`."""
        self._repeats.feed(text)
        return self._told()

    def close(self) -> Iterable[Flag]:
        """See `LateDetector`."""
        self._repeats.close()
        return self._told()

    def _told(self) -> list[Flag]:
        share = self._repeats.share
        if not share or not self._steps or share < self._steps[0]:
            return []
        while self._steps and share >= self._steps[0]:
            self._steps.pop(0)
        return [Flag(SYSTEM_PROMPT_LEAK, DetectionKind.OUTPUT, share, _OVERLAP_RULE)]


class _CanaryWatch:
    """Tells of the first canary."""

    def __init__(self, canaries: Canaries) -> None:
        self._canaries: Canaries | None = canaries
        self._tail = ""

    def feed(self, text: str) -> Iterable[Flag]:
        """See `LateDetector`."""
        if self._canaries is None:
            return ()
        seen = self._tail + text
        self._tail = seen[-LENGTH:]
        if not any(self._canaries.places(seen)):
            return ()
        self._canaries = None
        return (Flag(SYSTEM_PROMPT_LEAK, DetectionKind.OUTPUT, 1.0, _CANARY_RULE),)

    def close(self) -> Iterable[Flag]:
        """See `LateDetector`."""
        return ()


def _leak(start: int, end: int, score: float, rule: str) -> Detection:
    return Detection(start, end, SYSTEM_PROMPT_LEAK, DetectionKind.OUTPUT, score, rule)


def _over(entity: str, text: str) -> Detection:
    return Detection(0, len(text), entity, DetectionKind.OUTPUT, 1.0, "")
