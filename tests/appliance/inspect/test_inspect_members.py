"""Members and items with their bytes, and what is left when some go."""

import json

from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.members import parts_of, without
from appliance.inspect.redact import apply

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=6), st.sampled_from((None, 2)), st.booleans())
def test_members_are_found_where_they_stand(value, indent, ascii_only):
    body = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    found = parts_of(body, 0)
    assert {part.name: json.loads(body[part.value : part.end]) for part in found} == value


@given(st.lists(VALUES, max_size=6), st.sets(st.integers(0, 5)), st.sampled_from((None, 2)))
def test_any_items_can_be_taken_out(value, gone, indent):
    body = json.dumps(value, indent=indent).encode()
    parts = parts_of(body, 0)
    assert [json.loads(body[part.value : part.end]) for part in parts] == value
    left = apply(body, without(parts, lambda part: parts.index(part) in gone))
    assert json.loads(left) == [item for place, item in enumerate(value) if place not in gone]


def test_what_is_neither_object_nor_array_has_no_parts():
    assert parts_of(b'"text"', 0) == parts_of(b"", 0) == parts_of(b"[]", 0) == parts_of(b"{ }", 0) == ()
