"""A WebSocket client that goes through a proxy, and a server to go to: both on wsproto, both awaited by event."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

import wsproto.events
from wsproto.connection import Connection, ConnectionType
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import generate_accept_token

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
Ended = wsproto.events.CloseConnection


class Socket:
    """One end. `read` gives str, bytes, Ping, Pong or CloseConnection (code 1006 where the connection just ended)."""

    def __init__(self, reader, writer, kind: ConnectionType, extensions=()) -> None:
        self.reader, self.writer = reader, writer
        self.wire = Connection(kind, list(extensions))
        self._events: list = []
        self._message: list = []
        self.status = 0
        self.headers: dict[str, str] = {}
        self.path = ""

    async def send(self, message: str | bytes, *pieces: str | bytes) -> None:
        parts = (message, *pieces)
        for number, part in enumerate(parts, 1):
            made = wsproto.events.TextMessage if isinstance(part, str) else wsproto.events.BytesMessage
            await self.event(made(data=part, message_finished=number == len(parts)))

    async def event(self, event) -> None:
        self.writer.write(self.wire.send(event))
        await self.writer.drain()

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read(self):
        while not self._events:
            data = await self._some()
            self.wire.receive_data(data)
            for event in self.wire.events():
                self._take(event)
        return self._events.pop(0)

    async def _some(self) -> bytes | None:
        try:
            return await self.reader.read(65536) or None
        except (ConnectionError, ssl.SSLError):
            return None

    def _take(self, event) -> None:
        if not isinstance(event, (wsproto.events.TextMessage, wsproto.events.BytesMessage)):
            self._events.append(event)
            return
        self._message.append(event.data)
        if event.message_finished:
            self._events.append(type(self._message[0])().join(self._message))
            self._message = []

    async def close(self, code: int = 1000) -> None:
        await self.event(wsproto.events.CloseConnection(code=code))

    def drop(self) -> None:
        self.writer.transport.abort()


async def head_of(reader) -> tuple[str, dict[str, str]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    return first, {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}


@contextlib.asynccontextmanager
async def connected(
    proxy: int, host: str, path: str, *, trust: ssl.SSLContext | None = None, extra: tuple[str, ...] = ()
) -> AsyncIterator[Socket]:
    """A client of `host` through the proxy on loopback; without `trust` in clear (ws:)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy)
    target = path
    if trust is not None:
        writer.write(f"CONNECT {host}:443 HTTP/1.1\r\nhost: {host}:443\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        await writer.start_tls(trust, server_hostname=host)
    else:
        target = f"http://{host}{path}"
    lines = [f"GET {target} HTTP/1.1", f"host: {host}", "connection: Upgrade", "upgrade: websocket"]
    lines += [f"sec-websocket-key: {KEY}", "sec-websocket-version: 13", *extra]
    writer.write("\r\n".join((*lines, "", "")).encode())
    socket = Socket(reader, writer, ConnectionType.CLIENT)
    first, socket.headers = await head_of(reader)
    socket.status = int(first.split()[1])
    try:
        yield socket
    finally:
        writer.transport.abort()


class SocketServer:
    """Accepts WebSockets; `served` gives the server's end of each, in order."""

    def __init__(
        self, tls: ssl.SSLContext | None = None, *, answer: tuple[str, ...] = (), deflate: bool = False
    ) -> None:
        self._tls, self._answer, self._deflate = tls, answer, deflate
        self.served: asyncio.Queue[Socket] = asyncio.Queue()
        self._writers: list = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.place = f"127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader, writer) -> None:
        self._writers.append(writer)
        first, headers = await head_of(reader)
        deflate = PerMessageDeflate()
        extensions = []
        if self._deflate and "permessage-deflate" in headers.get("sec-websocket-extensions", ""):
            deflate.accept("permessage-deflate")
            extensions = [deflate]
        lines = ["HTTP/1.1 101 Switching Protocols", "upgrade: websocket", "connection: upgrade"]
        lines.append(f"sec-websocket-accept: {generate_accept_token(headers['sec-websocket-key'].encode()).decode()}")
        lines += ["sec-websocket-extensions: permessage-deflate"] if extensions else []
        writer.write("\r\n".join((*lines, *self._answer, "", "")).encode())
        socket = Socket(reader, writer, ConnectionType.SERVER, extensions)
        socket.headers, socket.path = headers, first.split()[1]
        await self.served.put(socket)
