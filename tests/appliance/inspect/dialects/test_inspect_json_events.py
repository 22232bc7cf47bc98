"""What readers of JSON events share: the short way tells what the long one tells, whatever was learnt before."""

import json

import pytest
from fixtures_world import check_event
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.dialects.anthropic_events import MessagesEvents
from appliance.inspect.dialects.bedrock_events import ConverseEvents
from appliance.inspect.dialects.cohere_events import ChatEvents
from appliance.inspect.stream.events import Event, EventView, Framing

TEXTS = st.text(st.characters() | st.sampled_from('"\\\n\ud83d\ude00/é{}'), max_size=12)
INDEXES = st.integers(-1, 2**21)
READERS = {
    "messages": lambda: MessagesEvents(Framing.SSE),
    "converse": ConverseEvents,
    "cohere": lambda: ChatEvents(Framing.SSE),
}
SHAPES = {
    "messages": [
        lambda n, t: {"type": "content_block_delta", "index": n, "delta": {"type": "text_delta", "text": t}},
        lambda n, t: {"type": "content_block_delta", "index": n, "delta": {"type": "thinking_delta", "thinking": t}},
        lambda n, t: {
            "type": "content_block_delta",
            "index": n,
            "delta": {"type": "input_json_delta", "partial_json": t},
        },
        lambda n, t: {"type": "content_block_delta", "index": n, "delta": {"type": "text_delta", "thinking": t}},
    ],
    "converse": [
        lambda n, t: {"contentBlockIndex": n, "delta": {"text": t}, "p": "abcdef"},
        lambda n, t: {"contentBlockIndex": n, "delta": {"text": t}, "p": "secret"},
        lambda n, t: {"contentBlockIndex": n, "delta": {"text": t}, "p": ""},
        lambda n, t: {"contentBlockIndex": n, "delta": {"toolUse": {"input": t}}},
        lambda n, t: {"contentBlockIndex": n, "delta": {"reasoningContent": {"text": t}}},
    ],
    "cohere": [
        lambda n, t: {"type": "content-delta", "index": n, "delta": {"message": {"content": {"text": t}}}},
        lambda n, t: {"type": "content-delta", "index": n, "delta": {"message": {"content": {"thinking": t}}}},
    ],
}
NAMES = {"messages": "content_block_delta", "converse": "contentBlockDelta", "cohere": "content-delta"}


def outcome(view: EventView):
    return view.texts, view.opaque, view.closes, view.malformed, view.repeats


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
def test_the_quick_way_tells_what_the_long_one_tells(name, data):
    value = data.draw(st.sampled_from(SHAPES[name]))(data.draw(INDEXES), data.draw(TEXTS))
    separators = data.draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", "\n:")]))
    payload = json.dumps(value, ensure_ascii=data.draw(st.booleans()), separators=separators)
    raw = bytearray((payload + " ").encode("utf-8", "surrogatepass"))
    if data.draw(st.booleans()):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    event = Event(NAMES[name], bytes(raw))
    reader, long = READERS[name](), READERS[name]()
    long.recurring.learn = lambda *_: None
    usual = data.draw(st.sampled_from(SHAPES[name]))(data.draw(INDEXES), "x")
    for before in (usual, value):
        text = json.dumps(before, ensure_ascii=True, separators=separators) + " "
        reader.read(Event(NAMES[name], text.encode()))
    quick = reader.read(event)
    assert outcome(quick) == outcome(long.read(event))
    check_event(event, quick)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("payload", [b"[", b'"text"', b"null", b"[1]", b"\xff", b'{"index":"x","delta":7}', b"{" * 600])
def test_what_is_no_event_of_the_format_raises_nothing(name, payload):
    view = READERS[name]().read(Event(NAMES[name], payload))
    assert view.malformed or not any(text.channel for text in view.texts)


@pytest.mark.parametrize("name", READERS)
def test_an_event_without_a_payload_tells_by_its_name(name):
    reader = READERS[name]()
    assert reader.read(Event("ping", b" ")) == EventView(numbered=True)
    last = {"messages": "message_stop", "converse": "messageStop", "cohere": "message-end"}[name]
    assert reader.read(Event(last, b"")).closes == ("",)
    assert reader.told().done


def test_a_key_that_stands_twice_is_told():
    reader = READERS["messages"]()
    assert reader.read(Event("", b'{"type":"ping","type":"ping"}')).ambiguous
    assert not reader.read(Event("", b'{"type":"ping"}')).ambiguous


def test_the_mark_ends_any_stream():
    reader = READERS["messages"]()
    assert reader.read(Event("", b" [DONE]\n")).closes == ("",)
    assert reader.told().done


ENDS = [  # reader, event, what closes, whether it may leave in two pieces
    ("messages", "content_block_start", {"index": 3, "content_block": {"type": "text", "text": "Ann"}}, (), False),
    ("messages", "content_block_delta", {"index": 3, "delta": {"type": "text_delta", "text": "Ann"}, "x": 1}, (), True),
    ("messages", "content_block_stop", {"index": 3}, ("3/",), False),
    ("messages", "message_stop", {}, ("",), False),
    ("converse", "contentBlockDelta", {"contentBlockIndex": 3, "delta": {"text": "Ann"}, "x": 1}, (), True),
    ("converse", "contentBlockStop", {"contentBlockIndex": 3}, ("3/",), False),
    ("converse", "messageStop", {"stopReason": "end_turn"}, ("",), False),
    ("cohere", "content-start", {"index": 3, "delta": {"message": {"content": {"text": "A"}}}}, ("plan/",), False),
    ("cohere", "content-end", {"index": 3}, ("3/content", "3/reasoning"), False),
    ("cohere", "tool-call-end", {"index": 3}, ("3/arguments",), False),
    ("cohere", "message-end", {"delta": {"finish_reason": "COMPLETE"}}, ("",), False),
]


@pytest.mark.parametrize(("name", "kind", "value", "closes", "twice"), ENDS)
def test_what_ends_with_an_event_and_which_may_leave_in_two_pieces(name, kind, value, closes, twice):
    named = value if name == "converse" else {"type": kind, **value}
    view = READERS[name]().read(Event(kind, json.dumps(named).encode()))
    assert (view.closes, view.numbered) == (closes, not twice)
