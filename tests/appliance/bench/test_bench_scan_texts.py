import random
from itertools import islice

from appliance.bench.scan_texts import body, conversation, texts
from appliance.inspect.dialects import Call
from appliance.inspect.inspection import Inspector
from tests.real_detectors import detectors


def test_texts_are_unique_and_repeatable():
    made = list(islice(texts(1, 500, (0, 1)), 50))
    assert len(set(made)) == 50
    assert {len(text) for text in made} == {500}
    assert made == list(islice(texts(1, 500, (0, 1)), 50))


def test_texts_hold_what_they_are_asked_for():
    (plain,), (full,) = islice(texts(1, 2000, (0,)), 1), islice(texts(1, 20_000, (40,)), 1)
    assert not [one for one in detectors().scan(plain) if one.score >= 0.4 and one.entity != "URL"]  # code has dots
    assert len({one.start for one in detectors().scan(full) if one.score >= 0.4}) > 20


def test_a_conversation_is_read_whole():
    raw = body(conversation(random.Random(1), 6, 100))  # noqa: S311 - text for a load
    call = Call("POST", "/v1/chat/completions", "application/json")
    inspection = Inspector(detectors()).request(call, None, raw, "openai")
    assert inspection.coverage.complete
    assert [one.role for one in inspection.segments if len(one.text) == 100] == ["assistant", "user"] * 3
