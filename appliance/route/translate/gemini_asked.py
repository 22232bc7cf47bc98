"""Requests in the dialect of Gemini's generateContent: read, and written.

Source: Gemini API reference (v1beta) `GenerateContentRequest`; python-genai `types.py`. Rules: as in fields.py; keys
come in camel case and in snake case; model, stream and framing stand in the path; schemas are written as JSON Schema
(`parametersJsonSchema`, `responseJsonSchema`), which that service takes beside its own kind.
"""

import re
from typing import Final
from urllib.parse import quote

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
from appliance.route.translate.fields import Fields, decoded, encoded, raw
from appliance.route.translate.losses import Losses, Refused
from appliance.route.translate.parts import (
    Pending,
    effort_in_words,
    effort_of,
    in_front,
    merged,
    names_of_calls,
    plain,
    result_or_text,
    tokens_of,
)
from appliance.route.translate.schemas import json_schema

_PATH: Final = re.compile(r".*/models/([^/:?]+):(generateContent|streamGenerateContent)(?:\?(.*))?\Z", re.DOTALL)
_PLAIN: Final = "-_.~"
_MODES: Final = {"AUTO": "auto", "ANY": "any", "NONE": "none", "MODE_UNSPECIFIED": "auto", "VALIDATED": "auto"}


def read(path: str, body: bytes, losses: Losses) -> Conversation:
    """A request's path and body."""
    found = _PATH.match(path)
    if found is None:
        raise Refused("the path names no model and no call that can be carried over", 404)
    stream = found[2] == "streamGenerateContent"
    sse = "alt=sse" in (found[3] or "").split("&")
    fields = Fields(decoded(body), "", losses).camel()
    fields.skip("model")
    turns = _contents(fields)
    system = fields.inside("systemInstruction")
    front: tuple[str, ...] = ()
    if system is not None:
        system.skip("role")
        front = tuple(part.text for part in _parts(system, Pending()) if isinstance(part, Text))
        system.done()
    tools = _tools(fields)
    choice = _choice(fields)
    options = fields.inside("generationConfig") or Fields({}, "", losses)
    made = _configured(options.camel(), found[1], turns)
    options.done()
    if fields.has("safetySettings"):
        fields.lose("safetySettings")
    if fields.has("labels"):
        fields.lose("labels")
    fields.done()
    framing = "sse" if sse or not stream else "array"
    return _with(made, front, tools, choice, stream, framing)


def _with(
    made: Conversation,
    system: tuple[str, ...],
    tools: tuple[Tool, ...],
    choice: ToolChoice,
    stream: bool,
    framing: str,
) -> Conversation:
    return Conversation(
        model=made.model,
        turns=made.turns,
        system=system,
        tools=tools,
        choice=choice,
        sampling=made.sampling,
        max_tokens=made.max_tokens,
        stop=made.stop,
        format=made.format,
        reasoning=made.reasoning,
        stream=stream,
        framing=framing,
    )


def _configured(options: Fields, model: str, turns: tuple[Turn, ...]) -> Conversation:
    options.only("candidateCount", lambda value: value == 1)
    options.only("responseModalities", lambda value: value in ([], ["TEXT"]))
    options.only("responseLogprobs", lambda value: value is False)
    kind = options.text("responseMimeType", "text/plain")
    if kind not in ("text/plain", "application/json"):
        options.refuse("responseMimeType", "has no counterpart")
    own, plain_schema = options.any("responseSchema"), options.any("responseJsonSchema")
    schema = plain_schema if plain_schema is not None else json_schema(own)
    form: Format | None = None
    if isinstance(schema, dict):
        form = Format(encoded(schema))
    elif kind == "application/json":
        form = Format()
    return Conversation(
        model=model,
        turns=turns,
        sampling=Sampling(
            options.number("temperature"),
            options.number("topP"),
            options.whole("topK"),
            options.number("presencePenalty"),
            options.number("frequencyPenalty"),
            options.whole("seed"),
        ),
        max_tokens=options.whole("maxOutputTokens"),
        stop=options.texts("stopSequences"),
        format=form,
        reasoning=_reasoning(options),
    )


def _reasoning(options: Fields) -> Reasoning | None:
    wanted = options.inside("thinkingConfig")
    if wanted is None:
        return None
    wanted.camel()
    budget, level = wanted.whole("thinkingBudget"), wanted.text("thinkingLevel").lower()
    shown = bool(wanted.flag("includeThoughts"))
    wanted.done()
    if level:
        return Reasoning(effort_in_words(level, "thinkingConfig.thinkingLevel"), shown)
    return Reasoning(effort_of(budget), shown) if budget is not None else Reasoning("medium", shown) if shown else None


def _choice(fields: Fields) -> ToolChoice:
    config = fields.inside("toolConfig")
    if config is None:
        return ToolChoice()
    inside = config.camel().inside("functionCallingConfig")
    config.done()
    if inside is None:
        return ToolChoice()
    mode = inside.camel().text("mode", "AUTO").upper()
    names = inside.texts("allowedFunctionNames")
    inside.done()
    if mode not in _MODES:
        raise Refused("toolConfig.functionCallingConfig.mode must be AUTO, ANY, NONE or VALIDATED")
    if names and (len(names) > 1 or mode != "ANY"):
        inside.refuse("allowedFunctionNames", "several names have no counterpart")
    return ToolChoice("named", names[0]) if names else ToolChoice(_MODES[mode])


def _tools(fields: Fields) -> tuple[Tool, ...]:
    found: list[Tool] = []
    for item in fields.objects("tools"):
        item.camel()
        for function in item.objects("functionDeclarations"):
            function.camel()
            own, schema = function.any("parameters"), function.any("parametersJsonSchema")
            schema = schema if schema is not None else json_schema(own)
            text = encoded(schema) if isinstance(schema, dict) else ""
            found.append(Tool(function.text("name"), function.text("description"), text))
    return tuple(found)


def _contents(fields: Fields) -> tuple[Turn, ...]:
    pending = Pending()
    turns: list[Turn] = []
    for item in fields.objects("contents"):
        role = item.text("role", "user")
        if role not in ("user", "model", "function"):
            raise Refused(f"{item.where}.role must be user or model")
        side = Role.ASSISTANT if role == "model" else Role.USER
        turns.append(Turn(side, tuple(_parts(item, pending))))
    return tuple(turns)


def _parts(item: Fields, pending: Pending) -> list[Part]:
    return [found for part in item.objects("parts") if (found := _part(part.camel(), pending)) is not None]


def _part(part: Fields, pending: Pending) -> Part | None:  # noqa: PLR0911 - one for each kind
    signature = part.text("thoughtSignature")
    if part.has("text"):
        text = part.text("text")
        if part.flag("thought"):
            return Thinking(text, signature)
        if signature and not text:
            return Thinking("", signature)
        if signature:
            part.losses.lack("signature")
        return Text(text)
    if part.has("functionCall"):
        return _call(part, signature, pending)
    if part.has("functionResponse"):
        return _result(part, pending)
    for key, place in (("inlineData", "data"), ("fileData", "fileUri")):
        inside = part.inside(key)
        if inside is not None:
            return _media(inside.camel(), place)
    if signature:
        return Thinking("", signature)
    return None


def _call(part: Fields, signature: str, pending: Pending) -> ToolUse:
    inside = part.inside("functionCall")
    if inside is None:
        raise Refused(f"{part.where}.functionCall must be an object")
    name = inside.text("name")
    made = ToolUse(pending.call(inside.text("id"), name), name, inside.json("args") or "{}", signature)
    inside.done()
    return made


def _result(part: Fields, pending: Pending) -> ToolResult:
    inside = part.inside("functionResponse")
    if inside is None:
        raise Refused(f"{part.where}.functionResponse must be an object")
    call, name = pending.result(inside.text("id"), inside.text("name"))
    response = inside.any("response")
    inside.done()
    text = encoded(response)
    if isinstance(response, dict) and len(response) == 1:
        (key, only), *_ = response.items()
        if key in ("result", "output", "error") and isinstance(only, str):
            return ToolResult(call, name, (Text(only),), key == "error")
    return ToolResult(call, name, (Text(text),))


def _media(inside: Fields, place: str) -> Media:
    kind = inside.text("mimeType")
    name = inside.text("displayName")
    value = inside.text(place)
    if "/files/" in value and place == "fileUri":
        inside.refuse("fileUri", "a file that lies at another provider")
    inside.done()
    family = kind.partition("/")[0]
    if family == "video":
        inside.refuse("mimeType", "video has no counterpart")
    sort = family if family in ("image", "audio") else "file"
    return Media(sort, kind, value, name=name) if place == "data" else Media(sort, kind, url=value, name=name)


def write(conversation: Conversation, losses: Losses) -> tuple[str, dict[str, object]]:
    """Path and body."""
    system, turns = in_front(conversation.system, conversation.turns, losses)
    names = names_of_calls(turns)
    contents = [
        {
            "role": "model" if role is Role.ASSISTANT else "user",
            "parts": made,
        }
        for role, parts in merged(turns)
        if (made := [each for part in parts for each in _written(part, names, losses)])
    ]
    body: dict[str, object] = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": [{"text": text} for text in system]}
    if conversation.tools:
        body["tools"] = [{"functionDeclarations": [_written_tool(tool, losses) for tool in conversation.tools]}]
        _written_choice(conversation.choice, body, losses)
    options = _options(conversation, losses)
    if options:
        body["generationConfig"] = options
    call = "streamGenerateContent?alt=sse" if conversation.stream else "generateContent"
    # Quoted as in other_model.py: a name that a caller chose is no piece of a path.
    return f"/v1beta/models/{quote(conversation.model, safe=_PLAIN)}:{call}", body


def _written_choice(choice: ToolChoice, body: dict[str, object], losses: Losses) -> None:
    if choice.parallel is False:
        losses.refuse("parallel_tool_calls", "one call at a time cannot be asked for there")
    if not choice.kind:
        return
    config: dict[str, object] = {"mode": {"named": "ANY"}.get(choice.kind, choice.kind.upper())}
    if choice.kind == "named":
        config["allowedFunctionNames"] = [choice.name]
    body["toolConfig"] = {"functionCallingConfig": config}


def _options(conversation: Conversation, losses: Losses) -> dict[str, object]:
    sampling, form, reasoning = conversation.sampling, conversation.format, conversation.reasoning
    told: dict[str, object] = {
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "topK": sampling.top_k,
        "presencePenalty": sampling.presence,
        "frequencyPenalty": sampling.frequency,
        "seed": sampling.seed,
        "maxOutputTokens": conversation.max_tokens,
        "stopSequences": list(conversation.stop) or None,
    }
    for name in ("user", "metadata"):
        if getattr(conversation, name):
            losses.lack(name)
    if form is not None:
        told["responseMimeType"] = "application/json"
        if form.schema:
            told["responseJsonSchema"] = raw(form.schema)
        if form.name or form.description or form.strict is not None:
            losses.lack("format_name")
    if reasoning is not None:
        told["thinkingConfig"] = {"thinkingBudget": tokens_of(reasoning), "includeThoughts": bool(reasoning.shown)}
    return {key: value for key, value in told.items() if value is not None}


def _written_tool(tool: Tool, losses: Losses) -> dict[str, object]:
    made: dict[str, object] = {"name": tool.name}
    if tool.description:
        made["description"] = tool.description
    if tool.schema:
        made["parametersJsonSchema"] = raw(tool.schema)
    if tool.strict:
        losses.lack("strict")
    return made


def _written(part: Part, names: dict[str, str], losses: Losses) -> list[dict[str, object]]:
    if isinstance(part, Text):
        return [{"text": part.text}]
    if isinstance(part, ToolUse):
        call: dict[str, object] = {"functionCall": {"id": part.id, "name": part.name, "args": raw(part.arguments)}}
        return [call | ({"thoughtSignature": part.signature} if part.signature else {})]
    if isinstance(part, ToolResult):
        text = plain(part, losses, "tool_result.content")
        response: object = raw(encoded({"error": text})) if part.is_error else raw(result_or_text(text))
        name = names.get(part.id, part.name)
        return [{"functionResponse": {"id": part.id, "name": name, "response": response}}]
    if isinstance(part, Thinking):
        if not part.signature:
            losses.lack("thinking")
            return []
        return [{"text": part.text, "thought": True, "thoughtSignature": part.signature}]
    return [_written_media(part, losses)]


def _written_media(part: Media, losses: Losses) -> dict[str, object]:
    if part.detail not in ("", "auto"):
        losses.lack("detail")
    if part.name and not part.data:
        losses.lack("title")
    name = {"displayName": part.name} if part.name and part.data else {}
    if part.data:
        kind = part.media_type or {"image": "image/jpeg", "audio": "audio/wav"}.get(part.kind, "application/pdf")
        return {"inlineData": {"mimeType": kind, "data": part.data, **name}}
    kind = part.media_type or _guessed(part)
    return {"fileData": {"fileUri": part.url} | ({"mimeType": kind} if kind else {})}


def _guessed(part: Media) -> str:
    """The type that a URL's ending tells."""
    ending = part.url.partition("?")[0].rpartition(".")[2].lower()
    known = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}
    return (known | {"pdf": "application/pdf"}).get(ending, "")
