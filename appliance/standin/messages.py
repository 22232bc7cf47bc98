"""The stand-in's answers in Anthropic's dialect: the words that it says in the other one too. Pure."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

PATH = "/v1/messages"
_USAGE = {"input_tokens": 8, "cache_read_input_tokens": 4}


def whole(model: str, words: Sequence[str]) -> dict[str, Any]:
    """An answer in one piece."""
    return _message(model) | {
        "content": [{"type": "text", "text": "".join(words)}],
        "stop_reason": "end_turn",
        "usage": _USAGE | {"output_tokens": len(words)},
    }


def events(model: str, words: Sequence[str]) -> Iterator[bytes]:
    """A streamed one, event by event."""
    begun = _message(model) | {"content": [], "stop_reason": None, "usage": _USAGE | {"output_tokens": 1}}
    yield _event({"type": "message_start", "message": begun})
    yield _event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    for word in words:
        yield _event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}})
    yield _event({"type": "content_block_stop", "index": 0})
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    yield _event({"type": "message_delta", "delta": end, "usage": {"output_tokens": len(words)}})
    yield _event({"type": "message_stop"})


def _message(model: str) -> dict[str, Any]:
    told = {"id": "msg_standin", "type": "message", "role": "assistant", "model": f"{model}-2026"}
    return told | {"stop_sequence": None}


def _event(document: dict[str, Any]) -> bytes:
    return f"event: {document['type']}\ndata: {json.dumps(document)}\n\n".encode()
