"""Clients that speak bytes, plain places behind tunnels, and what the store wrote down about them.

Rules: every socket has a time-out, so a hang is a failure with a name; records are read over analyst.sock, as analysts
read them, from a mark taken before the deed.
"""

import contextlib
import http.client
import io
import json
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import duckdb
import msgspec

from appliance.bus.client import BlockingClient
from appliance.store.pages import (
    ExchangesRequest,
    ExchangeSummary,
    PageHead,
    RefusalsRequest,
    RefusalSummary,
)

PATIENCE_S = 20.0
AI = "api.openai.com"


@dataclass
class Answer:
    """One answer, read to its end. `status` 0: the connection was closed without one."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


CLOSED = Answer(0)


def connect(appliance, door: str = "proxy", source: str | None = None) -> socket.socket:
    """A connection to a listener, from `source` if that is given."""
    bound = (source, 0) if source else None
    return socket.create_connection(("127.0.0.1", getattr(appliance, door)), PATIENCE_S, bound)


class _Kept(io.BufferedReader):
    """The one reader of a connection: what came behind an answer belongs to the next."""

    def close(self) -> None:
        """Not after an answer, as http.client would."""


_readers: WeakKeyDictionary[socket.socket, _Kept] = WeakKeyDictionary()


class _Source:
    """What http.client reads from."""

    def __init__(self, sock: socket.socket) -> None:
        self._reader = _readers.setdefault(sock, _Kept(socket.SocketIO(sock, "rb")))

    def makefile(self, _mode: str) -> _Kept:
        return self._reader


def answer(sock: socket.socket, method: str = "POST") -> Answer:
    """The next answer on a connection."""
    response = http.client.HTTPResponse(_Source(sock), method=method)
    try:
        response.begin()
        body = response.read()
    except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return CLOSED
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


def say(sock: socket.socket, data: bytes, method: str = "POST") -> Answer:
    """Send bytes and read the answer; a peer that hangs up while we send may have answered all the same."""
    with contextlib.suppress(ConnectionError):
        sock.sendall(data)
    return answer(sock, method)


def tunnel(appliance, authority: str) -> socket.socket:
    """An open tunnel."""
    sock = connect(appliance)
    sock.sendall(f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):  # byte by byte: what follows belongs to the tunnel
        byte = sock.recv(1)
        assert byte, f"closed after {head!r}"
        head += byte
    assert head.startswith(b"HTTP/1.1 200 "), head
    return sock


def inside(appliance, authority: str = f"{AI}:443", sni: str | None = AI, alpn: str = "http/1.1") -> ssl.SSLSocket:
    """A tunnel with a finished handshake; names of certificates are not checked, their chain is."""
    context = appliance.trust()
    context.check_hostname = False
    context.set_alpn_protocols([alpn])
    return context.wrap_socket(tunnel(appliance, authority), server_hostname=sni)


def at_end(sock: socket.socket) -> bool:
    """Whether the peer closes without another byte."""
    try:
        return sock.recv(65536) == b""
    except (ConnectionError, ssl.SSLError):
        return True


def request(body: bytes = b"", *more: str, line: str = "POST /v1/chat/completions HTTP/1.1", host: str = AI) -> bytes:
    """A request with Content-Length; `more`: further header lines."""
    lines = [line, f"host: {host}", "content-type: application/json", f"content-length: {len(body)}", *more]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def bare(*lines: str, body: bytes = b"") -> bytes:
    """A request of just these lines."""
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def prompt(text: str = "hello", **more) -> bytes:
    """A chat completion."""
    return json.dumps({"model": "stand-in", "messages": [{"role": "user", "content": text}], **more}).encode()


class Records:
    """Refusals and exchanges that the store took in since this was made."""

    def __init__(self, appliance) -> None:
        self._path = appliance.folder / "run" / "analyst.sock"
        self._marks = {verb: self._newest(verb) for verb in ("refusals", "exchanges")}

    def refusal(self, reason: str, **wanted) -> RefusalSummary:
        """The first refusal with this reason and these values; waits for it."""

        def fits(row) -> bool:
            return row.reason == reason and all(getattr(row, name) == value for name, value in wanted.items())

        return self._await("refusals", fits, f"refusal {reason} {wanted}")

    def exchange(self, outcome: str | None = None, **wanted) -> ExchangeSummary:
        """The first closed exchange with these values; waits for it."""

        def fits(row) -> bool:
            right = row.outcome is not None if outcome is None else row.outcome == outcome
            return right and all(getattr(row, name) == value for name, value in wanted.items())

        return self._await("exchanges", fits, f"exchange {outcome} {wanted}")

    def all(self, verb: str) -> list:
        """Rows since the mark, oldest first."""
        kinds = {"refusals": (RefusalsRequest, RefusalSummary), "exchanges": (ExchangesRequest, ExchangeSummary)}
        asked, row = kinds[verb]
        with BlockingClient(self._path) as client:
            _, body = client.call(verb, asked(limit=500, after=self._marks[verb]), reply=PageHead)
        return msgspec.json.decode(body, type=list[row])[::-1]

    def _newest(self, verb: str) -> int:
        self._marks = {verb: 0}
        rows = self.all(verb)
        return rows[-1].n if rows else 0

    def _await(self, verb: str, fits, told: str):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            rows = self.all(verb)
            if found := next((row for row in rows if fits(row)), None):
                return found
            assert time.monotonic() < deadline, f"{told} was not recorded; since then: {rows}"
            threading.Event().wait(0.02)


class Place:
    """A plain TCP place: greets, remembers what came, answers every chunk with the same bytes backwards."""

    def __init__(self, greeting: bytes = b"") -> None:
        self.greeting = greeting
        self.came = bytearray()
        self.connections = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._server.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            sock.sendall(self.greeting)
            while chunk := sock.recv(65536):
                self.came += chunk
                sock.sendall(chunk[::-1])

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


def configured(appliance, hosts: dict[str, int], egress: str = "", listen: str = ""):
    """The same appliance with further host mappings and keys, before it starts."""
    text = appliance.config.read_text()
    mapped = "".join(f"'{name}': '127.0.0.1:{port}', " for name, port in hosts.items())
    text = text.replace("hosts: {", "hosts: {" + mapped).replace("listen: {", "listen: {" + listen)
    appliance.config.write_text(text + egress)
    return appliance


def rows_of(path) -> list[tuple[str, tuple]]:
    """Every row of every table, with the table's name."""
    with contextlib.closing(duckdb.connect(str(path), read_only=True)) as database:
        names = [row[0] for row in database.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        return [(name, row) for name in names for row in database.execute(f'SELECT * FROM "{name}"').fetchall()]
