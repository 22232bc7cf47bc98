"""Rows of numbers are taken out of a document, and nothing else is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.dialects.vectors import without_vectors
from appliance.inspect.jsonspans import parse
from appliance.inspect.numbers import long_numbers

ROWS = st.lists(st.integers(-(10**9), 10**9) | st.floats(-2, 2), max_size=6)
VALUES = st.dictionaries(st.text(max_size=3), ROWS | st.text(max_size=8) | st.lists(ROWS, max_size=3), max_size=4)


@given(VALUES, st.integers(1, 3))
def test_every_byte_keeps_its_place_and_every_string_stays(value, least):
    body = json.dumps(value).encode()
    vectors = without_vectors(body, least)
    assert len(vectors.data) == len(body)
    assert parse(vectors.data).strings == parse(body).strings
    assert [one.text for one in long_numbers(vectors.data)] == [one.text for one in long_numbers(body)]
    for start, end in vectors.spans:
        row = json.loads(b"[" + body[start:end] + b"]")
        assert len(row) >= least
        assert all(isinstance(number, int | float) for number in row)


@pytest.mark.parametrize(
    ("body", "least", "rows"),
    [
        (b"[1]", 1, [b"1"]),
        (b"[1]", 2, []),
        (b"[ 1 , -2.5e-3 ]", 2, [b" 1 , -2.5e-3 "]),
        (b"[[1,2],[3]]", 1, [b"1,2", b"3"]),
        (b'["[1,2]",[1,2]]', 2, [b"1,2"]),
        (b'[1,"2"]', 1, []),
        (b"[1,null]", 1, []),
        (b"[]", 1, []),
        (b"[4111111111111111,1]", 1, []),
        (b"[1,12345678]", 1, []),
        (b"[1234567,1]", 2, [b"1234567,1"]),
        (b"[0.12345678901234,1]", 2, [b"0.12345678901234,1"]),
        (b"[12345678.0,1]", 2, []),
        (b'{"a":[1,2', 1, []),
    ],
)
def test_what_a_row_is(body, least, rows):
    assert [body[start:end] for start, end in without_vectors(body, least).spans] == rows


def test_more_numbers_than_a_document_may_hold():
    body = b'{"input":["x"],"embedding":[' + b",".join([b"0.25"] * 400_000) + b"]}"
    assert parse(without_vectors(body, 1).data).value == {"input": ["x"], "embedding": []}
