"""What models at Bedrock answer with in their own formats, as far as it is known.

Sources: Bedrock user guide, "Inference request parameters and response fields" (AI21, Amazon Titan, Cohere, DeepSeek,
Meta Llama, Mistral, OpenAI); the formats of Anthropic and of Amazon Nova have readers of their own.

Rules: pure; by shape and not by the model's name, which an inference profile hides. A string that is not listed here
stands for itself and is scanned all the same.
"""

from typing import Final

from msgspec.structs import replace

from appliance.inspect.dialects import bedrock_calls, fields
from appliance.inspect.dialects.usage import Names, read
from appliance.model.event import Usage

_TOP: Final = ("generation", "outputText", "completion", "text")
_LISTED: Final = {
    ("outputs", "text"): "content",
    ("generations", "text"): "content",
    ("results", "outputText"): "content",
    ("choices", "text"): "content",
    ("choices", "delta", "content"): "content",
    ("choices", "delta", "reasoning_content"): "reasoning",
    ("choices", "delta", "reasoning"): "reasoning",
    ("choices", "delta", "refusal"): "refusal",
    ("choices", "message", "content"): "content",
    ("choices", "message", "reasoning_content"): "reasoning",
    ("choices", "message", "reasoning"): "reasoning",
    ("choices", "message", "refusal"): "refusal",
}
_CALLS: Final = {("choices", "delta", "tool_calls"), ("choices", "message", "tool_calls")}
_REASONS: Final = ("finish_reason", "stop_reason", "stopReason", "completionReason")
_LISTS: Final = ("choices", "outputs", "generations", "results")
_TOKENS: Final = Names(
    received=("prompt_tokens", "input_tokens", "inputTokens", "prompt_token_count", "inputTextTokenCount"),
    made=(
        *("completion_tokens", "output_tokens", "outputTokens", "generation_token_count"),
        "totalOutputTextTokenCount",
    ),
)
_ITEM_PARTS = 3  # "", list, N


def answer_kind(path: list[str]) -> str | None:
    """What the string at `path` of an answer in one piece is; None: no text of the model."""
    found = _listed(path)
    return found[0] if found else None


def growing(payload: dict[str, object], path: list[str]) -> tuple[str, str] | None:
    """Channel and kind of the string at `path` of an event, None where it stands for itself."""
    found = _listed(path)
    if found is None:
        return None
    kind, call = found
    if len(path) < _ITEM_PARTS:
        return f"0/{kind}", kind
    number = _index(fields.at(payload, path[1:3]), path[2])
    if call is None:
        return f"{number}/{kind}", kind
    return f"{number}/arguments/{_index(fields.at(payload, path[1:6]), call)}", "arguments"


def _listed(path: list[str]) -> tuple[str, str | None] | None:
    """Kind of a text, and the place of the call whose arguments it is."""
    if len(path) == 2:  # noqa: PLR2004 - a member of the top
        return ("content", None) if path[1] in _TOP else None
    named = tuple(path[1:2] + path[3:])
    if named in _LISTED:
        return _LISTED[named], None
    if named[:3] in _CALLS and path[6:] == ["function", "arguments"]:
        return "arguments", path[5]
    return None


def _index(item: object, place: str) -> str:
    """An item's own number where it tells one, else its place."""
    told = fields.count(fields.within(item, "index"))
    return place if told is None else str(told)


def items(payload: dict[str, object]) -> list[dict[str, object]]:
    """The answer itself and its alternatives."""
    return [payload, *(item for name in _LISTS for item in fields.objects(payload.get(name)))]


def reasons(answers: list[dict[str, object]]) -> tuple[str, ...]:
    """Why the answer or its alternatives ended."""
    return fields.texts(item[name] for item in answers for name in _REASONS if item.get(name))


def called(answers: list[dict[str, object]]) -> list[object]:
    """Names of functions called."""
    names: list[object] = []
    for item in answers:
        said = item.get("delta") or item.get("message")
        calls = fields.objects(said.get("tool_calls")) if isinstance(said, dict) else []
        names += (fields.within(call, "function", "name") for call in calls)
        names += (call.get("name") for call in fields.objects(item.get("tool_calls")))
    return names


def usage(payload: dict[str, object]) -> Usage | None:
    """Tokens, under whichever names a model tells them; what Bedrock itself counted goes before."""
    counted = bedrock_calls.read_metrics(payload.get(bedrock_calls.METRICS))
    if counted is not None:
        return counted
    told = read(payload.get("usage"), _TOKENS) or read(payload, _TOKENS)
    return told if told is None or told.output_tokens else replace(told, output_tokens=_made(payload))


def _made(payload: dict[str, object]) -> int:
    """Titan counts the tokens of each result."""
    counts = [fields.count(item.get("tokenCount")) or 0 for item in fields.objects(payload.get("results"))]
    return min(sum(counts), fields.MAX_COUNT)
