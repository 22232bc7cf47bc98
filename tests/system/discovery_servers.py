"""What stands in the boxes of `discovery_world`: providers, a resolver, a foreign proxy, a model on a desk.

`python discovery_servers.py KIND FOLDER ADDRESS`; it prints one line once it serves, and serves until it is ended.
`tls`: dialects of all providers, port 443 of every address of its box, certificate and authority in FOLDER; `quic`:
HTTP/3's handshake and an echo, with the same certificate; `names`: A records by FOLDER/names (`NAME ADDRESS` a line);
`tunnel`: CONNECT to anywhere, 3128; `model`: what Ollama answers, 11434. Both take their time where a name says `slow`,
longer than a sensor gathers what belongs to one connection.
"""

import asyncio
import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import dpkt
import sdk_world

NAMES, TUNNEL, MODEL = 53, 3128, 11434
TTL_S = 60
SLOW, SLOW_S = "slow", 1.2


def tls(folder: Path, _: str) -> None:
    names = tuple(line.split()[0] for line in (folder / "names").read_text().splitlines())
    sdk_world.Provider(folder, names, ("0.0.0.0", 443))  # noqa: S104 - of a box without a way out
    _told()
    threading.Event().wait()  # for ever


def quic(folder: Path, address: str) -> None:
    from aioquic.asyncio import serve
    from aioquic.quic.configuration import QuicConfiguration

    async def run() -> None:
        configuration = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
        configuration.load_cert_chain(str(folder / "server.pem"), str(folder / "server.key"))
        await serve(address, 443, configuration=configuration, stream_handler=lambda *pair: _later(_echo(*pair)))
        _told()
        await asyncio.Event().wait()

    asyncio.run(run())


_tasks: set[asyncio.Task] = set()


def _later(work) -> None:
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read())
    writer.write_eof()


def names(folder: Path, address: str) -> None:
    table = dict(line.split() for line in (folder / "names").read_text().splitlines())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address, NAMES))
        _told()
        while True:
            question, asker = sock.recvfrom(4096)
            sock.sendto(answer(question, table), asker)


def answer(question: bytes, table: dict[str, str]) -> bytes:
    """A records of names in the table; of others, and of other types, that there is nothing."""
    message = dpkt.dns.DNS(question)
    asked = message.qd[0]
    message.qr, message.aa, message.ra, message.rcode = 1, 1, 1, 0
    message.ar = []
    if asked.type == dpkt.dns.DNS_A and asked.name in table:
        data = socket.inet_aton(table[asked.name])
        message.an = [dpkt.dns.DNS.RR(name=asked.name, type=dpkt.dns.DNS_A, ttl=TTL_S, rlen=4, rdata=data, ip=data)]
    elif asked.name not in table:
        message.rcode = dpkt.dns.DNS_RCODE_NXDOMAIN
    return bytes(message)


def tunnel(_: Path, address: str) -> None:
    listener = sdk_world.listening(_carry, (address, TUNNEL))
    _told()
    with listener:
        threading.Event().wait()


def _carry(client: socket.socket) -> None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        if not (more := client.recv(1)):
            return
        head += more
    host, _, port = head.split()[1].decode().rpartition(":")
    _wait(host)
    with client, socket.create_connection((host, int(port)), 10) as upstream:
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        sdk_world.both_ways(client, upstream)


class _Model(BaseHTTPRequestHandler):
    """The calls of Ollama's interface that clients make."""

    protocol_version = "HTTP/1.1"
    version: ClassVar = {"version": "0.12.6"}

    def do_GET(self) -> None:
        self._say("application/json", json.dumps(self.version).encode())

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        _wait(asked["model"])
        said = [{"model": asked["model"], "created_at": "2026-01-01T00:00:00Z", "done": False} for _ in range(3)]
        for one in said:
            one["message"] = {"role": "assistant", "content": "noon "}
        said[-1] |= {"done": True, "done_reason": "stop", "eval_count": 3, "prompt_eval_count": 5}
        if asked.get("stream", True):
            return self._say("application/x-ndjson", b"".join(json.dumps(one).encode() + b"\n" for one in said))
        return self._say("application/json", json.dumps(said[-1]).encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _say(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _wait(name: str) -> None:
    if SLOW in name:
        time.sleep(SLOW_S)


def model(_: Path, address: str) -> None:
    server = ThreadingHTTPServer((address, MODEL), _Model)
    _told()
    server.serve_forever()


def _told() -> None:
    sys.stdout.write("serving\n")
    sys.stdout.flush()


KINDS = {one.__name__: one for one in (tls, quic, names, tunnel, model)}

if __name__ == "__main__":
    kind, where, place = sys.argv[1:]
    KINDS[kind](Path(where), place)
