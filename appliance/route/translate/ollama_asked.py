"""Requests in the dialect of Ollama's /api/chat: read, and written.

Source: ollama `api/types.go`, ollama-python `_types.py`. Rules: as in fields.py; `stream` is on unless it is switched
off; calls have no ids there, results name their tool; pictures are base64 without a type, which their first bytes tell.
"""

from typing import Final

from appliance.route.translate.chat_asked import metadata_of, written_tool
from appliance.route.translate.conversation import (
    Conversation,
    Format,
    Media,
    Part,
    Reasoning,
    Role,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
    Turn,
)
from appliance.route.translate.fields import Fields, decoded, encoded, raw
from appliance.route.translate.losses import Losses, Refused
from appliance.route.translate.parts import Pending, effort_in_words, names_of_calls, plain

PATH: Final = "/api/chat"
# First characters of base64 to what they are the beginning of.
_BEGINNINGS: Final = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
}


def read(_path: str, body: bytes, losses: Losses) -> Conversation:
    """A request's body."""
    fields = Fields(decoded(body), "", losses)
    system, turns = _messages(fields)
    options = fields.inside("options") or Fields({}, "", losses)
    think = fields.any("think")
    stream = fields.flag("stream")
    fields.only("logprobs", lambda value: value is False)
    made = Conversation(
        model=fields.text("model"),
        system=system,
        turns=turns,
        tools=tuple(_tool(item) for item in fields.objects("tools")),
        sampling=Sampling(
            options.number("temperature"),
            options.number("top_p"),
            options.whole("top_k"),
            options.number("presence_penalty"),
            options.number("frequency_penalty"),
            options.whole("seed"),
        ),
        max_tokens=_limit(options),
        stop=options.texts("stop"),
        format=_format(fields),
        reasoning=_reasoning(think),
        stream=stream is not False,
        framing="lines",
        metadata=metadata_of(fields),
    )
    options.done()
    fields.done()
    return made


def _limit(options: Fields) -> int | None:
    most = options.whole("num_predict")
    return most if most is not None and most > 0 else None  # -1 and -2: as much as there is


def _reasoning(think: object) -> Reasoning | None:
    if think is None:
        return None
    if isinstance(think, bool):
        return Reasoning("medium" if think else "none", think)
    return Reasoning(effort_in_words(str(think)[:20], "think"), shown=True)


def _format(fields: Fields) -> Format | None:
    wanted = fields.any("format")
    if wanted is None or wanted == "":
        return None
    if wanted == "json":
        return Format()
    if isinstance(wanted, dict):
        return Format(encoded(wanted))
    raise Refused("format must be json or a schema")


def _tool(item: Fields) -> Tool:
    item.text("type")
    function = item.inside("function")
    if function is None:
        raise Refused(f"{item.where}.function must be an object")
    tool = Tool(function.text("name"), function.text("description"), function.json("parameters"))
    function.done()
    return tool


def _messages(fields: Fields) -> tuple[tuple[str, ...], tuple[Turn, ...]]:
    system: list[str] = []
    turns: list[tuple[Role, list[Part]]] = []
    pending = Pending()
    for item in fields.objects("messages"):
        role = item.text("role")
        if role == "system":
            text = item.text("content")
            if turns:
                turns.append((Role.SYSTEM, [Text(text)]))
            else:
                system.append(text)
        elif role == "user":
            turns.append((Role.USER, _said(item)))
        elif role == "assistant":
            turns.append((Role.ASSISTANT, _assistant(item, pending)))
        elif role == "tool":
            call, name = pending.result(item.text("tool_call_id"), item.text("tool_name") or item.text("name"))
            result = ToolResult(call, name, (Text(item.text("content")),))
            if turns and turns[-1][1] and isinstance(turns[-1][1][-1], ToolResult):
                turns[-1][1].append(result)
            else:
                turns.append((Role.USER, [result]))
        else:
            raise Refused(f"{item.where}.role must be system, user, assistant or tool")
    return tuple(system), tuple(Turn(role, tuple(parts)) for role, parts in turns)


def _said(item: Fields) -> list[Part]:
    text = item.text("content")
    parts: list[Part] = [Media("image", media_type(data), data) for data in item.texts("images")]
    return [*parts, Text(text)] if text or not parts else parts


def _assistant(item: Fields, pending: Pending) -> list[Part]:
    thought, text = item.text("thinking"), item.text("content")
    parts: list[Part] = [Thinking(thought)] if thought else []
    parts += [Text(text)] if text else []
    for call in item.objects("tool_calls"):
        call.skip("type")
        function = call.inside("function")
        if function is None:
            raise Refused(f"{call.where}.function must be an object")
        name = function.text("name")
        function.skip("index")
        parts.append(ToolUse(pending.call(call.text("id"), name), name, function.json("arguments") or "{}"))
        function.done()
    return parts


def media_type(data: str) -> str:
    """What base64 is that comes without a word."""
    return next((kind for start, kind in _BEGINNINGS.items() if data.startswith(start)), "image/jpeg")


def write(conversation: Conversation, losses: Losses) -> tuple[str, dict[str, object]]:
    """Path and body."""
    names = names_of_calls(conversation.turns)
    messages: list[dict[str, object]] = [{"role": "system", "content": text} for text in conversation.system]
    for turn in conversation.turns:
        messages += _written(turn, names, losses)
    body: dict[str, object] = {"model": conversation.model, "messages": messages, "stream": conversation.stream}
    choice = conversation.choice
    if conversation.tools and choice.kind != "none":
        body["tools"] = [
            {"type": "function", "function": written_tool(_loose(tool, losses))} for tool in conversation.tools
        ]
    if conversation.tools and choice.kind == "none":
        losses.lack("tools")
    if conversation.tools and choice.kind in ("any", "named"):
        losses.refuse("tool_choice", "a call cannot be demanded there")
    if conversation.tools and choice.parallel is False:
        losses.refuse("parallel_tool_calls", "one call at a time cannot be asked for there")
    _limits(conversation, body, losses)
    return PATH, body


def _loose(tool: Tool, losses: Losses) -> Tool:
    if tool.strict:
        losses.lack("strict")
    return Tool(tool.name, tool.description, tool.schema)


def _limits(conversation: Conversation, body: dict[str, object], losses: Losses) -> None:
    sampling, form, reasoning = conversation.sampling, conversation.format, conversation.reasoning
    told: dict[str, object] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "presence_penalty": sampling.presence,
        "frequency_penalty": sampling.frequency,
        "seed": sampling.seed,
        "num_predict": conversation.max_tokens,
        "stop": list(conversation.stop) or None,
    }
    options = {key: value for key, value in told.items() if value is not None}
    if options:
        body["options"] = options
    for name in ("user", "metadata"):
        if getattr(conversation, name):
            losses.lack(name)
    if form is not None:
        body["format"] = raw(form.schema) if form.schema else "json"
        if form.name or form.description or form.strict is not None:
            losses.lack("format_name")
    if reasoning is not None:
        body["think"] = reasoning.effort != "none"
        if reasoning.effort not in ("none", "medium"):
            losses.lack("effort")


def _written(turn: Turn, names: dict[str, str], losses: Losses) -> list[dict[str, object]]:
    if turn.role is Role.SYSTEM:
        return [{"role": "system", "content": part.text} for part in turn.parts if isinstance(part, Text)]
    messages: list[dict[str, object]] = [
        {
            "role": "tool",
            "content": plain(part, losses, "tool_result.content"),
            "tool_name": names.get(part.id, part.name),
            "tool_call_id": part.id,
        }
        for part in turn.parts
        if isinstance(part, ToolResult)
    ]
    rest: list[Part] = [part for part in turn.parts if not isinstance(part, ToolResult)]
    return [*messages, _message(turn.role, rest, losses)] if rest or not messages else messages


def _message(role: Role, parts: list[Part], losses: Losses) -> dict[str, object]:
    texts = [part.text for part in parts if isinstance(part, Text)]
    thoughts = [part.text for part in parts if isinstance(part, Thinking)]
    calls = [part for part in parts if isinstance(part, ToolUse)]
    made: dict[str, object] = {"role": role.value, "content": ("" if role is Role.ASSISTANT else "\n").join(texts)}
    images = []
    for part in parts:
        if not isinstance(part, Media):
            continue
        if part.kind != "image" or not part.data:
            losses.refuse("messages[].content", f"only pictures as bytes are taken there, and this is {part.kind}")
        if part.name:
            losses.lack("title")
        if part.detail not in ("", "auto"):
            losses.lack("detail")
        images.append(part.data)
    if images:
        made["images"] = images
    if any(thoughts):
        made["thinking"] = "".join(thoughts)
    if calls:
        made["tool_calls"] = [
            {"id": call.id, "function": {"name": call.name, "arguments": raw(call.arguments)}} for call in calls
        ]
    return made
