"""All texts of one body through the detectors, within bounds, with an account of every byte.

Owns: which texts are scanned when there is not room or time for all of them, and what that leaves in the coverage.
Rules: whole texts before beginnings, in the order of the body; a detector that fails raises; one that runs out of
time, and what is left when the body's time is up, leave texts that count as `out_of_time`, not as clean, with what was
found in them. `scanned_by` names the classes that ran over all of the scanned texts; where a class stopped at a bound
of its own, `partial` says of how many texts it has not seen everything.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from appliance.inspect.coverage import measure
from appliance.inspect.failure import OutOfTime
from appliance.inspect.identifiers import names_model, telling
from appliance.inspect.injection.turns import with_joined
from appliance.inspect.looking import Seen, source_of
from appliance.inspect.numbers import NUMBER
from appliance.inspect.redact import byte_of
from appliance.inspect.view import RequestView, ResponseView, Syntax
from appliance.inspect.windows import Scanner, keys_in, look_whole
from appliance.model.detection import Coverage, Detection, Label, Segment
from appliance.model.names import Source

Findings = tuple[tuple[Detection, ...], ...]
Chooser = Callable[[Detection], bool]
Clock = Callable[[], float]
TOO_LARGE = "too_large"
OUT_OF_TIME = "out_of_time"
DECIDED = "decided"  # what was found before it settles what happens to the body
REPEATS = "repeats"  # text that stands in the answer once more, in pieces


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of inspection. Bytes for the body, code points for text, seconds for all texts of a body together."""

    max_body: int = 32 * 1024 * 1024
    max_ratio: int = 200
    max_text: int = 1024 * 1024  # one segment
    max_scanned: int = 4 * 1024 * 1024  # all segments of a body together
    max_time_s: float = 10.0


class Scanned(NamedTuple):
    """Detections along the view's segments, and where every byte of the body went."""

    detections: Findings
    coverage: Coverage


def scan_view(
    detectors: Scanner,
    limits: Limits,
    clock: Clock,
    view: RequestView | ResponseView,
    body: bytes,
    skip: str | None = None,
    enough: Chooser | None = None,
) -> Scanned:
    """Scan the segments of `view`, which was read from `body`. `skip`: scan nothing, for this reason.

    `enough`: whether a finding settles what happens to the body whatever else is in it; later texts and, in its own
    text, later detectors are left then, and coverage says so. What is the model's name is looked at all the same,
    because it is written down.
    """
    until = clock() + limits.max_time_s
    findings: list[tuple[Detection, ...]] = []
    counted: list[tuple[Segment, str | None]] = []
    parts: list[str] = []
    skipped: dict[str, None] = {}
    stopped, asks = skip, isinstance(view, RequestView)
    for segment, share in zip(view.segments, _shares(view.segments, limits, skip), strict=True):
        if stopped is None and clock() > until:
            stopped = OUT_OF_TIME
        seen, named = NOTHING, stopped == DECIDED and segment.text == view.model
        if stopped == OUT_OF_TIME and skip is None:
            seen = _Seen(keys_in(detectors, segment.text[:share]))
        elif share and (stopped is None or named):
            seen = _found(detectors, segment, share, view.model, asks, clock, until, None if named else enough)
        found, why, cut, left = seen
        told = _counted(body, view.syntax, segment, share, why if named else stopped or why)
        counted += told
        parts += (*cut, *_of_no_bytes(told))
        skipped |= dict.fromkeys(left)
        findings.append(found)
        if found and enough is not None and stopped is None and any(map(enough, found)):
            stopped = DECIDED
    if asks and stopped is None and "injection" in detectors.classes:
        findings = with_joined(view.segments, findings)
    if isinstance(view, ResponseView):
        counted += [(Segment("", "", "", "", start, end), REPEATS) for start, end in view.repeats]
    stages = getattr(detectors, "stages", {})
    missing = {name for stage in skipped for name in stages.get(stage, (stage,))}
    scanned_by = () if skip else tuple(name for name in detectors.classes if name not in missing)
    coverage = measure(len(body), counted, view.opaque, scanned_by)
    if parts or skipped:
        coverage = msgspec.structs.replace(coverage, partial=dict(Counter(parts)), skipped=tuple(skipped))
    return Scanned(tuple(findings), coverage)


def _of_no_bytes(counted: list[tuple[Segment, str | None]]) -> list[str]:
    """Why texts were not scanned that have no bytes of their own, by which the coverage could tell."""
    return [why for segment, why in counted if why is not None and segment.text and segment.start == segment.end]


class _Seen(NamedTuple):
    """What was found in a text, and why it counts as not scanned; None: it was.

    `cut`: reasons for which it was scanned in part. `left`: detectors that were not asked.
    """

    found: tuple[Detection, ...] = ()
    why: str | None = None
    cut: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


NOTHING = _Seen()


def _found(
    detectors: Scanner,
    segment: Segment,
    share: int,
    model: str | None,
    asks: bool,
    clock: Clock,
    until: float,
    enough: Chooser | None,
) -> _Seen:
    """A text that not every class of detectors could finish counts as not scanned; what was found is kept."""
    text, why, seen = segment.text[:share], None, Seen()
    doubted = segment.channel == NUMBER or names_model(segment, model)  # not all that is found counts
    try:
        source = source_of(segment) if asks else Source.ANSWER
        seen = look_whole(detectors, text, source, lambda: clock() > until, None if doubted else enough)
        found, why = seen.found, DECIDED if seen.skipped else None
    except OutOfTime as short:
        found, why = short.found, OUT_OF_TIME
    if found and doubted:
        found = telling(segment.text, found)
    return _Seen(found, why, tuple(f"{name}_partial" for name in seen.partial), seen.skipped)


def _shares(segments: tuple[Segment, ...], limits: Limits, skip: str | None) -> list[int]:
    """How many leading code points of each text are scanned: whole texts first, then beginnings while room lasts.

    So one huge text does not take the room of the small ones behind it.
    """
    most, room = limits.max_text, 0 if skip else limits.max_scanned
    shares: list[int] = []
    for segment in segments:
        size = len(segment.text)
        shares.append(size if size <= min(most, room) else 0)
        room -= shares[-1]
    for number, segment in enumerate(segments):
        if not room:
            break
        if not shares[number]:
            shares[number] = min(len(segment.text), most, room)
            room -= shares[number]
    return shares


def _counted(
    body: bytes, syntax: Syntax, segment: Segment, share: int, why: str | None
) -> list[tuple[Segment, str | None]]:
    """A text, cut in two for `measure` where only its beginning was scanned. `why`: it was not scanned for that."""
    if why is not None:
        return [(segment, why)]
    if share == len(segment.text):
        return [(segment, None)]
    if not share or segment.fixed:  # of a text that was drawn out, no byte tells where the rest begins
        return [(segment, TOO_LARGE)]
    cut = byte_of(body, syntax, segment, share)
    return [
        (msgspec.structs.replace(segment, end=cut), None),
        (msgspec.structs.replace(segment, start=cut), TOO_LARGE),
    ]


def labels_of(detections: Iterable[tuple[Detection, ...]]) -> tuple[Label, ...]:
    """Detections summed to labels: one for each entity and kind, in the order of their names."""
    sums: dict[tuple[str, str], Label] = {}
    for found in detections:
        for one in found:
            key = (one.entity, one.kind.value)
            old = sums.get(key)
            count, score = (old.count + 1, max(old.score, one.score)) if old else (1, one.score)
            sums[key] = Label(one.entity, one.kind, count, score)
    return tuple(sums[key] for key in sorted(sums))


def merged(*groups: Iterable[Label]) -> tuple[Label, ...]:
    """Labels of several texts as those of one: counts summed, the best score kept."""
    sums: dict[tuple[str, str], Label] = {}
    for labels in groups:
        for one in labels:
            key = (one.entity, one.kind.value)
            old = sums.get(key)
            sums[key] = Label(one.entity, one.kind, one.count + old.count, max(one.score, old.score)) if old else one
    return tuple(sums[key] for key in sorted(sums))
