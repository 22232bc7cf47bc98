"""Clients that go on while processes die under them: unique requests, and a probe of the listening ports.

Owns: what was asked and what came back, by digest of the body. Rules: every body is unique; nothing is ever sent twice;
a broken connection is a result, not an error.
"""

import hashlib
import http.client
import json
import socket
import ssl
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

HOST = "api.openai.com"
PATH = "/v1/chat/completions"
PATIENCE_S = 30.0
PAUSE_S = 0.01
KINDS = ("plain", "stream", "slow", "plain", "gone", "stream", "abort")


@dataclass
class Asked:
    """What became of all requests: `answered` holds the digests of bodies whose answer came whole."""

    sent: int = 0
    answered: set[str] = field(default_factory=set)
    results: Counter = field(default_factory=Counter)


class Load:
    """One thread for each door and kind of request."""

    def __init__(self, proxy: int, gateway: int, trust: ssl.SSLContext, name: str) -> None:
        self._ports, self._trust, self._name = {"proxy": proxy, "gateway": gateway}, trust, name
        self._stop = threading.Event()
        self._moved = threading.Condition()
        self.asked = Asked()
        lanes = [(door, lane) for door in self._ports for lane in range(4)]
        self._threads = [threading.Thread(target=self._run, args=place, daemon=True) for place in lanes]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE_S)

    def wait_for(self, more: int) -> None:
        """Until `more` further requests were sent, whatever became of them."""
        with self._moved:
            goal = self.asked.sent + more
            if not self._moved.wait_for(lambda: self.asked.sent >= goal, 4 * PATIENCE_S):
                raise AssertionError(f"the load stands still: {self.asked.results}")

    def _run(self, door: str, lane: int) -> None:
        number, connection = 0, None
        while not self._stop.is_set():
            number += 1
            kind = KINDS[(number + lane) % len(KINDS)] if number % 5 else "plain"
            body = self._body(f"{self._name} {door} lane {lane} number {number}", kind, named=number % 7 == 0)
            connection = connection or self._connection(door)
            result = ask(connection, body, kind)
            if result != "answered":
                connection.close()
                connection = None
            self._note(body, result)
            self._stop.wait(PAUSE_S if result in {"answered", "left"} else 5 * PAUSE_S)
        if connection:
            connection.close()

    def _connection(self, door: str) -> http.client.HTTPConnection:
        if door == "gateway":
            return http.client.HTTPConnection("127.0.0.1", self._ports[door], timeout=PATIENCE_S)
        tunnel = http.client.HTTPSConnection("127.0.0.1", self._ports[door], context=self._trust, timeout=PATIENCE_S)
        tunnel.set_tunnel(HOST, 443)
        return tunnel

    @staticmethod
    def _body(text: str, kind: str, *, named: bool) -> bytes:
        content = f"{text}, asked by maria.keller@corp-mail.com" if named else text
        model = "stand-in-slow" if kind in {"slow", "abort", "gone"} else "stand-in"
        messages = [{"role": "user", "content": content}]
        return json.dumps({"model": model, "stream": kind != "plain", "messages": messages}).encode()

    def _note(self, body: bytes, result: str) -> None:
        with self._moved:
            self.asked.sent += 1
            self.asked.results[result] += 1
            if result == "answered":
                self.asked.answered.add(hashlib.sha256(body).hexdigest())
            self._moved.notify_all()


def ask(connection: http.client.HTTPConnection, body: bytes, kind: str) -> str:
    """`answered` (whole), `left` (on purpose, at once or after the first event), `cut`, `status N`, how it broke."""
    try:
        connection.request("POST", PATH, body, {"content-type": "application/json", "authorization": "Bearer sk-test"})
        if kind == "gone":
            return "left"
        response = connection.getresponse()
        if response.status != http.client.OK:
            response.read()
            return f"status {response.status}"
        if kind == "abort":
            response.read(1)
            return "left"
        text = response.read()
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    whole = text.endswith(b"data: [DONE]\n\n") if kind != "plain" else b"shadow" in text
    return "answered" if whole else "cut"


class Probe:
    """Connects to the ports all the time; a refusal while the supervisor lives is noted."""

    def __init__(self, *ports: int) -> None:
        self._ports = ports
        self._stop = threading.Event()
        self._life = 0  # odd while a supervisor lives
        self.connects = 0
        self.refused: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._life += 1
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)

    def supervisor_dies(self) -> None:
        self._life += 1

    def supervisor_is_back(self) -> None:
        self._life += 1

    def _run(self) -> None:
        while not self._stop.wait(PAUSE_S):
            for port in self._ports:
                life = self._life
                if life % 2:
                    self._connect(port, life)

    def _connect(self, port: int, life: int) -> None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S).close()
        except OSError as error:
            if self._life == life:
                self.refused.append(f"port {port}: {type(error).__name__}")
            return
        self.connects += 1
