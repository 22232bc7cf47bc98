"""Runs inside the environment of the SDKs (tests/conformance/sdk, .../litellm): what an SDK makes of answers, as JSON.

`python sdk_driver.py SDK SCENARIO...` prints {scenario: {"objects": [...], "error": ...}}; proxy and trust come by the
environment, as every user gives them. One process asks for all scenarios, since loading an SDK takes longer than all
of them. Nothing of the project is imported here.

Scenarios: chat | stream | tools | error | abort | async; `secret` has a key in its prompt, `leak` is answered with one,
`long` with long deltas; `turns` is a conversation over a WebSocket. What came before an error is kept beside it.
"""

import asyncio
import json
import sys

KEY = "sk-conformance-0000"
SECRET = "ghp_" + "a1B2" * 9
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
STREAMED = {"stream", "tools", "abort", "leak", "long"}


def told(item):
    """An SDK's object as plain data, without what differs from one run to the next."""
    if hasattr(item, "model_dump"):
        return item.model_dump(mode="json", exclude={"sdk_http_response"}, warnings=False)
    if isinstance(item, dict):
        return {key: told(value) for key, value in item.items() if key != "ResponseMetadata"}
    if isinstance(item, (list, tuple)):
        return [told(value) for value in item]
    return item if isinstance(item, (str, int, float, type(None))) else repr(type(item))


def prompt(scenario):
    more = f" My key is {SECRET}, is it safe?" if scenario == "secret" else ""
    return f"case:{scenario} What is the weather in Paris?{more}"


def said(scenario):
    return [{"role": "user", "content": prompt(scenario)}]


def openai(scenario, seen):
    import openai as sdk

    ask = {"model": "gpt-4o", "messages": said(scenario)}
    if scenario == "async":

        async def run():
            async with (
                sdk.AsyncOpenAI(api_key=KEY, max_retries=0) as client,
                client.chat.completions.stream(**ask) as stream,
            ):
                seen.extend([event async for event in stream])

        return asyncio.run(run())
    client = sdk.OpenAI(api_key=KEY, max_retries=0)
    if scenario == "turns":
        return _turns(client, seen)
    if scenario == "tools":
        ask["tools"] = [FUNCTION]
    if scenario == "stream":
        ask["stream_options"] = {"include_usage": True}
    if scenario in STREAMED:
        return seen.extend(client.chat.completions.create(stream=True, **ask))
    return seen.append(client.chat.completions.create(**ask))


def _turns(client, seen):
    """A realtime conversation of two turns, the second with a key."""
    with client.realtime.connect(model="gpt-realtime") as connection:
        for text in ("What is noon?", prompt("secret")):
            item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
            connection.conversation.item.create(item=item)
            connection.response.create()
            for event in connection:
                seen.append(event)
                if event.type == "response.done":
                    break


def responses(scenario, seen):
    import openai as sdk

    ask = {"model": "gpt-4o", "input": prompt(scenario)}
    if scenario == "async":

        async def run():
            async with (
                sdk.AsyncOpenAI(api_key=KEY, max_retries=0) as client,
                client.responses.stream(**ask) as stream,
            ):
                seen.extend([event async for event in stream])

        return asyncio.run(run())
    client = sdk.OpenAI(api_key=KEY, max_retries=0)
    if scenario == "tools":
        ask["tools"] = [{"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}]
    if scenario in STREAMED or scenario == "error":  # this API tells what broke in its stream
        return seen.extend(client.responses.create(stream=True, **ask))
    return seen.append(client.responses.create(**ask))


def anthropic(scenario, seen):
    import anthropic as sdk

    ask = {"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": said(scenario)}
    if scenario == "async":

        async def run():
            async with (
                sdk.AsyncAnthropic(api_key=KEY, max_retries=0) as client,
                client.messages.stream(**ask) as stream,
            ):
                seen.extend([event async for event in stream])

        return asyncio.run(run())
    client = sdk.Anthropic(api_key=KEY, max_retries=0)
    if scenario == "tools":
        ask["tools"] = [{"name": "get_weather", "input_schema": SCHEMA}]
    if scenario in STREAMED:
        return seen.extend(client.messages.create(stream=True, **ask))
    return seen.append(client.messages.create(**ask))


def gemini(scenario, seen):
    from google import genai
    from google.genai import types

    client = genai.Client(api_key=KEY)
    ask = {"model": "gemini-2.5-flash", "contents": prompt(scenario)}
    if scenario == "async":

        async def run():
            seen.extend([chunk async for chunk in await client.aio.models.generate_content_stream(**ask)])

        return asyncio.run(run())
    if scenario == "tools":
        declared = types.FunctionDeclaration(name="get_weather", parameters_json_schema=SCHEMA)
        ask["config"] = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declared])])
    elif scenario in STREAMED:
        return seen.extend(client.models.generate_content_stream(**ask))
    return seen.append(client.models.generate_content(**ask))


def mistral(scenario, seen):
    from mistralai.client import Mistral

    ask = {"model": "mistral-small", "messages": said(scenario)}
    with Mistral(api_key=KEY) as client:
        if scenario == "async":

            async def run():
                seen.extend([event async for event in await client.chat.stream_async(**ask)])

            return asyncio.run(run())
        if scenario == "tools":
            ask["tools"] = [FUNCTION]
        if scenario in STREAMED:
            return seen.extend(client.chat.stream(**ask))
        return seen.append(client.chat.complete(**ask))


def cohere(scenario, seen):
    import cohere as sdk

    ask = {"model": "command-a-03-2025", "messages": said(scenario)}
    if scenario == "async":

        async def run():
            seen.extend([event async for event in sdk.AsyncClientV2(api_key=KEY).chat_stream(**ask)])

        return asyncio.run(run())
    client = sdk.ClientV2(api_key=KEY)
    if scenario == "tools":
        ask["tools"] = [FUNCTION]
    if scenario in STREAMED:
        return seen.extend(client.chat_stream(**ask))
    return seen.append(client.chat(**ask))


def ollama(scenario, seen):
    import ollama as sdk

    ask = {"model": "llama3.2", "messages": said(scenario)}
    if scenario == "async":

        async def run():
            client = sdk.AsyncClient(host="https://api.ollama.com")
            seen.extend([part async for part in await client.chat(stream=True, **ask)])

        return asyncio.run(run())
    client = sdk.Client(host="https://api.ollama.com")
    if scenario == "tools":
        ask["tools"] = [FUNCTION]
    if scenario in STREAMED:
        return seen.extend(client.chat(stream=True, **ask))
    return seen.append(client.chat(**ask))


def bedrock(scenario, seen):
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "bedrock-runtime",
        config=Config(retries={"max_attempts": 0}, region_name="us-east-1"),
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="x" * 40,
    )
    model = "anthropic.claude-sonnet-4-5-20250929-v1:0"
    if scenario == "async":  # it has no such client: the other way to ask for a stream instead
        body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100, "messages": said(scenario)}
        return seen.extend(client.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))["body"])
    ask = {"modelId": model, "messages": [{"role": "user", "content": [{"text": prompt(scenario)}]}]}
    if scenario == "tools":
        ask["toolConfig"] = {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": SCHEMA}}}]}
    if scenario in STREAMED:
        return seen.extend(client.converse_stream(**ask)["stream"])
    return seen.append(client.converse(**ask))


def litellm(scenario, seen):
    import litellm as sdk

    sdk.telemetry = False
    sdk.suppress_debug_info = True
    ask = {"model": "openai/gpt-4o", "messages": said(scenario), "api_key": KEY, "num_retries": 0}
    if scenario == "async":

        async def run():
            seen.extend([chunk async for chunk in await sdk.acompletion(stream=True, **ask)])

        return asyncio.run(run())
    if scenario == "tools":
        ask["tools"] = [FUNCTION]
    if scenario in STREAMED:
        return seen.extend(sdk.completion(stream=True, **ask))
    return seen.append(sdk.completion(**ask))


def asked(sdk, scenario):
    seen, answer = [], {}
    try:
        globals()[sdk](scenario, seen)
    except Exception as error:  # noqa: BLE001 - an SDK's own error is part of what is compared
        status = getattr(error, "status_code", None) or getattr(error, "code", None)
        answer["error"] = {"type": type(error).__name__, "status": status, "text": str(error)[:2000]}
    answer["objects"] = [told(item) for item in seen]
    if sdk == "litellm":  # it says itself when a chunk came
        for item in answer["objects"]:
            item.pop("created")
    return answer


def main():
    sdk, *scenarios = sys.argv[1:]
    sys.stdout.write(json.dumps({each: asked(sdk, each) for each in scenarios}, sort_keys=True, default=repr))


main()
