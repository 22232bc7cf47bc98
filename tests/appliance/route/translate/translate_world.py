"""One conversation and its answers as each dialect writes them, by hand: what translations are held against.

Nothing here is made by the code under test.
"""

import json

CHAT, RESPONSES, MESSAGES = "openai.chat", "openai.responses", "anthropic.messages"
GEMINI, OLLAMA = "gemini.generate", "ollama.chat"
APIS = (CHAT, RESPONSES, MESSAGES, GEMINI, OLLAMA)
PAIRS = [(source, target) for source in APIS for target in APIS if source != target]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
URL = "https://example.test/cat.png"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PARIS, ROME = {"city": "Paris"}, {"city": "Rome"}
THOUGHT, SAID = "Let me see.", "It is noon — naïve?"
PIECES = ("It is", " noon —", " naïve?")
FAILURE = "Slow down, please."


def path_of(api: str, *, stream: bool = False) -> str:
    if api == GEMINI:
        call = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/v1beta/models/model-a:{call}"
    return {CHAT: "/v1/chat/completions", RESPONSES: "/v1/responses", MESSAGES: "/v1/messages", OLLAMA: "/api/chat"}[
        api
    ]


def asked(api: str, *features: str) -> dict:
    """A request: `stream`, `system`, `image`, `url`, `tools`, `results`, `schema`, `stop`, `named`."""
    return _ASKED[api](set(features))


def _openai_part(features: set[str]) -> dict | None:
    if "url" in features:
        return {"type": "image_url", "image_url": {"url": URL}}
    if "image" in features:
        return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    return None


def _chat(features: set[str]) -> dict:
    messages: list[dict] = [{"role": "system", "content": "Be brief."}] if "system" in features else []
    picture = _openai_part(features)
    content = [{"type": "text", "text": "Weather?"}, picture] if picture else "Weather?"
    messages.append({"role": "user", "content": content})
    if "results" in features:
        calls = [
            {"id": f"call_{n}", "type": "function", "function": {"name": "get_weather", "arguments": json.dumps(city)}}
            for n, city in enumerate((PARIS, ROME))
        ]
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        messages += [{"role": "tool", "tool_call_id": f"call_{n}", "content": w} for n, w in enumerate(("sun", "rain"))]
    ask: dict = {"model": "model-a", "messages": messages, "max_completion_tokens": 100, "temperature": 0.5}
    if features & {"tools", "results", "named"}:
        function = {"name": "get_weather", "description": "Of a city.", "parameters": SCHEMA}
        ask["tools"] = [{"type": "function", "function": function}]
    if "named" in features:
        ask["tool_choice"] = {"type": "function", "function": {"name": "get_weather"}}
    if "schema" in features:
        ask["response_format"] = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}
    if "stop" in features:
        ask["stop"] = ["HALT"]
    if "stream" in features:
        ask |= {"stream": True, "stream_options": {"include_usage": True}}
    return ask


def _responses(features: set[str]) -> dict:
    picture = {"type": "input_image", "image_url": URL if "url" in features else f"data:image/png;base64,{PNG}"}
    content: list[dict] = [{"type": "input_text", "text": "Weather?"}]
    items: list[dict] = [{"role": "user", "content": [*content, picture] if features & {"image", "url"} else content}]
    if "results" in features:
        items += [
            {"type": "function_call", "call_id": f"call_{n}", "name": "get_weather", "arguments": json.dumps(city)}
            for n, city in enumerate((PARIS, ROME))
        ]
        items += [
            {"type": "function_call_output", "call_id": f"call_{n}", "output": w} for n, w in enumerate(("sun", "rain"))
        ]
    ask: dict = {"model": "model-a", "input": items, "max_output_tokens": 100, "temperature": 0.5}
    if "system" in features:
        ask["instructions"] = "Be brief."
    if features & {"tools", "results", "named"}:
        ask["tools"] = [
            {
                "type": "function",
                "name": "get_weather",
                "description": "Of a city.",
                "parameters": SCHEMA,
                "strict": None,
            }
        ]
    if "named" in features:
        ask["tool_choice"] = {"type": "function", "name": "get_weather"}
    if "schema" in features:
        ask["text"] = {"format": {"type": "json_schema", "name": "city", "schema": SCHEMA}}
    return ask | ({"stream": True} if "stream" in features else {})


def _messages(features: set[str]) -> dict:
    content: list[dict] = [{"type": "text", "text": "Weather?"}]
    if "image" in features:
        content.append({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}})
    if "url" in features:
        content.append({"type": "image", "source": {"type": "url", "url": URL}})
    messages: list[dict] = [{"role": "user", "content": content}]
    if "results" in features:
        calls = [
            {"type": "tool_use", "id": f"call_{n}", "name": "get_weather", "input": city}
            for n, city in enumerate((PARIS, ROME))
        ]
        results = [
            {"type": "tool_result", "tool_use_id": f"call_{n}", "content": w} for n, w in enumerate(("sun", "rain"))
        ]
        messages += [{"role": "assistant", "content": calls}, {"role": "user", "content": results}]
    ask: dict = {"model": "model-a", "max_tokens": 100, "messages": messages, "temperature": 0.5}
    if "system" in features:
        ask["system"] = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    if features & {"tools", "results", "named"}:
        ask["tools"] = [{"name": "get_weather", "description": "Of a city.", "input_schema": SCHEMA}]
    if "named" in features:
        ask["tool_choice"] = {"type": "tool", "name": "get_weather"}
    if "schema" in features:
        ask["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
    if "stop" in features:
        ask["stop_sequences"] = ["HALT"]
    return ask | ({"stream": True} if "stream" in features else {})


def _gemini(features: set[str]) -> dict:
    parts: list[dict] = [{"text": "Weather?"}]
    if "image" in features:
        parts.append({"inline_data": {"mime_type": "image/png", "data": PNG}})
    if "url" in features:
        parts.append({"fileData": {"mimeType": "image/png", "fileUri": URL}})
    contents: list[dict] = [{"role": "user", "parts": parts}]
    if "results" in features:
        calls = [{"functionCall": {"name": "get_weather", "args": city}} for city in (PARIS, ROME)]
        results = [
            {"functionResponse": {"name": "get_weather", "response": {"result": word}}} for word in ("sun", "rain")
        ]
        contents += [{"role": "model", "parts": calls}, {"role": "user", "parts": results}]
    options: dict = {"maxOutputTokens": 100, "temperature": 0.5}
    ask: dict = {"contents": contents, "generationConfig": options}
    if "system" in features:
        ask["system_instruction"] = {"parts": [{"text": "Be brief."}]}
    if features & {"tools", "results", "named"}:
        own = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}
        function = {"name": "get_weather", "description": "Of a city.", "parameters": own}
        ask["tools"] = [{"functionDeclarations": [function]}]
    if "named" in features:
        config = {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}
        ask["toolConfig"] = {"functionCallingConfig": config}
    if "schema" in features:
        options |= {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}
    if "stop" in features:
        options["stopSequences"] = ["HALT"]
    return ask


def _ollama(features: set[str]) -> dict:
    messages: list[dict] = [{"role": "system", "content": "Be brief."}] if "system" in features else []
    messages.append({"role": "user", "content": "Weather?"} | ({"images": [PNG]} if "image" in features else {}))
    if "results" in features:
        calls = [{"function": {"name": "get_weather", "arguments": city}} for city in (PARIS, ROME)]
        messages.append({"role": "assistant", "content": "", "tool_calls": calls})
        messages += [{"role": "tool", "tool_name": "get_weather", "content": word} for word in ("sun", "rain")]
    options: dict = {"num_predict": 100, "temperature": 0.5}
    ask: dict = {"model": "model-a", "messages": messages, "options": options, "stream": "stream" in features}
    if features & {"tools", "results"}:
        function = {"name": "get_weather", "description": "Of a city.", "parameters": SCHEMA}
        ask["tools"] = [{"type": "function", "function": function}]
    if "schema" in features:
        ask["format"] = SCHEMA
    if "stop" in features:
        options["stop"] = ["HALT"]
    return ask


_ASKED = {CHAT: _chat, RESPONSES: _responses, MESSAGES: _messages, GEMINI: _gemini, OLLAMA: _ollama}
# What a dialect has no words for at all.
LACKS = {RESPONSES: {"stop"}, OLLAMA: {"url", "named"}}


def whole(api: str, case: str) -> bytes:
    """An answer in one piece: `chat` is text behind reasoning, `tools` two calls, `length`, `refused`."""
    return json.dumps(_WHOLE[api](case)).encode()


def _chat_whole(case: str) -> dict:
    message: dict = {"role": "assistant", "content": SAID, "reasoning_content": THOUGHT}
    if case == "tools":
        calls = [
            {"id": f"call_{n}", "type": "function", "function": {"name": "get_weather", "arguments": json.dumps(city)}}
            for n, city in enumerate((PARIS, ROME))
        ]
        message = {"role": "assistant", "content": None, "tool_calls": calls}
    stop = {"chat": "stop", "tools": "tool_calls", "length": "length", "refused": "content_filter"}[case]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "model-b",
        "choices": [{"index": 0, "message": message, "finish_reason": stop}],
        "usage": _CHAT_USAGE,
    }


_CHAT_USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 40},
    "completion_tokens_details": {"reasoning_tokens": 5},
}


def _responses_items(case: str) -> list[dict]:
    if case == "tools":
        return [
            {
                "type": "function_call",
                "id": f"fc_{n}",
                "call_id": f"call_{n}",
                "name": "get_weather",
                "arguments": json.dumps(city),
            }
            for n, city in enumerate((PARIS, ROME))
        ]
    part = {"type": "output_text", "text": SAID, "annotations": []}
    return [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": THOUGHT}]},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]},
    ]


def _responses_whole(case: str) -> dict:
    cut = {"length": "max_output_tokens", "refused": "content_filter"}.get(case)
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": cut} if cut else None,
        "error": None,
        "model": "model-b",
        "output": _responses_items(case),
        "usage": {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 40},
            "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 5},
            "total_tokens": 120,
        },
    }


def _messages_whole(case: str) -> dict:
    content: list[dict] = [
        {"type": "thinking", "thinking": THOUGHT, "signature": "c2lnbmVk"},
        {"type": "text", "text": SAID},
    ]
    if case == "tools":
        content = [
            {"type": "tool_use", "id": f"call_{n}", "name": "get_weather", "input": city}
            for n, city in enumerate((PARIS, ROME))
        ]
    stop = {"chat": "end_turn", "tools": "tool_use", "length": "max_tokens", "refused": "refusal"}[case]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "model-b",
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 60, "cache_read_input_tokens": 40, "output_tokens": 20},
    }


def _gemini_whole(case: str) -> dict:
    parts: list[dict] = [{"text": THOUGHT, "thought": True}, {"text": SAID}]
    if case == "tools":
        parts = [
            {"functionCall": {"id": f"call_{n}", "name": "get_weather", "args": city}}
            for n, city in enumerate((PARIS, ROME))
        ]
    stop = {"chat": "STOP", "tools": "STOP", "length": "MAX_TOKENS", "refused": "SAFETY"}[case]
    return {
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": stop, "index": 0}],
        "usageMetadata": _GEMINI_USAGE,
        "modelVersion": "model-b",
        "responseId": "r1",
    }


_GEMINI_USAGE = {
    "promptTokenCount": 100,
    "cachedContentTokenCount": 40,
    "candidatesTokenCount": 15,
    "thoughtsTokenCount": 5,
    "totalTokenCount": 120,
}


def _ollama_whole(case: str) -> dict:
    message: dict = {"role": "assistant", "content": SAID, "thinking": THOUGHT}
    if case == "tools":
        calls = [
            {"id": f"call_{n}", "function": {"name": "get_weather", "arguments": city}}
            for n, city in enumerate((PARIS, ROME))
        ]
        message = {"role": "assistant", "content": "", "tool_calls": calls}
    return {
        "model": "model-b",
        "created_at": "2026-01-01T00:00:00Z",
        "message": message,
        "done": True,
        "done_reason": "length" if case == "length" else "stop",
        "prompt_eval_count": 100,
        "eval_count": 20,
        "total_duration": 5,
    }


_WHOLE = {
    CHAT: _chat_whole,
    RESPONSES: _responses_whole,
    MESSAGES: _messages_whole,
    GEMINI: _gemini_whole,
    OLLAMA: _ollama_whole,
}


def streamed(api: str, case: str) -> bytes:
    """An answer in pieces: `chat`, `tools`, and `failed` after the first words."""
    return _STREAMED[api](case)


def _sse(events: list[dict], *, named: bool = False) -> bytes:
    return "".join(
        (f"event: {event['type']}\n" if named else "") + f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
        for event in events
    ).encode()


def _chat_streamed(case: str) -> bytes:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "model-b"}

    def chunk(delta: dict, stop: str | None = None) -> dict:
        return head | {"choices": [{"index": 0, "delta": delta, "finish_reason": stop}], "usage": None}

    events = [chunk({"role": "assistant", "content": ""})]
    if case == "tools":
        for n in range(2):
            function = {"name": "get_weather", "arguments": ""}
            call = {"index": n, "id": f"call_{n}", "type": "function", "function": function}
            events.append(chunk({"tool_calls": [call]}))
        for n, city in enumerate((PARIS, ROME)):  # all calls first, then what belongs to each
            text = json.dumps(city)
            for piece in (text[:6], text[6:]):
                events += [chunk({"tool_calls": [{"index": n, "function": {"arguments": piece}}]})]
    else:
        events += [chunk({"reasoning_content": THOUGHT}), *(chunk({"content": piece}) for piece in PIECES)]
    if case == "failed":
        return _sse([*events[:3], {"error": {"message": FAILURE, "type": "rate_limit_error", "code": None}}])
    events.append(chunk({}, "tool_calls" if case == "tools" else "stop"))
    return _sse([*events, head | {"choices": [], "usage": _CHAT_USAGE}]) + b"data: [DONE]\n\n"


def _responses_streamed(case: str) -> bytes:
    response = {"id": "resp_1", "object": "response", "model": "model-b", "status": "in_progress", "output": []}
    events: list[dict] = [{"type": "response.created", "response": response}]
    for index, item in enumerate(_responses_items(case)):
        place = {"output_index": index, "item_id": item["id"]}
        if item["type"] == "function_call":
            text = item["arguments"]
            events.append({"type": "response.output_item.added", **place, "item": item | {"arguments": ""}})
            delta = "response.function_call_arguments.delta"
            events += [{"type": delta, **place, "delta": piece} for piece in (text[:6], text[6:])]
            events.append({"type": "response.function_call_arguments.done", **place, "arguments": text})
        elif item["type"] == "reasoning":
            events.append({"type": "response.output_item.added", **place, "item": item | {"summary": []}})
            events.append({"type": "response.reasoning_summary_text.delta", **place, "delta": THOUGHT})
        else:
            events.append({"type": "response.output_item.added", **place, "item": item | {"content": []}})
            events += [{"type": "response.output_text.delta", **place, "delta": piece} for piece in PIECES]
            events.append({"type": "response.output_text.done", **place, "text": SAID})
        events.append({"type": "response.output_item.done", **place, "item": item})
    if case == "failed":
        error = {"code": "rate_limit_exceeded", "message": FAILURE}
        failed = response | {"status": "failed", "error": error}
        return _sse([*events[:6], {"type": "response.failed", "response": failed}], named=True)
    return _sse([*events, {"type": "response.completed", "response": _responses_whole(case)}], named=True)


def _messages_streamed(case: str) -> bytes:
    answer = _messages_whole("tools" if case == "tools" else "chat")
    begun = answer | {"content": [], "stop_reason": None, "usage": answer["usage"] | {"output_tokens": 1}}
    events: list[dict] = [{"type": "message_start", "message": begun}]
    for index, block in enumerate(answer["content"]):
        if block["type"] == "tool_use":
            text = json.dumps(block["input"])
            empty, deltas = (
                block | {"input": {}},
                [{"type": "input_json_delta", "partial_json": piece} for piece in ("", text[:6], text[6:])],
            )
        elif block["type"] == "thinking":
            empty = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [
                {"type": "thinking_delta", "thinking": THOUGHT},
                {"type": "signature_delta", "signature": block["signature"]},
            ]
        else:
            empty, deltas = {"type": "text", "text": ""}, [{"type": "text_delta", "text": each} for each in PIECES]
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
        events.append({"type": "ping"})
    if case == "failed":
        error = {"type": "rate_limit_error", "message": FAILURE}
        return _sse([*events[:8], {"type": "error", "error": error}], named=True)
    delta = {"stop_reason": answer["stop_reason"], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 20}})
    return _sse([*events, {"type": "message_stop"}], named=True)


def _gemini_streamed(case: str) -> bytes:
    answer = _gemini_whole("tools" if case == "tools" else "chat")
    texts = [{"text": THOUGHT, "thought": True}, *({"text": piece} for piece in PIECES)]
    parts = answer["candidates"][0]["content"]["parts"] if case == "tools" else texts
    head = {"modelVersion": "model-b", "responseId": "r1"}
    events = [head | {"candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}]} for part in parts]
    if case == "failed":
        return _sse([*events[:2], {"error": {"code": 429, "message": FAILURE, "status": "RESOURCE_EXHAUSTED"}}])
    last = {"candidates": [{"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP"}]}
    return _sse([*events, head | last | {"usageMetadata": _GEMINI_USAGE}])


def _ollama_streamed(case: str) -> bytes:
    answer = _ollama_whole("tools" if case == "tools" else "chat")
    messages: list[dict] = [{"role": "assistant", "content": "", "thinking": THOUGHT}]
    messages += [{"role": "assistant", "content": piece} for piece in PIECES]
    if case == "tools":
        messages = [answer["message"]]
    head = {"model": "model-b", "created_at": "2026-01-01T00:00:00Z"}
    lines: list[dict] = [head | {"message": message, "done": False} for message in messages]
    if case == "failed":
        lines = [*lines[:2], {"error": FAILURE}]
    else:
        lines.append(answer | {"message": {"role": "assistant", "content": ""}})
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


_STREAMED = {
    CHAT: _chat_streamed,
    RESPONSES: _responses_streamed,
    MESSAGES: _messages_streamed,
    GEMINI: _gemini_streamed,
    OLLAMA: _ollama_streamed,
}


def failure(api: str) -> bytes:
    """The body of an answer of status 429."""
    if api == MESSAGES:
        return json.dumps({"type": "error", "error": {"type": "rate_limit_error", "message": FAILURE}}).encode()
    if api == GEMINI:
        return json.dumps({"error": {"code": 429, "message": FAILURE, "status": "RESOURCE_EXHAUSTED"}}).encode()
    if api == OLLAMA:
        return json.dumps({"error": FAILURE}).encode()
    error = {"message": FAILURE, "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}
    return json.dumps({"error": error}).encode()
