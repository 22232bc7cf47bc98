"""A provider's WebSocket on loopback: echoes what is no event of its own, and answers calls in the realtime form.

Rules: each message that arrives is told to `arrived` before it is answered; `permessage-deflate` is taken up where it
is offered, as providers do; the path chooses the behaviour: `stand-in-cut` ends the connection without a close,
`stand-in-refuse` answers 403, `stand-in-extension` takes up an extension that nobody offered.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import wsproto.events
from wsproto.connection import Connection, ConnectionType
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import generate_accept_token

PIECE = 7  # characters of one delta
REFUSAL = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\n{}"


async def serve_socket(
    path: str,
    headers: Mapping[str, str],
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    arrived: Callable[[bytes], None],
) -> None:
    """Serve one upgraded connection until either side ends it. `headers`: names in lower case."""
    reader, writer = streams
    if "stand-in-refuse" in path:
        writer.write(REFUSAL)
        return
    deflate = _negotiated(headers.get("sec-websocket-extensions", ""))
    writer.write(_switch(path, headers, deflate))
    wire = Connection(ConnectionType.SERVER, [deflate] if deflate else [])
    said, message = "Noon is when the shadow is shortest.", b""
    while data := await reader.read(65536):
        wire.receive_data(data)
        for event in wire.events():
            if isinstance(event, wsproto.events.CloseConnection):
                writer.write(wire.send(event.response()))
                return
            if isinstance(event, wsproto.events.Ping):
                writer.write(wire.send(event.response()))
            elif isinstance(event, (wsproto.events.TextMessage, wsproto.events.BytesMessage)):
                text = isinstance(event, wsproto.events.TextMessage)
                message += event.data.encode() if isinstance(event.data, str) else bytes(event.data)
                if not event.message_finished:
                    continue
                arrived(message)
                if "stand-in-cut" in path:
                    return
                said = _said(message) or said
                for answer in answers(message, said):
                    writer.write(wire.send(_event(answer, text=text)))
                message = b""
        await writer.drain()


def answers(message: bytes, said: str) -> list[bytes]:
    """What goes back for one message: the events of a call, or the message itself."""
    kind = _document(message).get("type")
    if kind != "response.create":
        return [] if isinstance(kind, str) else [message]
    place = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
    pieces = [said[at : at + PIECE] for at in range(0, len(said), PIECE)]
    usage = {"total_tokens": 14, "input_tokens": 9, "output_tokens": 5}
    part = {"type": "output_text", "text": said}
    item = {"id": "item_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    done = {"id": "resp_1", "object": "realtime.response", "status": "completed", "output": [item], "usage": usage}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {"id": "resp_1", "object": "realtime.response"}},
        *({"type": "response.output_text.delta", **place, "delta": piece} for piece in pieces),
        {"type": "response.output_text.done", **place, "text": said},
        {"type": "response.done", "response": done},
    ]
    return [json.dumps({"event_id": f"event_{number}", **event}).encode() for number, event in enumerate(events)]


def _said(message: bytes) -> str:
    item = _document(message).get("item")
    parts = item.get("content", []) if isinstance(item, dict) else []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def _document(message: bytes) -> dict[str, Any]:
    try:
        found = json.loads(message)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _event(answer: bytes, *, text: bool) -> wsproto.events.Event:
    return wsproto.events.TextMessage(data=answer.decode()) if text else wsproto.events.BytesMessage(data=answer)


def _negotiated(offer: str) -> PerMessageDeflate | None:
    if PerMessageDeflate.name not in offer:
        return None
    deflate = PerMessageDeflate()
    return deflate if deflate.accept(offer.split(",", maxsplit=1)[0]) is not None else None


def _switch(path: str, headers: Mapping[str, str], deflate: PerMessageDeflate | None) -> bytes:
    accept = generate_accept_token(headers.get("sec-websocket-key", "").encode()).decode()
    lines = ["HTTP/1.1 101 Switching Protocols", "upgrade: websocket", "connection: upgrade"]
    lines.append(f"sec-websocket-accept: {accept}")
    if deflate or "stand-in-extension" in path:
        lines.append(f"sec-websocket-extensions: {PerMessageDeflate.name}")
    if protocols := headers.get("sec-websocket-protocol", ""):
        lines.append(f"sec-websocket-protocol: {protocols.split(',')[0].strip()}")
    return "\r\n".join((*lines, "", "")).encode()
