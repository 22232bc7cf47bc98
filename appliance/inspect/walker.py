"""Any body bound for an AI host that no dialect knows: JSON, lines of it, forms, multipart, documents, protobuf, text.

Rules: what a body says it is decides only after what it is: JSON is read as JSON under any content type, because an
escape would hide text from a reader of plain text; what cannot be read is opaque with a reason; a part of a multipart
body is read as a body of its own; the view has the same shape as a dialect's.
"""

import re

import msgspec

from appliance.inspect.attachments import read_file
from appliance.inspect.content import charset, media_type
from appliance.inspect.documents import may_hold_document
from appliance.inspect.escapes import form_text
from appliance.inspect.frames import is_binary_call, read_call
from appliance.inspect.jsonspans import MAX_STRINGS, Document, MalformedBody, StringSpan, parse
from appliance.inspect.multipart_view import MAX_NESTED, read_multipart
from appliance.inspect.nested import split
from appliance.inspect.plaintext import BOM, CHARSETS
from appliance.inspect.segments import MAX_TEXTS, Place, drawn, gather, gather_strings, known_names, with_numbers
from appliance.inspect.view import Opaque, Part, RequestView, Syntax
from appliance.model.detection import Segment

_JSON_LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/jsonlines"})
_PLAIN = frozenset({"", "application/octet-stream", "application/xml", "application/yaml", "application/javascript"})
# The keys of batches, fine-tuning rows and embeddings; in such a file they are most of its strings.
_ROW_KEYS = known_names(
    "custom_id method url body model messages role content type text input prompt completion max_tokens temperature "
    "tools tool_calls function name description arguments parameters properties required weight id"
)
_LIKE_JSON = re.compile(rb"(?:\xef\xbb\xbf)?+[ \t\r\n]*+[{\[\"]")  # however many blanks stand before it
_LINE = re.compile(rb"[^\n]*+(?:\n|\Z)")
_FIELD = re.compile(rb"([^&=]*+)(?:=([^&]*+))?+")


def walk(body: bytes, content_type: str) -> RequestView:
    """Read a decoded body. MalformedBody when it says that it is JSON and is not, or could be read in two ways."""
    return _walk(body, content_type, MAX_NESTED)


def needs_process(body: bytes) -> bool:
    """Whether reading `body` may cost far more than its size tells, so that it belongs in a process of its own."""
    return may_hold_document(body)


def _walk(body: bytes, content_type: str, depth: int) -> RequestView:
    kind = media_type(content_type)
    if not body:
        return RequestView()
    if kind in _JSON_LINES:
        return _json_lines(body)
    if _is_json(kind) and not is_binary_call(kind):
        return _json(body)
    if is_like_json(body):
        try:
            return _json(body)
        except MalformedBody as fault:
            if fault.word != "malformed_json" and _is_valid(body):
                raise  # too much of it
    return _other(body, content_type, depth)


def _other(body: bytes, content_type: str, depth: int) -> RequestView:
    kind = media_type(content_type)
    if kind.startswith("multipart/"):
        return read_multipart(body, content_type, _part, depth) if depth else opaque_view(body, "multipart")
    if kind == "application/x-www-form-urlencoded":
        return _form(body, charset(content_type))
    if is_binary_call(kind):
        return read_call(body, kind)
    return _file(body, content_type)


def _part(data: bytes, content_type: str, depth: int) -> RequestView:
    """A part of a multipart body: one that is not what it says is opaque, and what it shows is scanned all the same."""
    try:
        return _walk(data, content_type, depth - 1)
    except MalformedBody as fault:
        if fault.word not in {"malformed_json", "malformed_multipart"}:
            raise
        content = read_file(data, media_type(content_type))._replace(reason=fault.word)
        taken = drawn(content, Segment("unknown", "content", "", "", 0, len(data)))
        return RequestView(syntax=Syntax.TEXT, segments=taken.segments, opaque=taken.opaque)


def _file(body: bytes, content_type: str) -> RequestView:
    """Text, a document, or bytes of some kind."""
    kind = media_type(content_type)
    content = read_file(body, kind, charset(content_type))
    place = Segment("unknown", "content", content.text or "", "", content.start if content.plain else 0, len(body))
    if content.plain:
        parts = () if kind.startswith("text/") or kind in _PLAIN else (Part(0, len(body), kind),)
        return RequestView(syntax=Syntax.TEXT, segments=(place,) if content.text else (), parts=parts)
    taken = drawn(content, place)
    return RequestView(
        syntax=Syntax.TEXT, segments=taken.segments, opaque=taken.opaque, parts=(Part(0, len(body), kind),)
    )


def opaque_view(body: bytes, reason: str) -> RequestView:
    """A body that is opaque in whole."""
    return RequestView(syntax=Syntax.TEXT, opaque=(Opaque(0, len(body), reason),) if body else ())


def is_like_json(body: bytes) -> bool:
    """Whether `body` begins as JSON with strings in it does."""
    return _LIKE_JSON.match(body) is not None


def _is_json(kind: str) -> bool:
    return kind in {"application/json", "text/json"} or kind.endswith("+json")


def _is_valid(body: bytes) -> bool:
    """Whether `body` is JSON, told without making anything of it."""
    try:
        msgspec.json.decode(body.removeprefix(BOM), type=msgspec.Raw)
    except RecursionError:
        return True
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True


def _json(body: bytes) -> RequestView:
    try:
        document = parse(body)
    except MalformedBody as fault:
        if fault.word == "malformed_json" and b"\n" in body.strip():
            return _json_lines(body)
        raise
    files: list[Part] = []
    segments, opaque = gather(body, document.strings, _place, files)
    return _view(document.value, segments, opaque, files, document.duplicate_keys)


def _json_lines(body: bytes) -> RequestView:
    """Lines of JSON, each read and let go before the next: such a file is the largest body of JSON that there is."""
    segments: list[Segment] = []
    opaque: list[Opaque] = []
    files: list[Part] = []
    values: list[object] = []  # the first only
    duplicates = False
    room = MAX_TEXTS
    for number, line in enumerate(_LINE.finditer(body)):
        room -= 1
        if line[0].strip(b" \t\r\n"):
            document = _row(line, number, max(min(room, MAX_STRINGS), 0))
            values = values or [document.value]
            duplicates = duplicates or document.duplicate_keys
            texts, blind = gather_strings(body, document.strings, _place, files)
            room -= len(texts) + len(blind)
            segments += texts
            opaque += blind
        if room < 0:
            raise MalformedBody("too_many_strings", f"body holds more than {MAX_TEXTS} lines and strings")
    return _view(values[0] if values else None, with_numbers(body, tuple(segments)), tuple(opaque), files, duplicates)


def _row(line: re.Match[bytes], number: int, room: int) -> Document:
    return parse(line[0], offset=line.start(), prefix=f"/{number}", known=_ROW_KEYS, room=room)


def _view(
    first: object, segments: tuple[Segment, ...], opaque: tuple[Opaque, ...], files: list[Part], duplicates: bool
) -> RequestView:
    top: dict[str, object] = first if isinstance(first, dict) else {}
    model = _member(top, "model")
    return RequestView(
        model=model if isinstance(model, str) else None,
        stream=_member(top, "stream") is True,
        segments=segments,
        opaque=opaque,
        parts=tuple(files),
        problem="duplicate_key" if duplicates else None,
    )


def _member(top: dict[str, object], name: str) -> object:
    """By its name, else by the name in other letters: some servers read either (see dialects/spelling.py)."""
    if name in top:
        return top[name]
    return next((value for key, value in top.items() if len(key) == len(name) and key.casefold() == name), None)


def _place(_: StringSpan) -> Place:
    return Place("unknown", "content")


def _form(body: bytes, encoding: str) -> RequestView:
    if encoding not in CHARSETS or not _is_utf8(body):
        return opaque_view(body, "charset")
    if body.count(b"&") > MAX_STRINGS:
        raise MalformedBody("too_many_strings", f"form body holds more than {MAX_STRINGS} fields")
    segments: list[Segment] = []
    for number, field in enumerate(_FIELD.finditer(body)):
        for group, channel in ((1, "name"), (2, "content")):
            if field[group]:
                raw = field[group].decode()
                segments += _form_value(raw, channel, f"/{number}", field.start(group), 2 * MAX_STRINGS - len(segments))
    return RequestView(syntax=Syntax.FORM, segments=tuple(segments))


def _form_value(raw: str, channel: str, pointer: str, start: int, room: int) -> tuple[Segment, ...]:
    """One name or value; a value that is JSON with escapes in pieces, as web chats send it."""
    escaped = "%" in raw or "+" in raw
    text = form_text(raw) if escaped else raw
    segment = Segment("unknown", channel, text, pointer, start, start + len(raw.encode()), escaped)
    return split(segment, raw, (Syntax.FORM,), max(room, 0))


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
