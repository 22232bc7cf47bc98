"""Redaction changes the bytes of what was found and not one byte beside it."""

import json
from urllib.parse import parse_qsl, quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.jsonspans import parse
from appliance.inspect.redact import redact, redact_text
from appliance.inspect.segments import Place, gather
from appliance.inspect.view import Syntax
from appliance.inspect.walker import walk
from appliance.model.detection import Detection, Segment
from appliance.model.names import DetectionKind

words = st.text(max_size=20)
any_text = st.text(alphabet=st.characters(), max_size=30)  # lone surrogates included


def found(start, end, entity="EMAIL_ADDRESS"):
    return Detection(start, end, entity, DetectionKind.PII, 1.0, "test")


@st.composite
def spans(draw, text):
    """Non-overlapping, non-empty detections in `text`."""
    edges = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
    return tuple(found(*pair) for pair in zip(edges[::2], edges[1::2], strict=False))


def write(draw, text):
    """`text` as the inside of a JSON string, each character in one of the ways that JSON allows."""
    parts = []
    for char in text:
        ways = [json.dumps(char)[1:-1]]
        if char.isprintable() and char not in '"\\' and not 0xD800 <= ord(char) <= 0xDFFF:
            ways.append(char)
        if ord(char) < 0x10000:
            ways.append(f"\\u{ord(char):04X}")
        parts.append(draw(st.sampled_from(ways)))
    return "".join(parts)


@given(st.data())
def test_json_only_the_spans_change(data):
    raw = write(data.draw, data.draw(any_text))
    text = json.loads(f'"{raw}"')
    before, after = b'{"a": ["x\\u0041", "', b'"], "b": 1}'
    body = before + raw.encode() + after
    segment = parse(body).strings[2]
    place = Segment("user", "content", segment.text, segment.pointer, segment.start, segment.end, segment.escaped)
    detections = data.draw(spans(text))
    edited, count = redact(body, Syntax.JSON, (place,), (detections,))
    assert count == len(detections)
    assert edited.startswith(before)
    assert edited.endswith(after)
    assert json.loads(edited)["a"][1] == redact_text(text, detections)


@given(any_text, st.data())
def test_json_bytes_outside_the_span_are_identical(text, data):
    raw = write(data.draw, text)
    text = json.loads(f'"{raw}"')
    body = f'["{raw}"]'.encode()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    segment = Segment("user", "content", text, "/0", 2, len(body) - 2, escaped="\\" in raw)
    edited, _ = redact(body, Syntax.JSON, (segment,), ((found(start, end),),))
    mark = edited.index(b"<EMAIL_ADDRESS>")
    head, tail = edited[:mark], edited[mark + len(b"<EMAIL_ADDRESS>") :]
    assert body.startswith(head)
    assert body.endswith(tail)
    assert json.loads(head + b'"]') == [text[:start]]
    gone = body[len(head) : len(body) - len(tail)]
    assert json.loads(b'"' + gone + b'"') == text[start:end]


def test_a_table_of_escapes():
    cases = (
        (rb"call \ud83d\ude00 bob@x.test", 7, 17, rb"call \ud83d\ude00 <EMAIL_ADDRESS>"),
        ("ä€😀bob".encode(), 3, 6, "ä€😀<EMAIL_ADDRESS>".encode()),
        (rb"\u0062ob\u0040x\\n", 0, 5, rb"<EMAIL_ADDRESS>\\n"),
        (rb"a\"b\/c", 1, 4, rb"a<EMAIL_ADDRESS>c"),
        (rb"\\ud83d\\ude00", 0, 1, rb"<EMAIL_ADDRESS>ud83d\\ude00"),
        (rb"\ud83d\ud83d\ude00x", 1, 2, rb"\ud83d<EMAIL_ADDRESS>x"),
    )
    for raw, start, end, expected in cases:
        text = json.loads(b'"' + raw + b'"')
        segment = Segment("user", "content", text, "", 1, 1 + len(raw), escaped=b"\\" in raw)
        edited, _ = redact(b'"' + raw + b'"', Syntax.JSON, (segment,), ((found(start, end),),))
        assert edited == b'"' + expected + b'"'


@given(st.lists(st.tuples(words, words), min_size=1, max_size=4), st.sampled_from([quote, quote_plus]), st.data())
def test_form_fields_decode_to_the_redacted_text(fields, quoting, data):
    body = "&".join(f"{quoting(name)}={quoting(value)}" for name, value in fields).encode()
    view = walk(body, "application/x-www-form-urlencoded")
    if view.syntax is not Syntax.FORM:
        return  # a name or value that is JSON from its first to its last byte is read as JSON
    detections = tuple(data.draw(spans(segment.text)) for segment in view.segments)
    edited, _ = redact(body, view.syntax, view.segments, detections)
    texts = [redact_text(*pair) for pair in zip((s.text for s in view.segments), detections, strict=True)]
    assert [part for pair in parse_qsl(edited.decode(), keep_blank_values=True) for part in pair if part] == texts


def test_form_bytes_that_are_not_utf8_keep_their_places():
    body = b"a=%ff%fe+bob%40x.test&b=%zz"
    view = walk(body, "application/x-www-form-urlencoded")
    at = view.segments[1].text.index("bob")
    edited, _ = redact(body, view.syntax, view.segments, ((), (found(at, at + 10),), (), ()))
    assert edited == b"a=%ff%fe+%3CEMAIL_ADDRESS%3E&b=%zz"


@given(words, st.data())
def test_plain_text_is_edited_in_place(text, data):
    body = text.encode()
    segment = Segment("unknown", "content", text, "", 0, len(body))
    detections = data.draw(spans(text))
    edited, _ = redact(body, Syntax.TEXT, (segment,), (detections,))
    assert edited.decode() == redact_text(text, detections)


@given(st.dictionaries(any_text, st.integers() | any_text, max_size=4), st.data())
def test_json_inside_json_stays_json_on_both_levels(inner, data):
    body = json.dumps({"arguments": json.dumps(inner)}).encode()
    segments, _ = gather(body, parse(body).strings, lambda _: Place("assistant", "arguments"))
    nested = [segment for segment in segments if "#" in segment.pointer]
    detections = [data.draw(spans(segment.text)) if segment in nested else () for segment in segments]
    edited, count = redact(body, Syntax.JSON, segments, detections)
    assert count == sum(map(len, detections))
    changed = json.loads(json.loads(edited)["arguments"])
    expected = [redact_text(s.text, chosen) for s, chosen in zip(segments, detections, strict=True) if s in nested]
    if nested and len(changed) == len(inner):  # two keys may have become the same placeholder
        assert [part for pair in changed.items() for part in pair if isinstance(part, str) and part] == expected


def test_a_newline_escape_inside_arguments_is_not_part_of_the_address():
    body = json.dumps({"arguments": json.dumps({"to": "x\nbob@x.test", "card": 4111111111111111})}).encode()
    segments, _ = gather(body, parse(body).strings, lambda _: Place("assistant", "arguments"))
    by_text = {segment.text: segment for segment in segments}
    chosen = [(found(2, 12),) if text == "x\nbob@x.test" else () for text in by_text]
    edited, _ = redact(body, Syntax.JSON, segments, chosen)
    assert json.loads(json.loads(edited)["arguments"])["to"] == "x\n<EMAIL_ADDRESS>"
    assert any("4111111111111111" in text for text in by_text)  # numbers between the strings are read too


@pytest.mark.parametrize("inner", [' \r\n\t{"to":"\\u0062ob"}', '\n["\\u0062ob"]', '"\\u0062ob"'])
def test_json_inside_json_may_stand_behind_blanks_and_be_a_mere_string(inner):
    body = json.dumps({"arguments": inner}).encode()
    segments, _ = gather(body, parse(body).strings, lambda _: Place("assistant", "arguments"))
    chosen = [(found(0, 3),) if segment.text == "bob" else () for segment in segments]
    edited, count = redact(body, Syntax.JSON, segments, chosen)
    assert count == 1
    assert json.loads(json.loads(edited)["arguments"]) in (
        {"to": "<EMAIL_ADDRESS>"},
        ["<EMAIL_ADDRESS>"],
        "<EMAIL_ADDRESS>",
    )


def test_a_placeholder_is_escaped_for_where_it_stands():
    quoted = 'A"B'
    body = json.dumps({"arguments": json.dumps({"to": "x\nbob"})}).encode()
    segments, _ = gather(body, parse(body).strings, lambda _: Place("assistant", "arguments"))
    chosen = [(found(2, 5, quoted),) if segment.text == "x\nbob" else () for segment in segments]
    edited, _ = redact(body, Syntax.JSON, segments, chosen)
    assert json.loads(json.loads(edited)["arguments"])["to"] == 'x\n<A"B>'
    form = walk(b"a=bob", "application/x-www-form-urlencoded")
    assert redact(b"a=bob", form.syntax, form.segments, ((), (found(0, 3, quoted),)))[0] == b"a=%3CA%22B%3E"


def test_what_cannot_be_placed_raises():
    wrong = Segment("user", "content", "not what stands there", "/0", 2, 5)
    with pytest.raises(ValueError, match="does not stand"):
        redact(b'["abc"]', Syntax.JSON, (wrong,), ((found(0, 1),),))
    for syntax in (Syntax.TEXT, Syntax.FORM):
        with pytest.raises(ValueError, match="does not stand"):
            redact(b'["abc"]', syntax, (wrong,), ((found(0, 1),),))
    right = Segment("user", "content", "abc", "/0", 2, 5)
    for bad in ((found(0, 2), found(1, 3)), (found(2, 4),)):
        with pytest.raises(ValueError, match="overlap or leave"):
            redact(b'["abc"]', Syntax.JSON, (right,), (bad,))
