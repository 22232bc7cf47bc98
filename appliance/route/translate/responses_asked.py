"""Requests in the dialect of OpenAI's Responses: read, and written.

Source: openai-python `types/responses/response_create_params.py`, `response_input_param.py`. Rules: as in fields.py;
what refers to a conversation that the provider keeps is refused, for no other provider has it.
"""

from typing import Final

from appliance.route.translate.chat_asked import choice_of, format_of, metadata_of, written_format
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
from appliance.route.translate.fields import Fields, decoded, raw
from appliance.route.translate.losses import Losses, Refused
from appliance.route.translate.parts import arguments_of, data_url, effort_in_words, media_of_url
from appliance.route.translate.signatures import parted, riding

PATH: Final = "/v1/responses"
_SIDES: Final = {
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
}


def read(_path: str, body: bytes, losses: Losses) -> Conversation:
    """A request's body."""
    fields = Fields(decoded(body), "", losses)
    instructions = fields.text("instructions")
    system, turns = _input(fields, (instructions,) if instructions else ())
    if fields.has("stream_options"):
        fields.lose("stream_options")
    fields.only("background", lambda value: value is False)
    fields.only("truncation", lambda value: value == "disabled")
    fields.only("top_logprobs", lambda value: value == 0)
    fields.only("include", lambda value: value in ([], ["reasoning.encrypted_content"]))
    made = Conversation(
        model=fields.text("model"),
        system=system,
        turns=turns,
        tools=tuple(_tool(item) for item in fields.objects("tools")),
        choice=choice_of(fields, ""),
        sampling=Sampling(fields.number("temperature"), fields.number("top_p")),
        max_tokens=fields.whole("max_output_tokens"),
        format=_format(fields),
        reasoning=_reasoning(fields),
        stream=bool(fields.flag("stream")),
        user=fields.text("user"),
        metadata=metadata_of(fields),
    )
    fields.done()
    return made


def _reasoning(fields: Fields) -> Reasoning | None:
    wanted = fields.inside("reasoning")
    if wanted is None:
        return None
    effort = wanted.text("effort")
    shown = bool(wanted.text("summary") or wanted.text("generate_summary"))
    wanted.done()
    if not effort and not shown:
        return None
    return Reasoning(effort_in_words(effort or "medium", "reasoning.effort"), shown)


def _format(fields: Fields) -> Format | None:
    wanted = fields.inside("text")
    if wanted is None:
        return None
    inside = wanted.inside("format")
    form: Format | None = None
    if inside is not None:
        kind = inside.text("type")
        if kind == "json_schema":
            form = format_of(inside)
        elif kind == "json_object":
            form = Format()
        elif kind != "text":
            raise Refused("text.format.type must be text, json_object or json_schema")
        inside.done()
    wanted.done()
    return form


def _tool(item: Fields) -> Tool:
    kind = item.text("type")
    if kind != "function":
        item.refuse("type", f"tools of type {kind[:40]} have no counterpart")
        item.forget()
        return Tool("")
    return Tool(item.text("name"), item.text("description"), item.json("parameters"), item.flag("strict"))


def _input(fields: Fields, system: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[Turn, ...]]:
    content = fields.any("input")
    if isinstance(content, str):
        return system, (Turn(Role.USER, (Text(content),)),)
    turns: list[tuple[Role, list[Part]]] = []
    names: dict[str, str] = {}
    front = list(system)
    for item in Fields({"input": content}, "", fields.losses).objects("input"):
        role, parts = _item(item, names)
        if role is Role.SYSTEM and not turns:
            front += [part.text for part in parts if isinstance(part, Text)]
        elif parts and turns and turns[-1][0] is role and _joins(*turns[-1], parts):
            turns[-1][1].extend(parts)
        elif parts:
            turns.append((role, parts))
    return tuple(front), tuple(Turn(role, tuple(parts)) for role, parts in turns)


def _joins(role: Role, before: list[Part], parts: list[Part]) -> bool:
    """Items of one answer of the model are one turn, and so are the results that follow it."""
    if role is Role.ASSISTANT:
        return True
    return isinstance(parts[0], ToolResult) and isinstance(before[-1], ToolResult)


def _item(item: Fields, names: dict[str, str]) -> tuple[Role, list[Part]]:
    kind = item.text("type", "message")
    item.skip("status")
    if kind == "message":
        return _message(item)
    if kind == "function_call":
        call, signature = parted(item.text("call_id"))
        item.skip("id")
        name = item.text("name")
        names[call] = name
        arguments = arguments_of(item.text("arguments"), f"{item.where}.arguments")
        return Role.ASSISTANT, [ToolUse(call, name, arguments, signature)]
    if kind == "function_call_output":
        call, _ = parted(item.text("call_id"))
        item.skip("id")
        parts = [part for part in _content(item, "output") if isinstance(part, Text | Media)]
        return Role.USER, [ToolResult(call, names.get(call, ""), tuple(parts))]
    if kind == "reasoning":
        return Role.ASSISTANT, [_thinking(item)]
    raise Refused(f"{item.where}.type has no counterpart")


def _message(item: Fields) -> tuple[Role, list[Part]]:
    role = _SIDES.get(item.text("role"))
    if role is None:
        raise Refused(f"{item.where}.role must be user, assistant, system or developer")
    item.skip("id", "phase")
    return role, _content(item, "content")


def _thinking(item: Fields) -> Thinking:
    item.skip("id")
    texts = [part.text("text") for part in _typed(item, "summary")] + [
        part.text("text") for part in _typed(item, "content")
    ]
    signature = item.text("encrypted_content")
    return Thinking("\n\n".join(texts), signature, sealed=bool(signature) and not any(texts))


def _typed(item: Fields, key: str) -> list[Fields]:
    found = []
    for part in item.objects(key):
        part.skip("type")
        text = part.text("text")
        found.append(Fields({"text": text}, part.where, item.losses))
    return found


def _content(item: Fields, key: str) -> list[Part]:
    content = item.any(key)
    if isinstance(content, str):
        return [Text(content)]
    found: list[Part] = []
    for part in Fields({key: content}, item.where, item.losses).objects(key):
        kind = part.text("type")
        if kind in ("input_text", "output_text"):
            part.only("annotations", lambda value: value == [])
            part.only("logprobs", lambda value: value == [])
            found.append(Text(part.text("text")))
        elif kind == "refusal":
            found.append(Text(part.text("refusal"), refusal=True))
        elif kind == "input_image":
            _not_kept(part)
            found.append(media_of_url("image", part.text("image_url"), detail=part.text("detail")))
        elif kind == "input_file":
            _not_kept(part)
            url = part.text("file_url") or part.text("file_data")
            found.append(media_of_url("file", url, part.text("filename")))
        else:
            raise Refused(f"{part.where}.type has no counterpart")
    return found


def _not_kept(part: Fields) -> None:
    if part.has("file_id"):
        part.refuse("file_id", "a file that lies at another provider")


def write(conversation: Conversation, losses: Losses) -> tuple[str, dict[str, object]]:
    """Path and body. Nothing is kept at the provider."""
    items: list[dict[str, object]] = []
    for turn in conversation.turns:
        items += _written(turn, losses)
    body: dict[str, object] = {"model": conversation.model, "input": items, "store": False}
    if conversation.system:
        body["instructions"] = "\n\n".join(conversation.system)
    if conversation.tools:
        body["tools"] = [_written_tool(tool) for tool in conversation.tools]
    choice = conversation.choice
    if choice.kind:
        named: object = {"type": "function", "name": choice.name}
        body["tool_choice"] = {"any": "required", "named": named}.get(choice.kind, choice.kind)
    _limits(conversation, body, losses)
    return PATH, body


def _limits(conversation: Conversation, body: dict[str, object], losses: Losses) -> None:
    sampling, form, reasoning = conversation.sampling, conversation.format, conversation.reasoning
    told: dict[str, object] = {
        "parallel_tool_calls": conversation.choice.parallel,
        "max_output_tokens": conversation.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "user": conversation.user or None,
        "metadata": dict(conversation.metadata) or None,
        "stream": conversation.stream or None,
    }
    if reasoning is not None:
        told["reasoning"] = {"effort": reasoning.effort} | ({"summary": "auto"} if reasoning.shown else {})
        told["include"] = ["reasoning.encrypted_content"]
    if form is not None:
        shape = {"type": "json_schema", **written_format(form)} if form.schema else {"type": "json_object"}
        told["text"] = {"format": shape}
    for name, value in (
        ("top_k", sampling.top_k),
        ("seed", sampling.seed),
        ("presence_penalty", sampling.presence or None),
        ("frequency_penalty", sampling.frequency or None),
        ("stop", conversation.stop or None),
    ):
        if value is not None:
            losses.lack(name)
    body |= {key: value for key, value in told.items() if value is not None}


def _written_tool(tool: Tool) -> dict[str, object]:
    parameters: object = raw(tool.schema) if tool.schema else {"type": "object", "properties": {}}
    made: dict[str, object] = {"type": "function", "name": tool.name, "parameters": parameters}
    if tool.description:
        made["description"] = tool.description
    return made | {"strict": bool(tool.strict)}  # its own default is true, which changes the schema


def _written(turn: Turn, losses: Losses) -> list[dict[str, object]]:
    items: list[dict[str, object]] = []
    message: list[dict[str, object]] = []
    for part in turn.parts:
        if isinstance(part, Text | Media):
            message.append(_written_part(part, turn.role, losses))
            continue
        items += _as_message(turn.role, message)
        message = []
        items += _written_item(part, losses)
    return items + _as_message(turn.role, message)


def _as_message(role: Role, message: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{"type": "message", "role": role.value, "content": message}] if message else []


def _written_item(part: Part, losses: Losses) -> list[dict[str, object]]:
    if isinstance(part, ToolUse):
        call = riding(part.id, part.signature)
        return [{"type": "function_call", "call_id": call, "name": part.name, "arguments": part.arguments}]
    if isinstance(part, ToolResult):
        if part.is_error:
            losses.lack("is_error")
        output: object = [_written_part(inside, Role.USER, losses) for inside in part.parts]
        if len(part.parts) == 1 and isinstance(part.parts[0], Text):
            output = part.parts[0].text
        return [{"type": "function_call_output", "call_id": part.id, "output": output}]
    if isinstance(part, Thinking) and part.signature:
        shown = [{"type": "summary_text", "text": part.text}] if part.text else []
        name, _, sealed = part.signature.rpartition("|")  # as responses_said.py joins them
        made: dict[str, object] = {"type": "reasoning", "summary": shown, "encrypted_content": sealed}
        return [made | ({"id": name} if name else {})]
    losses.lack("thinking")
    return []


def _written_part(part: Text | Media, role: Role, losses: Losses) -> dict[str, object]:
    if isinstance(part, Text):
        return {"type": "output_text" if role is Role.ASSISTANT else "input_text", "text": part.text}
    if part.name and (part.url or part.kind == "image"):
        losses.lack("title")
    if part.kind == "image" and role is Role.USER:
        return {"type": "input_image", "image_url": data_url(part), "detail": part.detail or "auto"}
    if part.kind == "file" and role is Role.USER:
        if part.url:
            return {"type": "input_file", "file_url": part.url}
        return {"type": "input_file", "filename": part.name or "document.pdf", "file_data": data_url(part)}
    losses.refuse("input[].content", f"{part.kind} has no counterpart here")
    return {"type": "input_text", "text": ""}
