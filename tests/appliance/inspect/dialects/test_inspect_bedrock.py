"""Bedrock's dialects beyond their fixtures: models in paths, shapes of many models, frames that end a stream."""

import base64
import json

import pytest
from fixtures_world import cut
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.dialects import Call, bedrock_calls
from appliance.inspect.dialects.bedrock_beside import COUNTING, GUARDRAIL, JOBS, BedrockBeside
from appliance.inspect.dialects.bedrock_calls import target
from appliance.inspect.dialects.bedrock_converse import BedrockConverse
from appliance.inspect.dialects.bedrock_invoke import BedrockInvoke, InvokeEvents
from appliance.inspect.stream.events import Event, Framing
from appliance.model.event import Usage

CONVERSE, INVOKE = BedrockConverse(), BedrockInvoke()
ARN = "arn:aws:bedrock:us-east-1:0:inference-profile/us.anthropic.claude"


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/model/anthropic.claude-3%3A0/converse", "anthropic.claude-3:0"),
        ("/bedrock/model/anthropic.claude-3:0/converse", "anthropic.claude-3:0"),
        (f"/model/{ARN.replace(':', '%3A').replace('/', '%2F')}/converse", ARN),
        (f"/model/{ARN}/converse", ARN),
        ("/model//converse", None),
        ("/models/x/converse", None),
    ],
)
def test_the_model_stands_in_the_path(path, model):
    found = target(path)
    assert (found and found.model) == model
    assert CONVERSE.matches("POST", path) is (model is not None)


@pytest.mark.parametrize(
    ("dialect", "path"),
    [
        (CONVERSE, "/model/m/converse-stream"),
        (INVOKE, "/model/m/invoke"),
        (INVOKE, "/model/m/invoke-with-response-stream"),
        (BedrockBeside(COUNTING), "/model/m/count-tokens"),
        (BedrockBeside(GUARDRAIL), "/guardrail/g/version/DRAFT/apply"),
        (BedrockBeside(JOBS), "/async-invoke"),
    ],
)
def test_each_call_is_of_one_dialect(dialect, path):
    every = [CONVERSE, INVOKE, *map(BedrockBeside, (COUNTING, GUARDRAIL, JOBS))]
    assert [one.api for one in every if one.matches("POST", path)] == [dialect.api]
    assert not any(one.matches("GET", path) for one in every)


def test_text_in_base64_of_a_request_to_be_counted_is_read():
    inner = base64.b64encode(
        json.dumps({"prompt": "Where does Ann Example of Bonn live these days?"}).encode()
    ).decode()
    body = json.dumps({"input": {"invokeModel": {"body": inner}}}).encode()
    view = BedrockBeside(COUNTING).request(body, Call("POST", "/model/m/count-tokens"))
    assert any("Ann Example" in segment.text and segment.role == "user" for segment in view.segments)


def test_reasoning_with_a_signature_is_fixed():
    def block(text, **more):
        return {"reasoningContent": {"reasoningText": {"text": text, **more}}}

    content = [block("of Ann", signature="//8A" * 20), block("of Bob")]
    body = json.dumps({"messages": [{"role": "assistant", "content": content}]}).encode()
    view = CONVERSE.request(body, Call("POST", "/model/m/converse"))
    assert {segment.text: segment.fixed for segment in view.segments} == {"of Ann": True, "of Bob": False}


@pytest.mark.parametrize(
    ("answer", "texts", "usage"),
    [
        ({"outputs": [{"text": "hi", "stop_reason": "stop"}]}, ["hi"], None),
        (
            {
                "choices": [{"message": {"role": "assistant", "content": "hi"}}],
                "usage": {"prompt_tokens": 2, "completion_tokens": 3},
            },
            ["hi"],
            Usage(2, 3),
        ),
        ({"choices": [{"text": "hi"}]}, ["hi"], None),
        ({"generations": [{"text": "hi"}, {"text": "ho"}]}, ["hi", "ho"], None),
        ({"completion": "hi", "stop_reason": "stop_sequence"}, ["hi"], None),
        ({"text": "hi"}, ["hi"], None),
        ({"results": [{"outputText": "hi", "tokenCount": 3}], "inputTextTokenCount": 2}, ["hi"], Usage(2, 3)),
        (
            {"output": {"message": {"content": [{"text": "hi"}]}}, "usage": {"inputTokens": 2, "outputTokens": 3}},
            ["hi"],
            Usage(2, 3),
        ),
        (
            {
                "type": "message",
                "content": [{"type": "text", "text": "hi"}],
                "usage": {"input_tokens": 2, "output_tokens": 3},
            },
            ["hi"],
            Usage(2, 3),
        ),
    ],
)
def test_answers_of_many_models_are_the_assistants(answer, texts, usage):
    view = INVOKE.response(json.dumps(answer).encode(), Call("POST", "/model/m/invoke"), "application/json")
    assert [segment.text for segment in view.segments if segment.role == "assistant"] == texts
    assert view.usage == usage
    assert not view.error


@pytest.mark.parametrize("answer", [{"message": "denied"}, {"Message": "denied"}])
def test_an_error_of_aws_is_one(answer):
    assert CONVERSE.response(json.dumps(answer).encode(), Call("POST", "/model/m/converse"), "application/json").error


def test_an_exception_in_a_stream_is_an_error_and_its_words_are_text():
    reader = InvokeEvents()
    view = reader.read(Event("throttlingException", b'{"message":"Ann is too fast"}'))
    assert reader.told().error
    assert [text.text for text in view.texts] == ["Ann is too fast"]


@given(reason=st.text("abcdefghij_", min_size=1, max_size=40))
def test_the_end_that_we_make_is_a_whole_frame_with_both_checksums(reason):
    (event,) = cut(Framing.AWS, bedrock_calls.ending(reason))
    assert event.name == "modelStreamErrorException"
    assert reason in json.loads(event.payload)["message"]


def test_a_refusal_carries_the_code_that_sdks_look_for():
    content_type, body = INVOKE.refusal(403, "blocked", "no", stream=True)
    assert content_type == "application/json"
    assert json.loads(body) == {"message": "no", "code": "AccessDeniedException", "reason": "blocked"}


def test_padding_is_no_text_but_a_word_in_its_place_is():
    reader = InvokeEvents()
    for p, texts in (("abcdefg", []), ("Ann", ["Ann"])):
        view = reader.read(Event("chunk", json.dumps({"p": p}).encode()))
        assert [text.text for text in view.texts] == texts
