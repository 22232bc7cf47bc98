"""The YAML reader: types of YAML 1.2's core schema, lines of keys, and what it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config.yaml_source import MAX_BYTES, parse
from appliance.model.errors import OperatorError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", 1),
        ("a: -7", -7),
        ("a: 1.5", 1.5),
        ("a: 1e3", 1000.0),
        ("a: true", True),
        ("a: no", "no"),
        ("a: on", "on"),
        ("a: 12:30", "12:30"),
        ("a: 127.0.0.1:8080", "127.0.0.1:8080"),
        ("a: 2027-01-31", "2027-01-31"),
        ("a: 0x10", "0x10"),
        ("a: '1'", "1"),
        ("a: ~", None),
        ("a:", None),
        ("a: ''", ""),
        ("a: [x, {b: 2}]", ["x", {"b": 2}]),
        ("a: |\n  12\n", "12\n"),
    ],
)
def test_plain_values(text: str, value: object) -> None:
    assert parse(text.encode(), "f").value == {"a": value}


def test_lines_of_keys_and_items() -> None:
    document = parse(b"\xef\xbb\xbfa:\n  b: 1\n  c:\n    - x\n    - y\n", "f")
    assert document.line(("a", "b")) == 2
    assert document.line(("a", "c", 1)) == 5
    assert document.line(("a", "c", 9, "z")) == 3
    assert document.fault(("a", "b"), "wrong") == "f:2: a.b: wrong"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3: a: key stands twice, first in line 1"),
        ("x:\n  a: 1\n  'a': 2\n", "f:3: x.a: key stands twice, first in line 2"),
        ("a: &x 1\nb: *x\n", "f:1: anchors and aliases are not read"),
        ("a: *x\n", "f:1: anchors and aliases"),
        ("a:\n  <<: {b: 1}\n", "f:2: merge keys"),
        ("a: !!python/object/apply:os.system [ls]\n", "f:1: tags are not read"),
        ("a: !!str 1\n", "f:1: tags are not read"),
        ("? [a]\n: 1\n", "f:1: a key must be plain text"),
        ("a: 1\n---\nb: 2\n", "a second document; one file"),
        ("a: [1\n", "f:2: not YAML"),
        ("a: 1\n b: 2\n", "f:2: not YAML"),
        ("a: \x07\n", "f: not YAML"),
        ("[" * 40 + "]" * 40, "levels"),
        ("[" * 100_000, "levels"),
    ],
)
def test_refusals(text: str, said: str) -> None:
    with pytest.raises(OperatorError) as caught:
        parse(text.encode(), "f")
    assert said in str(caught.value)


def test_size_and_encoding_are_bounded() -> None:
    with pytest.raises(OperatorError, match="larger than"):
        parse(b"#" * (MAX_BYTES + 1), "f")
    with pytest.raises(OperatorError, match="f:2: not UTF-8"):
        parse(b"a: 1\nb: \xff\n", "f")


@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{}&*!|>\n '\"#?,%@`", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse(data, "f")
    except OperatorError as error:
        assert str(error).startswith("f:")  # noqa: PT017 - either outcome is right, no other is
