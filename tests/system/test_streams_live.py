"""Streams through a whole appliance, read by the real `openai` SDK: keys do not come back, everything else does."""

import json
import time
from contextlib import contextmanager

import httpx
import openai
import pytest

from appliance.standin.saying import turned

pytestmark = pytest.mark.system
KEY = "AKIA" + "IOSFODNN7SAMPLED"
HIDDEN = "<AWS_ACCESS_KEY_ID>"
TEXT = f'Noon, naïve 😀: "{KEY}" — and on it goes, line\nby line.'
RULE = """
rules:
  - id: no-keys-back
    match: {ai: true, labels: {kinds: [secret], min_score: 0.5}, directions: [response]}
    then: {disposition: block}
    reason: Keys do not come out of models.
"""


@contextmanager
def client(appliance):
    http_client = httpx.Client(proxy=f"http://127.0.0.1:{appliance.proxy}", verify=appliance.trust())
    with openai.OpenAI(api_key="sk-test", http_client=http_client, max_retries=0) as made:
        yield made


def streamed(appliance, text: str, model: str, **more) -> list:
    messages = [{"role": "user", "content": turned(text)}]
    with client(appliance) as asking:
        return list(asking.chat.completions.create(model=model, messages=messages, stream=True, **more))


def joined(chunks: list, channel: str) -> str:
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    if channel == "arguments":
        return "".join(call.function.arguments or "" for delta in deltas for call in delta.tool_calls or ())
    if channel == "reasoning":
        return "".join(delta.model_extra.get("reasoning_content") or "" for delta in deltas)
    return "".join(delta.content or "" for delta in deltas)


@pytest.mark.parametrize("channel", ["content", "reasoning", "arguments"])
@pytest.mark.parametrize("size", [1, 5])
def test_a_key_split_over_deltas_is_hidden_and_the_rest_is_there(appliance, channel, size):
    text = json.dumps({"note": TEXT}) if channel == "arguments" else TEXT
    chunks = streamed(appliance, text, f"stand-in-say.{channel}.{size}")
    assert joined(chunks, channel) == text.replace(KEY, HIDDEN)
    assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("size", [1, 5, 20])
def test_where_nothing_is_hidden_every_object_is_the_same(appliance, provider, size):
    text = TEXT.replace(KEY, "nothing at all")
    straight_client = httpx.Client(verify=False, headers={"host": "api.openai.com"})  # noqa: S501 - the stand-in itself
    with openai.OpenAI(
        api_key="x", base_url=f"https://127.0.0.1:{provider.port}/v1", http_client=straight_client
    ) as direct:
        straight = list(
            direct.chat.completions.create(
                model=f"stand-in-say.{size}", messages=[{"role": "user", "content": turned(text)}], stream=True
            )
        )
    assert streamed(appliance, text, f"stand-in-say.{size}") == straight


def test_in_stage_observe_the_key_comes_back_and_is_recorded(observing):
    assert joined(streamed(observing, TEXT, "stand-in-say"), "content") == TEXT


def test_a_rule_ends_the_stream_and_the_sdk_says_so(appliance_class, provider, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ending")
    (folder / "policy.yaml").write_text(RULE)
    ending = appliance_class(folder, provider, extra=f"policy: {{file: {folder}/policy.yaml}}\n")
    try:
        ending.up()
        seen = []
        messages = [{"role": "user", "content": turned(TEXT)}]
        with client(ending) as asking, pytest.raises(openai.APIError):
            seen.extend(asking.chat.completions.create(model="stand-in-say.2", messages=messages, stream=True))
        with client(ending) as asking, pytest.raises(openai.PermissionDeniedError) as refused:
            asking.chat.completions.create(model="stand-in-say", messages=messages)
        assert "Keys do not come out of models" in refused.value.message
        assert joined(seen, "content") in TEXT.partition(KEY)[0]
    finally:
        ending.down()


def test_a_long_delta_may_come_in_two_and_says_the_same(appliance):
    text = TEXT.replace(KEY, "nothing at all")
    assert joined(streamed(appliance, text, "stand-in-say.64"), "content") == text


def test_the_store_shows_what_the_answer_carried(appliance):
    streamed(appliance, TEXT, "stand-in-say.7")
    until = time.monotonic() + 20
    while time.monotonic() < until:
        rows = appliance.ask_store("exchanges", limit=500, outcome="completed", model="stand-in-say.7")
        if rows:
            break
        time.sleep(0.05)
    assert "AWS_ACCESS_KEY_ID" in rows[0]["answer_entities"]
    assert rows[0]["answer_redactions"] == 1
