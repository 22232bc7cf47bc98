"""The fixtures of dialects: what they look like, how they are read, and what a dialect makes of one.

A fixture is `tests/appliance/inspect/dialects/fixtures/<api>/<case>.json`; every api has the cases of `CASES`, or says
`{"absent": reason}`. `<case>-<variant>.json` are further ones. Shape:

    {"method", "path", "content_type", "request", "status", "answer_type", "answer", "expect", "service"?}

`request`, `answer`: a string is taken as it is, `{"base64": ...}` is decoded, anything else is written as JSON; where
the framing is MESSAGE an answer is a list, one item for each message. `expect` holds keys of `EXPECTED` only, each of
them is compared:

* of the request: api (where it is not the folder's: none, when the generic walker had to read it), model, stream,
  max_tokens, tools_declared, conversation, hosted_mcp (equal), request_texts ([role, channel, text], which must be
  among the segments), request_opaque (reasons, equal as a set), request_malformed (word);
* of the answer: served, usage (missing numbers are 0; null: none), finish, tools_called, error (equal), done (streams),
  answer_texts ([role, channel, text] among the segments, or among the whole texts of a stream), channels (streams: all
  deltas joined, equal), answer_malformed (word).
"""

import base64
import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from appliance.inspect.coverage import measure
from appliance.inspect.dialects import Call, Dialect
from appliance.inspect.dialects.registry import by_api
from appliance.inspect.jsonspans import unescape
from appliance.inspect.stream.events import Event, EventView, Framing, Told
from appliance.inspect.stream.framing import framer_of
from appliance.inspect.view import RequestView, ResponseView

FOLDER = Path(__file__).parent / "appliance" / "inspect" / "dialects" / "fixtures"
CASES = ("plain", "stream", "tools", "error", "abort")
OF_REQUEST = ("api", "model", "stream", "max_tokens", "tools_declared", "conversation", "hosted_mcp", "request_texts")
OF_REQUEST += ("request_opaque", "request_malformed")
OF_ANSWER = ("served", "usage", "finish", "tools_called", "error", "done", "answer_texts", "channels")
OF_ANSWER += ("answer_malformed",)
EXPECTED = frozenset({*OF_REQUEST, *OF_ANSWER})
KEYS = frozenset({"method", "path", "content_type", "request", "status", "answer_type", "answer", "expect", "service"})


class Fixture(NamedTuple):
    """One case of one api."""

    api: str
    case: str
    told: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.api}/{self.case}"

    @property
    def absent(self) -> str | None:
        return self.told.get("absent")

    @property
    def expect(self) -> dict[str, Any]:
        return self.told["expect"]

    @property
    def call(self) -> Call:
        return Call(self.told["method"], self.told["path"], self.told.get("content_type", "application/json"))

    @property
    def answer_type(self) -> str:
        return self.told.get("answer_type", "application/json")

    @property
    def dialect(self) -> Dialect:
        dialect = by_api(self.api)
        assert dialect is not None, f"no dialect calls itself {self.api}"
        return dialect

    @property
    def request(self) -> bytes:
        return written(self.told.get("request", ""))

    @property
    def answer(self) -> bytes:
        return written(self.told.get("answer", ""))


class Read(NamedTuple):
    """A streamed answer that was read: its events with what was said of each."""

    events: list[Event]
    views: list[EventView]
    told: Told


def written(value: object) -> bytes:
    """The bytes of a body in a fixture."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict) and set(value) == {"base64"}:
        return base64.b64decode(value["base64"], validate=True)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@cache
def fixtures() -> tuple[Fixture, ...]:
    """All of them, the absent ones too."""
    found = sorted(FOLDER.glob("*/*.json"))
    return tuple(Fixture(path.parent.name, path.stem, json.loads(path.read_text())) for path in found)


def present() -> list[Fixture]:
    """Those with a body."""
    return [fixture for fixture in fixtures() if fixture.absent is None]


def messages(value: object) -> list[bytes]:
    """The messages of a connection that is a row of them."""
    return [written(item) for item in value] if isinstance(value, list) else [written(value)]


def events_of(fixture: Fixture, framing: Framing) -> list[Event]:
    """The answer cut into events."""
    if framing is Framing.MESSAGE:
        return [Event("", message) for message in messages(fixture.told["answer"])]
    return cut(framing, fixture.answer)


def cut(framing: Framing, data: bytes) -> list[Event]:
    """`data` cut into events, one that its end has cut off included."""
    framer = framer_of(framing)
    return [frame.event for frame in (*framer.feed(data), *framer.close()) if frame.event is not None]


def read(fixture: Fixture) -> Read | None:
    """The streamed answer read to its end; None: this dialect says that it is no stream."""
    reader = fixture.dialect.events(fixture.call, fixture.answer_type)
    if reader is None:
        return None
    events = events_of(fixture, reader.framing)
    return Read(events, [reader.read(event) for event in events], reader.told())


def channels(views: list[EventView]) -> dict[str, str]:
    """What each channel grew to; a channel that was closed and began anew goes on."""
    grown: defaultdict[str, str] = defaultdict(str)
    for view in views:
        for text in view.texts:
            if text.channel is not None:
                grown[text.channel] += text.text
    return {name: text for name, text in grown.items() if text}


def check_event(event: Event, view: EventView) -> None:
    """Every text stands where it says, nothing overlaps, everything lies inside the payload."""
    spans = [(text.start, text.end) for text in view.texts]
    spans += [(span.start, span.end) for span in view.opaque]
    at = 0
    for start, end in sorted(spans):
        assert at <= start <= end <= len(event.payload), (start, end, event)
        at = end
    for start, end in view.repeats:
        assert 0 <= start <= end <= len(event.payload)
    for text in view.texts:
        raw = event.payload[text.start : text.end].decode()
        assert (unescape(raw) if text.escaped else raw) == text.text


def check_body(body: bytes, view: RequestView | ResponseView) -> None:
    """The conservation law holds."""
    assert measure(len(body), [(segment, None) for segment in view.segments], view.opaque, ()).balanced
    for start, end in getattr(view, "repeats", ()):
        assert 0 <= start < end <= len(body)
        assert not any(start <= segment.start < end for segment in view.segments)
