"""How long an answer may become: what a request says about that, and the edit that makes it shorter.

Sources: the API references of OpenAI (max_completion_tokens, max_tokens, n; max_output_tokens), Anthropic (max_tokens,
thinking.budget_tokens), Gemini (generationConfig.maxOutputTokens, candidateCount), Ollama (options.num_predict), Amazon
Bedrock (inferenceConfig.maxTokens) and Cohere (max_tokens).

Rules: bytes around the number stay as they are; a number is only ever made smaller; where it stands twice, or a reader
could understand the body in two ways, nothing is edited and the caller is told.
"""

import re
from typing import Final

import msgspec

from appliance.inspect.dialects.fields import count, within
from appliance.inspect.jsonspans import MalformedBody, parse
from appliance.inspect.redact import apply

_PLACES: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "openai.chat": (("max_completion_tokens",), ("max_tokens",)),
    "openai.responses": (("max_output_tokens",),),
    "anthropic.messages": (("max_tokens",),),
    "gemini.generate": (
        ("generationConfig", "maxOutputTokens"),
        ("generation_config", "max_output_tokens"),
        ("generationConfig", "max_output_tokens"),
        ("generation_config", "maxOutputTokens"),
    ),
    "ollama.chat": (("options", "num_predict"),),
    "ollama.generate": (("options", "num_predict"),),
    "bedrock.converse": (("inferenceConfig", "maxTokens"),),
    "cohere.chat": (("max_tokens",),),
}
_CHOICES: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "openai.chat": (("n",), ("best_of",)),
    "gemini.generate": (
        ("generationConfig", "candidateCount"),
        ("generation_config", "candidate_count"),
        ("generationConfig", "candidate_count"),
        ("generation_config", "candidateCount"),
    ),
}
ANSWERLESS: Final = frozenset(
    {
        *("gemini.embed", "ollama.embed", "openai.embeddings", "openai.moderations", "openai.images", "openai.audio"),
        *("openai.files", "openai.batches", "openai.fine_tuning", "openai.vector_stores", "anthropic.count_tokens"),
        *("bedrock.count_tokens", "bedrock.guardrail", "bedrock.async_invoke", "cohere.embed", "cohere.rerank"),
    }
)
"""Dialects whose answers are no texts of a model."""
_LEAST: Final = {"openai.responses": 16}
_MOST_CHOICES: Final = 128
# Services that take `max_completion_tokens` for all their models, and some of these nothing else.
_COMPLETION: Final = frozenset({"openai", "azure_openai"})
_NUMBER = re.compile(rb'"[ \t\r\n]*:[ \t\r\n]*([0-9]+|null)(?=[ \t\r\n]*[,}])')


class Asked(msgspec.Struct, frozen=True):
    """What a request says: the most tokens of one answer (None: nothing), how many answers, the least it can live with.

    Where two numbers say how many, the larger counts: a server that knows but one of them may go by either.

    `adding`: the name under which a most can be written where there is none.
    """

    most: int | None
    choices: int = 1
    least: int = 1
    adding: str | None = None


def asked(api: str | None, service: str | None, body: bytes) -> Asked | None:
    """None: the dialect has no such number, or the body cannot be read."""
    places = _PLACES.get(api or "")
    if places is None or api is None:
        return None
    try:
        said = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    numbers = [number for place in places if (number := count(within(said, *place))) is not None]
    choices = [number for place in _CHOICES.get(api, ()) if (number := count(within(said, *place))) is not None]
    thinking = count(within(said, "thinking", "budget_tokens")) if api == "anthropic.messages" else None
    return Asked(
        most=max(numbers, default=None),
        choices=min(max((1, *choices)), _MOST_CHOICES) * _prompts(said),
        least=_LEAST.get(api, 1) if thinking is None else thinking + 1,
        adding=_adding(api, service),
    )


def _prompts(said: dict[str, object]) -> int:
    """How many prompts the older completions hold, each of which is answered; one of token ids is one."""
    prompt = said.get("prompt")
    return max(1, sum(isinstance(one, (str, list)) for one in prompt)) if isinstance(prompt, list) else 1


def _adding(api: str, service: str | None) -> str | None:
    if api == "openai.chat":
        return "max_completion_tokens" if service in _COMPLETION else "max_tokens"
    return "max_output_tokens" if api == "openai.responses" else None


def takes_older_name(service: str | None) -> bool:
    """Whether a service of chat completions knows a most by its older name only."""
    return service not in _COMPLETION


def respelt(api: str | None, service: str | None, body: bytes) -> bytes:
    """The body with its most under the name that `service` knows, where it has another: the same number.

    As it is where it names none, names both, or could be understood in two ways.
    """
    if api != "openai.chat":
        return body
    name, other = "max_completion_tokens", "max_tokens"
    name, other = (other, name) if takes_older_name(service) else (name, other)
    if f'"{other}"'.encode() not in body:
        return body
    try:
        document = parse(body)
    except MalformedBody:
        return body
    keys = {span.pointer: span for span in document.strings if span.is_key}
    found = keys.get(f"/{other}")
    if document.duplicate_keys or found is None or f"/{name}" in keys:
        return body
    return apply(body, [(found.start, found.end, name.encode())])


def lowered(api: str | None, service: str | None, body: bytes, most: int) -> bytes | None:
    """The body with its most made `most`, or written into it; None: that cannot be done in its place."""
    try:
        document = parse(body)
    except MalformedBody:
        return None
    places = {"/" + "/".join(place) for place in _PLACES.get(api or "", ())}
    if document.duplicate_keys or not isinstance(document.value, dict):
        return None
    edits: list[tuple[int, int, bytes]] = []
    for span in document.strings:
        if span.is_key and span.pointer in places:
            found = _NUMBER.match(body, span.end)
            if found is None:
                return None
            if found[1] == b"null" or int(found[1]) > most:
                edits.append((found.start(1), found.end(1), str(most).encode()))
    if edits or any(count(within(document.value, *place)) is not None for place in _PLACES.get(api or "", ())):
        return apply(body, edits)
    name = _adding(api or "", service)
    if name is None or not document.value:
        return None
    at = body.index(b"{") + 1
    return apply(body, [(at, at, b'"%s":%d,' % (name.encode(), most))])
