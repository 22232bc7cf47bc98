"""One body inspected: decoded, read, scanned, counted; and its redacted form.

Rules: a detector that fails raises through here, so that the adapter fails closed; a body that cannot be read has a
`problem` and is opaque in whole, never silently clean; of a text over the bounds the beginning is scanned; redaction
works on what was scanned and on nothing else; nothing here decides: policy does, with labels and coverage.
"""

import time
from collections.abc import Callable

import msgspec

from appliance.inspect.choosing import Chooser, chosen_by, picked
from appliance.inspect.content import Decoded, decode_body, encode_body
from appliance.inspect.coverage import all_opaque
from appliance.inspect.dialects import Call, Dialect
from appliance.inspect.dialects.capping import lowered
from appliance.inspect.dialects.registry import as_read, by_api, choose
from appliance.inspect.heads import Heads
from appliance.inspect.jsonspans import MalformedBody
from appliance.inspect.looking import source_of
from appliance.inspect.output.confidence import confidence_of
from appliance.inspect.output.expected import NOTHING, Expected
from appliance.inspect.overlap import cover
from appliance.inspect.pseudonyms import Renaming, Restoration, secrets_among
from appliance.inspect.redact import Worded, redact, redact_text
from appliance.inspect.scanning import Findings, Limits, Scanned, labels_of, merged, scan_view
from appliance.inspect.target import Spot, inspect_target, target_without
from appliance.inspect.tokens import SAMPLE
from appliance.inspect.topics.uses import told_of
from appliance.inspect.uploads import uploads_of
from appliance.inspect.view import RequestView, ResponseView
from appliance.inspect.walker import is_like_json, opaque_view, walk
from appliance.inspect.windows import Scanner
from appliance.model.detection import Coverage, Detection, DetectorCount, Label, Segment, Selector
from appliance.model.facts import Upload
from appliance.model.names import DetectionKind, Source

__all__ = ["Edited", "Inspection", "Inspector", "Limits", "ResponseInspection", "chosen_by", "labels_of"]

INCLUDE_USAGE, CANARY_ADDED, MAX_TOKENS = "include_usage", "canary_added", "max_tokens"
_NULL = b"null"
NAMES = "names"  # in `scanned_by`


class Edited(msgspec.Struct, frozen=True):
    """A body as it goes upstream. `edits`: declared edits beside redaction that were made.

    `target`: path and query, where they were edited too.
    """

    body: bytes
    redactions: int = 0
    edits: tuple[str, ...] = ()
    target: str | None = None


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """A request seen whole.

    `body` is decoded unless `problem` says that it could not be; `detections` go along `segments`; `problem` is None or
    a snake_case word: those of Decoded and MalformedBody (nothing was read), or `duplicate_key` or `key_case` (all
    was read, but readers will differ about what it says).
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
    uploads: tuple[Upload, ...] = ()
    chars: int = 0  # code points of all texts
    target: str = ""
    spots: tuple[Spot, ...] = ()  # what was found in `target`

    @property
    def api(self) -> str | None:
        """The dialect's name, None for the generic walker."""
        return self.view.api

    @property
    def model(self) -> str | None:
        """The model as asked for."""
        return self.view.model

    @property
    def sample(self) -> str:
        """Some of its texts, to tell what kind they are."""
        return "".join(one.text[: SAMPLE // 8] for one in self.segments[:64])[:SAMPLE]

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

    def edited(
        self,
        chosen: Chooser | None,
        *,
        include_usage: bool = False,
        renaming: Renaming | None = None,
        canary: str = "",
        shortened: tuple[str | None, int] | None = None,
    ) -> Edited:
        """The body with the chosen detections replaced and usage asked for, in its own content coding.

        `chosen` None: no redaction. `renaming`: gives some of them names of their own. `canary`: put behind the
        application's instructions, where there are any. `shortened`: the service and the most tokens of an answer. A
        body without edits comes back as it came, bit by bit.
        ValueError when a detection cannot be placed: the caller fails closed.
        """
        body, count = self._redact(chosen, renaming) if chosen else (self.body, 0)
        edits: tuple[str, ...] = ()
        marked = self._marked(canary) if canary and not self.problem else None
        if marked is not None:
            places = self._places(chosen or _nothing, renaming)
            places[marked[0]] = (*places[marked[0]], marked[1])
            body, edits = redact(self.body, self.view.syntax, self.segments, places)[0], (CANARY_ADDED,)
        dialect = by_api(self.api)
        if include_usage and dialect and self.stream and not self.include_usage and not self.problem:
            asked = dialect.ask_usage(body)
            edits = (*edits, INCLUDE_USAGE) if asked != body else edits
            body = asked
        if shortened is not None:
            short = lowered(self.api, shortened[0], body, shortened[1])
            if short is None:
                raise ValueError("the length of the answer cannot be set in its place")
            edits, body = (*edits, MAX_TOKENS), short
        target, spots = target_without(self.target, self.spots, chosen) if chosen else ("", 0)
        sent = encode_body(body, self.encodings) if count or edits else self.raw
        return Edited(sent, count + spots, edits, target if spots else None)

    def of_target(self, target: str, spots: tuple[Spot, ...]) -> "Inspection":
        """With what was found in the request's target: its labels are the request's."""
        if not spots:
            return self
        labels = merged(self.labels, labels_of(spot.found for spot in spots))
        return msgspec.structs.replace(self, target=target, spots=spots, labels=labels)

    def of_names(self, found: Findings, version: str, by: str = NAMES) -> "Inspection":
        """With names that were found along the segments by `version`: they are findings like any other.

        `by`: the class of what was found, as the coverage tells it.
        """
        detections = tuple(tuple(sorted({*had, *new})) for had, new in zip(self.detections, found, strict=True))
        classes = (*self.coverage.scanned_by, by)
        return msgspec.structs.replace(
            self,
            detections=detections,
            labels=merged(self.labels, labels_of(found)),
            coverage=msgspec.structs.replace(self.coverage, scanned_by=classes),
            uploads=uploads_of(self.body, self.view, detections) if self.uploads else (),
            detector_version=f"{self.detector_version}+{version}",
        )

    def redacted(self, chosen: Chooser) -> tuple[bytes, int]:
        """The body in its own content coding with the chosen detections replaced, and how many replacements."""
        edited = self.edited(chosen)
        return edited.body, edited.redactions

    def model_without(self, chosen: Chooser) -> str | None:
        """The model as asked for, with the chosen detections replaced: what may be written down."""
        for segment, found in zip(self.segments, self.detections, strict=True):
            if found and segment.text == self.model:
                return redact_text(segment.text, cover(tuple(filter(chosen, found))))
        return self.model

    def hidden_texts(self, chosen: Chooser, renaming: Renaming | None = None) -> tuple[tuple[str, str], ...]:
        """Whole texts that redaction changes, and what they become: for headers that repeat them."""
        pairs = zip(self.segments, self._places(chosen, renaming), strict=True)
        return tuple((segment.text, redact_text(segment.text, found)) for segment, found in pairs if found)

    def _redact(self, chosen: Chooser, renaming: Renaming | None = None) -> tuple[bytes, int]:
        return redact(self.body, self.view.syntax, self.segments, self._places(chosen, renaming))

    def _marked(self, canary: str) -> tuple[int, Worded] | None:
        """Which text the canary comes behind, and the edit that puts it there."""
        for index in range(len(self.segments) - 1, -1, -1):
            one = self.segments[index]
            if source_of(one) is Source.SYSTEM and one.channel == "content" and one.text:
                end = len(one.text)
                return index, Worded(end, end, "CANARY", DetectionKind.OUTPUT, 0.0, "", f" [{canary}]")
        return None

    def _places(self, chosen: Chooser, renaming: Renaming | None) -> list[tuple[Detection, ...]]:
        places = picked(self.detections, chosen)
        if renaming is None:
            return places
        every = zip(self.segments, map(secrets_among, self.detections), places, strict=True)
        return [
            tuple(one if secrets.meets(one) else renaming(one, segment.text) for one in found)
            for segment, secrets, found in every
        ]


class ResponseInspection(msgspec.Struct, frozen=True, kw_only=True):
    """An answer in one piece. `labels` and `detections` are empty where it was not scanned.

    `problem`: it could not be read, as in Inspection; then its body is as it came, and opaque.
    """

    view: ResponseView
    raw: bytes
    body: bytes
    encodings: tuple[str, ...]
    coverage: Coverage
    detections: Findings = ()
    labels: tuple[Label, ...] = ()
    problem: str | None = None

    def ended_by(self, selectors: tuple[Selector, ...]) -> Selector | None:
        """The first of `selectors` that means something that was found."""
        found = [one for found in self.detections for one in found]
        return next((selector for selector in selectors if any(map(selector.takes, found))), None)

    def edited(self, hides: tuple[Selector, ...], restoration: Restoration | None = None) -> Edited:
        """The answer in its own content coding without what `hides` mean; as `Inspection.edited`.

        What repeats hidden text in pieces becomes null: `logprobs_removed` among the edits. `restoration`: names that
        are put back in the model's words.
        """
        hidden = picked(self.detections, chosen_by(hides))
        places = hidden if restoration is None else restoration.along(self.view.segments, hidden)
        if not any(places):
            return Edited(self.raw)
        emptied = _without(self.body, self.view.repeats) if any(hidden) else self.body
        body, _ = redact(emptied, self.view.syntax, self.view.segments, places)
        edits = ("logprobs_removed",) if emptied is not self.body else ()
        return Edited(encode_body(body, self.encodings), sum(map(len, hidden)), edits)


class Inspector:
    """Puts content decoding, dialects, detectors and coverage together; one for the life of a worker."""

    def __init__(
        self, detectors: Scanner, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._detectors = detectors
        self._limits = limits or Limits()
        self._clock = clock
        self.heads = Heads(detectors)

    def statistics(self) -> tuple[DetectorCount, ...]:
        """What each detector has cost and found."""
        told = getattr(self._detectors, "statistics", None)
        return told.told() if told is not None else ()

    def request(
        self,
        call: Call,
        content_encoding: str | None,
        raw: bytes,
        service_dialect: str | None,
        enough: Chooser | None = None,
    ) -> Inspection:
        """Inspect a request body. Raises only what a detector raises.

        `enough`: whether a finding settles the verdict whatever else there is; see `scan_view`.
        """
        decoded = self._decode(raw, content_encoding)
        view = self._read(choose(call.method, call.path, service_dialect), decoded, as_read(call))
        detections, coverage = self._scan(view, decoded.data, enough=enough)
        return Inspection(
            view=view,
            raw=raw,
            body=decoded.data,
            encodings=decoded.encodings,
            detections=detections,
            labels=merged(labels_of(detections), told_of(view)),
            coverage=coverage,
            detector_version=self._detectors.version,
            problem=view.problem,
            uploads=uploads_of(decoded.data, view, detections),
            chars=sum(len(segment.text) for segment in view.segments),
        )

    def target(self, target: str, is_credential: Callable[[str], bool]) -> tuple[Spot, ...]:
        """Inspect a request's path and query; see `inspect_target`. Raises only what a detector raises."""
        return inspect_target(self._detectors, target, is_credential)

    def response(
        self,
        api: str | None,
        call: Call,
        content_type: str,
        content_encoding: str | None,
        raw: bytes,
        *,
        skip: str | None = None,
        expected: Expected = NOTHING,
    ) -> ResponseInspection:
        """Inspect an answer in one piece. `api`, `call`: its request's. Raises only what a detector raises.

        `skip`: it is read, but nothing is scanned, for this reason. `expected`: what its request tells of it.
        """
        decoded = self._decode(raw, content_encoding)
        view, problem = self._read_response(by_api(api), decoded, call, content_type)
        scanned = self._scan(view, decoded.data, skip) if not problem else None
        if scanned and not skip:
            scanned = scanned._replace(detections=expected.along(view.segments, scanned.detections))
        return ResponseInspection(
            view=view,
            raw=raw,
            body=decoded.data,
            encodings=decoded.encodings,
            coverage=scanned.coverage if scanned else all_opaque(len(decoded.data), problem or ""),
            detections=scanned.detections if scanned else (),
            labels=merged(labels_of(scanned.detections), confidence_of(decoded.data, view.repeats)) if scanned else (),
            problem=problem,
        )

    def _decode(self, raw: bytes, content_encoding: str | None) -> Decoded:
        limits = self._limits
        return decode_body(raw, content_encoding, max_bytes=limits.max_body, max_ratio=limits.max_ratio)

    def _read(self, dialect: Dialect | None, decoded: Decoded, call: Call) -> RequestView:
        problem = decoded.problem
        if problem is None:
            try:
                return _request_view(dialect, decoded.data, call)
            except MalformedBody as fault:
                problem = fault.word
        unread = opaque_view(decoded.data, problem)
        return msgspec.structs.replace(unread, api=dialect.api if dialect else None, problem=problem)

    @staticmethod
    def _read_response(
        dialect: Dialect | None, decoded: Decoded, call: Call, content_type: str
    ) -> tuple[ResponseView, str | None]:
        """The dialect's reading, else the walker's, else as plain text: an error of a gateway in between is any."""
        if decoded.problem:
            return ResponseView(), decoded.problem
        word = None
        try:
            if dialect and decoded.data:
                return dialect.response(decoded.data, call, content_type), None
        except MalformedBody as fault:
            word = fault.word
        for kind in (content_type, "text/plain"):
            try:
                return _as_response(walk(decoded.data, kind)), None
            except MalformedBody as fault:
                word = word or fault.word
        return ResponseView(), word

    def _scan(
        self, view: RequestView | ResponseView, body: bytes, skip: str | None = None, enough: Chooser | None = None
    ) -> Scanned:
        return scan_view(self._detectors, self._limits, self._clock, view, body, skip, enough)


def _request_view(dialect: Dialect | None, body: bytes, call: Call) -> RequestView:
    """The dialect's reading; the walker's of what no server of the dialect would read either: a path is not enough."""
    try:
        if dialect is not None:
            return dialect.request(body, call)
    except MalformedBody as fault:
        if fault.word != "wrong_shape" and (fault.word != "malformed_json" or is_like_json(body)):
            raise
        if not body:  # of an upgrade, say: what follows on its connection is spoken in the dialect
            return msgspec.structs.replace(walk(body, call.content_type), api=dialect.api if dialect else None)
    return walk(body, call.content_type)


def _nothing(_found: Detection) -> bool:
    return False


def _without(body: bytes, repeats: tuple[tuple[int, int], ...]) -> bytes:
    """Null where repeats stood, and blanks, so that every other place stays what it was."""
    if not repeats:
        return body
    emptied = bytearray(body)
    for start, end in repeats:
        if end - start >= len(_NULL):
            emptied[start:end] = _NULL.ljust(end - start)
    return bytes(emptied)


def _as_response(view: RequestView) -> ResponseView:
    return ResponseView(syntax=view.syntax, model=view.model, segments=view.segments, opaque=view.opaque)
