"""What the stand-in says when it is told what to say: `stand-in-say[.CHANNEL][.N][.CODING]`.

It says the last text of a user `turned`, because what is hidden on the way up would not be there to come back.
CHANNEL: content (default), reasoning or arguments; N: code points of each delta (3); CODING: gzip, `odd` for one
that nobody knows, or `chunked` for none and no told length. Pure: the request's document in, the whole answer out.
"""

import gzip
import json
from typing import Any

import msgspec

PREFIX = "stand-in-say"
TOOL = "look_up"
_TURNED = {code: 33 + (code - 33 + 47) % 94 for code in range(33, 127)}
_CODINGS = ("gzip", "odd", "chunked")


class Saying(msgspec.Struct, frozen=True):
    """How it is said."""

    channel: str = "content"
    size: int = 3
    coding: str = ""


def saying(model: str) -> Saying | None:
    """None: another behaviour is asked for."""
    first, *options = model.split(".")
    if first != PREFIX:
        return None
    channel = next((one for one in options if one in ("content", "reasoning", "arguments")), "content")
    size = next((int(one) for one in options if one.isdigit()), 3)
    return Saying(channel, max(1, size), next((one for one in options if one in _CODINGS), ""))


def said(model: str, how: Saying, document: dict[str, Any]) -> bytes:
    """The answer as it goes on the wire, in a stream where that is asked for."""
    text = turned(_asked(document))
    if document.get("stream"):
        options = document.get("stream_options") or {}
        events = _events(model, how, text, usage=bool(options.get("include_usage")))
        body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
        return _answer(body, "text/event-stream", how)
    return _answer(json.dumps(_whole(model, how, text)).encode(), "application/json", how)


def turned(text: str) -> str:
    """Every printable ASCII character half-way round (rot47): nobody reads it, and twice turned it is as it was."""
    return text.translate(_TURNED)


def _asked(document: dict[str, Any]) -> str:
    messages = [one for one in document.get("messages", []) if one.get("role") == "user"]
    return str(messages[-1]["content"]) if messages else ""


def _answer(body: bytes, content_type: str, how: Saying) -> bytes:
    if how.coding == "chunked":
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
        return head.encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    packed = gzip.compress(body, mtime=0) if how.coding == "gzip" else body
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {len(packed)}\r\n"
    if how.coding:
        head += f"content-encoding: {how.coding}\r\n"
    return head.encode() + b"content-digest: sha-256=:c3RhbmQtaW4=:\r\netag: one\r\n\r\n" + packed


def _whole(model: str, how: Saying, text: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    if how.channel == "arguments":
        message["tool_calls"] = [_call(text)]
    else:
        message["reasoning_content" if how.channel == "reasoning" else "content"] = text
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return {**_frame(model, "chat.completion"), "choices": [choice], "usage": _usage()}


def _events(model: str, how: Saying, text: str, *, usage: bool) -> list[dict[str, Any]]:
    pieces = [text[at : at + how.size] for at in range(0, len(text), how.size)]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if how.channel == "arguments":
        deltas.append({"tool_calls": [{"index": 0, **_call("")}]})
        deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces]
    else:
        name = "reasoning_content" if how.channel == "reasoning" else "content"
        deltas += [{name: piece} for piece in pieces]
    frame = _frame(model, "chat.completion.chunk")
    events = [{**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    events.append({**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return [*events, {**frame, "choices": [], "usage": _usage()}] if usage else events


def _call(arguments: str) -> dict[str, Any]:
    return {"id": "call_1", "type": "function", "function": {"name": TOOL, "arguments": arguments}}


def _frame(model: str, kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-standin", "object": kind, "created": 1700000000, "model": model}


def _usage() -> dict[str, Any]:
    return {"prompt_tokens": 12, "completion_tokens": 8, "total_tokens": 20}
