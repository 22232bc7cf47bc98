"""Events of a known shape are read the short way exactly as the long way reads them, whatever comes between."""

import json
import re

import pytest
from fixtures_world import Fixture, check_event, events_of, present
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.inspect.dialects import Call
from appliance.inspect.dialects.anthropic_messages import AnthropicMessages
from appliance.inspect.dialects.bedrock_events import ConverseEvents
from appliance.inspect.dialects.openai_chat import OpenAIChat
from appliance.inspect.dialects.openai_realtime import OpenAIRealtime
from appliance.inspect.dialects.openai_responses import OpenAIResponses
from appliance.inspect.dialects.recurring import MAX_SHAPES, Recurring
from appliance.inspect.stream.events import Event, EventView, Text

STREAMS = [fixture for fixture in present() if fixture.dialect.events(fixture.call, fixture.answer_type)]
NEVER = ("gemini.", "anthropic.batches", "openai.audio", "openai.images")  # each event of these tells more
STRING = re.compile(rb'(?<=:)"[^"\\]*(?:\\.[^"\\]*)*"')
PIECES = [b"", b"a", b"\xc3\xbc", b"\\u00fc", b"\\ud83d\\ude00", b"\\ud83d", b'\\n\\"', b'"', b"\\", b"\xff", b"\x01"]
PIECES += [b'","x":"', b"assistant", b"stop", b"\\x", b"\xed\xa0\x80", b"7" * 600, b"4111111111111111"]
PIECES += [b"UklGRg==", b"QUJD" * 30, b"data:image/png;base64," + b"QUJD" * 30, b"data: image", b'{\\"a\\":\\"b\\"}']
NUMBERS = [b"0", b"12", b"007", b"-1", b"1.5", b"1e3", b'"5"', b"9" * 20, b"null"]
COUNTED = re.compile(rb'(?<="created":)[0-9]+|(?<="sequence_number":)[0-9]+|(?<="index":)[0-9]+')


def readers(fixture: Fixture):
    """Two readers of one answer: one that knows shapes, and one that never does."""
    short = fixture.dialect.events(fixture.call, fixture.answer_type)
    long = fixture.dialect.events(fixture.call, fixture.answer_type)
    long.recurring.learn = lambda *_: None
    return short, long


@st.composite
def streams(draw):
    """A fixture and its events: some said again, with other texts, other numbers, other bytes."""
    fixture = draw(st.sampled_from(STREAMS))
    events = []
    for event in events_of(fixture, fixture.dialect.events(fixture.call, fixture.answer_type).framing):
        events.append(event)
        events += draw(st.lists(changed(event), max_size=2))
    if draw(st.booleans()):
        events = draw(st.permutations(events))
    return fixture, events


@st.composite
def changed(draw, event: Event) -> Event:
    payload = event.payload
    places = [found.span() for found in STRING.finditer(payload)]
    for start, end in draw(st.lists(st.sampled_from(places), max_size=2)) if places else ():
        payload = payload[: start + 1] + draw(st.sampled_from(PIECES)) + payload[end - 1 :]
        break
    numbers = [found.span() for found in COUNTED.finditer(payload)]
    if numbers and draw(st.booleans()):
        start, end = draw(st.sampled_from(numbers))
        payload = payload[:start] + draw(st.sampled_from(NUMBERS)) + payload[end:]
    return Event(draw(st.sampled_from([event.name, event.name, "error"])), payload)


@settings(max_examples=60, deadline=None)
@given(streams())
def test_the_short_way_says_what_the_long_way_says(case):
    fixture, events = case
    short, long = readers(fixture)
    for event in events:
        view = short.read(event)
        assert view == long.read(event), event
        check_event(event, view)
        assert short.told() == long.told()


@pytest.mark.parametrize(
    "fixture",
    [one for one in STREAMS if one.case == "stream" and not one.api.startswith(NEVER)],
    ids=lambda one: one.api,
)
def test_recurring_events_do_go_the_short_way(fixture, monkeypatch):
    taken = []
    read = Recurring.read
    monkeypatch.setattr(Recurring, "read", lambda self, event: taken.append(view := read(self, event)) or view)
    reader, _ = readers(fixture)
    for event in events_of(fixture, reader.framing):
        reader.read(event)
    assert any(taken)


def test_shapes_are_bounded():
    known = Recurring()
    for number in range(4 * MAX_SHAPES):
        payload = b'{"n%d":"text"}' % number
        start = payload.index(b"text")
        view = EventView(texts=(Text(start, start + 4, "text", escaped=False, channel="c"),))
        known.learn(Event("", payload), view, frozenset(), [])
    assert len(known._shapes) == MAX_SHAPES
    large = b'{"%s":"text"}' % (b"n" * 9999)
    start = large.index(b"text")
    view = EventView(texts=(Text(start, start + 4, "text", escaped=False, channel="c"),))
    known.learn(Event("", large), view, frozenset(), [])
    assert known.read(Event("", large)) is None


def delta(**fields) -> Event:
    return Event("", json.dumps(fields).encode())


def test_an_id_that_names_a_channel_is_no_place_that_varies():
    reader = OpenAIRealtime().events(Call("GET", "/v1/realtime"), "websocket")
    said = {"type": "response.output_text.delta", "event_id": "e", "output_index": 0, "content_index": 0}
    views = [reader.read(delta(**said, item_id=item, delta="x")) for item in "aabb"]
    assert [view.texts[-1].channel for view in views] == ["a/0/content", "a/0/content", "b/0/content", "b/0/content"]
    strange = OpenAIResponses().events(Call("POST", "/v1/responses"), "text/event-stream")
    said["output_index"] = "none"
    views = [strange.read(delta(**said, item_id=item, delta="x")) for item in "aabb"]
    assert [view.texts[-1].channel for view in views] == ["a/0/content", "a/0/content", "b/0/content", "b/0/content"]


def test_a_new_call_at_an_old_place_has_its_own_channel():
    reader = OpenAIChat().events(Call("POST", "/v1/chat/completions"), "text/event-stream")

    def piece(name=None, **told):
        call = {"index": 0, **told, "function": {"arguments": "{}"} | ({"name": name} if name else {})}
        view = reader.read(delta(choices=[{"index": 0, "delta": {"tool_calls": [call]}}]))
        return [one.channel for one in view.texts]

    def channel(**told):
        return next(one for one in piece(**told) if one and "arguments" in one)

    channels = [channel(id="a", name="f"), channel(), channel(id="x"), channel(id="b", name="f"), channel(), channel()]
    assert channels == ["0/arguments/0"] * 3 + ["0/arguments/0.1"] * 3


@pytest.mark.parametrize("number", [b"067", b"67", b"1.5", b"-5", b"01", b"1e5", b'"5"', b"1 2", b""])
def test_an_ordinal_is_one_whole_number(number):
    payload = b'{"created":%s,"choices":[{"index":0,"delta":{"content":"x"}}]}'
    for learnt in (b"1763800001", b"12345678901234567", b"0"):
        reader = OpenAIChat().events(Call("POST", "/v1/chat/completions"), "text/event-stream")
        reader.read(Event("", payload % learnt))
        fresh = OpenAIChat().events(Call("POST", "/v1/chat/completions"), "text/event-stream")
        assert reader.read(Event("", payload % number)) == fresh.read(Event("", payload % number))


def test_the_name_of_an_event_is_a_part_of_its_shape():
    chat = OpenAIChat().events(Call("POST", "/v1/chat/completions"), "text/event-stream")
    payload = b'{"choices":[{"index":0,"delta":{"content":"x"}}]}'
    for name in ("", "error"):
        chat.read(Event(name, payload))
    assert chat.told().error
    converse = ConverseEvents()
    payload = b'{"contentBlockIndex":0,"delta":{"text":"x"}}'
    views = [converse.read(Event(name, payload)) for name in ("contentBlockDelta", "contentBlockStop")]
    assert [view.closes for view in views] == [(), ("0/",)]


@pytest.mark.parametrize("said", ["x" * 400, "A" * 400, "user", "d2VpcmQ="])
def test_a_piece_that_only_an_unknown_field_holds_is_read_anew_each_time(said):
    """What such a string says decides whether it is a piece, a word of the format or no text at all."""
    for key in ("data", "role", "signature", "new"):
        readers = [AnthropicMessages().events(Call("POST", "/v1/messages"), "text/event-stream") for _ in range(2)]
        kind = {"type": "content_block_delta", "index": 0}
        readers[0].read(delta(**kind, delta={"type": "new_delta", key: "some words"}))
        views = [reader.read(delta(**kind, delta={"type": "new_delta", key: said})) for reader in readers]
        assert views[0] == views[1]
