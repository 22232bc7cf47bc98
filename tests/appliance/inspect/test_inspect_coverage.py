"""The conservation law holds for any body, and a reader that breaks it is caught."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.coverage import all_opaque, measure, streamed
from appliance.inspect.dialects import Call
from appliance.inspect.inspection import Inspector, Limits
from appliance.inspect.view import Opaque
from appliance.model.detection import Segment

PATHS = ("/v1/chat/completions", "/anything")
TYPES = ("application/json", "", "text/plain", "application/x-www-form-urlencoded", "application/x-ndjson", "image/png")
words = st.sampled_from(
    ["messages", "role", "content", "user", "tools", "type", "image_url", "url", "arguments", "stream"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | words | st.just('{"a":"\\u0041 1"}'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=4), inner, max_size=5),
    max_leaves=16,
)


class Silent:
    version = "0"
    classes = ("pii",)
    max_chars = 1000

    def scan(self, _text, _source=None):
        return ()


@given(values, st.sampled_from(PATHS), st.sampled_from(TYPES))
def test_any_json_balances(value, path, content_type):
    raw = json.dumps(value).encode()
    inspection = Inspector(Silent()).request(Call("POST", path, content_type), None, raw, None)
    assert inspection.coverage.balanced
    assert inspection.coverage.length == len(raw)


@given(
    st.binary(max_size=300), st.sampled_from(PATHS), st.sampled_from(TYPES), st.sampled_from([None, "gzip", "br", "x"])
)
def test_any_bytes_balance(raw, path, content_type, coding):
    inspector = Inspector(Silent(), Limits(max_text=40, max_scanned=100))
    request = inspector.request(Call("POST", path, content_type), coding, raw, None)
    response = inspector.response(
        "openai.chat" if path == PATHS[0] else None, Call("POST", path), content_type, coding, raw
    )
    assert request.coverage.balanced
    assert response.coverage.balanced
    assert request.coverage.length == len(request.body)


def test_every_kind_of_byte_is_told_apart():
    segments = (Segment("user", "content", "ab", "/0", 2, 4), Segment("user", "content", "c", "/1", 7, 8))
    told = measure(20, zip(segments, (None, "too_large"), strict=True), (Opaque(10, 15, "image"),), ("pii",))
    assert (told.structure, told.text_scanned, told.text_unscanned, told.opaque) == (
        12,
        2,
        {"too_large": 1},
        {"image": 5},
    )
    assert told.balanced
    assert all_opaque(3, "binary").balanced
    assert streamed(100, 30).text_unscanned == {"streamed": 30}
    assert streamed(10, 30).balanced


@pytest.mark.parametrize("spans", [[(0, 3), (2, 4)], [(0, 3), (0, 3)], [(8, 11)], [(4, 2)]])
def test_a_reader_that_lies_is_caught(spans):
    with pytest.raises(ValueError, match="reader is wrong"):
        measure(10, [(Segment("user", "content", "", "", *span), None) for span in spans], (), ())
