"""Bodies of gRPC, gRPC-Web and Connect: frames of `[flags: u8][length: u32 big-endian][message]`.

Rules: a frame that is not whole is opaque; a packed message is unpacked within the bounds of content.py, and its texts
are fixed; messages are JSON where they read as JSON, else Protocol Buffers. Sources: gRPC over HTTP/2 (PROTOCOL-HTTP2),
PROTOCOL-WEB; Connect protocol, enveloped messages.
"""

import base64
import binascii

from appliance.inspect.attachments import read_file
from appliance.inspect.content import RATIO_FLOOR, decode_body
from appliance.inspect.jsonspans import MalformedBody, parse
from appliance.inspect.protobuf import Message
from appliance.inspect.segments import Place, Taken, drawn, gather
from appliance.inspect.view import Opaque, RequestView, Syntax
from appliance.model.detection import Segment

MAX_FRAMES = 10_000
MAX_UNPACKED = 16 * 1024 * 1024
"""Of all packed messages of a body together."""
MAX_RATIO = 200
_HEAD = 5
_PACKED = 1
_MESSAGES = frozenset(
    f"application/{name}" for name in ("proto", "protobuf", "x-protobuf", "vnd.google.protobuf", "x-google-protobuf")
)
_FRAMED = ("application/grpc", "application/connect+")
_AS_TEXT = "application/grpc-web-text"


def is_binary_call(media_type: str) -> bool:
    """Whether a body of this type is a message of Protocol Buffers, or frames of messages."""
    return media_type in _MESSAGES or media_type.startswith(_FRAMED)


def read_call(body: bytes, media_type: str) -> RequestView:
    """Texts and opaque spans of a body for which `is_binary_call` holds."""
    message = Message()
    if media_type in _MESSAGES:
        return _view(message.read(body, 0, len(body)))
    if media_type.startswith(_AS_TEXT):
        return _view(_as_text(message, body))
    return _view(_frames(message, body))


def _view(taken: Taken) -> RequestView:
    return RequestView(syntax=Syntax.TEXT, segments=taken.segments, opaque=taken.opaque)


def _as_text(message: Message, body: bytes) -> Taken:
    """Frames in base64: everything is drawn out, at once."""
    try:
        inner = base64.b64decode(body, validate=True)
    except binascii.Error:
        return Taken((), (Opaque(0, len(body), "binary"),))
    return _joined(_frames(message, inner), Segment("unknown", "content", "", "", 0, len(body)))


def _frames(message: Message, body: bytes) -> Taken:
    segments: list[Segment] = []
    opaque: list[Opaque] = []
    room = MAX_UNPACKED
    at = count = 0
    while at < len(body):
        size = int.from_bytes(body[at + 1 : at + _HEAD], "big")
        start, end = at + _HEAD, at + _HEAD + size
        count += 1
        if count > MAX_FRAMES:
            raise MalformedBody("too_many_frames", f"a binary body holds more than {MAX_FRAMES} messages")
        if end > len(body):
            opaque.append(Opaque(at, len(body), "binary"))
            break
        if body[at] & _PACKED:
            taken, used = _packed(message, body, start, end, room)
            room -= used
        else:
            taken = _message(message, body, start, end)
        segments += taken.segments
        opaque += taken.opaque
        at = end
    return Taken(tuple(segments), tuple(opaque))


def _packed(message: Message, body: bytes, start: int, end: int, room: int) -> tuple[Taken, int]:
    """A message in gzip, which is what all of them use unless told otherwise; and what of `room` it took."""
    if start == end:
        return Taken(), 0
    if room <= 0:
        return Taken((), (Opaque(start, end, "too_large"),)), 0
    decoded = decode_body(body[start:end], "gzip", max_bytes=room, max_ratio=MAX_RATIO)
    if decoded.problem:
        return Taken((), (Opaque(start, end, decoded.problem),)), max(RATIO_FLOOR, MAX_RATIO * (end - start))
    inner = _message(message, decoded.data, 0, len(decoded.data))
    return _joined(inner, Segment("unknown", "content", "", "", start, end)), len(decoded.data)


def _message(message: Message, body: bytes, start: int, end: int) -> Taken:
    data = body[start:end]
    if not data:
        return Taken()
    place = Segment("unknown", "content", "", "", start, end)
    if data.lstrip(b" \t\r\n")[:1] in {b"{", b"["}:
        try:
            document = parse(data)
        except MalformedBody as fault:
            if fault.word != "malformed_json":
                raise
        else:
            # Its length stands before it, so that no edit can be made here either.
            return _joined(Taken(*gather(data, document.strings, lambda _: Place())), place)
    taken = message.read(body, start, end)
    if taken.segments or not taken.opaque:
        return taken
    return drawn(read_file(data), place)


def _joined(inner: Taken, place: Segment) -> Taken:
    """What was drawn out of packed bytes, as one text that stands where they do."""
    text = "\n".join(segment.text for segment in inner.segments)
    fixed = Segment(place.role, place.channel, text, place.pointer, place.start, place.end, fixed=True)
    if not inner.opaque:
        return Taken((fixed,))
    blind = Opaque(place.start, place.end, inner.opaque[0].reason)
    none = Segment(place.role, place.channel, text, place.pointer, place.start, place.start, fixed=True)
    return Taken((none,) if text else (), (blind,))
