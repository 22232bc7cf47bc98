"""Real SDKs of each dialect against a service of another: the answers that they get were translated.

A server on loopback carries each request over, checks what arrives, and answers with what a service of the other
dialect would say, written by hand (tests/appliance/route/translate/translate_world.py), a few bytes at a time.
"""

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from appliance.route.translate import Asked, Refusal, Stamp, plan
from appliance.route.translate.carriers import DIALECTS
from appliance.route.translate.conversation import Media, ToolResult
from appliance.route.translate.losses import Losses

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".cache/conformance/sdk/bin/python"
sys.path.append(str(ROOT / "tests/appliance/route/translate"))
from translate_world import APIS, FAILURE, OLLAMA, PAIRS, SAID, THOUGHT, failure, streamed, whole  # noqa: E402

pytestmark = [pytest.mark.conformance, pytest.mark.system]
CASES = {"stream": "chat", "toolstream": "tools", "image": "chat", "schema": "chat"}
CALLS = [["get_weather", {"city": "Paris"}], ["get_weather", {"city": "Rome"}]]
ENDS = {
    "openai.chat": ("stop", "tool_calls"),
    "openai.responses": ("completed", "completed"),
    "anthropic.messages": ("end_turn", "tool_use"),
    "gemini.generate": ("STOP", "STOP"),
    "ollama.chat": ("stop", "stop"),
}
_CASE = re.compile(rb"case:([a-z]+)")


class Carrier(BaseHTTPRequestHandler):
    """Carries over, and answers as the other service."""

    protocol_version = "HTTP/1.1"
    arrived: list[tuple[str, str, str, Asked]] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        _, source, target, rest = self.path.split("/", 3)
        case = _CASE.search(body)[1].decode()
        made = plan(source, target, {"model-a": "model-b"})
        ask = made.request("/" + rest, body, tuple(name.lower() for name in self.headers))
        if isinstance(ask, Refusal):
            return self._send(ask.status, "application/json", ask.body)
        self.arrived.append((source, target, case, ask))
        stamp = Stamp("ex1", 1_700_000_000, "model-a")
        if case == "error":
            told = made.answer(429, failure(target), stamp)
            return self._send(told.status, told.content_type, told.body)
        case = CASES.get(case, case)
        if case == "turns":
            results = any(isinstance(part, ToolResult) for turn in ask.conversation.turns for part in turn.parts)
            case = "chat" if results else "tools"
        if not ask.conversation.stream:
            told = made.answer(200, whole(target, case), stamp)
            return self._send(told.status, told.content_type, told.body)
        stream, data = made.stream(ask, stamp), streamed(target, case)
        pieces = [stream.feed(data[at : at + 11]) for at in range(0, len(data), 11)]
        return self._send(200, stream.content_type, b"".join([*pieces, stream.close()]))

    def _send(self, status, content_type, body):
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def found():
    if not PYTHON.exists():
        pytest.skip(f"{PYTHON} is not there: run `make conformance`")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Carrier)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        command = [str(PYTHON), str(ROOT / "tests/conformance/translated_driver.py")]
        command.append(f"http://127.0.0.1:{server.server_port}")
        env = {"PATH": os.environ["PATH"], "NO_PROXY": "*"}
        done = subprocess.run(command, env=env, capture_output=True, timeout=120, cwd="/")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout)


def usage_of(source: str, target: str) -> list:
    cached = None if source == OLLAMA else 0 if target == OLLAMA else 40
    return [100, 20, cached]


@pytest.mark.parametrize("scenario", ["chat", "stream", "image", "schema", "turns"])
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_an_sdk_reads_text_reasoning_end_and_usage(found, source, target, scenario):
    made = found[f"{source} {target} {scenario}"]
    assert made == {
        "text": SAID,
        "thought": THOUGHT,
        "calls": [],
        "stop": ENDS[source][0],
        "usage": usage_of(source, target),
    }


@pytest.mark.parametrize("scenario", ["tools", "toolstream"])
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_an_sdk_reads_parallel_calls(found, source, target, scenario):
    made = found[f"{source} {target} {scenario}"]
    assert (made.get("calls"), made.get("stop"), made.get("usage")) == (
        CALLS,
        ENDS[source][1],
        usage_of(source, target),
    ), made


@pytest.mark.parametrize("scenario", ["error", "failed"])
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_an_sdk_raises_its_own_error(found, source, target, scenario):
    made = found[f"{source} {target} {scenario}"]
    assert FAILURE in made.get("words", ""), made
    names = {"openai.chat": "RateLimitError", "openai.responses": "RateLimitError"}
    names |= {"anthropic.messages": "RateLimitError", "gemini.generate": "ClientError", "ollama.chat": "ResponseError"}
    if scenario == "error":
        assert made["error"] == names[source]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_what_an_sdk_asks_arrives_whole(found, source, target):
    asks = [(case, ask) for s, t, case, ask in Carrier.arrived if (s, t) == (source, target)]
    assert len(asks) == 10
    for case, ask in asks:
        there = DIALECTS[target].read(ask.path, ask.body, Losses())
        assert (there.system, there.max_tokens, there.model) == (("Be brief.",), 100, "model-b")
        assert bool(there.format) == (case == "schema")
        assert bool(there.tools) == ("tool" in case or case == "turns")
        pictures = [part for turn in there.turns for part in turn.parts if isinstance(part, Media)]
        assert len(pictures) == (case == "image")
        assert {loss.field for loss in ask.losses} <= {"format_name", "thinking", "signature", "effort"}


def test_what_is_asked_of_a_service_is_what_its_own_sdk_would_send(found):
    lines = [
        json.dumps({"target": target, "body": json.loads(ask.body), "name": f"{source} {target} {case}"})
        for source, target, case, ask in Carrier.arrived
    ]
    assert len(lines) == 200
    command = [str(PYTHON), str(ROOT / "tests/conformance/asked_driver.py")]
    given = "\n".join(lines).encode()
    done = subprocess.run(command, input=given, capture_output=True, timeout=60, cwd="/")
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert json.loads(done.stdout) == []


def test_every_dialect_is_there():
    assert set(APIS) == set(DIALECTS) == set(ENDS)
