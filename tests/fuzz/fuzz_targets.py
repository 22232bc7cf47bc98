"""What is fed with mutated bodies, and what must hold for each: nothing escapes but what is documented.

A target takes a source of chance and some fixtures; it raises `AssertionError` or whatever has escaped.
"""

import random
import re
from collections.abc import Callable
from functools import cache, partial

from fixtures_world import Fixture, check_body, check_event, events_of, present
from fuzz_mutations import mutated
from fuzz_seeds import seeds

from appliance.inspect.attachments import read_file
from appliance.inspect.content import decode_body, encode_body
from appliance.inspect.dialects import EventReader
from appliance.inspect.dialects.json_events import JsonEvents
from appliance.inspect.dialects.registry import choose
from appliance.inspect.dialects.unknown_events import UnknownEvents
from appliance.inspect.jsonspans import MalformedBody, parse
from appliance.inspect.redact import NotEditable, redact
from appliance.inspect.stream.editor import StreamEditor
from appliance.inspect.stream.events import Event, Framing
from appliance.inspect.stream.watch import Decided
from appliance.inspect.view import RequestView, ResponseView
from appliance.inspect.walker import walk
from appliance.model.detection import Detection, Label, Selector
from appliance.model.names import DetectionKind

Target = Callable[[random.Random, Fixture, Fixture], None]
_TYPES = (
    "",
    "application/json",
    "application/x-ndjson",
    "application/jsonl",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=gnomon-boundary",
    "multipart/mixed; boundary=x",
    "text/plain",
    "text/csv; charset=latin-1",
    "text/html",
    "application/xml",
    "application/octet-stream",
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/zip",
    "image/png",
    "application/grpc",
    "application/grpc-web-text",
    "application/connect+proto",
    "application/connect+json",
    "application/proto",
    "text/event-stream",
    "application/vnd.amazon.eventstream",
    "nonsense",
)
_CODINGS = ("gzip", "deflate", "br", "zstd", "gzip, br", "zstd, gzip, deflate", "x-gzip", "snappy", "identity")
_SECRET = re.compile(r"[A-Z][a-z]+")
_KIND = DetectionKind.SECRET


class NameWatcher:
    """Finds capitalised words, and holds back while one may go on: enough to make the editor edit."""

    classes = ("secret",)
    restores = False

    def watch(self, kind: str, hides: tuple[Selector, ...], *more: object) -> "NameWatch":  # noqa: ARG002 - a protocol's
        return NameWatch(bool(hides))

    def whole(
        self,
        kind: str,  # noqa: ARG002 - a protocol's
        text: str,
        hides: tuple[Selector, ...],
        *more: object,  # noqa: ARG002 - a protocol's
    ) -> tuple[Decided, tuple[Label, ...]]:
        return Decided(len(text), names_in(text) if hides else ()), ()


class NameWatch:
    def __init__(self, hides: bool) -> None:
        self._hides = hides
        self._text = ""
        self._until = 0

    def feed(self, text: str) -> Decided:
        self._text += text
        last = re.search(r"[A-Z][a-z]*\Z", self._text[self._until :])
        return self._decided(self._until + last.start() if last and self._hides else len(self._text))

    def close(self) -> Decided:
        return self._decided(len(self._text))

    def labels(self) -> tuple[Label, ...]:
        return ()

    def _decided(self, until: int) -> Decided:
        found = names_in(self._text[self._until : until], self._until) if self._hides else ()
        self._until = until
        return Decided(until, found)


def names_in(text: str, offset: int = 0) -> tuple[Detection, ...]:
    return tuple(
        Detection(found.start() + offset, found.end() + offset, "NAME", _KIND, 1.0, "name")
        for found in _SECRET.finditer(text)
    )


def request(rng: random.Random, fixture: Fixture, other: Fixture) -> None:
    body = mutated(rng, fixture.request, other.request)
    try:
        view = fixture.dialect.request(body, fixture.call)
    except MalformedBody:
        return
    _check_view(rng, body, view)


def response(rng: random.Random, fixture: Fixture, other: Fixture) -> None:
    body = mutated(rng, fixture.answer, other.answer)
    try:
        view = fixture.dialect.response(body, fixture.call, rng.choice((fixture.answer_type, "application/json")))
    except MalformedBody:
        return
    _check_view(rng, body, view)


def events(rng: random.Random, fixture: Fixture, other: Fixture) -> None:
    reader = fixture.dialect.events(fixture.call, fixture.answer_type)
    if reader is None:
        return
    long = slowly(fixture) if rng.random() < 0.3 else None
    for event in events_of(fixture, reader.framing):
        name, payload = event.name, event.payload
        if rng.random() < 0.3:
            payload = mutated(rng, payload, other.answer)
        if rng.random() < 0.02:
            name = rng.choice(("", "error", "x" * 300, "\ud800", "message_stop"))
        changed = Event(name, payload)
        view = reader.read(changed)
        check_event(changed, view)
        if long is not None:
            assert view == long.read(changed), "what was learnt from events before changes what is read"
    told = reader.told()
    assert long is None or told == long.told()
    assert len(told.tools_called) <= 128
    assert len(told.finish) <= 128
    assert reader.ending("drain") is not None


def slowly(fixture: Fixture) -> EventReader | None:
    """A reader that learns nothing from the events before."""
    reader = fixture.dialect.events(fixture.call, fixture.answer_type)
    if isinstance(reader, JsonEvents):
        reader._shapes.parse = partial(parse, known=reader.names)  # type: ignore[method-assign]
        reader.recurring.learn = lambda *_: None  # type: ignore[method-assign]
    return reader


def editor(rng: random.Random, fixture: Fixture, other: Fixture) -> None:
    """The bytes of a whole answer through framer, reader and editor, in chunks of any size."""
    reader: EventReader | None = fixture.dialect.events(fixture.call, fixture.answer_type)
    if reader is None or reader.framing is Framing.MESSAGE:
        return
    if rng.random() < 0.1:  # a stream of nobody's, cut in its own way or in another
        reader = UnknownEvents(rng.choice([reader.framing, *(one for one in Framing if one is not Framing.MESSAGE)]))
    body = mutated(rng, fixture.answer, other.answer)
    hides = (Selector(kinds=(_KIND.value,)),) if rng.random() < 0.7 else ()
    drop_usage = rng.random() < 0.3
    edit = StreamEditor(reader, NameWatcher(), hides=hides, ends=(), drop_usage=drop_usage)
    out, was_cut = _fed(rng, edit, body)
    report = edit.report()
    assert report.coverage.balanced
    if not hides and not report.edits and not was_cut:
        assert out == body
    again = fixture.dialect.events(fixture.call, fixture.answer_type)
    if again is not None and type(again) is type(reader) and not was_cut and rng.random() < 0.3:
        whole = StreamEditor(again, NameWatcher(), hides=hides, ends=(), drop_usage=drop_usage)
        assert b"".join([*whole.feed(body), *whole.close()]) == out, "where the bytes were cut changes what comes out"


def _fed(rng: random.Random, edit: StreamEditor, body: bytes) -> tuple[bytes, bool]:
    """What comes out of an editor for a body in chunks of any size; whether it was cut."""
    out: list[bytes] = []
    at, was_cut = 0, False
    while at < len(body) and not was_cut:
        size = rng.choice((1, 3, 17, 200, 5000, len(body)))
        if size < 17 and len(body) > 20_000:
            size = 400
        out += edit.feed(body[at : at + size])
        at += size
        if edit.wants_cut is not None or rng.random() < 0.002:
            was_cut = True
            out += edit.cut("cut")
    out += edit.close()
    assert b"" not in out
    return b"".join(out), was_cut


def walker(rng: random.Random, fixture: Fixture, other: Fixture) -> None:
    kind = rng.choice((*_TYPES, fixture.call.content_type, fixture.answer_type))
    body = mutated(rng, rng.choice((fixture.request, fixture.answer)), other.request)
    try:
        view = walk(body, kind)
    except MalformedBody:
        return
    _check_view(rng, body, view)


def seed(rng: random.Random, fixture: Fixture, other: Fixture) -> None:
    """Documents, protobuf and forms, by their own type and by others."""
    made = rng.choice(seeds())
    kind = made.media_type if rng.random() < 0.8 else rng.choice(_TYPES)
    body = mutated(rng, made.body, rng.choice((other.request, rng.choice(seeds()).body)))
    read_file(body, kind)
    try:
        _check_view(rng, body, walk(body, kind))
    except MalformedBody:
        return


def coding(rng: random.Random, fixture: Fixture, other: Fixture) -> None:
    header = rng.choice(_CODINGS)
    names = tuple(name.strip() for name in header.split(","))
    body = fixture.request
    if "snappy" not in names and "identity" not in names and "x-gzip" not in names:
        body = encode_body(body, names)
    decoded = decode_body(mutated(rng, body, other.request), header, max_bytes=1024 * 1024, max_ratio=100)
    assert len(decoded.data) <= 1024 * 1024 or decoded.problem == "too_large"


def routing(rng: random.Random, fixture: Fixture, other: Fixture) -> None:
    """A path as a client may write it: whichever dialect is chosen reads the body."""
    path = mutated(rng, fixture.told["path"].encode(), other.told["path"].encode()).decode("latin-1")
    chosen = choose(fixture.call.method, path, None)
    if chosen is None:
        return
    call = type(fixture.call)(fixture.call.method, path, rng.choice(_TYPES))
    try:
        _check_view(rng, fixture.request, chosen.request(fixture.request, call))
    except MalformedBody:
        return


def _check_view(rng: random.Random, body: bytes, view: RequestView | ResponseView) -> None:
    """Spans balance, and whatever is found in a segment can be taken out of its bytes."""
    check_body(body, view)
    chosen = [names_in(segment.text) if rng.random() < 0.5 else () for segment in view.segments]
    try:
        edited, _ = redact(body, view.syntax, view.segments, chosen)
    except NotEditable:
        assert any(segment.fixed and found for segment, found in zip(view.segments, chosen, strict=True))
        return
    assert isinstance(edited, bytes)


TARGETS: dict[str, Target] = {
    target.__name__: target for target in (request, response, events, editor, walker, seed, coding, routing)
}


@cache
def sources(api: str = "") -> tuple[Fixture, ...]:
    """The fixtures of all apis whose names begin so."""
    return tuple(fixture for fixture in present() if fixture.api.startswith(api))
