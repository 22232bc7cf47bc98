"""Any body bound for an AI host that no dialect knows: JSON of any shape, lines of JSON, forms, text.

Rules: what a body says it is decides only after what it is: JSON is read as JSON under any content type, because an
escape would hide text from a reader of plain text; what cannot be read is opaque with a reason, in whole; the view has
the same shape as a dialect's.
"""

import re

from appliance.inspect.content import charset, media_type
from appliance.inspect.escapes import form_text
from appliance.inspect.jsonspans import MAX_STRINGS, Document, MalformedBody, StringSpan, parse
from appliance.inspect.media import data_url
from appliance.inspect.segments import Place, gather
from appliance.inspect.view import Opaque, RequestView, Syntax
from appliance.model.detection import Segment

_BOM = b"\xef\xbb\xbf"
_JSON_LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/jsonlines"})
_TEXT_TYPES = frozenset({"", "application/xml", "application/yaml", "application/x-yaml", "application/javascript"})
_TEXT_TYPES |= {"application/graphql", "application/sql", "application/octet-stream"}
_KINDS = {"image": "image", "audio": "audio", "video": "video", "font": "binary", "multipart": "multipart"}
_LIKE_JSON = re.compile(rb"(?:\xef\xbb\xbf)?+[ \t\r\n]*+[{\[\"]")  # however many blanks stand before it
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_LINE = re.compile(rb"[^\n]*+(?:\n|\Z)")
_FIELD = re.compile(rb"([^&=]*+)(?:=([^&]*+))?+")
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


def walk(body: bytes, content_type: str) -> RequestView:
    """Read a decoded body. MalformedBody when it says that it is JSON and is not."""
    kind = media_type(content_type)
    if not body:
        return RequestView()
    if kind in _JSON_LINES:
        return _json_lines(body)
    if _is_json(kind):
        return _json(body)
    if _LIKE_JSON.match(body):
        try:
            return _json(body)
        except MalformedBody:
            pass  # it never said that it was JSON
    return _other(body, kind, charset(content_type))


def _other(body: bytes, kind: str, encoding: str) -> RequestView:
    family = kind.partition("/")[0]
    if family in _KINDS:
        return opaque_view(body, _KINDS[family])
    if kind == "application/x-www-form-urlencoded":
        return _form(body, encoding)
    if family == "text" or kind in _TEXT_TYPES or kind.endswith("+xml"):
        return _text(body, encoding)
    return opaque_view(body, "binary")


def opaque_view(body: bytes, reason: str) -> RequestView:
    """A body that is opaque in whole."""
    return RequestView(syntax=Syntax.TEXT, opaque=(Opaque(0, len(body), reason),) if body else ())


def _is_json(kind: str) -> bool:
    return kind in {"application/json", "text/json"} or kind.endswith("+json")


def _json(body: bytes) -> RequestView:
    try:
        document = parse(body)
    except MalformedBody as fault:
        if fault.word == "malformed_json" and b"\n" in body.strip():
            return _json_lines(body)
        raise
    return _view(body, (document,))


def _json_lines(body: bytes) -> RequestView:
    documents: list[Document] = []
    room = MAX_STRINGS
    for number, line in enumerate(_LINE.finditer(body)):
        if line[0].strip(b" \t\r\n"):
            documents.append(parse(line[0], offset=line.start(), prefix=f"/{number}", room=room))
            room -= len(documents[-1].strings)
        room -= 1
        if room < 0:
            raise MalformedBody("too_many_strings", f"body holds more than {MAX_STRINGS} lines and strings")
    return _view(body, tuple(documents))


def _view(body: bytes, documents: tuple[Document, ...]) -> RequestView:
    strings = tuple(span for document in documents for span in document.strings)
    segments, opaque = gather(body, strings, _place)
    first = documents[0].value if documents else None
    top: dict[str, object] = first if isinstance(first, dict) else {}
    model = top.get("model")
    return RequestView(
        model=model if isinstance(model, str) else None,
        stream=top.get("stream") is True,
        segments=segments,
        opaque=opaque,
        problem="duplicate_key" if any(document.duplicate_keys for document in documents) else None,
    )


def _place(span: StringSpan) -> Place:
    return Place("unknown", "content", data_url(span.text))


def _form(body: bytes, encoding: str) -> RequestView:
    if encoding not in _CHARSETS or not _is_utf8(body):
        return opaque_view(body, "charset")
    if body.count(b"&") > MAX_STRINGS:
        raise MalformedBody("too_many_strings", f"form body holds more than {MAX_STRINGS} fields")
    segments: list[Segment] = []
    for field in _FIELD.finditer(body):
        for group, channel in ((1, "name"), (2, "content")):
            if field[group]:
                segments.append(_form_segment(field[group].decode(), channel, len(segments), field.start(group)))
    return RequestView(syntax=Syntax.FORM, segments=tuple(segments))


def _form_segment(raw: str, channel: str, number: int, start: int) -> Segment:
    escaped = "%" in raw or "+" in raw
    text = form_text(raw) if escaped else raw
    return Segment("unknown", channel, text, f"/{number}", start, start + len(raw.encode()), escaped)


def _text(body: bytes, encoding: str) -> RequestView:
    start = len(_BOM) if body.startswith(_BOM) else 0
    if encoding not in _CHARSETS:
        return opaque_view(body, "charset")
    if _BINARY.search(body) or not _is_utf8(body):
        return opaque_view(body, "binary")
    if start == len(body):
        return RequestView(syntax=Syntax.TEXT)
    text = body[start:].decode()
    return RequestView(syntax=Syntax.TEXT, segments=(Segment("unknown", "content", text, "", start, len(body)),))


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
