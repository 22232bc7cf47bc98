"""A provider that answers with the fixtures of the dialects, and a plain tunnel that leads every name to it.

The case is asked for in the prompt (`case:stream`); the path tells the dialect; sdk_sayings has further streams. What
arrives is kept, so that a test can see the bytes that the appliance let through.
"""

import base64
import json
import re
import socket
import ssl
import threading
from pathlib import Path
from typing import NamedTuple

from sdk_sayings import SAYINGS, said

from appliance.standin.certificates import write_certificates

FIXTURES = Path(__file__).parents[1] / "appliance" / "inspect" / "dialects" / "fixtures"
HOSTS = (
    *("api.openai.com", "api.anthropic.com", "generativelanguage.googleapis.com", "api.mistral.ai", "api.cohere.com"),
    *("api.ollama.com", "bedrock-runtime.us-east-1.amazonaws.com"),
)
APIS = (
    ("/v1/chat/completions", "openai.chat"),
    ("/v1/responses", "openai.responses"),
    ("/v1/messages", "anthropic.messages"),
    ("enerateContent", "gemini.generate"),
    ("/v2/chat", "cohere.chat"),
    ("/api/chat", "ollama.chat"),
    ("/converse", "bedrock.converse"),
    ("/invoke", "bedrock.invoke"),
)
LOOPBACK = ("127.0.0.1", 0)
CASES = {"chat": "plain", "secret": "plain", "async": "stream"}
_CASE = re.compile(rb"case:([a-z]+)")
_USAGE_ALONE = re.compile(rb'data: \{[^\n]*"choices":\[\],"usage"[^\n]*\n\n')


class Arrival(NamedTuple):
    """One request as it reached the provider. `headers`: as sent, in their order, names in lower case."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def case(self) -> str:
        found = _CASE.search(self.body)
        return found[1].decode() if found else "plain"


class Provider:
    """Listens with one certificate for all names. `tunnel`: the port of a proxy on loopback that leads here alone."""

    def __init__(self, folder: Path, hosts: tuple[str, ...] = HOSTS, place: tuple[str, int] = LOOPBACK) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.ca, certificate, key = write_certificates(folder, hosts)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self.arrived: list[Arrival] = []
        self._listener = listening(self._serve, place)
        self.port = self._listener.getsockname()[1]
        self._tunnel = tunnel_to(self.port)
        self.tunnel = self._tunnel.getsockname()[1]

    def stop(self) -> None:
        self._listener.close()
        self._tunnel.close()

    def _serve(self, raw: socket.socket) -> None:
        with self._context.wrap_socket(raw, server_side=True) as sock, sock.makefile("rb") as reader:
            while line := reader.readline():
                method, path, _ = line.decode("latin-1").split(" ", 2)
                headers = tuple(_header(each) for each in iter(reader.readline, b"\r\n"))
                body = _body(reader, dict(headers))
                self.arrived.append(Arrival(f"{method} {path}", headers, body))
                if not self.answer(sock, path, body):
                    return

    def answer(self, sock: ssl.SSLSocket, path: str, body: bytes) -> bool:
        """The fixture that the request asks for; False: the connection ends here."""
        return _answer(sock, path, body)


def listening(serve, place: tuple[str, int] = LOOPBACK) -> socket.socket:
    """A listener; `serve(socket)` runs on a thread for each connection until the listener is closed."""
    listener = socket.create_server(place, backlog=64)
    threading.Thread(target=_accept, args=(listener, serve), daemon=True).start()
    return listener


def tunnel_to(port: int) -> socket.socket:
    """The listener of a proxy that takes CONNECT to any name and leads it to `port`."""

    def carry(client: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            if not (more := client.recv(1)):
                return
            head += more
        with client, socket.create_connection(("127.0.0.1", port)) as upstream:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            both_ways(client, upstream)

    return listening(carry)


def both_ways(client: socket.socket, upstream: socket.socket) -> None:
    """Carry bytes until both sides have ended."""
    back = threading.Thread(target=_pump, args=(upstream, client), daemon=True)
    back.start()
    _pump(client, upstream)
    back.join(10)


def _accept(listener: socket.socket, serve) -> None:
    def guarded(sock: socket.socket) -> None:
        try:
            serve(sock)
        except (OSError, ValueError):
            pass  # the client left
        finally:
            sock.close()

    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=guarded, args=(sock,), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name.strip().lower(), value.strip()


def _body(reader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return reader.read(int(headers.get("content-length", 0)))
    parts = []
    while size := int(reader.readline().split(b";")[0], 16):
        parts.append(reader.read(size))
        reader.readline()
    reader.readline()
    return b"".join(parts)


def fixture(path: str, case: str, variant: str = "") -> dict:
    """What a dialect answers in a case: a fixture, its variant if there is one, or a stream that says something."""
    api = next(api for part, api in APIS if part in path)
    if case in SAYINGS:
        kind, answer = said(api + variant, case)
        return {"status": 200, "answer_type": kind, "answer": answer}
    names = (f"{CASES.get(case, case)}{each}.json" for each in (variant, ""))
    return json.loads(next(found for name in names if (found := FIXTURES / api / name).exists()).read_text())


def data_of(value: object) -> bytes:
    """The bytes that a fixture writes as text, as base64 or as JSON."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, dict) and set(value) == {"base64"}:
        return base64.b64decode(value["base64"])
    return json.dumps(value).encode()


def _answer(sock: ssl.SSLSocket, path: str, body: bytes) -> bool:
    case = Arrival(path, (), body).case
    told = fixture(path, case, "-mistral" if b'"mistral-' in body else "")
    data, kind = data_of(told["answer"]), told.get("answer_type", "application/json")
    if b"include_usage" not in body:
        data = _USAGE_ALONE.sub(b"", data)  # as at OpenAI: only who asks is told
    head = f"HTTP/1.1 {told.get('status', 200)} X\r\ncontent-type: {kind}\r\n"
    if kind == "application/json" and case != "abort":
        sock.sendall(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
        return True
    sock.sendall(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
    for at in range(0, len(data), 100):
        piece = data[at : at + 100]
        sock.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    if case == "abort":
        return False
    sock.sendall(b"0\r\n\r\n")
    return True
