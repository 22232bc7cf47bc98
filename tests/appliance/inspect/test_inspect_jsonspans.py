"""Every string of a JSON document is found, with the place that wrote it; what is not JSON is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.jsonspans import MAX_DEPTH, MAX_MEMBERS, MAX_POINTER, MAX_STRINGS, MalformedBody, parse, unescape

texts = st.text(alphabet=st.characters(), max_size=12)  # lone surrogates included
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def leaves(value, pointer=""):
    if isinstance(value, str):
        yield pointer, value, False
    elif isinstance(value, dict):
        for key, inner in value.items():
            place = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
            yield place, key, True
            yield from leaves(inner, place)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{pointer}/{number}")


@given(documents, st.sampled_from([None, 1]), st.booleans())
def test_every_string_is_found_where_it_stands(value, indent, ascii_only):
    written = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    try:
        data = written.encode()
    except UnicodeEncodeError:
        data = json.dumps(value, indent=indent).encode()
    document = parse(data)
    assert [(span.pointer, span.text, span.is_key) for span in document.strings] == list(leaves(value))
    for span in document.strings:
        raw = data[span.start : span.end]
        assert data[span.start - 1 : span.start] == data[span.end : span.end + 1] == b'"'
        assert json.loads(b'"' + raw + b'"') == span.text
        assert span.escaped == (b"\\" in raw)
    assert document.value == value
    assert not document.duplicate_keys


def test_the_order_and_pointers_of_mixed_containers():
    data = b'{"a":[1,"x",{"b/c":"y"},[],"z"],"~":"w"}'
    assert [(span.pointer, span.text) for span in parse(data).strings if not span.is_key] == [
        ("/a/1", "x"),
        ("/a/2/b~1c", "y"),
        ("/a/4", "z"),
        ("/~0", "w"),
    ]


def test_every_occurrence_of_a_duplicate_key_is_yielded():
    document = parse(b'{"a":"one","a":"two","b":{"a":"three"}}')
    assert [span.text for span in document.strings if not span.is_key] == ["one", "two", "three"]
    assert document.duplicate_keys
    assert parse(b'{"a":"one","\\u0061":"two"}').duplicate_keys


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b" ", b"{", b"[1,]", b'{"a":1,}', b"{} {}", b'"\n"', b'"\\x"', b"NaN", b"[Infinity]", b"01", b"nul"),
        *(b'"\xff"', b'"\xed\xa0\x80"', b"\xfe\xff\x00{\x00}", b"\x00", b"{'a':1}", b'{"a" "b"}', b'/**/{"a":"b"}'),
    ],
)
def test_what_is_not_json_is_refused(data):
    with pytest.raises(MalformedBody) as caught:
        parse(data)
    assert caught.value.word == "malformed_json"


def test_the_refusal_does_not_quote_the_body():
    with pytest.raises(MalformedBody) as caught:
        parse(b'{"key":"sk-very-secret}')
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("data", [b'"\\ud83d cut"', b'["\\ude00"]', b'[1e999, "x"]', b"[" + b"9" * 5000 + b"]"])
def test_what_rfc_8259_allows_passes(data):
    assert parse(data).value


def test_a_bom_is_structure():
    document = parse(b'\xef\xbb\xbf{"a":"b"}')
    assert [(span.start, span.end) for span in document.strings] == [(5, 6), (9, 10)]


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 100_000])
def test_depth_is_bounded(depth):
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        with pytest.raises(MalformedBody) as caught:
            parse(opening * depth + b"1" + closing * depth)
        assert caught.value.word == "too_deep"
    assert parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH).strings == ()


def test_the_number_of_strings_is_bounded():
    with pytest.raises(MalformedBody) as caught:
        parse(b'["",' + b'"",' * MAX_STRINGS + b'""]')
    assert caught.value.word == "too_many_strings"


def test_the_number_of_values_is_bounded_before_they_are_decoded():
    with pytest.raises(MalformedBody) as caught:
        parse(b"[" + b"1," * MAX_MEMBERS + b"1,1]")
    assert caught.value.word == "too_many_values"


def test_pointers_are_cut():
    name = b"k" * (MAX_POINTER * 2)
    document = parse(b'{"%b":{"a":"x","b":"y"}}' % name)
    assert max(len(span.pointer) for span in document.strings) == MAX_POINTER
    assert not document.duplicate_keys


def test_known_names_are_not_listed_and_lines_are_shifted():
    document = parse(b'{"role":"user","x":"y"}', offset=100, prefix="/7", known={b"role": "role"})
    assert [(span.pointer, span.start, span.text) for span in document.strings] == [
        ("/7/role", 109, "user"),
        ("/7/x", 116, "x"),
        ("/7/x", 120, "y"),
    ]


def test_a_long_string_of_escapes_is_one_string():
    assert parse(b'["' + b"\\n" * 200_000 + b'"]').strings[0].text == "\n" * 200_000


@given(st.text(), st.booleans())
def test_an_escaped_string_is_what_a_decoder_says(text, ascii_only):
    assert unescape(json.dumps(text, ensure_ascii=ascii_only)[1:-1]) == text


@pytest.mark.parametrize(("raw", "said"), [(r"\ud83d\ude00", "\U0001f600"), (r"a\ud83d", "a\ud83d"), (r"\"", '"')])
def test_surrogates_are_joined_and_lone_ones_kept(raw, said):
    assert unescape(raw) == said


@pytest.mark.parametrize("raw", ['\\n"x', "\\x41", "\\u12", "\\n\n", "\\"])
def test_what_is_no_inside_of_a_string_is_refused(raw):
    with pytest.raises(ValueError, match=r"."):
        unescape(raw)
