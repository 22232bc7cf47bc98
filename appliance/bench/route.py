"""`gnomon bench route`: what a route with several targets costs beside one with a single target.

Theory. One appliance, one TLS provider, one client on a kept connection to the gateway. Three routes lead to the same
provider: `plain` has one target and nothing to plan; `smart` has two weighted targets at two providers, takes the
caller's credentials out, gives the model another name and keeps to the conversation's target; `carried` has a target
of another dialect, to which calls are carried over, and their answers back. Requests (and streams) alternate between
them, so that a machine that drifts drifts for all; the worker has core 0, all else core 1.
"""

import json
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.bench.box import LOAD_CORE, box, certificates, first_line, on_core, process
from appliance.bench.load import bodies
from appliance.model.errors import OperatorError

HOSTS = ("api.openai.com", "api.groq.com", "api.anthropic.com")
ROUTES = ("plain", "smart", "carried")
WARM = 30
MOST = 20_000
_SITE = """providers:
  one: {service: openai, target: 'https://api.openai.com', credential: none}
  two: {service: groq, target: 'https://api.groq.com', credential: none}
  other: {service: anthropic, target: 'https://api.anthropic.com', credential: none}
gateway:
  default_route: plain
  routes:
    plain: {service: openai, target: 'https://api.openai.com'}
    smart:
      models: {stand-in: stand-in-2}
      targets: [{provider: one, weight: 1}, {provider: two, weight: 1}]
    carried:
      targets: [{provider: other, models: {stand-in: stand-in-2}}]
"""


def run(seconds: float) -> dict[str, float]:
    """All numbers within about `seconds` + 10 s."""
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as name:
        folder = Path(name)
        made = certificates(folder, HOSTS)
        with (
            _provider(made.certificate, made.key) as provider,
            box(folder, HOSTS, provider, made.ca, extra=_SITE) as ours,
            on_core(LOAD_CORE),
        ):
            whole = _measure(ours.gateway, seconds / 2, stream=False)
            streamed = _measure(ours.gateway, seconds / 2, stream=True)
    told = {"hop_added_ms_p50": _p50(whole["smart"]) - _p50(whole["plain"])}
    told |= {"hop_added_ms_p99": _p99(whole["smart"]) - _p99(whole["plain"])}
    told |= {"delta_added_ms_p99": _p99(streamed["smart"]) - _p99(streamed["plain"])}
    told |= {"translated_hop_added_ms_p50": _p50(whole["carried"]) - _p50(whole["plain"])}
    told |= {"translated_delta_added_ms_p50": _p50(streamed["carried"]) - _p50(streamed["plain"])}
    told |= {"translated_delta_added_ms_p99": _p99(streamed["carried"]) - _p99(streamed["plain"])}
    told |= {"plain_ms_p50": _p50(whole["plain"]), "routed_ms_p50": _p50(whole["smart"])}
    return {metric: round(value, 3) for metric, value in told.items()} | {"requests": len(whole["smart"])}


def _measure(port: int, seconds: float, *, stream: bool) -> dict[str, list[float]]:
    """Milliseconds of each request, or of each delta of a stream on the average, by route."""
    texts = [json.loads(body) | {"stream": stream} for body in bodies(min(MOST, int(seconds * 500) + WARM), seed=7)]
    found: dict[str, list[float]] = {route: [] for route in ROUTES}
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = 0.0
        for number, text in enumerate(texts):
            if number == WARM:
                end = time.perf_counter() + seconds
            for route in ROUTES if number % 2 else reversed(ROUTES):
                taken = _asked(connection, route, json.dumps(text).encode())
                if number >= WARM:
                    found[route].append(taken)
            if end and time.perf_counter() > end:
                break
    return found


def _asked(connection: socket.socket, route: str, body: bytes) -> float:
    head = f"POST /{route}/v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n"
    began = time.perf_counter()
    connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    data = connection.recv(65536)
    first = time.perf_counter()
    if not data.startswith(b"HTTP/1.1 200"):
        raise OperatorError(f"the bench was answered with {data[:40]!r}")
    if b"transfer-encoding: chunked" in data.partition(b"\r\n\r\n")[0].lower():
        while not data.endswith(b"0\r\n\r\n"):
            data += connection.recv(65536)
        return (time.perf_counter() - first) * 1000 / max(1, data.count(b"data: "))
    before, _, content = data.partition(b"\r\n\r\n")
    length = int(before.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(content) < length:
        content += connection.recv(65536)
    return (time.perf_counter() - began) * 1000


def _p50(values: list[float]) -> float:
    return statistics.median(values)


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


@contextmanager
def _provider(certificate: Path, key: Path) -> Iterator[int]:
    command = [sys.executable, "-m", "appliance.standin.provider", "--certificate", str(certificate), "--key", str(key)]
    with process(command, LOAD_CORE) as running:
        yield int(first_line(running))
