"""Strings by a remembered shape are those of the walk, for any documents in any order."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.dialects.shapes import MAX_EVENT, MAX_SHAPES, Shapes
from appliance.inspect.jsonspans import MalformedBody, parse
from appliance.inspect.segments import known_names

KNOWN = known_names("a b content 1 -1 e")
LEAF = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6)
)
KEYS = st.sampled_from(["a", "b", "content", "1", "-1", "e", "unknown", ",", ":", 'q"'])
VALUES = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))


@given(st.lists(VALUES, min_size=1, max_size=4), st.sampled_from([None, 1]), st.booleans())
def test_the_same_as_a_walk(values, indent, ascii_only):
    shapes = Shapes(KNOWN)
    for value in [*values, *values]:
        payload = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace")
        assert shapes.parse(payload) == parse(payload, known=KNOWN)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b'{"a":1,"b":"x"}', b'{"a":"x","b":1}'),
        (b'[1,"x"]', b'["x",1]'),
        (b'[1,2,"x"]', b'[1,"x"]'),
        (b'["x"]', b'[["x"]]'),
        (b'{"a":["x"],"b":"y"}', b'{"a":["x","y"],"b":"z"}'),
        (b'{"1":"x"}', b'{"-1":"x"}'),
        (b'{"a":-1,"b":"x"}', b'{"a":1e5,"b":"x"}'),
        (b'{"a":"x"}', b'{"a":"\\"b\\":\\"y\\""}'),
        (b'{"a":"x"}', b'{"a" : "x"}'),
        (b'{"a":"","b":"x"}', b'{"a":"x","b":""}'),
    ],
)
def test_shapes_that_are_alike_are_told_apart(first, second):
    shapes = Shapes(KNOWN)
    for payload in (first, second, first):
        assert shapes.parse(payload) == parse(payload, known=KNOWN)


@pytest.mark.parametrize("payload", [b"", b"{", b'{"a":"\xff"}', b"[" * 600, b'{"a":tru}', b'{"a":"x"}{'])
def test_what_a_walk_refuses_is_refused(payload):
    shapes = Shapes(KNOWN)
    shapes.parse(b'{"a":"x"}')
    with pytest.raises(MalformedBody):
        shapes.parse(payload)


def test_texts_and_numbers_are_no_part_of_a_shape():
    shapes = Shapes(KNOWN)
    for text, number in (("x", 1), ("", -20.5), ('a "quoted" one', 10**9)):
        shapes.parse(json.dumps({"a": text, "b": [abs(number), text]}).encode())
    assert len(shapes._known_shapes) == 1


def test_what_is_remembered_is_bounded():
    shapes = Shapes(KNOWN)
    for size in range(3 * MAX_SHAPES):
        shapes.parse(json.dumps(["x"] * size).encode())
    shapes.parse(json.dumps(["x" * MAX_EVENT]).encode())
    shapes.parse(b'{"unknown":"x"}')
    shapes.parse(b'{"a":"x","a":"y"}')
    assert 0 < len(shapes._known_shapes) <= MAX_SHAPES
    assert max(map(len, shapes._known_shapes)) < MAX_EVENT
    assert b'{"unknown":"}' in shapes._known_shapes
    assert not any(shape.count(b'"a":') > 1 for shape in shapes._known_shapes)
    deep = json.dumps({"unknown" * 20: [["x"] * 200]}).encode()
    assert shapes.parse(deep) == parse(deep, known=KNOWN)
    assert not any(len(shape) > 200 and b"unknown" in shape for shape in shapes._known_shapes)
