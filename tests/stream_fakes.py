"""A small dialect, a small detector and encoders of every framing, to try the stream editor with."""

import base64
import json
import re
import struct
from itertools import pairwise

from appliance.inspect.jsonspans import MalformedBody, parse
from appliance.inspect.stream.aws import packed
from appliance.inspect.stream.events import EventView, Framing, Text, Told
from appliance.inspect.stream.frames import MAX_EVENT
from appliance.inspect.stream.framing import framer_of
from appliance.inspect.stream.watch import Decided
from appliance.inspect.view import Opaque
from appliance.model.detection import Detection, Label, Selector
from appliance.model.names import DetectionKind

SECRET = re.compile(r"secret-[0-9]+;")
HIDES = (Selector(entities=("TOKEN",)),)
ENDS = (Selector(entities=("STOP",)),)
STREAMED = (Framing.SSE, Framing.NDJSON, Framing.JSON_ARRAY, Framing.AWS, Framing.AWS_CHUNK, Framing.CONNECT)
_STOP = re.compile(r"STOP!")
_OPEN = re.compile(r"(?:s(?:e(?:c(?:r(?:e(?:t(?:-[0-9]*)?)?)?)?)?)?|S(?:T(?:OP?)?)?)\Z")
_LOGPROBS = re.compile(rb'"logprobs": ?(\[[^\]]*\])')


def hidden(text):
    return SECRET.sub("<TOKEN>", text)


class FakeWatch:
    """Decides a text as far as neither expression could still begin in it."""

    def __init__(self, hides, ends):
        self._hides, self._ends = hides, ends
        self._text = ""
        self._until = 0
        self._found = []

    def feed(self, text):
        self._text += text
        opening = _OPEN.search(self._text, self._until)
        return self._decide(opening.start() if opening else len(self._text))

    def close(self):
        return self._decide(len(self._text))

    def labels(self):
        found = SECRET.findall(self._text)
        return (Label("TOKEN", DetectionKind.SECRET, len(found), 1.0),) if found else ()

    def _decide(self, until):
        found = [
            Detection(match.start(), match.end(), "TOKEN", DetectionKind.SECRET, 1.0, "fake")
            for match in SECRET.finditer(self._text, self._until)
            if self._hides and match.end() <= until
        ]
        stop = _STOP.search(self._text) if self._ends else None
        if not (self._hides or self._ends):
            until = len(self._text)
        if stop:
            until = min(until, stop.start())
            found = [one for one in found if one.end <= until]
        self._until = max(until, self._until)
        return Decided(self._until, tuple(found), stop.start() if stop else None)


class FakeWatcher:
    classes = ("secret",)
    restores = False

    def __init__(self):
        self.looked = []

    def watch(self, kind, hides, ends, ceiling):  # noqa: ARG002 - a protocol's
        return FakeWatch(hides, ends)

    def whole(self, kind, text, hides, ends, ceiling):  # noqa: ARG002 - a protocol's
        self.looked.append(text)
        watch = FakeWatch(hides, ends)
        first, last = watch.feed(text), watch.close()
        return Decided(last.until, first.found + last.found, last.ends_at), watch.labels()


class FakeReader:
    """Chat chunks: `choices[].delta.{content,reasoning}` grow, `text` repeats, `blob` cannot be read."""

    def __init__(self, framing):
        self.framing = framing
        self._done = False

    def read(self, event):
        if event.payload == b"[DONE]":
            self._done = True
            return EventView()
        try:
            document = parse(event.payload)
        except MalformedBody:
            return EventView(malformed=True)
        value = document.value if isinstance(document.value, dict) else {}
        texts, opaque = [], []
        for span in document.strings:
            if span.is_key:
                continue
            parts = span.pointer.split("/")
            if span.pointer == "/blob":
                opaque.append(Opaque(span.start, span.end, "binary"))
            elif parts[1:2] == ["choices"] and parts[-1] in {"content", "reasoning"}:
                texts.append(_text(span, f"{parts[2]}/{parts[-1]}", parts[-1]))
            elif parts[-1] != "finish_reason" and "logprobs" not in parts:
                texts.append(_text(span, None, "content" if parts[-1] == "text" else "metadata"))
        return EventView(
            texts=tuple(texts),
            opaque=tuple(opaque),
            closes=tuple(f"{n}/" for n, one in enumerate(value.get("choices") or ()) if one.get("finish_reason")),
            repeats=tuple(match.span(1) for match in _LOGPROBS.finditer(event.payload)),
            usage_only="usage" in value,
            numbered="n" in value,
        )

    def told(self):
        return Told(done=self._done)

    def ending(self, reason):
        payload = json.dumps({"error": reason}).encode()
        return framed(self.framing, [payload]) if self.framing is not Framing.JSON_ARRAY else b"," + payload + b"]"


def _text(span, channel, kind):
    return Text(span.start, span.end, span.text, span.escaped, channel, kind)


def chunk(content=None, *, choice=0, field="content", finish=None, more=None, ascii_only=True):
    """One event that adds to a text."""
    choices = [{"delta": {}} for _ in range(choice)] + [{"delta": {} if content is None else {field: content}}]
    if finish:
        choices[-1]["finish_reason"] = finish
    told = {"id": "m-1", "choices": choices} | (more or {})
    halves = any("\ud800" <= one <= "\udfff" for one in content or "")  # of a pair: only an escape can say them
    return json.dumps(told, ensure_ascii=ascii_only or halves).encode()


def header(name, value):
    return bytes([len(name)]) + name + b"\x07" + struct.pack(">H", len(value)) + value


def framed(framing, payloads, *, sse_end=b"\n"):
    """The payloads as a stream."""
    match framing:
        case Framing.SSE:
            return b"".join(b"data: " + one + sse_end * 2 for one in payloads)
        case Framing.NDJSON:
            return b"".join(one + b"\n" for one in payloads)
        case Framing.JSON_ARRAY:
            return b"[" + b"\r\n,\n".join(payloads) + b"]\n"
        case Framing.AWS:
            return b"".join(packed(header(b":event-type", b"delta"), one) for one in payloads)
        case Framing.AWS_CHUNK:
            return b"".join(
                packed(header(b":event-type", b"chunk"), b'{"bytes":"' + base64.b64encode(one) + b'","p":"abc"}')
                for one in payloads
            )
        case Framing.CONNECT:
            return b"".join(struct.pack(">BI", 0, len(one)) + one for one in payloads)
    raise ValueError(framing)


def pieces(data, cuts):
    """`data`, cut at those places."""
    edges = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]


def events_of(framing, data, max_event=MAX_EVENT):
    """Payloads of the events in a stream."""
    framer = framer_of(framing, max_event)
    return [frame.event for frame in [*framer.feed(data), *framer.close()] if frame.event is not None]


def texts_of(framing, data):
    """The growing texts of a stream, joined; under None the list of all others."""
    reader = FakeReader(framing)
    joined = {None: []}
    for event in events_of(framing, data):
        for text in reader.read(event).texts:
            if text.channel is None:
                joined[None].append(text.text)
            else:
                joined[text.channel] = joined.get(text.channel, "") + text.text
    return joined
