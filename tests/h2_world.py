"""Both ends of HTTP/2 by hand, frame by frame: what clients of gRPC do that HTTP libraries cannot."""

import asyncio
import contextlib
import ssl
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable

import h2.config
import h2.connection
import h2.events

Fields = list[tuple[str, str]]


def grpc(*messages: bytes) -> bytes:
    """Messages as gRPC frames them."""
    return b"".join(b"\x00" + struct.pack(">I", len(message)) + message for message in messages)


class End:
    """One end of a connection. Events of a stream, in order: ("headers"|"trailers", fields), ("data", bytes), ("end",),
    ("reset", code); of the connection, under stream 0: ("goodbye", code).
    """

    def __init__(self, reader, writer, *, client: bool) -> None:
        self.reader, self.writer = reader, writer
        config = h2.config.H2Configuration(
            client_side=client,
            header_encoding="utf-8",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self.wire = h2.connection.H2Connection(config)
        self.wire.initiate_connection()
        self.wire.increment_flow_control_window(2**20)
        self.events: defaultdict[int, asyncio.Queue] = defaultdict(asyncio.Queue)
        self.opened: asyncio.Queue[int] = asyncio.Queue()
        self._flush()

    def _flush(self) -> None:
        self.writer.write(self.wire.data_to_send())

    async def pump(self) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            while data := await self.reader.read(65536):
                for event in self.wire.receive_data(data):
                    self._take(event)
                self._flush()
        for queue in list(self.events.values()):
            queue.put_nowait(("gone",))
        self.events[0].put_nowait(("gone",))

    def _take(self, event) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            self.events[0].put_nowait(("goodbye", int(event.error_code)))
        told = {
            h2.events.RequestReceived: "headers",
            h2.events.ResponseReceived: "headers",
            h2.events.TrailersReceived: "trailers",
        }.get(type(event))
        if told:
            if isinstance(event, h2.events.RequestReceived):
                self.opened.put_nowait(event.stream_id)
            self.events[event.stream_id].put_nowait((told, dict(event.headers)))
        elif isinstance(event, h2.events.DataReceived):
            self.wire.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if event.data:
                self.events[event.stream_id].put_nowait(("data", event.data))
        elif isinstance(event, h2.events.StreamEnded):
            self.events[event.stream_id].put_nowait(("end",))
        elif isinstance(event, h2.events.StreamReset):
            self.events[event.stream_id].put_nowait(("reset", int(event.error_code)))

    def open(self, host: str, path: str, *more: tuple[str, str], method: str = "POST", end: bool = False) -> int:
        fields = [(":method", method), (":scheme", "https"), (":authority", host), (":path", path), *more]
        stream = self.wire.get_next_available_stream_id()
        self.headers(stream, fields, end=end)
        return stream

    def headers(self, stream: int, fields: Fields, *, end: bool = False) -> None:
        self.wire.send_headers(stream, fields, end_stream=end)
        self._flush()

    def data(self, stream: int, data: bytes, *, end: bool = False) -> None:
        self.wire.send_data(stream, data, end_stream=end)
        self._flush()

    def raw(self, frame: bytes) -> None:
        self._flush()
        self.writer.write(frame)

    async def next(self, stream: int) -> tuple:
        return await self.events[stream].get()

    async def whole(self, stream: int) -> tuple[dict, bytes, dict]:
        """Headers, body and trailers of what comes on a stream, to its end."""
        headers, body, trailers = {}, b"", {}
        while (event := await self.next(stream))[0] != "end":
            match event:
                case ("headers", fields):
                    headers = fields
                case ("trailers", fields):
                    trailers = fields
                case ("data", data):
                    body += data
                case _:
                    raise AssertionError(event)
        return headers, body, trailers


@contextlib.asynccontextmanager
async def h2_client(proxy: int, host: str, trust: ssl.SSLContext) -> AsyncIterator[End]:
    """A client of `host` through the proxy on loopback."""
    trust.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy)
    writer.write(f"CONNECT {host}:443 HTTP/1.1\r\nhost: {host}:443\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    await writer.start_tls(trust, server_hostname=host)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    end = End(reader, writer, client=True)
    pump = asyncio.ensure_future(end.pump())
    try:
        yield end
    finally:
        pump.cancel()
        writer.transport.abort()
        await asyncio.gather(pump, return_exceptions=True)


class H2Server:
    """Serves each stream with `script(end, stream)`."""

    def __init__(self, tls: ssl.SSLContext, script: Callable[[End, int], Awaitable[None]]) -> None:
        self._tls, self._script = tls, script
        self._tasks: set[asyncio.Task] = set()
        self.ends: list[End] = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.place = f"127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for end in self.ends:
            end.writer.transport.abort()

    async def _serve(self, reader, writer) -> None:
        end = End(reader, writer, client=False)
        self.ends.append(end)
        self._tasks |= {asyncio.current_task(), asyncio.ensure_future(end.pump())}
        while True:
            stream = await end.opened.get()
            self._tasks.add(asyncio.ensure_future(self._script(end, stream)))
