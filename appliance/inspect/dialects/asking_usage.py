"""The one insertion that asks for usage in a stream of chat completions: `stream_options.include_usage`.

Rules: bytes around the insertion stay as they are; where the client chose, or a reader could understand the body in two
ways, nothing is inserted; a service that is not known to take the option is not asked, for a strict one answers 400 or
422 to what it does not know.
"""

import re

from appliance.inspect.jsonspans import StringSpan, parse
from appliance.inspect.redact import apply
from appliance.inspect.segments import words

_OPTIONS_VALUE = re.compile(rb'"[ \t\r\n]*:[ \t\r\n]*(null|\{[ \t\r\n]*(\}?))')

# The API references of these services list `stream_options.include_usage` for chat completions; of servers that people
# run themselves, vLLM, SGLang, llama.cpp, LM Studio and LiteLLM implement it. Left out on purpose: Mistral (refuses
# unknown members with 422), Perplexity, Together, Fireworks, OpenRouter and xAI (tell usage in any case), Copilot and
# Azure AI (depends on the version asked for).
_TAKES = words("""
    openai azure_openai deepseek groq cerebras dashscope volcengine_ark moonshot zai deepinfra
    openai_compatible lmstudio_server litellm_proxy llama_cpp sglang tgi
""")


def asks_usage(service_id: str | None) -> bool:
    """Whether the service of the catalogue takes `stream_options.include_usage`; None: a service of one's own."""
    return service_id is None or service_id in _TAKES


def with_usage(body: bytes) -> bytes:
    """`body` with the option inserted, or unchanged."""
    document = parse(body)
    top = document.value
    if document.duplicate_keys or not isinstance(top, dict) or top.get("stream") is not True:
        return body
    if "stream_options" not in top:
        at = body.index(b"{") + 1
        return apply(body, [(at, at, b'"stream_options":{"include_usage":true},')])
    options = top["stream_options"]
    if options is not None and (not isinstance(options, dict) or "include_usage" in options):
        return body
    key = next(span for span in document.strings if span.is_key and span.pointer == "/stream_options")
    return _into_options(body, key)


def _into_options(body: bytes, key: StringSpan) -> bytes:
    found = _OPTIONS_VALUE.match(body, key.end)
    if found is None:
        return body
    if found[1] == b"null":
        return apply(body, [(found.start(1), found.end(1), b'{"include_usage":true}')])
    at = found.start(1) + 1
    return apply(body, [(at, at, b'"include_usage":true' + (b"" if found[2] else b","))])
