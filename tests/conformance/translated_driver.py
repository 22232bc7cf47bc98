"""Runs inside the environment of the SDKs: what each makes of answers that came from another provider, as JSON.

`python translated_driver.py BASE [PLACE]` asks BASE/PLACE for every pair of dialects and every scenario and prints
{"SOURCE TARGET scenario": facts}. PLACE holds {source}, {target} or {route} (SOURCE/TARGET if it is left out). Nothing
of the project is imported here.

Facts: text, thought, calls, stop, usage (asked, said, cached); of an error its class and words.
"""

import json
import sys

KEY = "sk-conformance-0000"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCENARIOS = ("chat", "stream", "tools", "toolstream", "turns", "image", "schema", "error", "failed")
APIS = ("openai.chat", "openai.responses", "anthropic.messages", "gemini.generate", "ollama.chat")
STREAMED = {"stream", "toolstream", "failed"}
CITIES = ("Paris", "Rome")


def facts(text="", thought="", calls=(), stop="", usage=()):
    return {"text": text, "thought": thought, "calls": list(calls), "stop": stop, "usage": list(usage)}


def openai_chat(base, scenario):
    import openai

    client = openai.OpenAI(api_key=KEY, base_url=base + "/v1", max_retries=0)
    said = f"case:{scenario}"
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    content = [{"type": "text", "text": said}, picture] if scenario == "image" else said
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}]
    ask = {"model": "model-a", "messages": messages, "max_completion_tokens": 100}
    if "tool" in scenario or scenario == "turns":
        ask["tools"] = [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}]
    if scenario == "schema":
        ask["response_format"] = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}
    if scenario in STREAMED:
        with client.chat.completions.stream(**ask, stream_options={"include_usage": True}) as stream:
            thoughts = [
                event.chunk.choices[0].delta.model_extra.get("reasoning_content", "")
                for event in stream
                if event.type == "chunk" and event.chunk.choices
            ]
            made = stream.get_final_completion()
    else:
        made, thoughts = client.chat.completions.create(**ask), None
        if scenario == "turns":
            messages.append(made.choices[0].message.model_dump(exclude_none=True))
            calls = made.choices[0].message.tool_calls
            messages += [{"role": "tool", "tool_call_id": call.id, "content": "sun"} for call in calls]
            made = client.chat.completions.create(**ask)
    choice = made.choices[0]
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or ()]
    thought = "".join(thoughts) if thoughts is not None else choice.message.model_extra.get("reasoning_content", "")
    cached = made.usage.prompt_tokens_details.cached_tokens
    usage = (made.usage.prompt_tokens, made.usage.completion_tokens, cached)
    return facts(choice.message.content or "", thought, calls, choice.finish_reason, usage)


def openai_responses(base, scenario):
    import openai

    client = openai.OpenAI(api_key=KEY, base_url=base + "/v1", max_retries=0)
    content = [{"type": "input_text", "text": f"case:{scenario}"}]
    if scenario == "image":
        content.append({"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"})
    items = [{"role": "user", "content": content}]
    ask = {"model": "model-a", "input": items, "instructions": "Be brief.", "max_output_tokens": 100}
    if "tool" in scenario or scenario == "turns":
        ask["tools"] = [{"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}]
    if scenario == "schema":
        ask["text"] = {"format": {"type": "json_schema", "name": "city", "schema": SCHEMA}}
    if scenario in STREAMED:
        with client.responses.stream(**ask) as stream:
            for event in stream:
                if event.type in ("error", "response.failed"):
                    raise RuntimeError(event.message if event.type == "error" else event.response.error.message)
            made = stream.get_final_response()
    else:
        made = client.responses.create(**ask)
        if scenario == "turns":
            items += [item.model_dump(exclude_none=True) for item in made.output]
            calls = [item for item in made.output if item.type == "function_call"]
            items += [{"type": "function_call_output", "call_id": call.call_id, "output": "sun"} for call in calls]
            made = client.responses.create(**ask)
    calls = [(item.name, json.loads(item.arguments)) for item in made.output if item.type == "function_call"]
    thought = "".join(part.text for item in made.output if item.type == "reasoning" for part in item.summary)
    usage = (made.usage.input_tokens, made.usage.output_tokens, made.usage.input_tokens_details.cached_tokens)
    return facts(made.output_text, thought, calls, made.status, usage)


def anthropic_messages(base, scenario):
    import anthropic

    client = anthropic.Anthropic(api_key=KEY, base_url=base, max_retries=0)
    content = [{"type": "text", "text": f"case:{scenario}"}]
    if scenario == "image":
        source = {"type": "base64", "media_type": "image/png", "data": PNG}
        content.append({"type": "image", "source": source})
    messages = [{"role": "user", "content": content}]
    ask = {"model": "model-a", "max_tokens": 100, "system": "Be brief.", "messages": messages}
    if "tool" in scenario or scenario == "turns":
        ask["tools"] = [{"name": "get_weather", "input_schema": SCHEMA}]
    if scenario == "schema":
        ask["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
    if scenario in STREAMED:
        with client.messages.stream(**ask) as stream:
            made = stream.get_final_message()
    else:
        made = client.messages.create(**ask)
        if scenario == "turns":
            messages.append({"role": "assistant", "content": made.content})
            calls = [block for block in made.content if block.type == "tool_use"]
            results = [{"type": "tool_result", "tool_use_id": call.id, "content": "sun"} for call in calls]
            messages.append({"role": "user", "content": results})
            made = client.messages.create(**ask)
    text = "".join(block.text for block in made.content if block.type == "text")
    thought = "".join(block.thinking for block in made.content if block.type == "thinking")
    calls = [(block.name, block.input) for block in made.content if block.type == "tool_use"]
    cached = made.usage.cache_read_input_tokens
    usage = (made.usage.input_tokens + cached, made.usage.output_tokens, cached)
    return facts(text, thought, calls, made.stop_reason, usage)


def gemini_generate(base, scenario):
    from google import genai
    from google.genai import types

    client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=base))
    parts = [types.Part.from_text(text=f"case:{scenario}")]
    if scenario == "image":
        import base64

        parts.append(types.Part.from_bytes(data=base64.b64decode(PNG), mime_type="image/png"))
    contents = [types.Content(role="user", parts=parts)]
    config = {"max_output_tokens": 100, "system_instruction": "Be brief."}
    if "tool" in scenario or scenario == "turns":
        declared = types.FunctionDeclaration(name="get_weather", parameters_json_schema=SCHEMA)
        config["tools"] = [types.Tool(function_declarations=[declared])]
        config["automatic_function_calling"] = types.AutomaticFunctionCallingConfig(disable=True)
    if scenario == "schema":
        config |= {"response_mime_type": "application/json", "response_json_schema": SCHEMA}
    ask = {"model": "model-a", "contents": contents, "config": types.GenerateContentConfig(**config)}
    if scenario in STREAMED:
        chunks = list(client.models.generate_content_stream(**ask))
    else:
        chunks = [client.models.generate_content(**ask)]
        if scenario == "turns":
            contents.append(chunks[0].candidates[0].content)
            answers = [
                types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"r": "sun"}))
                for call in chunks[0].function_calls
            ]
            contents.append(types.Content(role="user", parts=answers))
            chunks = [client.models.generate_content(**ask)]
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or ()]
    text = "".join(part.text for part in parts if part.text and not part.thought)
    thought = "".join(part.text for part in parts if part.text and part.thought)
    calls = [(part.function_call.name, part.function_call.args) for part in parts if part.function_call]
    told = chunks[-1].usage_metadata
    said = told.candidates_token_count + (told.thoughts_token_count or 0)
    stop = chunks[-1].candidates[0].finish_reason.value
    return facts(text, thought, calls, stop, (told.prompt_token_count, said, told.cached_content_token_count))


def ollama_chat(base, scenario):
    import ollama

    client = ollama.Client(host=base)
    said = {"role": "user", "content": f"case:{scenario}"} | ({"images": [PNG]} if scenario == "image" else {})
    messages = [{"role": "system", "content": "Be brief."}, said]
    ask = {"model": "model-a", "messages": messages, "options": {"num_predict": 100}}
    if "tool" in scenario or scenario == "turns":
        ask["tools"] = [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}]
    if scenario == "schema":
        ask["format"] = SCHEMA
    if scenario in STREAMED:
        parts = list(client.chat(stream=True, **ask))
    else:
        parts = [client.chat(**ask)]
        if scenario == "turns":
            messages.append(parts[0].message)
            calls = parts[0].message.tool_calls
            messages += [{"role": "tool", "tool_name": call.function.name, "content": "sun"} for call in calls]
            parts = [client.chat(**ask)]
    calls = [
        (call.function.name, dict(call.function.arguments)) for part in parts for call in part.message.tool_calls or ()
    ]
    text = "".join(part.message.content or "" for part in parts)
    thought = "".join(part.message.thinking or "" for part in parts)
    usage = (parts[-1].prompt_eval_count, parts[-1].eval_count, None)
    return facts(text, thought, calls, parts[-1].done_reason, usage)


ASKS = dict(zip(APIS, (openai_chat, openai_responses, anthropic_messages, gemini_generate, ollama_chat), strict=True))


def main():
    base, place = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "{source}/{target}"
    found = {}
    for source in APIS:
        for target in APIS:
            if source == target:
                continue
            for scenario in SCENARIOS:
                try:
                    there = place.format(source=source, target=target, route=target.replace(".", "-"))
                    made = ASKS[source](f"{base}/{there}", scenario)
                except Exception as error:  # noqa: BLE001 - what an SDK raises is what is looked at
                    made = {"error": type(error).__name__, "words": str(error)[:300]}
                found[f"{source} {target} {scenario}"] = made
    json.dump(found, sys.stdout)


main()
