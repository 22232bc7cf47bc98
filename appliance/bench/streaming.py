"""Streamed answers through a proxy, timed: the provider and its clients in one process, so that one clock serves both.

Run as a process of its own (`python -m appliance.bench.streaming`). Theory: each delta carries its number; the provider
notes when it was written, the client when bytes came after it. A guard that holds the end of a text back sends it with
the next delta: so what is timed is from writing a delta to the first bytes that it causes, whichever text they carry;
the first text is timed apart, from the request on. Several hosts take turns, round by round, on connections that stay:
what drifts on the machine drifts for all of them. Rules: prose is unique; a wrong answer ends the run.
"""

import argparse
import asyncio
import json
import random
import resource
import ssl
import sys
import time
from pathlib import Path

import msgspec

from appliance.bench.box import cpu_seconds
from appliance.bench.load import WORDS

WARM_DELTAS = 20
HANDSHAKES = 32  # at once
FLUSH_EVERY = 16  # deltas, where they come as fast as they can
_END = b"data: [DONE]\n\n"


class Timings(msgspec.Struct):
    """What one host's rounds measured. Milliseconds, sorted; `chunks`: in how many pieces the events came.

    `cpu_s`: processor time of the worker, user and system.
    """

    host: str
    first_ms: list[float] = []
    delta_ms: list[float] = []
    deltas: int = 0
    chunks: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0


class Side:
    """The provider: answers every request with `deltas` pieces of prose, `pace` seconds apart, `lead` spaces before."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.written: dict[int, float] = {}  # stream -> when its newest delta was written
        self._random = random.Random(options.seed)  # noqa: S311 - text for a load, not a secret

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                asked = json.loads(await reader.readexactly(size))
                await self._answer(writer, int(asked["user"]))
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, IndexError):
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, stream: int) -> None:
        options = self._options
        events = [event(self._words()) for _ in range(options.deltas)]
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for number, data in enumerate(events):
            self.written[stream] = time.perf_counter()
            writer.write(b"%x\r\n%b\r\n" % (len(data), data))
            if options.pace:
                await asyncio.sleep(options.pace)
            elif number % FLUSH_EVERY == 0:
                await writer.drain()
        writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(_END), _END))
        await writer.drain()

    def _words(self) -> str:
        word = self._random.choice(WORDS)
        return f" {word}" if self._options.lead else f"{word} "


def event(text: str) -> bytes:
    """One chat completion chunk as a provider sends it."""
    choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}
    document = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1700000000, "model": "bench"}
    chunk = {**document, "system_fingerprint": "fp_bench", "choices": [choice]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


class Clients:
    """All clients of one host."""

    def __init__(self, options: argparse.Namespace, side: Side, host: str) -> None:
        self._options, self._side, self._host = options, side, host
        self._context = ssl.create_default_context(cafile=str(options.ca))
        self._gate = asyncio.Semaphore(HANDSHAKES)
        self._open: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        self.told = Timings(host)

    async def round(self) -> None:
        """Every stream asks `repeat` times, one time after the other."""
        streams = range(self._options.streams)
        await asyncio.gather(*(self._connected(stream) for stream in streams))
        cpu, begun = cpu_seconds(self._options.worker), time.perf_counter()
        await asyncio.gather(*(self._run(stream) for stream in streams))
        self.told.seconds += time.perf_counter() - begun
        self.told.cpu_s += cpu_seconds(self._options.worker) - cpu

    async def _run(self, stream: int) -> None:
        for _ in range(self._options.repeat):
            await self._ask(*self._open[stream], stream)

    async def _connected(self, stream: int) -> None:
        if stream in self._open:
            return
        async with self._gate:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self._options.proxy, local_addr=(_address(stream), 0)
            )
            writer.write(f"CONNECT {self._host}:443 HTTP/1.1\r\nHost: {self._host}:443\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
            await writer.start_tls(self._context, server_hostname=self._host)
        self._open[stream] = reader, writer

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: int) -> None:
        messages = [{"role": "user", "content": f"go on, {stream}"}]
        body = json.dumps({"model": "bench", "stream": True, "user": str(stream), "messages": messages}).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {self._host}\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer sk-bench\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        begun = time.perf_counter()
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in answer:
            raise RuntimeError(f"refused: {answer!r}")
        await self._read(reader, stream, begun)

    async def _read(self, reader: asyncio.StreamReader, stream: int, begun: float) -> None:
        """The chunks of one answer."""
        told, options = self.told, self._options
        events = 0
        while size := int(await reader.readuntil(b"\r\n"), 16):
            data = await reader.readexactly(size + 2)
            now = time.perf_counter()
            if not events:
                told.first_ms.append((now - begun) * 1000)
            told.chunks += 1
            events += data.count(b"data: ")
            if options.pace and events > WARM_DELTAS and _END not in data:
                told.delta_ms.append((now - self._side.written[stream]) * 1000)
        await reader.readexactly(2)
        if events != options.deltas + 1:
            raise RuntimeError(f"{events} events came, {options.deltas + 1} were sent")
        told.deltas += options.deltas


def _address(stream: int) -> str:
    """Each stream is somebody else's: one caller alone may not have a thousand running."""
    return f"127.1.{stream // 250}.{stream % 250 + 1}"


async def measure(options: argparse.Namespace) -> list[Timings]:
    """All rounds of all hosts, in turn."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)), hard))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.certificate, options.key)
    side = Side(options)
    server = await asyncio.start_server(side.serve, "127.0.0.1", options.port, ssl=context, backlog=1024)
    clients = [Clients(options, side, host) for host in options.host]
    for number in range(options.rounds):
        for one in clients[:: -1 if number % 2 else 1]:
            await one.round()
    server.close()
    for one in clients:
        one.told.first_ms.sort()
        one.told.delta_ms.sort()
    return [one.told for one in clients]


def main() -> None:
    """Entry of `python -m appliance.bench.streaming`."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("proxy", "port", "worker", "deltas", "repeat", "rounds", "streams", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("ca", "certificate", "key"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--host", action="append", required=True, help="may be given several times: they take turns")
    parser.add_argument("--pace", type=float, default=0.0, help="seconds between deltas; 0: as fast as possible")
    parser.add_argument("--lead", action="store_true", help="words carry their space before them")
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(measure(parser.parse_args()))))


if __name__ == "__main__":
    main()
