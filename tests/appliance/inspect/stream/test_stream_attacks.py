"""Streams as odd services write them: what a client would put together never holds the secret."""

import base64
import json
import os
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
from stream_fakes import events_of, header

from appliance.inspect.detect import Detectors
from appliance.inspect.dialects import Call
from appliance.inspect.dialects.registry import by_api
from appliance.inspect.stream.aws import packed
from appliance.inspect.stream.editor import StreamEditor
from appliance.inspect.stream.events import Framing
from appliance.inspect.stream.watching import Watching
from appliance.model.detection import Selector

HIDES = (Selector(kinds=("secret",)), Selector(entities=("EMAIL_ADDRESS", "CREDIT_CARD"), min_score=0.4))
SECRET = "sk-proj-" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ" * 3
PARTS = ["The key is ", *(SECRET[at : at + 9] for at in range(0, len(SECRET), 9)), " and no more"]
TYPES = {
    Framing.SSE: "text/event-stream",
    Framing.NDJSON: "application/x-ndjson",
    Framing.JSON_ARRAY: "application/json",
    Framing.AWS: "application/vnd.amazon.eventstream",
    Framing.AWS_CHUNK: "application/vnd.amazon.eventstream",
    Framing.MESSAGE: "websocket",
}


@pytest.fixture(scope="module")
def watching():
    return Watching(Detectors.load(Path(tempfile.gettempdir()) / f"gnomon-test-tables-{os.geteuid()}"))


CALLS = {
    "openai.chat": Call("POST", "/v1/chat/completions", "application/json"),
    "openai.responses": Call("POST", "/v1/responses", "application/json"),
    "anthropic.messages": Call("POST", "/v1/messages", "application/json"),
    "claude.web": Call("POST", "/api/organizations/o/chat_conversations/c/completion", "application/json"),
    "gemini.generate": Call("POST", "/v1beta/models/g:streamGenerateContent?alt=sse", "application/json"),
    "bedrock.converse": Call("POST", "/model/m/converse-stream", "application/json"),
    "bedrock.invoke": Call("POST", "/model/m/invoke-with-response-stream", "application/json"),
    "cohere.chat": Call("POST", "/v2/chat", "application/json"),
    "ollama.chat": Call("POST", "/api/chat", "application/json"),
    "chatgpt.web": Call("POST", "/backend-api/conversation", "application/json"),
}
FRAMINGS = {
    "bedrock.converse": Framing.AWS,
    "bedrock.invoke": Framing.AWS_CHUNK,
    "ollama.chat": Framing.NDJSON,
}


def written(framing, payload):
    """One event. A pair is its name and its payload."""
    name, payload = payload if isinstance(payload, tuple) else ("", payload)
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    match framing:
        case Framing.SSE:
            return (f"event: {name}\n".encode() if name else b"") + b"data: " + raw + b"\n\n"
        case Framing.NDJSON:
            return raw + b"\n"
        case Framing.AWS:
            return packed(header(b":event-type", name.encode()) + header(b":message-type", b"event"), raw)
        case Framing.AWS_CHUNK:
            chunk = b'{"bytes":"' + base64.b64encode(raw) + b'"}'
            return packed(header(b":event-type", b"chunk") + header(b":message-type", b"event"), chunk)
    raise ValueError(framing)


def leaves(value, pointer=""):
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from leaves(one, f"{pointer}/{number}")
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from leaves(one, f"{pointer}/{key}")


def understood(framing, data):
    """What a client may put together: the strings of each place, joined, and those of all places."""
    joined = defaultdict(str)
    for event in events_of(framing, data):
        try:
            value = json.loads(event.payload)
        except ValueError:
            continue
        for pointer, text in leaves(value):
            joined[pointer] += text
    return joined


def edited(watching, api, payloads):
    framing = FRAMINGS.get(api, Framing.SSE)
    reader = by_api(api).events(CALLS[api], TYPES[framing])
    assert reader.framing is framing
    editor = StreamEditor(reader, watching, hides=HIDES, ends=())
    out = []
    for payload in payloads:
        out += editor.feed(written(framing, payload))
        if editor.wants_cut:
            break
    out += editor.cut("unreadable") if editor.wants_cut else editor.close()
    return editor, understood(framing, b"".join(out))


def chat(delta, finish=None, **more):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish, **more}]}


def tool(piece, number, **more):
    call = {"index": 0, "id": f"call_{number}", "type": "function", "function": {"arguments": piece}, **more}
    return chat({"tool_calls": [call]})


def anthropic(delta, **more):
    return {"type": "content_block_delta", "index": 0, "delta": delta} | more


def without(mapping, key):
    return {name: value for name, value in mapping.items() if name != key}


def gemini(part, **more):
    return {"candidates": [{"content": {"role": "model", "parts": [part]}, **more}], "modelVersion": "g"}


# What of it may end the answer (True) and what must go through, hidden (False).
CASES = {
    "openai.chat: a finish in every chunk": ("openai.chat", lambda _, p: chat({"content": p}, "stop"), True),
    "openai.chat: null as a word": ("openai.chat", lambda _, p: chat({"content": p}, "null"), False),
    "openai.chat: another id with each delta": ("openai.chat", lambda number, p: tool(p, number), False),
    "openai.chat: a message instead of a delta": (
        "openai.chat",
        lambda _, p: {"choices": [{"index": 0, "message": {"role": "assistant", "content": p}}]},
        False,
    ),
    "openai.chat: no index": ("openai.chat", lambda _, p: {"choices": [{"delta": {"content": p}}]}, False),
    "openai.chat: a field of its own": ("openai.chat", lambda _, p: chat({"musings": p}), False),
    "openai.chat: token ids": (
        "openai.chat",
        lambda _, p: chat({"content": p}, token_ids=[ord(one) for one in p], logprobs={"content": [{"token": p}]}),
        False,
    ),
    "anthropic: no index": (
        "anthropic.messages",
        lambda _, p: without(anthropic({"type": "text_delta", "text": p}), "index"),
        False,
    ),
    "anthropic: an index below nothing": (
        "anthropic.messages",
        lambda _, p: anthropic({"type": "text_delta", "text": p}, index=-1),
        False,
    ),
    "anthropic: a new kind of delta": (
        "anthropic.messages",
        lambda _, p: anthropic({"type": "new_delta", "text": p}),
        False,
    ),
    "anthropic: a delta without type": ("anthropic.messages", lambda _, p: anthropic({"text": p}), False),
    "anthropic: a wrong type": (
        "anthropic.messages",
        lambda _, p: anthropic({"type": "thinking_delta", "text": p}),
        False,
    ),
    "anthropic: another event": (
        "anthropic.messages",
        lambda _, p: {"type": "content_block_more", "index": 0, "delta": {"type": "text_delta", "text": p}},
        False,
    ),
    "claude.web: no index": (
        "claude.web",
        lambda _, p: without(anthropic({"type": "text_delta", "text": p}), "index"),
        False,
    ),
    "gemini: a finish in every chunk": (
        "gemini.generate",
        lambda _, p: gemini({"text": p}, finishReason="STOP", index=0),
        False,
    ),
    "gemini: code in pieces": ("gemini.generate", lambda _, p: gemini({"executableCode": {"code": p}}), False),
    "bedrock.converse: no index": (
        "bedrock.converse",
        lambda _, p: ("contentBlockDelta", {"delta": {"text": p}}),
        False,
    ),
    "bedrock.converse: a new kind": (
        "bedrock.converse",
        lambda _, p: ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"musing": {"text": p}}}),
        False,
    ),
    "bedrock.invoke: nova without index": (
        "bedrock.invoke",
        lambda _, p: {"contentBlockDelta": {"delta": {"text": p}}},
        False,
    ),
    "bedrock.invoke: an end in every chunk": (
        "bedrock.invoke",
        lambda _, p: {"generation": p, "stop_reason": "stop"},
        True,
    ),
    "cohere: no index": (
        "cohere.chat",
        lambda _, p: {"type": "content-delta", "delta": {"message": {"content": {"text": p}}}},
        False,
    ),
    "cohere: a new kind of delta": (
        "cohere.chat",
        lambda _, p: {"type": "musing-delta", "index": 0, "delta": {"message": {"musing": {"text": p}}}},
        False,
    ),
    "ollama: done in every line": ("ollama.chat", lambda _, p: {"message": {"content": p}, "done": True}, True),
    "responses: a new kind of delta": (
        "openai.responses",
        lambda _, p: {"type": "response.musing.delta", "output_index": 0, "delta": p},
        False,
    ),
    "responses: no place": ("openai.responses", lambda _, p: {"type": "response.output_text.delta", "delta": p}, False),
    "chatgpt.web: an operation of its own": (
        "chatgpt.web",
        lambda _, p: {"p": "/message/content/parts/0", "o": "prolong", "v": p},
        False,
    ),
    "chatgpt.web: a place of its own": (
        "chatgpt.web",
        lambda _, p: {"p": "/message/musing", "o": "append", "v": p},
        False,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_pieces_of_a_secret_never_make_it_whole(watching, case):
    api, event, may_end = CASES[case]
    editor, told = edited(watching, api, [event(number, piece) for number, piece in enumerate(PARTS)])
    for pointer, text in told.items():
        assert SECRET[:16] not in text, pointer
    if not may_end:
        assert editor.wants_cut is None
        assert any("and no more" in text for text in told.values())
    numbers = json.dumps([one for one in told if "token_ids" in one])
    assert numbers == "[]"


@pytest.mark.parametrize("case", CASES)
def test_a_key_said_twice_in_an_event_ends_the_answer(watching, case):
    api, event, _ = CASES[case]
    one = event(1, "first")
    name, payload = one if isinstance(one, tuple) else ("", one)
    raw = json.dumps(payload)
    raw = raw.replace('"first"', '"other"', 1) if raw.count('"first"') > 1 else raw
    place = raw.rindex('"first"')
    key = raw.rindex('"', 0, raw.rindex('"', 0, place)) if raw[place - 2] == ":" else raw.index('"')
    if raw[place - 2] != ":":
        return
    doubled = raw[: place + 7] + ", " + raw[key:place] + '"second"' + raw[place + 7 :]
    assert json.loads(doubled)
    editor, told = edited(watching, api, [(name, doubled.encode())] if name else [doubled.encode()])
    assert editor.wants_cut == "ambiguous_event"
    assert not any("first" in text or "second" in text for text in told.values())
