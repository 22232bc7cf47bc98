"""A client that asks through a proxy as fast as it can, and tells how long each answer took.

Run as a process of its own (`python -m appliance.bench.load`), so that the measured process has its core to itself.
Rules: every body is unique; bodies are made before the clock starts; a wrong answer ends the run.
"""

import argparse
import asyncio
import contextlib
import json
import random
import ssl
import sys
import time
from collections.abc import Iterator

import msgspec

PROSE = (
    "the quarterly plan for our northern branch needs another careful look before we send it to everyone because "
    "several numbers changed after the meeting and nobody wrote down which version was final please compare both "
    "drafts list what differs explain why it matters and propose a short friendly answer that a busy reader can "
    "understand in one minute without opening any attachment or asking somebody else about missing details"
)
WORDS = PROSE.split()
BODY_BYTES = 2048
LEAST_BODIES = 200


class Result(msgspec.Struct):
    """What one run measured; latencies in milliseconds."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float


def bodies(count: int, seed: int) -> list[bytes]:
    """`count` unique chat requests of about 2 kB of ordinary prose; one in ten holds an e-mail address."""
    source = random.Random(seed)  # noqa: S311 - text for a load, not a secret
    return [_body(source, number) for number in range(count)]


def _body(source: random.Random, number: int) -> bytes:
    text = f"Note {number}-{source.getrandbits(48):x}. "
    if number % 10 == 0:
        text += f"Reply to user{number}@corp-mail.com today. "
    while len(text) < BODY_BYTES - 160:
        text += " ".join(source.choices(WORDS, k=12)).capitalize() + ". "
    messages = [{"role": "system", "content": "You are terse."}, {"role": "user", "content": text}]
    return json.dumps({"model": "stand-in", "messages": messages, "temperature": 0.2}).encode()


class Client:
    """One connection at a time through the proxy."""

    def __init__(self, options: argparse.Namespace, context: ssl.SSLContext) -> None:
        self._options = options
        self._context = context
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        """CONNECT and TLS."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._options.proxy)
        target = self._options.connect
        self._writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head:
            raise RuntimeError(f"CONNECT was refused: {head!r}")
        await self._writer.start_tls(self._context, server_hostname=self._options.sni)

    async def ask(self, body: bytes) -> None:
        """One request and its whole answer."""
        reader, writer = self._reader, self._writer
        if reader is None or writer is None:
            raise RuntimeError("not open")
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {self._options.sni}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer sk-bench\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"unexpected answer: {answer[:200]!r}")
        lower = answer.lower()
        start = lower.index(b"content-length:") + 15
        await reader.readexactly(int(lower[start : lower.index(b"\r\n", start)]))

    async def close(self) -> None:
        """Leave; a peer that left first is fine."""
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await self._writer.wait_closed()


async def worker(
    options: argparse.Namespace, context: ssl.SSLContext, work: Iterator[bytes], took: list[float]
) -> None:
    """Ask until time is up or the bodies are used up."""
    client = Client(options, context)
    if not options.new:
        await client.open()
    while time.perf_counter() < options.until and (body := next(work, None)) is not None:
        began = time.perf_counter()
        if options.new:
            client = Client(options, context)
            await client.open()
        await client.ask(body)
        took.append((time.perf_counter() - began) * 1000)
        if options.new:
            await client.close()
    await client.close()


async def run(options: argparse.Namespace) -> Result:
    """All workers side by side."""
    context = ssl.create_default_context(cafile=options.ca)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # a peer's certificates may predate what 3.13 asks for
    work = iter(bodies(options.bodies, options.seed))
    took: list[float] = []
    began = time.perf_counter()
    options.until = began + options.seconds
    async with asyncio.TaskGroup() as group:
        for _ in range(options.concurrency):
            group.create_task(worker(options, context, work, took))
    seconds = time.perf_counter() - began
    took.sort()
    return Result(len(took), seconds, took[len(took) // 2], took[int(len(took) * 0.99)])


def main() -> None:
    """Entry of the process; prints one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proxy", type=int, required=True)
    parser.add_argument("--connect", required=True)
    parser.add_argument("--sni", default="api.openai.com")
    parser.add_argument("--ca", required=True)
    parser.add_argument("--new", action="store_true", help="a new TLS connection for each request")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--bodies", type=int, default=LEAST_BODIES)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(run(parser.parse_args()))) + b"\n")


if __name__ == "__main__":
    main()
