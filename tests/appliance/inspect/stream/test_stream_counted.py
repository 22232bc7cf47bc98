import json

from appliance.inspect.dialects.openai_stream import ChatEvents
from appliance.inspect.stream.counted import CountedEvents
from appliance.inspect.stream.events import Event
from appliance.inspect.tokens import estimate


def event(**delta):
    return Event("", json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}).encode())


def test_growing_texts_are_counted_and_nothing_else_changes():
    plain, counted = ChatEvents(), CountedEvents(ChatEvents())
    for piece in ("The sha", "dow is ", "short", "est."):
        assert counted.read(event(content=piece)) == plain.read(event(content=piece))
    assert counted.tokens == estimate("The shadow is shortest.")
    assert counted.told() == plain.told()
    assert counted.framing is plain.framing
    assert counted.ending("x") == plain.ending("x")


def test_names_and_whole_texts_are_not_counted():
    counted = CountedEvents(ChatEvents())
    counted.read(Event("", b'{"id":"a long id of an answer","model":"some-model","choices":[]}'))
    assert counted.tokens == 0
