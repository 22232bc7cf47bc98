"""Streams that no dialect knows: every string of an event is a text, and nothing raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.dialects.unknown_events import UnknownEvents, framing_of
from appliance.inspect.jsonspans import unescape
from appliance.inspect.stream.events import Event, Framing


@pytest.mark.parametrize(
    ("content_type", "framing"),
    [
        ("text/event-stream; charset=utf-8", Framing.SSE),
        ("application/x-ndjson", Framing.NDJSON),
        ("application/vnd.amazon.eventstream", Framing.AWS),
        ("application/connect+json", Framing.CONNECT),
        ("application/grpc-web+proto", Framing.CONNECT),
        ("application/json", None),
        ("", None),
    ],
)
def test_what_is_a_stream(content_type, framing):
    assert framing_of(content_type) is framing


def test_every_string_is_a_text_of_its_own():
    payload = b'{"p":"\\u0041b","n":{"deep":["{\\"a\\":1}"]},"f":"data:image/png;base64,' + b"A" * 80 + b'"}'
    view = UnknownEvents(Framing.SSE).read(Event("", payload))
    assert {text.text for text in view.texts} == {"p", "Ab", "n", "deep", '{"a":1}', "f"}
    assert {text.kind for text in view.texts if text.text == '{"a":1}'} == {"arguments"}
    assert all(text.channel is None for text in view.texts)
    assert [span.reason for span in view.opaque] == ["image"]


def test_what_is_no_json_is_text_that_grows_or_binary():
    reader = UnknownEvents(Framing.SSE)
    views = [reader.read(Event("", payload)) for payload in (b'say "hi', b' you"', b"{}", b"{}", b"{'a")]
    assert [[(one.text, one.channel) for one in view.texts] for view in views] == [
        [('say "hi', "text/0")],
        [(' you"', "text/0")],
        [],
        [],
        [("{'a", "text/1")],
    ]
    assert [view.closes for view in views] == [(), (), ("text/0",), (), ()]
    assert [span.reason for span in reader.read(Event("", b"\xff\xfe")).opaque] == ["binary"]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_and_spans_hold_their_texts(payload):
    view = UnknownEvents(Framing.NDJSON).read(Event("", payload))
    for text in view.texts:
        raw = payload[text.start : text.end].decode()
        assert (raw if text.channel else unescape(raw)) == text.text


def test_the_ending_is_an_error_where_one_can_stand():
    assert UnknownEvents(Framing.SSE).ending("drain").startswith(b"event: error\ndata: {")
    assert UnknownEvents(Framing.NDJSON).ending("drain").endswith(b"}\n")
    assert UnknownEvents(Framing.AWS).ending("drain") == b""
