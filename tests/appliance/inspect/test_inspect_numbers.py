"""Numbers outside strings: as long as a card's they are text; what is replaced stays JSON; every byte is counted."""

import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect import numbers
from appliance.inspect.dialects import Call
from appliance.inspect.inspection import Inspector
from appliance.inspect.jsonspans import MalformedBody
from appliance.inspect.numbers import NUMBER, long_numbers
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind

CHAT, ELSE = "/v1/chat/completions", "/v2/else"
CARD = "4111111111111111"


class Digits:
    """Finds eight digits or more."""

    version = "1"
    classes = ("pii",)
    max_chars = 1000

    def scan(self, text, _source=None):
        kind = DetectionKind.PII
        return tuple(Detection(*m.span(), "CREDIT_CARD", kind, 1.0, "test") for m in re.finditer(r"[0-9]{8,}", text))


def inspect(raw, path=ELSE, content_type="application/json"):
    return Inspector(Digits()).request(Call("POST", path, content_type), None, raw, "openai")


@pytest.mark.parametrize("path", [CHAT, ELSE])
@pytest.mark.parametrize("number", [CARD, f"-{CARD}", f"{CARD}.0"])
@pytest.mark.parametrize("before", ["", " ", "\r\n\t" * 1000])
def test_a_card_as_a_number_is_found_and_goes_as_a_whole(path, number, before):
    raw = f'{{"messages":[{{"role":"user","content":"hi"}}],"card":{before}{number} ,"n":1234567}}'.encode()
    inspection = inspect(raw, path)
    (segment,) = (segment for segment in inspection.segments if segment.channel == NUMBER)
    assert (segment.role, segment.text, raw[segment.start : segment.end].decode()) == ("unknown", number, number)
    assert [label.entity for label in inspection.labels] == ["CREDIT_CARD"]
    edited, count = inspection.redacted(lambda _: True)
    assert (edited, count) == (raw.replace(number.encode(), b'"<CREDIT_CARD>"'), 1)
    json.loads(edited)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (CARD, "application/json"),
        ("\ufeff" + CARD, "application/json"),
        (f"[{CARD}]", "text/plain"),
        (f'{{"a":1}}\n{CARD}\n[{CARD}]', "application/x-ndjson"),
        (f'{{"a":{CARD}}}\n{{"a":"\\"{CARD}"}}', "application/json"),
    ],
)
def test_wherever_it_stands(body, content_type):
    edited, count = inspect(body.encode(), content_type=content_type).redacted(lambda _: True)
    assert CARD not in edited.decode()
    assert count == body.count(CARD)
    for line in edited.decode("utf-8-sig").splitlines():
        json.loads(line)


@pytest.mark.parametrize(
    "body",
    [
        '{"maximum":2147483647,"minimum":-9007199254740991}',
        '{"n":1234567}',
        '["12345678"]',
        "[0.4111111111111111,12345678.25,4111111111111111e0]",
    ],
)
def test_short_ones_bounds_of_integers_fractions_and_strings_are_none(body):
    assert long_numbers(body.encode()) == []


def test_only_sure_findings_count_in_a_number():
    doubtful = Digits()
    doubtful.scan = lambda text, _source=None: tuple(
        msgspec.structs.replace(one, score=0.5) for one in Digits().scan(text)
    )
    inspection = Inspector(doubtful).request(Call("POST", CHAT), None, b'{"seed":1700000000}', "openai")
    assert inspection.labels == ()
    assert inspection.coverage.complete


def test_their_count_is_bounded(monkeypatch):
    monkeypatch.setattr(numbers, "MAX_NUMBERS", 3)
    assert len(long_numbers(b"[12345678,12345678,12345678]")) == 3
    with pytest.raises(MalformedBody):
        long_numbers(b"[12345678,12345678,12345678,12345678]")
    assert inspect(b"[12345678,12345678,12345678,12345678]").problem == "too_many_numbers"


words = st.sampled_from(["messages", "content", "role", CARD, '"', "\\", f'",{CARD}', '{"a":"\\u0041 12345678"}'])
long = st.integers(min_value=10**7, max_value=10**19) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    long | st.integers() | st.none() | st.booleans() | st.text(max_size=5) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(words, values), st.sampled_from([CHAT, ELSE]), st.sampled_from([None, 1]), st.booleans())
def test_what_comes_out_is_json_with_only_the_spans_changed(value, path, indent, ascii_only):
    raw = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    inspection = inspect(raw, path)
    assert inspection.coverage.balanced
    found = [segment for segment in inspection.segments if segment.channel == NUMBER]
    edited, count = inspection.redacted(lambda _: True)
    json.loads(edited)
    pattern, at = b"", 0
    for segment, detections in zip(inspection.segments, inspection.detections, strict=True):
        if detections:
            pattern += re.escape(raw[at : segment.start]) + b".*"
            at = segment.end
    assert re.fullmatch(pattern + re.escape(raw[at:]), edited, re.DOTALL)
    assert (count == 0) == (edited == raw)
    assert all(len(re.findall("[0-9]", segment.text)) >= 8 for segment in found)
    assert _numbers(json.loads(edited)) < 10**8


def _numbers(value):
    """The largest whole number left in a value, those that are structure by rule left out."""
    if isinstance(value, dict):
        return max(map(_numbers, value.values()), default=0)
    if isinstance(value, list):
        return max(map(_numbers, value), default=0)
    bounds = {2**bits - less for bits in (31, 32, 53, 63, 64) for less in (0, 1)}
    return abs(value) if isinstance(value, int) and abs(value) not in bounds else 0


_SCALARS = st.one_of(
    st.integers(), st.floats(allow_nan=False), st.text('",:[] \\\\09e.-', max_size=24), st.just(" 12345678")
)


@given(st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text("a 1,:", max_size=9), inner)))
def test_counting_quotes_tells_what_stepping_over_strings_tells(value):
    raw = json.dumps(value, ensure_ascii=False).encode()
    known = [span for span in numbers._stepping(raw) if numbers._is_identifier(raw[slice(*span)])]
    if b"\\" not in raw:
        counted = numbers._counting(raw, raw.translate(numbers._AS_RUNS))
        assert [span for span in counted if numbers._is_identifier(raw[slice(*span)])] == known
    assert [(one.start, one.end) for one in long_numbers(raw)] == known
