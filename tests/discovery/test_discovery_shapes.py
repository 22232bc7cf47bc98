"""The outline of JSON of which only the beginning is there."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery import shapes
from discovery.shapes import members

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"object": "list"}', {"object": ["list"]}),
        (
            '{"data":[{"id":"a","owned_by":"vllm"},{"id":"b"}]}',
            {"data": [""], "data.id": ["a", "b"], "data.owned_by": ["vllm"]},
        ),
        ('{"a":{"b":{"c":1}},"d":true}', {"a": [""], "a.b": [""], "a.b.c": ["1"], "d": ["true"]}),
        ('{"a":1}\n{"a":2}', {"a": ["1", "2"]}),
        ('{"a":["x","y"]}', {"a": ["", "x", "y"]}),
        ('{"a":"x","b":"cut o', {"a": ["x"], "b": [""]}),
        ('{"say \\"object\\"":"x","b":"say \\"c\\""}', {'say \\"object\\"': ["x"], "b": [""]}),
        ('{"text":"{\\"object\\":\\"chat.completion\\"}"}', {"text": [""]}),
        ('"alone"', {}),
        ("", {}),
        ("<html>", {}),
        ("}{", {}),
    ],
)
def test_members(text, expected):
    assert members(text.encode()) == expected


def test_what_is_too_deep_is_left_out_and_what_follows_is_not():
    deep = '{"a":' * 20 + "1" + "}" * 20
    found = members(f'{{"x":{deep},"model":"m"}}'.encode())
    assert found["model"] == ["m"]
    assert max(path.count(".") for path in found) < shapes.MAX_DEPTH


def test_bounds():
    assert len(members(b"{" + b",".join(b'"k%d":1' % n for n in range(9_000)) + b"}")) <= shapes.MAX_MEMBERS
    assert len(members(b'{"a":[' + b'"x",' * 9_000)["a"]) <= shapes.MAX_SAME
    assert members(b'{"a":"' + b"x" * 500 + b'"}') == {"a": [""]}


@given(st.binary(max_size=300))
def test_any_bytes_have_an_outline(data):
    assert all(isinstance(value, str) for values in members(data).values() for value in values)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), VALUES, max_size=5), st.data())
def test_members_of_the_top_are_found_and_a_cut_invents_none(document, data):
    text = json.dumps(document, ensure_ascii=False).encode()
    assert set(document) <= set(members(text)) or len(text) > shapes.MAX_BYTES
    cut = data.draw(st.integers(0, len(text)))
    assert {path.partition(".")[0] for path in members(text[:cut])} <= set(document)
