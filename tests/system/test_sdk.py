"""The real `openai` SDK and curl through the forward proxy and the gateway: governed, recorded, and none the wiser."""

import json
import subprocess

import httpx
import openai
import pytest

pytestmark = pytest.mark.system
SECRET_MAIL = "maria.keller@corp-mail.com"
MESSAGES = [{"role": "user", "content": f"Write to {SECRET_MAIL} about the plan"}]


def through_proxy(appliance) -> openai.OpenAI:
    client = httpx.Client(proxy=f"http://127.0.0.1:{appliance.proxy}", verify=appliance.trust())
    return openai.OpenAI(api_key="sk-test", http_client=client, max_retries=0)


def through_gateway(appliance) -> openai.OpenAI:
    return openai.OpenAI(api_key="sk-test", base_url=f"http://127.0.0.1:{appliance.gateway}/v1", max_retries=0)


@pytest.fixture(params=[through_proxy, through_gateway], ids=["proxy", "gateway"])
def client(request, appliance):
    with request.param(appliance) as made:
        yield made


def test_plain_answer_is_unbroken_and_the_mail_never_arrives(client, provider):
    before = len(provider.arrivals())
    answer = client.chat.completions.create(model="stand-in", messages=MESSAGES)
    assert answer.choices[0].message.content == "Noon is when the shadow is shortest."
    assert answer.usage.prompt_tokens == 12
    (arrival,) = provider.arrivals()[before:]
    assert SECRET_MAIL not in arrival["body"]
    assert "<EMAIL_ADDRESS>" in arrival["body"]
    assert arrival["authorization"] == "Bearer sk-test"
    assert arrival["sni"] == arrival["host"] == "api.openai.com"


def test_stream_is_unbroken(client):
    stream = client.chat.completions.create(
        model="stand-in", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "Noon is when the shadow is shortest."
    assert chunks[-1].usage.completion_tokens == 8


async def test_async_sdk(appliance):
    http_client = httpx.AsyncClient(proxy=f"http://127.0.0.1:{appliance.proxy}", verify=appliance.trust())
    async with openai.AsyncOpenAI(api_key="sk-test", http_client=http_client, max_retries=0) as client:
        stream = await client.chat.completions.create(model="stand-in", messages=MESSAGES, stream=True)
        text = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(text) == "Noon is when the shadow is shortest."


def test_provider_error_keeps_its_own_shape(client):
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="stand-in-503", messages=[{"role": "user", "content": "hello"}])
    assert caught.value.status_code == 503


def test_curl_through_both_doors(appliance, provider):
    body = json.dumps({"model": "stand-in", "messages": MESSAGES})
    common = ["curl", "-sS", "--fail", "-H", "content-type: application/json", "-d", body]
    doors = (
        ["-x", f"http://127.0.0.1:{appliance.proxy}", "--cacert", appliance.ca, "https://api.openai.com"],
        [f"http://127.0.0.1:{appliance.gateway}"],
    )
    for *options, base in doors:
        done = subprocess.run([*common, *options, f"{base}/v1/chat/completions"], capture_output=True, check=True)
        assert json.loads(done.stdout)["choices"][0]["message"]["content"].startswith("Noon")
    assert all(SECRET_MAIL not in arrival["body"] for arrival in provider.arrivals())


def test_observe_changes_no_byte(observing, provider):
    body = '{ "model":"stand-in",  "messages":[{"role":"user","content":"mail maria.keller@corp-mail.com \\u00e9"}] }'
    before = len(provider.arrivals())
    httpx.post(
        "https://api.openai.com/v1/chat/completions",
        content=body,
        headers={"content-type": "application/json"},
        proxy=f"http://127.0.0.1:{observing.proxy}",
        verify=observing.trust(),
    ).raise_for_status()
    (arrival,) = provider.arrivals()[before:]
    assert arrival["body"] == body
