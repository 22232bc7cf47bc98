"""A program as staff write it: the real `openai` SDK, and nothing that knows of the appliance.

`python -I -m appliance.demo.sdk_client PROXY CA`: calls come as JSON lines on stdin and are answered as JSON
lines on stdout: `{base_url, key, text, stream}` -> `{status, text, route, error}`. Rules: it trusts the given root
only and keeps its connections, as a program does that runs all day. The SDK is the user's own and
no dependency of the appliance, so it is looked for by name.
"""

import json
import ssl
import sys
from importlib import import_module
from typing import Any, Final

_TIMEOUT_S: Final = 20.0
_ORGANISATION: Final = "org-of-the-client"  # a header that must not reach another owner


def client(base_url: str, key: str, proxy: str, ca: str) -> Any:
    """An SDK client for one service."""
    openai, httpx = import_module("openai"), import_module("httpx")
    trust = ssl.create_default_context(cafile=ca)
    transport = httpx.HTTPTransport(proxy=httpx.Proxy(proxy), verify=trust)
    http = httpx.Client(transport=transport, trust_env=False, timeout=_TIMEOUT_S)
    return openai.OpenAI(base_url=base_url, api_key=key, organization=_ORGANISATION, http_client=http, max_retries=0)


def call(sdk: Any, text: str, *, stream: bool) -> dict[str, Any]:
    """One chat completion, put together if it streams."""
    messages = [{"role": "user", "content": text}]
    raw = sdk.chat.completions.with_raw_response.create(model="stand-in", messages=messages, stream=stream)
    parsed = raw.parse()
    if stream:
        parts = [choice.delta.content or "" for chunk in parsed for choice in chunk.choices]
        answer, pieces = "".join(parts), len(parts)
    else:
        answer, pieces = parsed.choices[0].message.content, 1
    route = raw.headers.get("x-gnomon-route")
    return {"status": raw.status_code, "text": answer, "pieces": pieces, "route": route, "error": None}


def main(proxy: str, ca: str) -> None:
    """Answer calls until stdin ends."""
    api_error = import_module("openai").APIError
    clients: dict[str, Any] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        base = asked["base_url"]
        sdk = clients[base] if base in clients else client(base, asked["key"], proxy, ca)
        clients[base] = sdk
        try:
            told = call(sdk, asked["text"], stream=asked["stream"])
        except api_error as error:
            status = getattr(error, "status_code", 0)
            told = {"status": status, "text": "", "pieces": 0, "route": None, "error": str(error)}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
