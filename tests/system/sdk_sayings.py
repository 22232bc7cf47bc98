"""Streamed answers of every API that say one thing in the text, the reasoning and the arguments, cut into deltas.

`leak` has a key in it and short deltas, `long` has none and deltas of which only the tail is undecided. Shapes as in
the fixtures of the dialects, cut down to what the SDKs need.
"""

import json
import struct
from typing import NamedTuple

from appliance.inspect.stream.aws import packed

SECRET = "ghp_" + "a1B2" * 9
HIDDEN = "<GITHUB_TOKEN>"
SSE = "text/event-stream"


class Saying(NamedTuple):
    """What is said, and in deltas of how many characters."""

    text: str
    token: str
    size: int

    @property
    def arguments(self) -> str:
        return json.dumps({"city": "Paris", "token": self.token, "days": 3})

    @property
    def texts(self) -> list[str]:
        return self.cut(self.text)

    @property
    def calls(self) -> list[str]:
        return self.cut(self.arguments)

    def cut(self, text: str) -> list[str]:
        return [text[at : at + self.size] for at in range(0, len(text), self.size)]


SAYINGS = {
    "leak": Saying(f"Take {SECRET}, and keep it.", SECRET, 5),
    "long": Saying("Noon is when the shadow is shortest, and the day is half gone; naïve, isn't it? " * 4, "none", 70),
}


def said(api: str, case: str) -> tuple[str, bytes]:
    """Content type and body of a stream."""
    return _WRITERS[api](SAYINGS[case])


def _sse(events: list, *, named: bool = False) -> bytes:
    written = [
        (f"event: {event['type']}\n" if named else "") + f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
        for event in events
    ]
    return "".join(written).encode()


def _openai_chat(said: Saying) -> tuple[str, bytes]:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
    deltas = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": piece} for piece in said.texts]
    deltas += [{"content": piece} for piece in said.texts]
    deltas += [{"tool_calls": [call]}]
    deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in said.calls]
    return _chunks(deltas)


def _mistral(said: Saying) -> tuple[str, bytes]:
    """Reasoning comes in chunks of its own, a call comes whole."""
    thoughts = [{"type": "thinking", "thinking": [{"type": "text", "text": piece}]} for piece in said.texts]
    call = {"index": 0, "id": "D681PevKs", "function": {"name": "get_weather", "arguments": said.arguments}}
    deltas = [{"role": "assistant", "content": ""}, *({"content": [thought]} for thought in thoughts)]
    deltas += [{"content": piece} for piece in said.texts]
    return _chunks([*deltas, {"content": "", "tool_calls": [call]}])


def _chunks(deltas: list) -> tuple[str, bytes]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1763800000, "model": "gpt-4o-2026"}
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls"})
    return SSE, _sse([head | {"choices": [choice]} for choice in choices]) + b"data: [DONE]\n\n"


def _openai_responses(said: Saying) -> tuple[str, bytes]:
    part = {"type": "output_text", "annotations": [], "text": said.text}
    items = [
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": said.text}]},
        {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]},
        {
            "id": "fc_1",
            "type": "function_call",
            "call_id": "call_1",
            "name": "get_weather",
            "arguments": said.arguments,
        },
    ]
    empty = [items[0] | {"summary": []}, items[1] | {"content": []}, items[2] | {"arguments": ""}]
    grown = (
        ("reasoning_summary_text", {"summary_index": 0}, said.text, "text"),
        ("output_text", {"content_index": 0, "logprobs": []}, said.text, "text"),
        ("function_call_arguments", {}, said.arguments, "arguments"),
    )
    body = {"id": "resp_1", "object": "response", "created_at": 1763800000, "model": "gpt-4o-2026", "tools": []}
    body |= {"parallel_tool_calls": True, "tool_choice": "auto", "status": "in_progress", "output": []}
    events = [{"type": "response.created", "response": body}]
    for index, (item, start, (kind, more, text, repeat)) in enumerate(zip(items, empty, grown, strict=True)):
        place = {"item_id": item["id"], "output_index": index, **more}
        events.append({"type": "response.output_item.added", "output_index": index, "item": start})
        if kind == "output_text":
            opened = {"type": "response.content_part.added", **place, "part": part | {"text": ""}}
            events.append({key: value for key, value in opened.items() if key != "logprobs"})
        events += [{"type": f"response.{kind}.delta", **place, "delta": piece} for piece in said.cut(text)]
        events.append({"type": f"response.{kind}.done", **place, repeat: text})
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    events.append({"type": "response.completed", "response": body | {"status": "completed", "output": items}})
    return SSE, _sse([event | {"sequence_number": at} for at, event in enumerate(events)], named=True)


def _anthropic(said: Saying) -> tuple[str, bytes]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929"}
    message |= {"content": [], "stop_reason": None, "stop_sequence": None}
    events: list = [{"type": "message_start", "message": message | {"usage": {"input_tokens": 9, "output_tokens": 1}}}]
    called = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}
    blocks = (
        ({"type": "thinking", "thinking": "", "signature": ""}, "thinking_delta", "thinking", said.text),
        ({"type": "text", "text": ""}, "text_delta", "text", said.text),
        (called, "input_json_delta", "partial_json", said.arguments),
    )
    for index, (block, kind, key, text) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        deltas = [{"type": kind, key: piece} for piece in said.cut(text)]
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    end = {"stop_reason": "tool_use", "stop_sequence": None}
    events.append({"type": "message_delta", "delta": end, "usage": {"output_tokens": 60}})
    return SSE, _sse([*events, {"type": "message_stop"}], named=True)


def _gemini(said: Saying) -> tuple[str, bytes]:
    parts: list[dict] = [{"text": piece, "thought": True} for piece in said.texts]
    parts += [{"text": piece} for piece in said.texts]
    parts += [{"functionCall": {"name": "get_weather", "args": json.loads(said.arguments)}}]
    contents = [{"content": {"parts": [part], "role": "model"}, "index": 0} for part in parts]
    contents[-1]["finishReason"] = "STOP"
    usage = {"promptTokenCount": 8, "totalTokenCount": 9}
    return SSE, _sse([{"candidates": [each], "usageMetadata": usage, "responseId": "r"} for each in contents])


def _cohere(said: Saying) -> tuple[str, bytes]:
    def delta(kind: str, message: dict, index: int = 0) -> dict:
        return {"type": kind, "index": index, "delta": {"message": message}}

    call = {"id": "get_1", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
    events = [{"id": "29f1", "type": "message-start", "delta": {"message": {"role": "assistant"}}}]
    events += [delta("tool-plan-delta", {"tool_plan": piece}) for piece in said.texts]
    events.append(delta("tool-call-start", {"tool_calls": call}))
    events += [delta("tool-call-delta", {"tool_calls": {"function": {"arguments": piece}}}) for piece in said.calls]
    events.append({"type": "tool-call-end", "index": 0})
    events.append(delta("content-start", {"content": {"type": "text", "text": ""}}))
    events += [delta("content-delta", {"content": {"text": piece}}) for piece in said.texts]
    events.append({"type": "content-end", "index": 0})
    events.append({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}})
    return SSE, _sse(events, named=True)


def _ollama(said: Saying) -> tuple[str, bytes]:
    head = {"model": "llama3.2", "created_at": "2025-11-04T08:52:19.385406455Z", "done": False}
    messages = [{"role": "assistant", "content": "", "thinking": piece} for piece in said.texts]
    messages += [{"role": "assistant", "content": piece} for piece in said.texts]
    call = {"function": {"name": "get_weather", "arguments": json.loads(said.arguments)}}
    messages.append({"role": "assistant", "content": "", "tool_calls": [call]})
    lines = [head | {"message": message} for message in messages]
    lines.append(head | {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"})
    return "application/x-ndjson", b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _bedrock(said: Saying) -> tuple[str, bytes]:
    deltas = [{"reasoningContent": {"text": piece}} for piece in said.texts]
    told = [("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta}) for delta in deltas]
    told += [("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": piece}}) for piece in said.texts]
    start = {"toolUse": {"toolUseId": "tooluse_1", "name": "get_weather"}}
    told.append(("contentBlockStart", {"contentBlockIndex": 2, "start": start}))
    told += [
        ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": piece}}}) for piece in said.calls
    ]
    events = [("messageStart", {"role": "assistant"}), *told, ("messageStop", {"stopReason": "tool_use"})]
    frames = [packed(_aws_headers(kind), json.dumps(payload).encode()) for kind, payload in events]
    return "application/vnd.amazon.eventstream", b"".join(frames)


def _aws_headers(kind: str) -> bytes:
    pairs = ((":event-type", kind), (":content-type", "application/json"), (":message-type", "event"))
    return b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
        for name, value in pairs
    )


_WRITERS = {
    "openai.chat": _openai_chat,
    "openai.chat-mistral": _mistral,
    "openai.responses": _openai_responses,
    "anthropic.messages": _anthropic,
    "gemini.generate": _gemini,
    "cohere.chat": _cohere,
    "ollama.chat": _ollama,
    "bedrock.converse": _bedrock,
}
