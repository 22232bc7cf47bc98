"""What a provider keeps by itself, by the ids that requests and answers name."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.dialects import Call
from appliance.inspect.dialects.registry import by_api
from appliance.inspect.states import LONGEST, MOST, Naming, States, asked, begins, told
from appliance.inspect.stream.events import Event
from appliance.inspect.walker import walk
from appliance.model.detection import Segment

UUID = "6f1b0c5e-1111-4222-8333-abcdefabcdef"
CASES = [
    ("POST", "/v1/responses", {"input": "x"}, States((), (), True)),
    ("POST", "/v1/responses", {"input": "x", "store": False}, States()),
    ("POST", "/v1/responses", {"previous_response_id": "resp_1"}, States(("resp_1",), (), True)),
    ("POST", "/openai/responses", {"conversation": "conv_1"}, States(("conv_1",), ("conv_1",), True)),
    ("POST", "/v1/responses", {"conversation": {"id": "conv_1"}}, States(("conv_1",), ("conv_1",), True)),
    ("POST", "/v1/responses", {"conversation": "conv_1", "store": False}, States(("conv_1",), ("conv_1",), False)),
    ("GET", "/v1/responses/resp_12345678", None, States(("resp_12345678",))),
    ("POST", "/v1/conversations", {"items": []}, States((), (), True)),
    ("POST", "/v1/conversations/conv_0001/items", {}, States(("conv_0001",), ("conv_0001",))),
    ("GET", "/v1/conversations/conv_0001/items?limit=2", None, States(("conv_0001",))),
    ("POST", "/v1/threads", {}, States((), (), True)),
    ("POST", "/v1/threads/runs", {"assistant_id": "a"}, States((), (), True)),
    ("POST", "/v1/threads/thread_abc1/messages", {}, States(("thread_abc1",), ("thread_abc1",))),
    ("POST", "/v1beta/cachedContents", {}, States((), (), True)),
    ("POST", "/v1beta/models/m:generateContent", {"cachedContent": "cachedContents/a1b2c3"}, States(("a1b2c3",))),
    ("POST", "/v1beta/interactions", {"previous_interaction_id": "v1_x"}, States(("v1_x",), (), True)),
    ("POST", "/backend-api/f/conversation", {"conversation_id": UUID}, States((UUID,), (UUID,), True)),
    ("POST", f"/api/organizations/o/chat_conversations/{UUID}/completion", {}, States((UUID,), (UUID,))),
    ("POST", "/v1/messages/batches", {"requests": []}, States((), (), True)),
    ("GET", "/v1/messages/batches/msgbatch_01/results", None, States(("msgbatch_01",))),
    ("POST", "/v1/chat", {"conversation_id": "mine-1", "message": "x"}, States(("mine-1",), ("mine-1",))),
    ("POST", "/v1/chat/completions", {"messages": [{"content": "previous_response_id"}]}, States()),
    ("POST", "/v1/messages", {"metadata": {"conversation_id": "x"}}, States()),
    ("POST", "/v1/responses/compact", {"previous_response_id": "resp_1"}, States(("resp_1",), (), True)),
    ("POST", "/v1/responses/input_tokens", {"input": "x"}, States()),
]


@pytest.mark.parametrize(("method", "path", "body", "states"), CASES)
def test_what_a_request_names(method, path, body, states):
    raw = json.dumps(body).encode() if body is not None else b""
    segments = walk(raw, "application/json").segments if raw else ()
    assert asked(Call(method, path), segments, raw) == states


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"id": "resp_1", "conversation": {"id": "conv_1"}, "output": [{"id": "msg_1"}]}, {"resp_1", "conv_1"}),
        ({"id": "run_1", "thread_id": "thread_1"}, {"run_1", "thread_1"}),
        ({"name": "projects/p/locations/l/cachedContents/77"}, {"77"}),
        ({"error": {"message": "no"}}, set()),
        ({"id": 7}, set()),
    ],
)
def test_what_an_answer_in_one_piece_names(body, ids):
    assert set(told(walk(json.dumps(body).encode(), "application/json").segments)) == ids


def named(*events, content_type="text/event-stream", path="/v1/responses"):
    found = []
    reader = Naming(by_api("openai.responses").events(Call("POST", path), content_type), found.append)
    plain = by_api("openai.responses").events(Call("POST", path), content_type)
    for event in events:
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        assert reader.read(Event("", payload)) == plain.read(Event("", payload))
    assert reader.told() == plain.told()
    assert reader.ending("x") == plain.ending("x")
    return found[-1] if found else ()


@pytest.mark.parametrize(
    ("event", "ids"),
    [
        ({"type": "response.created", "response": {"id": "resp_1", "conversation": {"id": "c_1"}}}, ("resp_1", "c_1")),
        ({"interaction": {"id": "v1_x"}}, ("v1_x",)),
        ({"id": "thread_1", "object": "thread"}, ("thread_1",)),
        ({"v": {"message": {"id": "m"}, "conversation_id": UUID}}, (UUID,)),
        ({"type": "resume_conversation_token", "conversation_id": UUID}, (UUID,)),
        ({"sessionResumptionUpdate": {"newHandle": "Cih-1"}}, ("Cih-1",)),
        ({"id": "chatcmpl-1", "object": "chat.completion.chunk"}, ()),
        ({"type": "response.output_text.delta", "item_id": "i", "delta": '{"response":{"id":"resp_9"}}'}, ()),
        ({"response": {"id": 7}}, ()),
        ({"response": {"id": "x" * (LONGEST + 1)}}, ()),
        (b'{"response": {"id"', ()),
        (b'["id"]', ()),
        (b"[" * 100_000 + b'"id"', ()),
    ],
)
def test_what_an_event_names(event, ids):
    assert named(event) == ids


def test_only_the_beginning_of_a_stream_names_and_a_socket_goes_on_to():
    events = [{"response": {"id": f"resp_{number}"}} for number in range(40)]
    assert named(*events)[0] == "resp_15"
    found = named(*events, content_type="websocket")
    assert found[0] == "resp_39"
    assert len(found) == MOST


def test_ids_are_bounded():
    found = asked(Call("POST", "/x"), [Segment("u", "c", f"c{n}", "/conversation_id", 0, 1) for n in range(50)], b"{}")
    assert len(found.followed) == MOST


@pytest.mark.parametrize(
    ("method", "path", "does"),
    [
        ("GET", "/v1/responses", True),
        ("GET", "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent", True),
        ("GET", "/v1/realtime", False),
        ("GET", "/v1/responses/resp_1", False),
        ("POST", "/v1/chat/completions", False),
    ],
)
def test_which_answers_are_remembered(method, path, does):
    assert begins(Call(method, path)) is does


@given(st.binary(max_size=200), st.text(max_size=60))
def test_hostile_bytes_name_what_they_like_and_raise_nothing(payload, path):
    named(payload)
    assert len(asked(Call("POST", path), (), payload).followed) <= MOST
