"""JSON in JSON strings and in form values: read through every layer, and edited at its place in all of them."""

import json
from urllib.parse import quote, quote_plus, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.coverage import measure
from appliance.inspect.jsonspans import MAX_STRINGS, MalformedBody
from appliance.inspect.nested import MAX_LAYERS, split
from appliance.inspect.redact import redact, redact_text
from appliance.inspect.view import Syntax
from appliance.inspect.walker import walk
from appliance.inspect.writing import byte_offsets, layers_of, read_through, words_of, written
from appliance.model.detection import Detection, Segment
from appliance.model.names import DetectionKind


def found(start, end):
    return Detection(start, end, "X", DetectionKind.PII, 1.0, "test")


web_chat = json.dumps([None, json.dumps([[json.dumps({"p": "say\nbob@x.test"}), 0, None], ["de"]])])


@pytest.mark.parametrize("quoting", [quote, quote_plus])
def test_json_in_json_in_a_form_is_read_and_edited_at_its_place(quoting):
    body = f"f.req={quoting(web_chat)}&at=x".encode()
    view = walk(body, "application/x-www-form-urlencoded")
    target = next(segment for segment in view.segments if segment.text == "say\nbob@x.test")
    assert target.syntax == "form+json+json+json"
    chosen = [(found(4, 14),) if segment is target else () for segment in view.segments]
    edited, _ = redact(body, view.syntax, view.segments, chosen)
    field = dict(pair.split(b"=") for pair in edited.split(b"&"))[b"f.req"]
    inner = json.loads(json.loads(unquote_plus(field.decode()))[1])
    assert json.loads(inner[0][0]) == {"p": "say\n<X>"}
    assert edited.endswith(b"&at=x")
    assert edited.startswith(body[: target.start])
    assert edited.endswith(body[target.end :])


inner_values = st.recursive(
    st.text(max_size=8) | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)


@given(inner_values, st.integers(0, 3), st.sampled_from([quote, quote_plus]), st.data())
def test_nested_texts_can_be_edited_wherever_they_stand(value, depth, quoting, data):
    text = json.dumps(value)
    for _ in range(depth):
        text = json.dumps([text])
    body = f"q={quoting(text)}&z=1".encode()
    view = walk(body, "application/x-www-form-urlencoded")
    assert measure(len(body), [(s, None) for s in view.segments], view.opaque, ()).balanced
    target = data.draw(st.sampled_from(view.segments))
    start = data.draw(st.integers(0, len(target.text)))
    end = data.draw(st.integers(start, len(target.text)))
    chosen = [(found(start, end),) if segment is target else () for segment in view.segments]
    edited, _ = redact(body, view.syntax, view.segments, chosen)
    raw = edited[target.start : len(edited) - (len(body) - target.end)]
    again = Segment("", "", redact_text(target.text, (found(start, end),)), "", 0, len(raw), syntax=target.syntax)
    assert redact(raw, Syntax.FORM, (again,), ((found(0, 0),),))[0].endswith(raw)  # it reads as the redacted text


def test_json_in_strings_of_too_many_strings_is_refused():
    many = json.dumps(["\n"] * (MAX_STRINGS + 1))
    with pytest.raises(MalformedBody) as caught:
        walk(json.dumps([many]).encode(), "application/json")
    assert caught.value.word == "too_many_strings"


def test_a_segment_of_an_impossible_syntax_raises():
    for syntax in ("json+form", "xml"):
        wrong = Segment("user", "content", "abc", "", 0, 3, syntax=syntax)
        with pytest.raises(ValueError, match=r"syntax|Syntax"):
            redact(b"abc", Syntax.TEXT, (wrong,), ((found(0, 1),),))


layer_words = st.tuples(st.sampled_from(["json", "form", "text"]), st.integers(0, 2)).map(
    lambda one: "+".join([one[0], *["json"] * one[1]])
)


@given(layer_words, st.text(alphabet=st.characters(codec="utf-8"), max_size=12), st.data())
def test_layers_are_read_and_written_alike(words, text, data):
    layers = layers_of(words)
    assert words_of(layers) == words
    raw = written(text, layers)
    assert read_through(raw, layers) == text
    at = data.draw(st.integers(0, len(text)))
    (place,) = byte_offsets(raw, layers, [at])
    assert read_through(raw.encode()[:place].decode(), layers) == text[:at]


def test_layers_end_somewhere():
    text = json.dumps({"a": "x\ny"})
    for _ in range(MAX_LAYERS + 3):
        text = json.dumps([text])
    body = text.encode()
    view = walk(body, "application/json")
    assert max(segment.syntax.count("json") for segment in view.segments) == MAX_LAYERS
    assert measure(len(body), [(s, None) for s in view.segments], view.opaque, ()).balanced


def test_what_is_no_json_stays_whole():
    for text in ('["a\\n"', "plain \\n", '["\ud800\\n"]'):
        segment = Segment("user", "content", text, "", 0, len(text), escaped=True)
        assert split(segment, text) == (segment,)
