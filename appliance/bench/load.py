"""A client that asks as fast as it can, or at a rate, and tells how long each answer took.

It asks through a proxy, or straight a server that speaks as a provider does (`--connect` left out).
Run as a process of its own (`python -m appliance.bench.load`), so that the measured process has its core to itself.
Rules: every body is unique; bodies are made before the clock starts; a wrong answer ends the run; connections
that are kept are open before it does; at a rate the times at which requests begin are set beforehand, and one that
begins late counts from when it should have begun.
"""

import argparse
import json
import queue
import random
import re
import socket
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec

from appliance.bench.box import cpu_seconds

PROSE = (
    "the quarterly plan for our northern branch needs another careful look before we send it to everyone because "
    "several numbers changed after the meeting and nobody wrote down which version was final please compare both "
    "drafts list what differs explain why it matters and propose a short friendly answer that a busy reader can "
    "understand in one minute without opening any attachment or asking somebody else about missing details"
)
WORDS = PROSE.split()
BODY_BYTES = 2048
LARGE_BYTES = 1 << 20
LARGE_PER_S = 30  # more than any machine gets through one after the other
MAIL_EVERY = 10
LEAST_BODIES = 200
TIMEOUT_S = 30.0
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"transfer-encoding: *chunked", re.IGNORECASE)
LAST_CHUNK = b"\r\n0\r\n\r\n"
Due = tuple[float, bytes]  # when a body is to go (perf_counter; 0: at once), and the body


class Result(msgspec.Struct):
    """What one run measured; latencies in milliseconds.

    `large`: bodies of 1 MB that went beside them. `cpu_s`: processor time of the server meanwhile, where it is known.
    """

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    large: int = 0
    cpu_s: float = 0.0


def bodies(count: int, seed: int, size: int = BODY_BYTES) -> list[bytes]:
    """`count` unique chat requests of about `size` bytes of prose; one in ten holds a mail address and a number."""
    source = random.Random(seed)  # noqa: S311 - text for a load, not a secret
    return [_body(source, number, size) for number in range(count)]


def large_bodies(count: int, seed: int) -> list[bytes]:
    """`count` requests of about 1 MB whose paragraphs stand in another order each, so that no two windows are alike."""
    source = random.Random(seed)  # noqa: S311 - text for a load, not a secret
    paragraphs = [" ".join(source.choices(WORDS, k=300)).capitalize() + ". " for _ in range(LARGE_BYTES // 1750)]
    made = []
    for number in range(count):
        source.shuffle(paragraphs)
        messages = [{"role": "user", "content": f"Note {number}. " + "".join(paragraphs)}]
        made.append(json.dumps({"model": "stand-in", "messages": messages}).encode())
    return made


def _body(source: random.Random, number: int, size: int) -> bytes:
    text = "Note. "
    if number % MAIL_EVERY == 0:
        text += f"Reply to user{number}@corp-mail.com or call +49 30 9018{number % 1000:03d} today. "
    while len(text) < size - 160:
        text += " ".join(source.choices(WORDS, k=12)).capitalize() + ". "
    messages = [{"role": "system", "content": "You are terse."}, {"role": "user", "content": text}]
    return json.dumps({"model": "stand-in", "messages": messages, "temperature": 0.2}).encode()


class Client:
    """One connection at a time."""

    def __init__(self, options: argparse.Namespace, context: ssl.SSLContext) -> None:
        self._options = options
        self._context = context
        self._socket: socket.socket | None = None
        self._head = "".join(f"{line}\r\n" for line in options.header)

    def open(self) -> None:
        """CONNECT where there is a proxy, then TLS where it is spoken."""
        plain = socket.create_connection(("127.0.0.1", self._options.port), timeout=TIMEOUT_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._options.connect:
            self._tunnel(plain, self._options.connect)
        name = self._options.sni
        self._socket = plain if self._options.plain else self._context.wrap_socket(plain, server_hostname=name)

    @staticmethod
    def _tunnel(plain: socket.socket, target: str) -> None:
        plain.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += _some(plain)
        if b" 200 " not in head:
            raise RuntimeError(f"CONNECT was refused: {head!r}")

    def ask(self, body: bytes) -> None:
        """One request and its whole answer."""
        if self._socket is None:
            raise RuntimeError("not open")
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {self._options.sni}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer sk-bench\r\n{self._head}Content-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body)
        answer = b""
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += _some(self._socket)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"unexpected answer: {answer[:200]!r}")
        length = LENGTH.search(answer, 0, end + 2)
        if length is not None:
            missing = end + 4 + int(length[1]) - len(answer)
            while missing > 0:
                missing -= len(_some(self._socket))
            return
        if CHUNKED.search(answer, 0, end + 2) is None:
            raise RuntimeError(f"an answer without a length: {answer[:200]!r}")
        while not answer.endswith(LAST_CHUNK):
            answer += _some(self._socket)

    def close(self) -> None:
        """Leave."""
        if self._socket is not None:
            self._socket.close()


def _some(source: socket.socket) -> bytes:
    data = source.recv(65536)
    if not data:
        raise RuntimeError("the proxy closed the connection")
    return data


def worker(options: argparse.Namespace, client: Client, work: queue.SimpleQueue[Due]) -> list[float]:
    """Ask until time is up or the bodies are used up; milliseconds of each request."""
    took: list[float] = []
    while time.perf_counter() < options.until:
        try:
            due, body = work.get_nowait()
        except queue.Empty:
            break
        began = _begin(due)
        if options.new:
            client.open()
        client.ask(body)
        took.append((time.perf_counter() - began) * 1000)
        if options.new:
            client.close()
    client.close()
    return took


def _begin(due: float) -> float:
    """Wait until a request is due. Its beginning: now, or where it is late already, when it was due."""
    early = due - time.perf_counter()
    if due and early <= 0:
        return due
    if early > 0:
        time.sleep(early)
    return time.perf_counter()


def run(options: argparse.Namespace) -> Result:
    """All workers side by side; threads with blocking sockets cost the load core the least."""
    context = ssl.create_default_context(cafile=options.ca or None)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # a peer's certificates may predate what 3.13 asks for
    made = bodies(options.bodies, options.seed, options.size)
    large_made = large_bodies(int(options.seconds * LARGE_PER_S), options.seed) if options.beside_large else []
    clients = [Client(options, context) for _ in range(options.concurrency + 1)]
    for client in () if options.new else clients[: None if options.beside_large else -1]:
        client.open()
    used, began = _used(options.worker), time.perf_counter()
    options.until = began + options.seconds
    work, beside = _queue(made, began, options.rate), _queue(large_made, began, 0)
    with ThreadPoolExecutor(options.concurrency + 1) as threads:
        large = threads.submit(worker, options, clients[-1], beside) if options.beside_large else None
        running = [threads.submit(worker, options, client, work) for client in clients[:-1]]
        took = sorted(one for thread in running for one in thread.result())
        seconds, used = time.perf_counter() - began, _used(options.worker) - used
        count = len(large.result()) if large else 0
    return Result(len(took), seconds, took[len(took) // 2], took[int(len(took) * 0.99)], count, used)


def _used(pid: int) -> float:
    return cpu_seconds(pid) if pid else 0.0


def _queue(made: list[bytes], began: float, rate: float) -> queue.SimpleQueue[Due]:
    work: queue.SimpleQueue[Due] = queue.SimpleQueue()
    for number, body in enumerate(made):
        work.put((began + number / rate if rate else 0.0, body))
    return work


def main() -> None:
    """Entry of the process; prints one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="of whom is asked, on loopback")
    parser.add_argument("--connect", default="", help="host:port that a proxy is to connect to; without: no proxy")
    parser.add_argument("--plain", action="store_true", help="no TLS")
    parser.add_argument("--header", action="append", default=[], help="a line of the head; may be repeated")
    parser.add_argument("--rate", type=float, default=0, help="requests/s, whether or not answers keep up (0: at once)")
    parser.add_argument("--sni", default="api.openai.com")
    parser.add_argument("--ca", default="", help="what is trusted of it")
    parser.add_argument("--worker", type=int, default=0, help="process whose processor time is told")
    parser.add_argument("--new", action="store_true", help="a new TLS connection for each request")
    parser.add_argument("--beside-large", action="store_true", help="one further client sends bodies of 1 MB")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--bodies", type=int, default=LEAST_BODIES)
    parser.add_argument("--size", type=int, default=BODY_BYTES, help="bytes of a body")
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    sys.stdout.buffer.write(msgspec.json.encode(run(parser.parse_args())) + b"\n")


if __name__ == "__main__":
    main()
