"""Protocol Buffers and the frames of gRPC and Connect, without a schema."""

import base64
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.coverage import measure
from appliance.inspect.frames import MAX_FRAMES
from appliance.inspect.jsonspans import MalformedBody
from appliance.inspect.protobuf import MAX_FIELDS, Message
from appliance.inspect.redact import NotEditable, redact
from appliance.inspect.walker import walk
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def frame(payload, flags=0):
    return bytes([flags]) + len(payload).to_bytes(4, "big") + payload


def read(body, content_type):
    view = walk(body, content_type)
    coverage = measure(len(body), [(s, None) for s in view.segments], view.opaque, ())
    assert coverage.balanced
    return [s.text for s in view.segments], [span.reason for span in view.opaque], coverage


CHAT = field(1, field(1, "user") + field(2, "mail bob@x.test\nand more") + field(3, 7)) + field(2, "model-1")
TEXTS = ["user", "mail bob@x.test\nand more", "model-1"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (CHAT, "application/proto"),
        (CHAT, "application/x-protobuf"),
        (frame(CHAT), "application/grpc"),
        (frame(CHAT), "application/grpc+proto"),
        (frame(CHAT), "application/connect+proto"),
        (frame(b"") + frame(CHAT), "application/grpc-web+proto"),
    ],
)
def test_strings_of_messages_are_read(body, content_type):
    texts, opaque, coverage = read(body, content_type)
    assert (texts, opaque) == (TEXTS, [])
    assert coverage.text_scanned == sum(map(len, TEXTS))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (frame(gzip.compress(CHAT), 1), "application/connect+proto"),
        (frame(gzip.compress(CHAT), 1), "application/grpc"),
        (base64.b64encode(frame(CHAT)), "application/grpc-web-text"),
        (frame(json.dumps({"a": TEXTS}).encode()), "application/connect+json"),
        (frame(gzip.compress(json.dumps({"a": TEXTS}).encode()), 1), "application/grpc+json"),
    ],
)
def test_packed_messages_and_json_are_drawn_out(body, content_type):
    texts, opaque, coverage = read(body, content_type)
    assert "\n".join(TEXTS) in texts[0]
    assert opaque == []
    assert coverage.complete


def test_nothing_of_it_can_be_edited():
    view = walk(CHAT, "application/proto")
    hit = Detection(5, 15, "EMAIL_ADDRESS", DetectionKind.PII, 1.0, "test")
    with pytest.raises(NotEditable):
        redact(CHAT, view.syntax, view.segments, ((), (hit,), ()))


def test_bytes_that_are_no_text_are_opaque_by_kind():
    body = field(1, "hi") + field(2, b"\x89PNG\r\n\x1a\n\0\xff") + field(3, b"\xff\xfe\xfd") + field(4, b"")
    assert read(body, "application/proto")[:2] == (["hi"], ["image", "binary"])


def test_what_is_both_string_and_message_is_read_both_ways():
    inner = field(1, "!" * 32 + "k")  # its head is a line feed and a printable length
    texts, _, _ = read(field(9, inner), "application/proto")
    assert texts == ["\n!" + "!" * 32 + "k" + "\n" + "!" * 32 + "k"]


def test_json_in_a_field_is_opened():
    texts, _, _ = read(field(1, json.dumps({"a": "x\nbob@x.test"})), "application/proto")
    assert texts[0].endswith("x\nbob@x.test")


@pytest.mark.parametrize(
    ("body", "content_type", "reasons"),
    [
        (b"\x0a\xff\xff\xff\xff\x0fabc\0", "application/proto", ["binary"]),
        (b"\x0b", "application/proto", ["binary"]),
        (frame(CHAT)[:-1], "application/grpc", ["binary"]),
        (frame(b"")[:3], "application/grpc", ["binary"]),
        (b"\0" + b"\xff" * 4 + b"abc", "application/grpc", ["binary"]),
        (frame(b"no gzip", 1), "application/grpc", ["corrupt_encoding"]),
        (frame(gzip.compress(b"\0" * 8_000_000), 1), "application/grpc", ["decompression_bomb"]),
        (b"*", "application/grpc-web-text", ["binary"]),
    ],
)
def test_what_cannot_be_read_is_told(body, content_type, reasons):
    assert read(body, content_type)[1] == reasons


def test_bombs_share_one_bound():
    packed = frame(gzip.compress(b"\0\1" * 3_000_000), 1)
    _, reasons, _ = read(packed * 200, "application/grpc")
    assert reasons[-1] == "too_large"


def test_fields_frames_and_depth_are_bounded():
    with pytest.raises(MalformedBody):
        walk(b"\x08\x01" * (MAX_FIELDS + 1), "application/proto")
    with pytest.raises(MalformedBody):
        walk(frame(b"") * (MAX_FRAMES + 1), "application/grpc")
    deep = b"\1"
    for _ in range(100):
        deep = field(1, deep)
    assert read(deep, "application/proto")[1] == ["binary"]


messages = st.recursive(
    st.text(max_size=12) | st.binary(max_size=12) | st.integers(0, 1 << 40),
    lambda inner: st.lists(st.tuples(st.integers(1, 40), inner), max_size=4).map(
        lambda fields: b"".join(field(number, value) for number, value in fields)
    ),
    max_leaves=12,
)


@given(messages.filter(lambda value: isinstance(value, bytes)), st.binary(max_size=6), st.booleans())
def test_no_byte_is_lost_and_nothing_raises(message, junk, framed):
    for body in (message, message + junk, junk + message):
        sent = frame(body) + junk if framed else body
        read(sent, "application/grpc" if framed else "application/proto")


@given(st.lists(st.text(alphabet="abc @.", min_size=1, max_size=20), max_size=8))
def test_every_string_is_found(strings):
    body = b"".join(field(number + 1, text) for number, text in enumerate(strings))
    taken = Message().read(body, 0, len(body))
    assert [segment.text.split("\n")[0] for segment in taken.segments] == strings
    assert [body[s.start : s.end].decode() for s in taken.segments] == strings
