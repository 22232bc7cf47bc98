"""All texts of one body through the detectors, within bounds, with an account of every byte.

Owns: which texts are scanned when there is not room or time for all of them, and what that leaves in the coverage.
Rules: whole texts before beginnings, in the order of the body; a detector that fails raises; time is asked between
texts and never inside one (detectors bound that themselves), so that a slow body ends as `out_of_time`, not as clean.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from appliance.inspect.coverage import measure
from appliance.inspect.identifiers import names_model, telling
from appliance.inspect.looking import source_of
from appliance.inspect.numbers import NUMBER
from appliance.inspect.redact import byte_of
from appliance.inspect.revealing import scan_revealing
from appliance.inspect.view import RequestView, ResponseView, Syntax
from appliance.inspect.windows import Scanner, scan_whole
from appliance.model.detection import Coverage, Detection, Label, Segment
from appliance.model.names import Source

Findings = tuple[tuple[Detection, ...], ...]
TOO_LARGE = "too_large"
OUT_OF_TIME = "out_of_time"
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
    clock: Callable[[], float],
    view: RequestView | ResponseView,
    body: bytes,
    skip: str | None = None,
) -> Scanned:
    """Scan the segments of `view`, which was read from `body`. `skip`: scan nothing, for this reason."""
    until = clock() + limits.max_time_s
    findings: list[tuple[Detection, ...]] = []
    counted: list[tuple[Segment, str | None]] = []
    late, asks = skip is not None, isinstance(view, RequestView)
    for segment, share in zip(view.segments, _shares(view.segments, limits, skip), strict=True):
        late = late or clock() > until
        counted += _counted(body, view.syntax, segment, 0 if late else share, skip or (OUT_OF_TIME if late else None))
        findings.append(() if late or not share else _found(detectors, segment, share, view.model, asks=asks))
    if isinstance(view, ResponseView):
        counted += [(Segment("", "", "", "", start, end), REPEATS) for start, end in view.repeats]
    scanned_by = () if skip else detectors.classes
    return Scanned(tuple(findings), measure(len(body), counted, view.opaque, scanned_by))


def _found(detectors: Scanner, segment: Segment, share: int, model: str | None, *, asks: bool) -> tuple[Detection, ...]:
    text = segment.text[:share]
    found = scan_whole(detectors, text, source_of(segment) if asks else Source.ANSWER)
    if asks:
        found += tuple(set(scan_revealing(detectors, text)).difference(found))
    if found and (segment.channel == NUMBER or names_model(segment, model)):
        return telling(segment.text, found)
    return found


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
