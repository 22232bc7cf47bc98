"""Requests in the dialect of OpenAI's Chat Completions: read, and written.

Source: openai-python `types/chat/completion_create_params.py` and the params it names. Rules: as in fields.py; what a
field says by default anyway is no loss.
"""

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
from appliance.route.translate.parts import (
    arguments_of,
    data_url,
    effort_in_words,
    media_of_url,
    plain,
)
from appliance.route.translate.signatures import parted, riding

PATH: Final = "/v1/chat/completions"
_SOUNDS: Final = {"wav": "audio/wav", "mp3": "audio/mpeg"}
_MIDDLE: Final = frozenset({Role.SYSTEM})


def read(_path: str, body: bytes, losses: Losses) -> Conversation:
    """A request's body."""
    fields = Fields(decoded(body), "", losses)
    system, turns = _messages(fields)
    stream = bool(fields.flag("stream"))
    options = fields.inside("stream_options")
    usage = False
    if options is not None:
        usage = bool(options.flag("include_usage"))
        options.done()
    most = fields.whole("max_completion_tokens")
    older = fields.whole("max_tokens")
    effort = fields.text("reasoning_effort")
    fields.only("n", lambda value: value == 1)
    fields.only("logprobs", lambda value: value is False)
    fields.only("logit_bias", lambda value: value == {})
    fields.only("modalities", lambda value: value == ["text"])
    fields.only("top_logprobs", lambda value: value == 0)
    made = Conversation(
        model=fields.text("model"),
        system=system,
        turns=turns,
        tools=tuple(_tool(item) for item in fields.objects("tools")),
        choice=choice_of(fields, "function"),
        sampling=Sampling(
            fields.number("temperature"),
            fields.number("top_p"),
            None,
            fields.number("presence_penalty"),
            fields.number("frequency_penalty"),
            fields.whole("seed"),
        ),
        max_tokens=most if most is not None else older,
        stop=fields.texts("stop"),
        format=_format(fields),
        reasoning=Reasoning(effort_in_words(effort, "reasoning_effort")) if effort else None,
        stream=stream,
        usage=usage,
        user=fields.text("user"),
        metadata=metadata_of(fields),
    )
    fields.done()
    return made


def metadata_of(fields: Fields) -> tuple[tuple[str, str], ...]:
    """A caller's own labels."""
    labels = fields.any("metadata")
    if not isinstance(labels, dict):
        return ()
    return tuple((str(key), value) for key, value in labels.items() if isinstance(value, str))


def choice_of(fields: Fields, inner: str) -> ToolChoice:
    """`tool_choice` and `parallel_tool_calls`; `inner`: the key below which a named one has its name, or empty."""
    parallel = fields.flag("parallel_tool_calls")
    word = fields.any("tool_choice")
    if word is None:
        return ToolChoice(parallel=parallel)
    if isinstance(word, str):
        kinds = {"auto": "auto", "required": "any", "any": "any", "none": "none"}
        if word not in kinds:
            raise Refused("tool_choice must be auto, required, none or a function")
        return ToolChoice(kinds[word], parallel=parallel)
    named = Fields(word, "tool_choice", fields.losses)
    if named.text("type") != "function":
        raise Refused("tool_choice: only functions can be carried over")
    holder = named.inside(inner) if inner else named
    name = holder.text("name") if holder is not None else ""
    named.done()
    return ToolChoice("named", name, parallel)


def _tool(item: Fields) -> Tool:
    kind = item.text("type")
    function = item.inside("function")
    if kind != "function" or function is None:
        item.refuse("type", f"tools of type {kind[:40]} have no counterpart")
        item.forget()
        return Tool("")
    tool = Tool(
        function.text("name"), function.text("description"), function.json("parameters"), function.flag("strict")
    )
    function.done()
    return tool


def _format(fields: Fields) -> Format | None:
    wanted = fields.inside("response_format")
    if wanted is None:
        return None
    kind = wanted.text("type")
    form: Format | None = None
    if kind == "json_schema":
        inside = wanted.inside("json_schema")
        if inside is None:
            raise Refused("response_format.json_schema must be an object")
        form = format_of(inside)
        inside.done()
    elif kind == "json_object":
        form = Format()
    elif kind != "text":
        raise Refused("response_format.type must be text, json_object or json_schema")
    wanted.done()
    return form


def format_of(inside: Fields) -> Format:
    """A schema with its name, as both of OpenAI's dialects write it."""
    return Format(inside.json("schema"), inside.text("name"), inside.text("description"), inside.flag("strict"))


def _messages(fields: Fields) -> tuple[tuple[str, ...], tuple[Turn, ...]]:
    system: list[str] = []
    turns: list[tuple[Role, list[Part]]] = []
    names: dict[str, str] = {}
    before = ""
    for item in fields.objects("messages"):
        role = item.text("role")
        if role in ("system", "developer"):
            text = _text_of(item)
            if turns:
                turns.append((Role.SYSTEM, [Text(text)]))
            else:
                system.append(text)
        elif role == "user":
            turns.append((Role.USER, _content(item)))
        elif role == "assistant":
            turns.append((Role.ASSISTANT, _assistant(item, names)))
        elif role == "tool":
            call, _ = parted(item.text("tool_call_id"))
            result = ToolResult(call, names.get(call, ""), tuple(_content(item, media=False)))  # type: ignore[arg-type]
            if before == role:
                turns[-1][1].append(result)
            else:
                turns.append((Role.USER, [result]))
        else:
            raise Refused(f"{item.where}.role must be system, developer, user, assistant or tool")
        before = role
    return tuple(system), tuple(Turn(role, tuple(parts)) for role, parts in turns)


def _assistant(item: Fields, names: dict[str, str]) -> list[Part]:
    thought = item.text("reasoning_content")
    parts: list[Part] = [Thinking(thought)] if thought else []
    parts += _content(item)
    refusal = item.text("refusal")
    if refusal:
        parts.append(Text(refusal, refusal=True))
    for call in item.objects("tool_calls"):
        if call.text("type", "function") != "function":
            call.refuse("type", "only functions can be carried over")
            continue
        call.skip("index")
        name, signature = parted(call.text("id"))
        function = call.inside("function")
        if function is None:
            raise Refused(f"{call.where}.function must be an object")
        arguments = arguments_of(function.text("arguments"), f"{call.where}.function.arguments")
        parts.append(ToolUse(name, function.text("name"), arguments, signature))
        names[name] = parts[-1].name if isinstance(parts[-1], ToolUse) else ""
        function.done()
    item.only("annotations", lambda value: value == [])
    return parts


def _text_of(item: Fields) -> str:
    return "\n".join(part.text for part in _content(item, media=False) if isinstance(part, Text))


def _content(item: Fields, *, media: bool = True) -> list[Part]:
    """Content: a string, or parts."""
    if not item.has("content"):
        item.skip("content")
        return []
    content = item.any("content")
    if isinstance(content, str):
        return [Text(content)]
    found: list[Part] = []
    inside = Fields({"content": content}, item.where, item.losses)
    for part in inside.objects("content"):
        kind = part.text("type")
        if kind == "text":
            found.append(Text(part.text("text")))
        elif kind == "refusal":
            found.append(Text(part.text("refusal"), refusal=True))
        elif media:
            found.append(_media(kind, part))
        else:
            raise Refused(f"{part.where}.type must be text here")
    return found


def _media(kind: str, part: Fields) -> Media:
    inside = part.inside(kind)
    if inside is None:
        raise Refused(f"{part.where}.type has no counterpart")
    if kind == "image_url":
        media = media_of_url("image", inside.text("url"), detail=inside.text("detail"))
    elif kind == "input_audio":
        form = inside.text("format")
        media = Media("audio", _SOUNDS.get(form, f"audio/{form}"), inside.text("data"))
    elif kind == "file":
        if inside.has("file_id"):
            inside.refuse("file_id", "a file that lies at another provider")
        media = media_of_url("file", inside.text("file_data"), inside.text("filename"))
    else:
        raise Refused(f"{part.where}.type has no counterpart")
    inside.done()
    return media


def write(conversation: Conversation, losses: Losses) -> tuple[str, dict[str, object]]:
    """Path and body."""
    messages: list[dict[str, object]] = [{"role": "system", "content": text} for text in conversation.system]
    for turn in conversation.turns:
        messages += _written(turn, losses)
    body: dict[str, object] = {"model": conversation.model, "messages": messages}
    if conversation.tools:
        body["tools"] = [{"type": "function", "function": written_tool(tool)} for tool in conversation.tools]
    choice = conversation.choice
    if choice.kind:
        named: object = {"type": "function", "function": {"name": choice.name}}
        body["tool_choice"] = {"any": "required", "named": named}.get(choice.kind, choice.kind)
    _limits(conversation, body, losses)
    if conversation.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return PATH, body


def _limits(conversation: Conversation, body: dict[str, object], losses: Losses) -> None:
    sampling, form = conversation.sampling, conversation.format
    told: dict[str, object] = {
        "parallel_tool_calls": conversation.choice.parallel,
        "max_completion_tokens": conversation.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "presence_penalty": sampling.presence,
        "frequency_penalty": sampling.frequency,
        "seed": sampling.seed,
        "stop": list(conversation.stop) or None,
        "user": conversation.user or None,
        "metadata": dict(conversation.metadata) or None,
        "reasoning_effort": conversation.reasoning.effort if conversation.reasoning else None,
    }
    if conversation.reasoning and conversation.reasoning.shown:
        losses.lack("shown")
    if sampling.top_k is not None:
        losses.lack("top_k")
    if form is not None:
        told["response_format"] = (
            {"type": "json_schema", "json_schema": written_format(form)} if form.schema else {"type": "json_object"}
        )
    body |= {key: value for key, value in told.items() if value is not None}


def written_tool(tool: Tool) -> dict[str, object]:
    """A function, as Chat and Ollama write it."""
    made: dict[str, object] = {"name": tool.name}
    if tool.description:
        made["description"] = tool.description
    if tool.schema:
        made["parameters"] = raw(tool.schema)
    return made if tool.strict is None else made | {"strict": tool.strict}


def written_format(form: Format) -> dict[str, object]:
    """A schema, which must have a name."""
    made: dict[str, object] = {"name": form.name or "answer", "schema": raw(form.schema)}
    if form.description:
        made["description"] = form.description
    return made if form.strict is None else made | {"strict": form.strict}


def _written(turn: Turn, losses: Losses) -> list[dict[str, object]]:
    if turn.role is Role.ASSISTANT:
        return [_written_assistant(turn, losses)]
    if turn.role in _MIDDLE:
        return [{"role": "system", "content": part.text} for part in turn.parts if isinstance(part, Text)]
    results = [part for part in turn.parts if isinstance(part, ToolResult)]
    messages: list[dict[str, object]] = [
        {"role": "tool", "tool_call_id": part.id, "content": plain(part, losses, "tool_result.content")}
        for part in results
    ]
    rest = [part for part in turn.parts if not isinstance(part, ToolResult)]
    if len(rest) == 1 and isinstance(rest[0], Text):
        messages.append({"role": "user", "content": rest[0].text})
    elif rest or not messages:
        messages.append({"role": "user", "content": [_written_part(part, losses) for part in rest]})
    return messages


def _written_assistant(turn: Turn, losses: Losses) -> dict[str, object]:
    said = [part for part in turn.parts if isinstance(part, Text)]
    calls = [part for part in turn.parts if isinstance(part, ToolUse)]
    made: dict[str, object] = {"role": "assistant", "content": "".join(part.text for part in said) if said else None}
    for part in turn.parts:
        if isinstance(part, Thinking):
            losses.lack("thinking")
        elif not isinstance(part, Text | ToolUse):
            losses.refuse("messages[].content", "the other dialect takes only text of the model's side")
    if calls:
        made["tool_calls"] = [written_call(call) for call in calls]
    return made


def written_call(call: ToolUse) -> dict[str, object]:
    """A call whose arguments are JSON text."""
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": riding(call.id, call.signature), "type": "function", "function": function}


def _written_part(part: Part, losses: Losses) -> dict[str, object]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Media) and part.kind != "file" and part.name:
        losses.lack("title")
    if isinstance(part, Media) and part.kind == "image":
        detail = {"detail": part.detail} if part.detail else {}
        return {"type": "image_url", "image_url": {"url": data_url(part), **detail}}
    if isinstance(part, Media) and part.kind == "audio" and part.data:
        form = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3"}.get(part.media_type, "")
        if form or part.media_type.endswith("/mp3"):
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": form or "mp3"}}
    if isinstance(part, Media) and part.kind == "file" and part.data:
        name = part.name or "document.pdf"
        return {"type": "file", "file": {"filename": name, "file_data": data_url(part)}}
    losses.refuse("messages[].content", f"{getattr(part, 'kind', 'this part')} of this kind has no counterpart")
    return {"type": "text", "text": ""}
