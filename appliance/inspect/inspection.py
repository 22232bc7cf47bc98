"""One body inspected: decoded, read, scanned, counted; and its redacted form.

Rules: a detector that fails raises through here, so that the adapter fails closed; a body that cannot be read has a
`problem` and is opaque in whole, never silently clean; of a text over the bounds the beginning is scanned; redaction
works on what was scanned and on nothing else; nothing here decides: policy does, with labels and coverage.
"""

from collections.abc import Callable

import msgspec

from appliance.inspect.content import Decoded, decode_body, encode_body
from appliance.inspect.coverage import all_opaque, measure
from appliance.inspect.dialects import Dialect
from appliance.inspect.dialects.registry import by_api, choose
from appliance.inspect.heads import Heads
from appliance.inspect.jsonspans import MalformedBody
from appliance.inspect.numbers import NUMBER, SURE
from appliance.inspect.overlap import cover
from appliance.inspect.redact import byte_of, redact, redact_text
from appliance.inspect.view import RequestView, ResponseView, Syntax
from appliance.inspect.walker import opaque_view, walk
from appliance.inspect.windows import Scanner, scan_whole
from appliance.model.detection import Coverage, Detection, Label, Segment
from appliance.model.event import Usage

Findings = tuple[tuple[Detection, ...], ...]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of inspection. Bytes for the body, code points for text."""

    max_body: int = 32 * 1024 * 1024
    max_ratio: int = 200
    max_text: int = 1024 * 1024  # one segment
    max_scanned: int = 4 * 1024 * 1024  # all segments of a body together


class Edited(msgspec.Struct, frozen=True):
    """A body as it goes upstream. `edits`: declared edits beside redaction that were made."""

    body: bytes
    redactions: int = 0
    edits: tuple[str, ...] = ()


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """A request seen whole.

    `body` is decoded unless `problem` says that it could not be; `detections` go along `segments`; `problem` is None or
    a snake_case word: those of Decoded and MalformedBody (nothing was read), or `duplicate_key` (all was read, but
    readers will differ about what it says).
    """

    view: RequestView
    raw: bytes
    body: bytes
    encodings: tuple[str, ...]
    detections: Findings
    labels: tuple[Label, ...]
    coverage: Coverage
    detector_version: str
    problem: str | None = None

    @property
    def api(self) -> str | None:
        """The dialect's name, None for the generic walker."""
        return self.view.api

    @property
    def model(self) -> str | None:
        """The model as asked for."""
        return self.view.model

    @property
    def stream(self) -> bool:
        """Whether a streamed answer was asked for."""
        return self.view.stream

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All texts of the body."""
        return self.view.segments

    @property
    def include_usage(self) -> bool:
        """The client itself asked for the usage chunk."""
        return self.view.include_usage

    def edited(self, chosen: Callable[[Detection], bool] | None, *, include_usage: bool = False) -> Edited:
        """The body with the chosen detections replaced and usage asked for, in its own content coding.

        `chosen` None: no redaction. A body without edits comes back as it came, bit by bit. ValueError when a detection
        cannot be placed: the caller fails closed.
        """
        body, count = self._redact(chosen) if chosen else (self.body, 0)
        edits: tuple[str, ...] = ()
        dialect = by_api(self.api)
        if include_usage and dialect and self.stream and not self.include_usage:
            asked = dialect.add_include_usage(body)
            edits = ("include_usage",) if asked is not body else ()
            body = asked
        if not count and not edits:
            return Edited(self.raw)
        return Edited(encode_body(body, self.encodings), count, edits)

    def redacted(self, chosen: Callable[[Detection], bool]) -> tuple[bytes, int]:
        """The body in its own content coding with the chosen detections replaced, and how many replacements."""
        edited = self.edited(chosen)
        return edited.body, edited.redactions

    def model_without(self, chosen: Callable[[Detection], bool]) -> str | None:
        """The model as asked for, with the chosen detections replaced: what may be written down."""
        for segment, found in zip(self.segments, self.detections, strict=True):
            if found and segment.text == self.model:
                return redact_text(segment.text, cover(tuple(filter(chosen, found))))
        return self.model

    def _redact(self, chosen: Callable[[Detection], bool]) -> tuple[bytes, int]:
        # Chosen first, resolved second: a finding that stays must not shield a shorter one that has to go.
        picked = [cover(tuple(filter(chosen, found))) if found else () for found in self.detections]
        return redact(self.body, self.view.syntax, self.segments, picked)


class ResponseInspection(msgspec.Struct, frozen=True, kw_only=True):
    """An answer in one piece. `labels` and `detections` are empty where it was not scanned."""

    view: ResponseView
    body: bytes
    coverage: Coverage
    detections: Findings = ()
    labels: tuple[Label, ...] = ()
    problem: str | None = None

    @property
    def usage(self) -> Usage | None:
        """Tokens as the provider told them."""
        return self.view.usage

    @property
    def model_served(self) -> str | None:
        """The model that answered."""
        return self.view.model


class Inspector:
    """Puts content decoding, dialects, detectors and coverage together; one for the life of a worker."""

    def __init__(self, detectors: Scanner, limits: Limits | None = None) -> None:
        self._detectors = detectors
        self._limits = limits or Limits()
        self.heads = Heads(detectors)

    def request(
        self,
        method: str,
        path: str,
        service_dialect: str | None,
        content_type: str,
        content_encoding: str | None,
        raw: bytes,
    ) -> Inspection:
        """Inspect a request body. Raises only what a detector raises."""
        decoded = self._decode(raw, content_encoding)
        view = self._read(choose(method, path, service_dialect), decoded, content_type)
        detections, coverage = self._scan(view, decoded.data)
        return Inspection(
            view=view,
            raw=raw,
            body=decoded.data,
            encodings=decoded.encodings,
            detections=detections,
            labels=labels_of(detections),
            coverage=coverage,
            detector_version=self._detectors.version,
            problem=view.problem,
        )

    def response(
        self, api: str | None, content_type: str, content_encoding: str | None, raw: bytes, *, scan: bool = False
    ) -> ResponseInspection:
        """Inspect an answer in one piece; `api` is that of the request. Raises only what a detector raises."""
        decoded = self._decode(raw, content_encoding)
        view, problem = self._read_response(by_api(api), decoded, content_type)
        if problem:
            return ResponseInspection(
                view=view, body=decoded.data, coverage=all_opaque(len(decoded.data), problem), problem=problem
            )
        detections, coverage = self._scan(view, decoded.data, None if scan else "not_scanned")
        return ResponseInspection(
            view=view, body=decoded.data, coverage=coverage, detections=detections, labels=labels_of(detections)
        )

    def _decode(self, raw: bytes, content_encoding: str | None) -> Decoded:
        limits = self._limits
        return decode_body(raw, content_encoding, max_bytes=limits.max_body, max_ratio=limits.max_ratio)

    def _read(self, dialect: Dialect | None, decoded: Decoded, content_type: str) -> RequestView:
        problem = decoded.problem
        if problem is None:
            try:
                return dialect.request(decoded.data) if dialect else walk(decoded.data, content_type)
            except MalformedBody as fault:
                problem = fault.word
        unread = opaque_view(decoded.data, problem)
        return msgspec.structs.replace(unread, api=dialect.api if dialect else None, problem=problem)

    def _read_response(
        self, dialect: Dialect | None, decoded: Decoded, content_type: str
    ) -> tuple[ResponseView, str | None]:
        if decoded.problem:
            return ResponseView(), decoded.problem
        try:
            if dialect and decoded.data:
                return dialect.response(decoded.data, content_type), None
            return _as_response(walk(decoded.data, content_type)), None
        except MalformedBody as fault:
            return ResponseView(), fault.word

    def _scan(
        self, view: RequestView | ResponseView, body: bytes, skip: str | None = None
    ) -> tuple[Findings, Coverage]:
        findings: list[tuple[Detection, ...]] = []
        counted: list[tuple[Segment, str | None]] = []
        for segment, share in zip(view.segments, self._shares(view.segments, skip), strict=True):
            counted += _counted(body, view.syntax, segment, share, skip)
            found = scan_whole(self._detectors, segment.text[:share]) if share else ()
            findings.append(tuple(one for one in found if one.score >= SURE) if segment.channel == NUMBER else found)
        scanned_by = () if skip else self._detectors.classes
        return tuple(findings), measure(len(body), counted, view.opaque, scanned_by)

    def _shares(self, segments: tuple[Segment, ...], skip: str | None) -> list[int]:
        """How many leading code points of each text are scanned: whole texts first, then beginnings while room lasts.

        So one huge text does not take the room of the small ones behind it.
        """
        most, room = self._limits.max_text, 0 if skip else self._limits.max_scanned
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
    body: bytes, syntax: Syntax, segment: Segment, share: int, skip: str | None
) -> list[tuple[Segment, str | None]]:
    """A text, cut in two for `measure` where only its beginning was scanned."""
    if share == len(segment.text):
        return [(segment, skip)]
    reason = skip or "too_large"
    if not share:
        return [(segment, reason)]
    cut = byte_of(body, syntax, segment, share)
    return [
        (msgspec.structs.replace(segment, end=cut), None),
        (msgspec.structs.replace(segment, start=cut), reason),
    ]


def labels_of(detections: Findings) -> tuple[Label, ...]:
    """Detections summed to labels: one for each entity and kind, in the order of their names."""
    sums: dict[tuple[str, str], Label] = {}
    for found in detections:
        for one in found:
            key = (one.entity, one.kind.value)
            old = sums.get(key)
            count, score = (old.count + 1, max(old.score, one.score)) if old else (1, one.score)
            sums[key] = Label(one.entity, one.kind, count, score)
    return tuple(sums[key] for key in sorted(sums))


def _as_response(view: RequestView) -> ResponseView:
    return ResponseView(syntax=view.syntax, model=view.model, segments=view.segments, opaque=view.opaque)
