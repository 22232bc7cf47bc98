"""A provider of chat completions over TLS on loopback that writes down exactly what arrived.

Owns: HTTP/1.1 framing for the few shapes that SDKs send, and the answers. Rules: the arrival line is written before the
first answer byte; the model's name chooses the behaviour (see `BEHAVIOURS`), so a test speaks to it only as a client
would; nothing here is part of the appliance's own request path.

Arrival line, JSON: `sha256, path, method, host, sni, resumed, connection, authorization, organization, headers,
body` (`body` only with --keep; `connection` counts the connections that sent something; `resumed`: by an earlier TLS
session).
"""

import argparse
import asyncio
import functools
import hashlib
import json
import os
import signal
import ssl
import sys
from pathlib import Path
from typing import Any

from appliance.standin import messages
from appliance.standin.saying import said, saying
from appliance.standin.websocket import serve_socket

BEHAVIOURS = {
    "stand-in": "answers at once",
    "stand-in-503": "answers 503",
    "stand-in-cut": "ends the connection in mid-stream",
    "stand-in-slow": "waits 50 ms before each further event",
    "stand-in-mute": "answers after SIGUSR1 only",
    "stand-in-say": "says the last text of a user turned; see saying.py",
    "stand-in-hold": "sends the first event, then waits for the client to leave or for SIGUSR1",
}
# Answers that are sent as they stand here; then the connection is closed.
RAW = {
    "stand-in-trailers": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx-sum: 1\r\n\r\n",
    "stand-in-garbage": b"\x00\x01 this is no HTTP\r\n\r\n",
    "stand-in-switch": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: raw\r\nconnection: upgrade\r\n\r\nanything",
    "stand-in-two-lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}}",
}
WORDS = ("Noon ", "is ", "when ", "the ", "shadow ", "is ", "shortest", ".")
MAX_HEAD = 64 * 1024
SLOW_S = 0.05


class Provider:
    """What all connections share: the arrival file and the release event of held streams."""

    def __init__(self, arrivals: Path | None, *, keep: bool, always: str | None = None) -> None:
        self.keep, self.always = keep, always
        self.connections = 0
        self.release = asyncio.Event()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._file = os.open(arrivals, flags, 0o600) if arrivals else None

    def arrived(self, request: "Request", sni: str | None, connection: int) -> None:
        """Write the arrival line; one write(2), so lines of killed processes stay whole."""
        if self._file is None:
            return
        line = {
            "sha256": hashlib.sha256(request.body).hexdigest(),
            "path": request.path,
            "method": request.method,
            "host": request.headers.get("host"),
            "sni": sni,
            "resumed": request.resumed,
            "connection": connection,
            "authorization": request.headers.get("authorization"),
            "organization": request.headers.get("openai-organization"),
            "headers": sorted(request.headers),
            "body": request.body.decode("utf-8", "replace") if self.keep else None,
            "raw": request.body.hex() if self.keep and "content-encoding" in request.headers else None,
        }
        os.write(self._file, json.dumps(line).encode() + b"\n")


class Request:
    """One parsed request head with its body."""

    def __init__(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.path, _ = first.split(" ", 2)
        pairs = (line.split(":", 1) for line in lines if ":" in line)
        self.headers = {name.strip().lower(): value.strip() for name, value in pairs}
        self.body = b""
        self.resumed = False  # whether its connection took up an earlier TLS session

    def model(self) -> tuple[str, bool, bool]:
        """Model name, whether a stream is asked for, whether usage is to be streamed."""
        try:
            document: Any = json.loads(self.body)
        except ValueError:
            return "", False, False
        if not isinstance(document, dict):
            return "", False, False
        options = document.get("stream_options") or {}
        return str(document.get("model", "")), bool(document.get("stream")), bool(options.get("include_usage"))


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request on a connection, or None at its end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    request = Request(head[:-4])
    if request.headers.get("transfer-encoding", "").lower() == "chunked":
        request.body = await _read_chunked(reader)
    else:
        request.body = await reader.readexactly(int(request.headers.get("content-length", "0")))
    return request


async def _read_chunked(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return b"".join(parts)


async def serve_connection(provider: Provider, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer requests until the client leaves."""
    sslobject = writer.get_extra_info("ssl_object")
    sni = getattr(sslobject, "gnomon_sni", None)
    provider.connections += 1
    number = provider.connections
    try:
        while request := await read_request(reader):
            request.resumed = bool(getattr(sslobject, "session_reused", False))
            provider.arrived(request, sni, number)
            if request.headers.get("upgrade", "").lower() == "websocket":
                told = functools.partial(_message_arrived, provider, request, sni, number)
                await serve_socket(request.path, request.headers, (reader, writer), told)
                break
            if not await answer(provider, request, writer):
                break
    except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
        pass  # the client left: what arrived is written down already
    finally:
        writer.close()


def _message_arrived(provider: Provider, request: Request, sni: str | None, number: int, message: bytes) -> None:
    """A message of a WebSocket is written down like a request with its body."""
    request.method, request.body = "MESSAGE", message
    provider.arrived(request, sni, number)


async def answer(provider: Provider, request: Request, writer: asyncio.StreamWriter) -> bool:
    """Write the answer; False: the connection is to be closed."""
    if request.path.startswith("/v1/models"):
        _plain(writer, 200, {"object": "list", "data": [{"id": "stand-in", "object": "model", "owned_by": "loopback"}]})
        return True
    model, stream, usage = request.model()
    model = provider.always or model
    if model == "stand-in-503":
        _plain(writer, 503, {"error": {"message": "busy", "type": "server_error", "param": None, "code": None}})
        return True
    if model == "stand-in-mute":
        await provider.release.wait()
    if model in RAW:
        writer.write(RAW[model])
        await writer.drain()
        return False
    if (how := saying(model)) is not None:
        writer.write(said(model, how, json.loads(request.body)))
        await writer.drain()
    elif request.path.partition("?")[0] == messages.PATH:
        await _message(model, writer, stream=stream)
    elif stream:
        return await _stream(provider, model, writer, usage=usage)
    else:
        _plain(writer, 200, _completion(model))
        await writer.drain()
    return True


async def _message(model: str, writer: asyncio.StreamWriter, *, stream: bool) -> None:
    """In Anthropic's words."""
    if stream:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for event in messages.events(model, WORDS):
            writer.write(_framed(event))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
    else:
        _plain(writer, 200, messages.whole(model, WORDS))
    await writer.drain()


def _completion(model: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(WORDS), "refusal": None}
    return {
        "id": "chatcmpl-standin",
        "object": "chat.completion",
        "created": 1700000000,
        "model": f"{model}-2026",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": _usage(),
    }


def _usage() -> dict[str, Any]:
    return {
        "prompt_tokens": 12,
        "completion_tokens": len(WORDS),
        "total_tokens": 12 + len(WORDS),
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _plain(writer: asyncio.StreamWriter, status: int, document: dict[str, Any]) -> None:
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    writer.write(head.encode() + b'alt-svc: h3=":443"\r\nx-request-id: standin\r\n\r\n' + body)


async def _stream(provider: Provider, model: str, writer: asyncio.StreamWriter, *, usage: bool) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    for number, word in enumerate(WORDS):
        delta = {"role": "assistant", "content": word} if number == 0 else {"content": word}
        _event(writer, _chunk(model, [{"index": 0, "delta": delta, "finish_reason": None}]))
        await writer.drain()
        if model == "stand-in-slow":
            await asyncio.sleep(SLOW_S)
        if number == 0 and model == "stand-in-hold":
            await provider.release.wait()
        if number == 2 and model == "stand-in-cut":  # noqa: PLR2004 - after three of eight events
            return False
    _event(writer, _chunk(model, [{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    if usage:
        _event(writer, _chunk(model, []) | {"usage": _usage()})
    writer.write(_framed(b"data: [DONE]\n\n") + b"0\r\n\r\n")
    await writer.drain()
    return True


def _chunk(model: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-standin",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": f"{model}-2026",
        "choices": choices,
    }


def _event(writer: asyncio.StreamWriter, document: dict[str, Any]) -> None:
    writer.write(_framed(b"data: " + json.dumps(document).encode() + b"\n\n"))


def _framed(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2+ with the SNI noted on each connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def note(sslobject: Any, name: str | None, _context: ssl.SSLContext) -> None:
        sslobject.gnomon_sni = name

    context.sni_callback = note
    return context


async def run(arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM; prints the port once it listens."""
    provider = Provider(arguments.arrivals, keep=arguments.keep, always=arguments.always)
    context = server_context(arguments.certificate, arguments.key) if arguments.certificate else None

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve_connection(provider, reader, writer)

    server = await asyncio.start_server(
        connection, arguments.host, arguments.port, ssl=context, limit=MAX_HEAD * 64, backlog=1024
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, provider.release.set)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stop.wait()


def main() -> None:
    """Entry of `python -m appliance.standin.provider`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--key", type=Path)
    parser.add_argument("--arrivals", type=Path)
    parser.add_argument("--keep", action="store_true", help="keep bodies in the arrival lines")
    parser.add_argument("--always", metavar="MODEL", help="behave as for this model, whatever is asked for")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
