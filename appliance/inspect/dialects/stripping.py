"""Declared tools and the wish for log probabilities, taken out of a request.

Sources: the API references of OpenAI (tools, functions, tool_choice, logprobs, top_logprobs, include), Anthropic
(tools, tool_choice), Gemini (tools.functionDeclarations, toolConfig, generationConfig.responseLogprobs), Ollama (tools,
logprobs), Amazon Bedrock (toolConfig) and Cohere (tools, tool_choice, logprobs).

Rules: pure; bytes of what stays are not touched; where the last tool goes, what chooses among tools goes with it, for a
service refuses a choice of nothing, and so does a choice of a tool that has gone. None: it cannot be done in its place.
"""

import fnmatch
import re
from typing import Final

import msgspec

from appliance.inspect.dialects.fields import within
from appliance.inspect.jsonspans import MalformedBody, parse
from appliance.inspect.members import Part, parts_of, without
from appliance.inspect.redact import Edit, apply

_LISTS: Final = frozenset({"tools", "functions"})
_BEDROCK: Final = frozenset({"bedrock.converse", "bedrock.count_tokens"})  # have their tools one level down
_CHOICES: Final = frozenset(
    {"tool_choice", "function_call", "parallel_tool_calls", "toolConfig", "tool_config", "toolChoice"}
)
_DECLARED: Final = ("functionDeclarations", "function_declarations")
_LOGPROBS: Final = frozenset({"logprobs", "top_logprobs", "responseLogprobs", "response_logprobs"})
_BELOW: Final = ("generationConfig", "generation_config")
_APIS: Final = frozenset({
    *("openai.chat", "openai.responses", "anthropic.messages", "gemini.generate", "ollama.chat", "bedrock.converse"),
    *("cohere.chat", "ollama.generate", "anthropic.count_tokens", "bedrock.count_tokens"),
})  # fmt: skip
INCLUDED: Final = "message.output_text.logprobs"
# The same word with at least one of its letters written as an escape.
_ESCAPED: Final = re.compile(
    b"".join(b"(?:%c|\\\\u00(?i:%02x|%02x))" % (one, one, one - 32) for one in b"logprobs"), re.IGNORECASE
)
_CHOSEN: Final = re.compile(rb'"(?:name|allowedFunctionNames|allowed_function_names)"\s*:\s*(\[[^\]]*\]|"[^"]*")')
_TEXT: Final = re.compile(rb'"([^"\\]*)"')
_NAMES: Final = (("name",), ("function", "name"), ("custom", "name"), ("toolSpec", "name"), ("type",))


def without_tools(api: str | None, body: bytes, patterns: tuple[str, ...]) -> bytes | None:
    """The body without declared tools whose names fit (`*` for any run, small letters); the same where none does."""
    top = _top(api, body)
    if top is None:
        return None
    fits = re.compile("|".join(map(fnmatch.translate, patterns)))
    gone: set[Part] = set()
    edits: list[Edit] = []
    for part in top:
        if part.name in _LISTS:
            taken, inner = _of_list(body, top, part, fits)
            gone |= taken
            edits += inner
        elif part.name == "toolConfig" and api in _BEDROCK:
            inside = parts_of(body, part.value)
            lists = [_of_list(body, inside, one, fits) for one in inside if one.name == "tools"]
            below = {one for taken, _ in lists for one in taken}
            if any(one.name == "tools" for one in below):
                gone.add(part)
            else:
                edits += [*without(inside, below.__contains__), *(edit for _, inner in lists for edit in inner)]
    return apply(body, [*without(top, gone.__contains__), *edits])


def without_logprobs(api: str | None, body: bytes) -> bytes | None:
    """The body without the wish for log probabilities; the same where it has none."""
    top = _top(api, body)
    if top is None:
        return None
    edits = list(without(top, lambda part: part.name in _LOGPROBS))
    for part in top:
        if part.name in _BELOW:
            edits += without(parts_of(body, part.value), lambda one: one.name in _LOGPROBS)
        if part.name == "include":
            inside = parts_of(body, part.value)
            edits += without(inside, lambda one: _says(body, one) == INCLUDED)
    return apply(body, edits)


def names_logprobs(body: bytes) -> bool:
    """Whether a request could wish for log probabilities: seldom yes where it does not, never no where it does."""
    if b"logprobs" in body.lower():
        return True
    return b"\\u" in body and _ESCAPED.search(body) is not None


def _says(body: bytes, part: Part) -> object:
    return msgspec.json.decode(body[part.value : part.end])


def _top(api: str | None, body: bytes) -> tuple[Part, ...] | None:
    if api not in _APIS:
        return None
    try:
        document = parse(body)
    except MalformedBody:
        return None
    if document.duplicate_keys or not isinstance(document.value, dict):
        return None
    return parts_of(body, body.index(b"{"))


def _of_list(body: bytes, around: tuple[Part, ...], tools: Part, fits: re.Pattern[str]) -> tuple[set[Part], list[Edit]]:
    """What goes of what stands around a list of tools, and edits inside the list."""
    items = parts_of(body, tools.value)
    gone = {item for item in items if _is_named(body, item, fits)}
    inner: list[Edit] = []
    for item in items:
        declared = next((one for one in parts_of(body, item.value) if one.name in _DECLARED), None)
        if declared is None or item in gone:
            continue
        functions = parts_of(body, declared.value)
        named = {one for one in functions if _is_named(body, one, fits)}
        if named and len(named) == len(functions):
            gone.add(item)
        elif named:
            inner += without(functions, named.__contains__)
    if gone and len(gone) == len(items):
        return {tools, *(one for one in around if one.name in _CHOICES)}, []
    chosen = {one for one in around if one.name in _CHOICES and _chooses(body, one, fits)}
    return chosen, [*inner, *without(items, gone.__contains__)]


def _is_named(body: bytes, item: Part, fits: re.Pattern[str]) -> bool:
    said = msgspec.json.decode(body[item.value : item.end])
    names = (within(said, *place) for place in _NAMES) if isinstance(said, dict) else ()
    name = next((one for one in names if isinstance(one, str)), None)
    return name is not None and fits.match(name.lower()) is not None


def _chooses(body: bytes, choice: Part, fits: re.Pattern[str]) -> bool:
    """It names a tool that goes, somewhere within."""
    if body[choice.value : choice.value + 1] != b"{":
        return False
    texts = _CHOSEN.findall(body, choice.value, choice.end)
    return any(fits.match(name.decode().lower()) for text in texts for name in _TEXT.findall(text))
