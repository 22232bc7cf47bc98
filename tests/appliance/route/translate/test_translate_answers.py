"""Answers of each dialect in each other's, whole and streamed: text, reasoning, calls, ends, usage and errors."""

import json
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from translate_world import (
    APIS,
    CHAT,
    FAILURE,
    GEMINI,
    MESSAGES,
    OLLAMA,
    PAIRS,
    RESPONSES,
    SAID,
    THOUGHT,
    asked,
    failure,
    path_of,
    streamed,
    whole,
)

from appliance.route.translate import Asked, Stamp, Translation, plan
from appliance.route.translate.carriers import DIALECTS
from appliance.route.translate.conversation import (
    MAX_HELD,
    Answer,
    Argued,
    CallDone,
    Called,
    Failed,
    Fault,
    Said,
    Stop,
    Stopped,
    Text,
    Thinking,
    ToolUse,
    Usage,
)
from appliance.route.translate.framing import ArrayEvents, LineEvents, SseEvents
from appliance.route.translate.losses import Losses, Refused
from appliance.route.translate.ordering import InOrder
from appliance.route.translate.problems import read, read_body, status_for, written
from appliance.route.translate.said import as_events, gathered
from appliance.route.translate.sealing import wrapped_event, wrapped_part

STAMP = Stamp("ex1", 1_700_000_000, "model-a")
CALLS = [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome"})]
PLAIN_USAGE = {OLLAMA}  # cached and reasoning tokens are not told apart there


def translation(source: str, target: str, *features: str) -> tuple[Translation, Asked]:
    made = plan(source, target, {"model-a": "model-b"})
    body = json.dumps(asked(source, *features)).encode()
    ask = made.request(path_of(source, stream="stream" in features), body)
    assert isinstance(ask, Asked), ask
    return made, ask


def through(source: str, target: str, data: bytes, size: int = 0, *, array: bool = False) -> bytes:
    made, ask = translation(source, target, "stream")
    if array:
        ask = plan(source, target, {}).request(
            "/v1beta/models/m:streamGenerateContent", json.dumps(asked(source)).encode()
        )
    stream = made.stream(ask, STAMP)
    pieces = [data[at : at + size] for at in range(0, len(data), size)] if size else [data]
    return b"".join([*(stream.feed(piece) for piece in pieces), stream.close()])


def events_of(api: str, data: bytes, *, array: bool = False) -> Iterator[object]:
    cut = ArrayEvents() if array else LineEvents() if api == OLLAMA else SseEvents()
    reader, order = DIALECTS[api].reader(Losses()), InOrder()
    for payload in [*cut.feed(data), *cut.close()]:
        for event in reader.read(payload):
            yield from order.push(event)


def check(answer: Answer, case: str, source: str, target: str) -> None:
    """What a caller who speaks `source` reads in an answer of `target`."""
    assert answer.model == "model-b"
    if case == "tools":
        assert [(part.name, json.loads(part.arguments)) for part in answer.parts] == CALLS
        assert len({part.id for part in answer.parts}) == 2
        if target != GEMINI:
            assert [part.id for part in answer.parts] == ["call_0", "call_1"]
    else:
        assert [part.text for part in answer.parts if isinstance(part, Text)] == [SAID]
        assert [part.text for part in answer.parts if isinstance(part, Thinking)] == [THOUGHT]
    stops = {"chat": Stop.END, "tools": Stop.TOOLS, "length": Stop.LENGTH, "refused": Stop.REFUSED}
    assert answer.stop is (Stop.END if case == "refused" and OLLAMA in (source, target) else stops[case])
    told_apart = not PLAIN_USAGE & {source, target}
    thought = 5 if told_apart and target != MESSAGES else 0
    assert answer.usage == Usage(100, 20, 40 if told_apart else 0, 0, thought)


@pytest.mark.parametrize("case", ["chat", "tools", "length", "refused"])
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_whole_answer_says_the_same(source, target, case):
    made, _ask = translation(source, target)
    answered = made.answer(200, whole(target, case), STAMP)
    assert (answered.status, answered.content_type) == (200, "application/json")
    check(DIALECTS[source].read_answer(answered.body, Losses()), case, source, target)
    assert {loss.field for loss in answered.losses} <= {"signature", "answer.stop", "answer.usage"}


@pytest.mark.parametrize(
    ("said", "stop"),
    [("stop", Stop.END), ("eos_token", Stop.END), ("length", Stop.LENGTH), ("model_length", Stop.LENGTH)],
)
def test_ends_that_other_servers_of_the_dialect_say(said, stop):
    answer = whole(CHAT, "chat").replace(b'"finish_reason": "stop"', f'"finish_reason": "{said}"'.encode())
    assert DIALECTS[CHAT].read_answer(answer, Losses()).stop is stop


@pytest.mark.parametrize("case", ["chat", "tools"])
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_stream_says_the_same(source, target, case):
    out = through(source, target, streamed(target, case))
    check(gathered(events_of(source, out)), case, source, target)


@pytest.mark.parametrize("case", ["chat", "tools", "failed"])
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_stream_cut_anywhere_is_the_same(source, target, case):
    data = streamed(target, case)
    expected = through(source, target, data)
    for size in (1, 7, 64):
        assert through(source, target, data, size) == expected


@given(pair=st.sampled_from(PAIRS), case=st.sampled_from(["chat", "tools"]), data=st.data())
def test_a_stream_in_any_two_pieces_is_the_same(pair, case, data):
    raw = streamed(pair[1], case)
    at = data.draw(st.integers(0, len(raw)))
    made, ask = translation(*pair, "stream")
    stream = made.stream(ask, STAMP)
    assert stream.feed(raw[:at]) + stream.feed(raw[at:]) + stream.close() == through(*pair, raw)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_an_event_goes_on_as_soon_as_it_is_there(source, target):
    """A delta does not wait for the next one."""
    made, ask = translation(source, target, "stream")
    stream = made.stream(ask, STAMP)
    data = streamed(target, "chat")
    at = data.index(b"It is") if b"It is" in data else 0
    end = data.index(b"\n" if target == OLLAMA else b"\n\n", at) + 2
    assert b"It is" in stream.feed(data[:end])


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_an_error_in_a_stream_comes_in_the_callers_own_shape(source, target):
    out = through(source, target, streamed(target, "failed"))
    last = [event for event in events_of(source, out) if isinstance(event, Failed)]
    assert [event.problem.message for event in last][:1] == [FAILURE]
    if OLLAMA not in (source, target):
        assert last[0].problem.fault is Fault.RATE
    assert b"[DONE]" not in out
    assert b"message_stop" not in out
    assert b"response.completed" not in out


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_stream_that_breaks_off_is_an_error_and_no_short_answer(source, target):
    data = streamed(target, "chat")
    for end in (len(data) // 2, 10, 0):
        with pytest.raises(Refused, match="ended before its end"):
            gathered(events_of(source, through(source, target, data[:end])))


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_an_error_instead_of_an_answer(source, target):
    made, _ask = translation(source, target)
    answered = made.answer(429, failure(target), STAMP)
    assert answered.status == 429
    problem = read_body(429, answered.body)
    assert (problem.fault, problem.message) == (Fault.RATE, FAILURE)
    assert set(json.loads(answered.body)) == {"type", "error"} if source == MESSAGES else {"error"}


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"choices":[]}', b'{"done":true}x', b"\xff"])
def test_an_answer_that_is_none_is_an_error(source, target, body):
    made, _ask = translation(source, target)
    assert made.answer(200, body, STAMP).status >= 500
    assert made.answer(503, body, STAMP).status in {503, 529}


@pytest.mark.parametrize("target", [api for api in APIS if api != GEMINI])
def test_gemini_streams_as_one_array_where_the_caller_asks_so(target):
    out = through(GEMINI, target, streamed(target, "tools"), array=True)
    elements = json.loads(out)
    assert len(elements) == 3
    check(gathered(events_of(GEMINI, out, array=True)), "tools", GEMINI, target)
    broken = json.loads(through(GEMINI, target, streamed(target, "failed"), array=True))
    assert "error" in broken[-1]


def test_usage_is_told_in_a_stream_only_to_those_who_asked():
    made = plan(CHAT, MESSAGES, {})
    body = json.dumps(asked(CHAT) | {"stream": True}).encode()
    stream = made.stream(made.request(path_of(CHAT), body), STAMP)
    out = stream.feed(streamed(MESSAGES, "chat")) + stream.close()
    assert b"usage" not in out
    assert out.endswith(b"data: [DONE]\n\n")
    assert stream.over


def test_calls_that_come_mixed_are_sorted():
    """Arguments of two calls in turns: each goes out as one block."""
    head = {"id": "c", "model": "m"}
    deltas = [
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}],
        [{"index": 1, "id": "b", "function": {"name": "g", "arguments": '{"y"'}}],
        [{"index": 0, "function": {"arguments": '{"x"'}}],
        [{"index": 1, "function": {"arguments": ":2}"}}],
        [{"index": 0, "function": {"arguments": ":1}"}}],
    ]
    chunks = [head | {"choices": [{"index": 0, "delta": {"tool_calls": delta}}]} for delta in deltas]
    chunks.insert(3, head | {"choices": [{"index": 0, "delta": {"content": "between"}}]})
    chunks.append(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    data = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
    for source in (MESSAGES, RESPONSES, GEMINI, OLLAMA):
        answer = gathered(events_of(source, through(source, CHAT, data)))
        calls = [part for part in answer.parts if isinstance(part, ToolUse)]
        assert [(call.id, call.name, json.loads(call.arguments)) for call in calls] == [
            ("a", "f", {"x": 1}),
            ("b", "g", {"y": 2}),
        ]
        assert [part.text for part in answer.parts if isinstance(part, Text)] == ["between"]
        starts = [
            json.loads(line[6:]) for line in through(MESSAGES, CHAT, data).splitlines() if line.startswith(b"data")
        ]
    indexes = [event["index"] for event in starts if event["type"].startswith("content_block")]
    assert indexes == sorted(indexes)


SIGNED = [(MESSAGES, RESPONSES), (MESSAGES, GEMINI), (RESPONSES, MESSAGES), (RESPONSES, GEMINI), (GEMINI, MESSAGES)]


@pytest.mark.parametrize(("source", "target"), SIGNED)
def test_signed_reasoning_comes_back_to_whoever_signed_it_and_to_nobody_else(source, target):
    signature = "rs_1|c2VhbGVk" if target == RESPONSES else "c2lnbmVk"
    said = Answer("x", "model-b", (Thinking(THOUGHT, signature), Text(SAID)), Stop.END)
    body = msgspec.json.encode(DIALECTS[target].write_answer(said, STAMP, Losses()))
    if target == RESPONSES:
        body = body.replace(b"rs_ex1_0", b"rs_1").replace(b"rs_1|c2VhbGVk", b"c2VhbGVk")
    made, _ask = translation(source, target)
    answered = made.answer(200, body, STAMP).body
    assert b'"' + signature.encode() + b'"' not in answered
    read_back = DIALECTS[source].read_answer(answered, Losses()).parts[0]
    assert isinstance(read_back, Thinking)
    # The caller sends what it was told, in its own dialect, with the next turn.
    follow = _with_reasoning(source, json.loads(answered))
    again = plan(source, target, {}).request(path_of(source), json.dumps(follow).encode())
    assert isinstance(again, Asked), again
    assert b'"c2VhbGVk"' in again.body if target == RESPONSES else signature.encode() in again.body
    other = next(api for api in (CHAT, OLLAMA) if api != source)
    elsewhere = plan(source, other, {}).request(path_of(source), json.dumps(follow).encode())
    assert "signature" in {loss.field for loss in elsewhere.losses}
    assert signature.encode() not in elsewhere.body


def _with_reasoning(source: str, answered: dict) -> dict:
    ask = asked(source)
    if source == MESSAGES:
        ask["messages"].append({"role": "assistant", "content": answered["content"]})
        ask["messages"][-1]["content"][1].pop("citations")
    elif source == RESPONSES:
        ask["input"] += answered["output"]
    else:
        ask["contents"].append(answered["candidates"][0]["content"])
    return ask


@pytest.mark.parametrize("source", [CHAT, RESPONSES, MESSAGES, OLLAMA])
def test_a_signed_call_of_gemini_comes_back_signed(source):
    """There calls are signed, and other dialects have no place for it but the call's id."""
    body = json.loads(whole(GEMINI, "tools"))
    body["candidates"][0]["content"]["parts"][0]["thoughtSignature"] = "c2lnbmVk"
    made, _ask = translation(source, GEMINI)
    answered = made.answer(200, json.dumps(body).encode(), STAMP)
    call = next(
        part for part in DIALECTS[source].read_answer(answered.body, Losses()).parts if isinstance(part, ToolUse)
    )
    text = json.dumps(asked(source, "results"))
    text = (
        text.replace('"call_0"', json.dumps(call.id))
        if source != OLLAMA
        else text.replace('"tool_calls": [{', f'"tool_calls": [{{"id": {json.dumps(call.id)}, ', 1)
    )
    again = made.request(path_of(source), text.encode())
    parts = json.loads(again.body)["contents"][1]["parts"]
    if source != OLLAMA:
        assert parts[0]["thoughtSignature"] == "c2lnbmVk"
        assert parts[0]["functionCall"]["id"] == "call_0"
        results = json.loads(again.body)["contents"][2]["parts"]
        assert results[0]["functionResponse"]["id"] == "call_0"
    assert "thoughtSignature" not in parts[1]


def test_what_an_answer_cannot_carry_is_told():
    body = json.loads(whole(MESSAGES, "chat"))
    body["content"].append({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}})
    made, _ask = translation(CHAT, MESSAGES)
    answered = made.answer(200, json.dumps(body).encode(), STAMP)
    assert {loss.field for loss in answered.losses} == {"signature", "answer.content.server_tool_use"}


@pytest.mark.parametrize("target", APIS)
def test_too_much_is_an_error(target, monkeypatch):
    source = MESSAGES if target != MESSAGES else CHAT
    made, ask = translation(source, target, "stream")
    stream = made.stream(ask, STAMP)
    piece = b"x" * 1_000_000
    out = stream.feed(b"data: {" if target != OLLAMA else b"{")
    for _ in range(MAX_HELD // len(piece) + 1):
        out += stream.feed(piece)
    assert b"too large" in out
    assert stream.over
    assert stream.feed(b"more") == stream.close() == b""


def test_a_stream_can_be_ended_from_outside():
    for source in APIS:
        target = CHAT if source != CHAT else MESSAGES
        made, ask = translation(source, target, "stream")
        stream = made.stream(ask, STAMP)
        out = stream.feed(streamed(target, "chat")[:400]) + stream.fail("the budget is used up", 429)
        assert b"the budget is used up" in out
        assert stream.over
        assert stream.feed(streamed(target, "chat")) == b""


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
ARGUMENTS = st.dictionaries(TEXTS, TEXTS | st.integers(), max_size=3).map(json.dumps)


@st.composite
def answers(draw) -> Answer:
    calls = draw(st.lists(st.tuples(st.from_regex(r"[a-z]{1,9}", fullmatch=True), ARGUMENTS), max_size=3))
    text = [Text(draw(TEXTS))] if draw(st.booleans()) or not calls else []
    thought = [Thinking(draw(TEXTS))] if draw(st.booleans()) else []
    uses = [ToolUse(f"call_{n}", name, arguments) for n, (name, arguments) in enumerate(calls)]
    stop = Stop.TOOLS if calls else draw(st.sampled_from([Stop.END, Stop.LENGTH]))
    usage = Usage(draw(st.integers(0, 10**9)), draw(st.integers(0, 10**9)))
    return Answer("a", "m", (*thought, *text, *uses), stop, "", usage)


@pytest.mark.parametrize("api", APIS)
@given(answer=answers())
def test_an_answer_written_and_read_is_the_same(api, answer):
    def plain(made: Answer) -> Answer:
        parts = [
            msgspec.structs.replace(part, arguments=json.dumps(json.loads(part.arguments)))
            if isinstance(part, ToolUse)
            else part
            for part in made.parts
        ]
        return msgspec.structs.replace(made, id="", parts=tuple(parts))

    body = msgspec.json.encode(DIALECTS[api].write_answer(answer, STAMP, Losses()))
    read_back = DIALECTS[api].read_answer(body, Losses())
    writer = DIALECTS[api].writer(STAMP, Losses(), usage=True, framing="sse")
    data = b"".join(writer.write(event) for event in as_events(answer)) + writer.close()
    streamed_back = gathered(events_of(api, data))
    assert plain(read_back) == plain(answer)
    assert plain(streamed_back) == plain(answer)


@given(data=st.binary(max_size=200), pair=st.sampled_from(PAIRS), status=st.sampled_from([200, 400, 500]))
def test_whatever_a_service_sends_is_answered(data, pair, status):
    made, ask = translation(*pair, "stream")
    json.loads(made.answer(status, data, STAMP).body)
    stream = made.stream(ask, STAMP)
    stream.feed(streamed(pair[1], "chat")[:300] + data)
    stream.close()
    assert stream.over


def test_statuses_and_words_of_errors():
    busy = read({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, 529)
    assert busy.fault is Fault.BUSY
    assert [status_for(api, busy) for api in APIS] == [503, 503, 529, 503, 503]
    assert written(GEMINI, busy)["error"]["status"] == "UNAVAILABLE"
    assert read("x").status == 502
    assert read({"error": "plain"}, 404).fault is Fault.MISSING
    assert len(read({"error": {"message": "m" * 9999}}, 400).message) == 4000


def test_ordering_bounds_what_it_holds():
    order = InOrder()
    events = list(as_events(Answer("a", "m", (ToolUse("1", "f", "{}"),), Stop.END)))
    assert [event for each in events for event in order.push(each)][-1] == Stopped(Stop.TOOLS)
    assert wrapped_event(events[0], CHAT) == events[0]
    assert wrapped_part(Text("x"), CHAT) == Text("x")


def test_a_call_that_ended_while_it_waited_goes_on_whole():
    order = InOrder()
    for event in (Called(0, "a", "f"), Called(1, "b", "g"), Argued(1, "{}"), CallDone(1), Argued(0, "{}")):
        order.push(event)
    assert order.push(CallDone(0)) == [CallDone(0), Called(1, "b", "g"), Argued(1, "{}"), CallDone(1)]
    assert order.push(Said("x")) == [Said("x")]


def test_events_of_responses_are_numbered():
    lines = through(RESPONSES, MESSAGES, streamed(MESSAGES, "tools")).splitlines()
    numbers = [json.loads(line[6:])["sequence_number"] for line in lines if line.startswith(b"data: ")]
    assert numbers == list(range(len(numbers)))
