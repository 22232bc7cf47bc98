"""Requests in the dialect of Anthropic's Messages: read, and written.

Source: anthropic-sdk-python `types/message_create_params.py` and the params it names. Rules: as in fields.py;
`max_tokens` is needed there and gets a number where the caller gave none, which is told. Newer models take no sampling
and think as long as they choose: both are left out for all, and told.
"""

import re
from typing import Final

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
    ToolChoice,
    ToolResult,
    ToolUse,
    Turn,
)
from appliance.route.translate.fields import Fields, decoded, raw
from appliance.route.translate.losses import Losses, Refused
from appliance.route.translate.parts import effort_in_words, effort_of, in_front, merged
from appliance.route.translate.signatures import parted, riding

PATH: Final = "/v1/messages"
VERSION: Final = "2023-06-01"
MAX_TOKENS: Final = 8192
_CHOICES: Final = {"auto": "auto", "any": "any", "none": "none", "tool": "named"}
_NO_ID: Final = re.compile(r"[^a-zA-Z0-9_-]")


def read(_path: str, body: bytes, losses: Losses) -> Conversation:
    """A request's body."""
    fields = Fields(decoded(body), "", losses)
    names: dict[str, str] = {}
    turns = tuple(_turn(item, names) for item in fields.objects("messages"))
    choice = _choice(fields)
    form, reasoning = _output(fields)
    user, labels = _metadata(fields)
    made = Conversation(
        model=fields.text("model"),
        system=_system(fields),
        turns=turns,
        tools=tuple(_tool(item) for item in fields.objects("tools")),
        choice=choice,
        sampling=Sampling(fields.number("temperature"), fields.number("top_p"), fields.whole("top_k")),
        max_tokens=fields.whole("max_tokens"),
        stop=fields.texts("stop_sequences"),
        format=form,
        reasoning=reasoning,
        stream=bool(fields.flag("stream")),
        user=user,
        metadata=labels,
    )
    fields.done()
    return made


def _metadata(fields: Fields) -> tuple[str, tuple[tuple[str, str], ...]]:
    labels = fields.inside("metadata")
    if labels is None:
        return "", ()
    user = labels.text("user_id")
    labels.done()
    return user, ()


def _output(fields: Fields) -> tuple[Format | None, Reasoning | None]:
    """Form of the answer, and how much is thought."""
    form: Format | None = None
    reasoning = _thinking_wanted(fields)
    config = fields.inside("output_config")
    old = fields.inside("output_format")
    if config is not None:
        effort = config.text("effort")
        if effort:
            shown = reasoning.shown if reasoning else None
            reasoning = Reasoning(effort_in_words(effort, "output_config.effort"), shown)
    inside = config.inside("format") if config is not None else None
    inside = inside or old
    if inside is not None:
        if inside.text("type") != "json_schema":
            raise Refused(f"{inside.where}.type must be json_schema")
        form = Format(inside.json("schema"))
        inside.done()
    if config is not None:
        config.done()
    return form, reasoning


def _thinking_wanted(fields: Fields) -> Reasoning | None:
    wanted = fields.inside("thinking")
    if wanted is None:
        return None
    kind = wanted.text("type")
    tokens = wanted.whole("budget_tokens")
    shown = wanted.text("display") != "omitted"
    wanted.done()
    if kind == "disabled":
        return None
    return Reasoning(effort_of(tokens if tokens is not None else -1), shown)


def _choice(fields: Fields) -> ToolChoice:
    choice = fields.inside("tool_choice")
    if choice is None:
        return ToolChoice()
    kind = _CHOICES.get(choice.text("type"))
    if kind is None:
        raise Refused("tool_choice.type must be auto, any, tool or none")
    alone = choice.flag("disable_parallel_tool_use")
    made = ToolChoice(kind, choice.text("name"), None if alone is None else not alone)
    choice.done()
    return made


def _system(fields: Fields) -> tuple[str, ...]:
    if not fields.has("system"):
        fields.skip("system")
        return ()
    return tuple(part.text for part in _blocks(fields, "system", {}) if isinstance(part, Text))


def _tool(item: Fields) -> Tool:
    kind = item.text("type", "custom")
    if kind != "custom":
        item.refuse("type", f"tools of type {kind[:40]} have no counterpart")
        item.forget()
    item.only("eager_input_streaming", lambda value: isinstance(value, bool))
    return Tool(item.text("name"), item.text("description"), item.json("input_schema"), item.flag("strict"))


def _turn(item: Fields, names: dict[str, str]) -> Turn:
    role = item.text("role")
    if role not in ("user", "assistant", "system"):
        raise Refused(f"{item.where}.role must be user or assistant")
    return Turn(Role(role), tuple(_blocks(item, "content", names)))


def _blocks(item: Fields, key: str, names: dict[str, str]) -> list[Part]:
    content = item.any(key)
    if isinstance(content, str):
        return [Text(content)]
    return [_block(block, names) for block in Fields({key: content}, item.where, item.losses).objects(key)]


def _block(block: Fields, names: dict[str, str]) -> Part:
    kind = block.text("type")
    if kind == "text":
        block.only("citations", lambda value: value == [])
        return Text(block.text("text"))
    if kind in ("image", "document"):
        return _source(block, "image" if kind == "image" else "file")
    if kind == "tool_use":
        call, signature = parted(block.text("id"))
        name = block.text("name")
        names[call] = name
        block.skip("caller")
        return ToolUse(call, name, block.json("input") or "{}", signature)
    if kind == "tool_result":
        call, _ = parted(block.text("tool_use_id"))
        parts = _blocks(block, "content", {}) if block.has("content") else []
        fit = tuple(part for part in parts if isinstance(part, Text | Media))
        if len(fit) != len(parts):
            raise Refused(f"{block.where}.content must be text, images or documents")
        return ToolResult(call, names.get(call, ""), fit, bool(block.flag("is_error")))
    if kind == "thinking":
        return Thinking(block.text("thinking"), block.text("signature"))
    if kind == "redacted_thinking":
        return Thinking("", block.text("data"), sealed=True)
    raise Refused(f"{block.where}.type has no counterpart")


def _source(block: Fields, kind: str) -> Media | Text:
    source = block.inside("source")
    if source is None:
        raise Refused(f"{block.where}.source must be an object")
    form = source.text("type")
    title = block.text("title")
    block.only("citations", lambda value: value == {"enabled": False})
    made: Media | Text
    if form == "base64":
        made = Media(kind, source.text("media_type"), source.text("data"), name=title)
    elif form == "url":
        made = Media(kind, url=source.text("url"), name=title)
    elif form == "text":
        source.skip("media_type")
        if title:
            block.losses.lack("title")
        made = Text(source.text("data"))
    else:
        raise Refused(f"{source.where}.type has no counterpart: the file lies at another provider")
    source.done()
    return made


def write(conversation: Conversation, losses: Losses) -> tuple[str, dict[str, object]]:
    """Path and body."""
    system, turns = in_front(conversation.system, conversation.turns, losses)
    most = conversation.max_tokens
    if most is None:
        losses.lack("max_tokens", f"the other service needs a number, and gets {MAX_TOKENS}")
    body: dict[str, object] = {
        "model": conversation.model,
        "max_tokens": most if most is not None else MAX_TOKENS,
        "messages": [made for role, parts in merged(turns) if (made := _written(role, parts, losses))["content"]],
    }
    if system:
        body["system"] = [{"type": "text", "text": text} for text in system]
    if conversation.tools:
        body["tools"] = [_written_tool(tool) for tool in conversation.tools]
    _written_choice(conversation, body)
    _limits(conversation, body, losses)
    return PATH, body


def _written_choice(conversation: Conversation, body: dict[str, object]) -> None:
    choice = conversation.choice
    if (not choice.kind and choice.parallel is None) or not conversation.tools:
        return
    kind = {"named": "tool", "": "auto"}.get(choice.kind, choice.kind)
    made: dict[str, object] = {"type": kind}
    if kind == "tool":
        made["name"] = choice.name
    if choice.parallel is not None and kind != "none":
        made["disable_parallel_tool_use"] = not choice.parallel
    body["tool_choice"] = made


def _limits(conversation: Conversation, body: dict[str, object], losses: Losses) -> None:
    sampling, form, reasoning = conversation.sampling, conversation.format, conversation.reasoning
    told: dict[str, object] = {
        "stop_sequences": list(conversation.stop) or None,
        "stream": conversation.stream or None,
        "metadata": {"user_id": conversation.user} if conversation.user else None,
    }
    if reasoning is not None and reasoning.effort != "none":
        losses.lack("effort")
    if conversation.metadata:
        losses.lack("metadata")
    for name, value in (
        ("temperature", sampling.temperature),
        ("top_p", sampling.top_p),
        ("top_k", sampling.top_k),
        ("seed", sampling.seed),
        ("presence_penalty", sampling.presence or None),
        ("frequency_penalty", sampling.frequency or None),
    ):
        if value is not None:
            losses.lack(name)
    if form is not None and not form.schema:
        losses.refuse("response_format", "JSON without a schema cannot be asked for there")
    elif form is not None:
        told["output_config"] = {"format": {"type": "json_schema", "schema": raw(form.schema)}}
        if form.name or form.description or form.strict is not None:
            losses.lack("format_name")
    body |= {key: value for key, value in told.items() if value is not None}


def _written_tool(tool: Tool) -> dict[str, object]:
    schema: object = raw(tool.schema) if tool.schema else {"type": "object", "properties": {}}
    made: dict[str, object] = {"name": tool.name, "input_schema": schema}
    if tool.description:
        made["description"] = tool.description
    return made | ({"strict": True} if tool.strict else {})


def _written(role: Role, parts: list[Part], losses: Losses) -> dict[str, object]:
    # Results of tools must stand before what the user says beside them.
    ordered = sorted(parts, key=lambda part: not isinstance(part, ToolResult)) if role is Role.USER else parts
    if role is Role.ASSISTANT and any(isinstance(part, Media) for part in parts):
        losses.refuse("messages[].content", "the other dialect takes only text of the model's side")
    blocks = [block for part in ordered if (block := _written_part(part, losses)) is not None]
    return {"role": role.value, "content": blocks}


def _written_part(part: Part, losses: Losses) -> dict[str, object] | None:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text} if part.text else None  # an empty one is refused there
    if isinstance(part, ToolUse):
        call = riding(part.id, part.signature)
        return {"type": "tool_use", "id": anthropic_id(call), "name": part.name, "input": raw(part.arguments)}
    if isinstance(part, ToolResult):
        inside = [block for each in part.parts if (block := _written_part(each, losses)) is not None]
        made: dict[str, object] = {"type": "tool_result", "tool_use_id": anthropic_id(part.id), "content": inside}
        return made | ({"is_error": True} if part.is_error else {})
    if isinstance(part, Thinking):
        return _written_thinking(part, losses)
    return _written_media(part, losses)


def anthropic_id(call: str) -> str:
    """An id in the letters that are taken there."""
    return _NO_ID.sub("_", call)


def _written_thinking(part: Thinking, losses: Losses) -> dict[str, object] | None:
    if not part.signature:
        losses.lack("thinking")
        return None
    if part.sealed:
        return {"type": "redacted_thinking", "data": part.signature}
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _written_media(part: Media, losses: Losses) -> dict[str, object]:
    if part.kind not in ("image", "file") or (part.kind == "file" and part.data and not _fits(part)):
        losses.refuse("messages[].content", f"{part.media_type or part.kind} has no counterpart")
    if part.name and part.kind == "image":
        losses.lack("title")
    if part.detail not in ("", "auto"):
        losses.lack("detail")
    source: dict[str, object] = {"type": "url", "url": part.url}
    if not part.url:
        source = {"type": "base64", "media_type": part.media_type or "image/jpeg", "data": part.data}
    made: dict[str, object] = {"type": "image" if part.kind == "image" else "document", "source": source}
    return made | ({"title": part.name} if part.name and part.kind == "file" else {})


def _fits(part: Media) -> bool:
    return part.media_type == "application/pdf"
