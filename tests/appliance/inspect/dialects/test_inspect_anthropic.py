"""Anthropic's dialects beyond their fixtures: what may not be edited, files, batches of several models, ends."""

import json

import pytest
from fixtures_world import cut

from appliance.inspect.dialects import Call
from appliance.inspect.dialects.anthropic_batches import AnthropicBatches, BatchResults
from appliance.inspect.dialects.anthropic_events import MessagesEvents
from appliance.inspect.dialects.anthropic_messages import AnthropicMessages
from appliance.inspect.dialects.claude_web import ClaudeWeb
from appliance.inspect.jsonspans import MalformedBody
from appliance.inspect.stream.events import Event, Framing
from appliance.model.event import Usage

MESSAGES, COUNT, BATCHES, WEB = (
    AnthropicMessages(),
    AnthropicMessages("anthropic.count_tokens"),
    AnthropicBatches(),
    ClaudeWeb(),
)
HERE = Call("POST", "/v1/messages")
SIGNATURE = "//8A" * 20


def request_of(value, dialect=MESSAGES, call=HERE):
    return dialect.request(json.dumps(value).encode(), call)


@pytest.mark.parametrize(
    ("dialect", "method", "path", "speaks"),
    [
        (MESSAGES, "POST", "/v1/messages", True),
        (MESSAGES, "POST", "/gateway/anthropic/v1/messages/", True),
        (MESSAGES, "POST", "/anthropic/messages", True),
        (MESSAGES, "GET", "/v1/messages", False),
        (MESSAGES, "POST", "/v1/threads/t1/messages", False),
        (MESSAGES, "POST", "/v1/messages/count_tokens", False),
        (COUNT, "POST", "/v1/messages/count_tokens", True),
        (COUNT, "POST", "/v1/messages", False),
        (MESSAGES, "POST", "/v1/projects/p/locations/l/publishers/anthropic/models/claude-x:rawPredict", True),
        (MESSAGES, "POST", "/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict", False),
        (COUNT, "POST", "/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict", True),
        (MESSAGES, "POST", "/v1/projects/p/locations/l/publishers/google/models/gemini:rawPredict", False),
        (BATCHES, "POST", "/v1/messages/batches", True),
        (BATCHES, "GET", "/v1/messages/batches/b1/results", True),
        (BATCHES, "POST", "/v1/messages/batches/b1/cancel", True),
        (BATCHES, "POST", "/v1/messages/batches/b1/other/x", False),
        (BATCHES, "POST", "/v1/batches", False),
        (WEB, "POST", "/api/organizations/o/chat_conversations/c/completion", True),
        (WEB, "GET", "/api/organizations/o/chat_conversations/c/completion", False),
        (WEB, "POST", "/api/organizations/o/chat_conversations/c/completion/x", False),
    ],
)
def test_which_calls_are_its_own(dialect, method, path, speaks):
    assert dialect.matches(method, path) is speaks


def test_only_what_a_signature_covers_is_fixed():
    thought = {"type": "thinking", "thinking": "of Ann", "signature": SIGNATURE}
    unsigned = {"type": "thinking", "thinking": "of Bob"}
    view = request_of({"messages": [{"role": "assistant", "content": [thought, unsigned]}]})
    assert {segment.text: segment.fixed for segment in view.segments} == {"of Ann": True, "of Bob": False}
    assert [span.reason for span in view.opaque] == ["signature"]
    assert view.parts == ()


def test_a_signature_that_is_no_base64_is_text():
    view = request_of({"messages": [{"role": "assistant", "content": [{"type": "thinking", "signature": "ann@mail"}]}]})
    assert [segment.text for segment in view.segments] == ["ann@mail"]


def test_text_in_a_document_in_base64_is_read_and_fixed():
    told = {
        "type": "base64",
        "media_type": "text/plain",
        "data": "VGhlIHRlbmFudCBvZiB0aGUgZmlyc3QgZmxvb3IgaXMgQW5uIEV4YW1wbGUgb2YgQm9ubi4=",
    }
    view = request_of({"messages": [{"role": "user", "content": [{"type": "document", "source": told}]}]})
    read = [segment for segment in view.segments if "Ann Example" in segment.text]
    assert [(segment.role, segment.fixed) for segment in read] == [("user", True)]
    assert len(view.parts) == 1


def test_a_tool_server_whose_address_cannot_be_read_is_not_lost():
    servers = [{"url": "https://a.test/x"}, {"url": "http://["}, {"url": 7}, {}]
    assert request_of({"messages": [], "mcp_servers": servers}).hosted_mcp == ("a.test", "unknown")


def test_a_batch_tells_the_widest_of_what_it_asks_for():
    items = [{"params": {"model": model, "max_tokens": n}} for model, n in (("small", 5), ("large", 9), ("small", 7))]
    view = request_of({"requests": [*items, "stray", {"params": 7}]}, BATCHES)
    assert (view.model, view.max_tokens, view.problem) == ("small", 9, "several_models")


def test_a_signature_in_a_batch_fixes_its_own_request_only():
    said = [{"role": "assistant", "content": [{"type": "thinking", "thinking": "of Ann", "signature": SIGNATURE}]}]
    plain = [{"role": "assistant", "content": [{"type": "thinking", "thinking": "of Bob"}]}]
    view = request_of({"requests": [{"params": {"messages": said}}, {"params": {"messages": plain}}]}, BATCHES)
    assert {segment.text: segment.fixed for segment in view.segments} == {"of Ann": True, "of Bob": False}


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"{", b"7"])
@pytest.mark.parametrize("dialect", [MESSAGES, WEB])
def test_what_is_no_object_is_refused(dialect, body):
    with pytest.raises(MalformedBody):
        dialect.request(body, HERE)
    with pytest.raises(MalformedBody):
        dialect.response(body, HERE, "application/json")


def test_cumulative_usage_overwrites_and_hostile_numbers_do_not_count():
    reader = MessagesEvents(Framing.SSE)
    for told in (
        {"output_tokens": 3},
        {"output_tokens": 9, "input_tokens": 4},
        {"output_tokens": -1},
        {"output_tokens": 2**70},
    ):
        reader.read(Event("", json.dumps({"type": "message_delta", "delta": {}, "usage": told}).encode()))
    assert reader.told().usage == Usage(input_tokens=4, output_tokens=0)


def test_what_is_told_without_end_is_bounded():
    reader = MessagesEvents(Framing.SSE)
    for number in range(300):
        block = {"type": "tool_use", "name": f"tool {number} " + "x" * 300}
        reader.read(Event("", json.dumps({"type": "content_block_start", "index": 0, "content_block": block}).encode()))
        reader.read(Event("", json.dumps({"type": "message_delta", "delta": {"stop_reason": "y" * 300}}).encode()))
    told = reader.told()
    assert (len(told.tools_called), max(map(len, told.tools_called))) == (128, 128)
    assert (len(told.finish), max(map(len, told.finish))) == (128, 128)


def test_a_stream_that_we_end_says_so_in_its_own_form():
    (event,) = cut(Framing.SSE, MessagesEvents(Framing.SSE).ending("policy"))
    assert event.name == "error"
    told = json.loads(event.payload)
    assert told["type"] == "error"
    assert "policy" in told["error"]["message"]
    line = json.loads(BatchResults().ending("policy"))
    assert (line["result"]["type"], line["result"]["error"]["type"]) == ("errored", "error")


@pytest.mark.parametrize(("status", "kind"), [(403, "permission_error"), (429, "rate_limit_error"), (503, "api_error")])
def test_refusals_are_of_the_kind_that_clients_know(status, kind):
    content_type, body = MESSAGES.refusal(status, "blocked", 'no "secrets"', stream=True)
    assert content_type == "application/json"
    assert json.loads(body)["error"] == {"type": kind, "message": 'no "secrets"', "code": "blocked"}
