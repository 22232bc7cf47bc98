"""OpenTelemetry's names for what we know of an exchange with a model: the one place where they stand.

Rules: pure; nothing of any content, no people and no addresses of theirs: a conversation is a keyed digest. Source:
semantic conventions for generative AI, schema 1.42.0 (semantic-conventions-genai, status Development): names may
change there, and then change here. `gnomon.*` are ours.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

from appliance.store.tally_pages import Ended

TOKENS, DURATION, FIRST = (
    "gen_ai.client.token.usage",
    "gen_ai.client.operation.duration",
    "gen_ai.client.operation.time_to_first_chunk",
)
TOKEN_BOUNDS: Final = tuple(float(4**power) for power in range(14))  # 1 to 67,108,864, as the conventions say
SECOND_BOUNDS: Final = tuple(0.01 * 2**power for power in range(14))  # 0.01 to 81.92, likewise
_OPERATIONS: Final[Mapping[str, str]] = {
    "openai.chat": "chat",
    "openai.responses": "chat",
    "openai.realtime": "chat",
    "openai.embeddings": "embeddings",
    "anthropic.messages": "chat",
    "bedrock.converse": "chat",
    "bedrock.invoke": "text_completion",
    "cohere.chat": "chat",
    "cohere.embed": "embeddings",
    "gemini.generate": "generate_content",
    "gemini.live": "generate_content",
    "gemini.embed": "embeddings",
    "ollama.chat": "chat",
    "ollama.generate": "text_completion",
    "ollama.embed": "embeddings",
    "chatgpt.web": "chat",
    "claude.web": "chat",
}
_PROVIDERS: Final[Mapping[str, str]] = {
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "vertex": "gcp.vertex_ai",
    "azure_openai": "azure.ai.openai",
    "mistral": "mistral_ai",
    "xai": "x_ai",
    "watsonx": "ibm.watsonx.ai",
}  # the others are called as in the catalogue: openai, anthropic, cohere, deepseek, groq, perplexity
_ERROR: Final = 400

type Value = str | int | float | bool
type Attributes = dict[str, Value]


def operation(ended: Ended) -> str | None:
    """The kind of operation; None: the exchange was no call of a model."""
    return _OPERATIONS.get(ended.api or "")


def provider(ended: Ended) -> str:
    """Who serves it."""
    return _PROVIDERS.get(ended.service, ended.service)


def failure(ended: Ended) -> str | None:
    """`error.type`: the status of a failed answer, else how the exchange ended; None: it is whole."""
    if ended.status >= _ERROR:
        return str(ended.status)
    return None if ended.outcome == "completed" else ended.outcome


def span(ended: Ended) -> tuple[str, Attributes]:
    """Name and attributes of its span."""
    kind = operation(ended) or "request"
    told: dict[str, Value | None] = {
        "gen_ai.operation.name": kind,
        "gen_ai.provider.name": provider(ended),
        "gen_ai.request.model": ended.model,
        "gen_ai.request.stream": ended.stream,
        "gen_ai.response.model": ended.model_served,
        "gen_ai.usage.input_tokens": ended.input_tokens,
        "gen_ai.usage.output_tokens": ended.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": ended.cached_tokens,
        "gen_ai.conversation.id": ended.conversation,
        "gen_ai.response.time_to_first_chunk": _seconds(ended.first_byte_ms) if ended.stream else None,
        "server.address": ended.host,
        "server.port": ended.port,
        "error.type": failure(ended),
        "http.response.status_code": ended.status or None,
        "gnomon.service": ended.service,
        "gnomon.outcome": ended.outcome,
        "gnomon.disposition": ended.effective,
    }
    return f"{kind} {ended.model or ended.service}", {name: one for name, one in told.items() if one is not None}


def points(ended: Ended) -> list[tuple[str, Attributes, float]]:
    """What it adds to which metric."""
    kind = operation(ended)
    if kind is None:
        return []
    shared: Attributes = {"gen_ai.operation.name": kind, "gen_ai.provider.name": provider(ended)}
    if ended.model:
        shared["gen_ai.request.model"] = ended.model
    error = failure(ended)
    failed: Attributes = {"error.type": error} if error else {}
    found = [(DURATION, shared | failed, ended.ended - ended.began)]
    for token, count in (("input", ended.input_tokens), ("output", ended.output_tokens)):
        if count is not None:
            found.append((TOKENS, shared | {"gen_ai.token.type": token}, float(count)))
    if ended.stream and ended.first_byte_ms is not None:
        found.append((FIRST, shared, ended.first_byte_ms / 1000))
    return found


def trace_of(ended: Ended) -> tuple[str, str]:
    """Ids of trace and span, hexadecimal: the same for the same exchange, so that a repeat shows as one."""
    digest = hashlib.blake2b(ended.exchange.encode(), digest_size=24, person=b"gnomon-otel").hexdigest()
    return digest[:32], digest[32:]


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
