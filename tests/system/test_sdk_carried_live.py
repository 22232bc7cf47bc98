"""Real SDKs of each dialect through a whole appliance to a service of another: every pair, and what is recorded.

The provider answers each call in the dialect of its path, as written by hand in translate_world.py, a few bytes at a
time; it keeps what arrived.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from sdk_world import _body, _header, listening
from system.conftest import Appliance
from system.operations_world import closes_at_rest
from system.test_sdk_translated import CALLS, CASES, ENDS, PYTHON, usage_of

from appliance.route.translate.carriers import DIALECTS
from appliance.route.translate.conversation import Media, ToolResult
from appliance.route.translate.losses import Losses

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests/appliance/route/translate"))
from translate_world import APIS, FAILURE, OLLAMA, PAIRS, SAID, THOUGHT, failure, streamed, whole  # noqa: E402

pytestmark = [pytest.mark.conformance, pytest.mark.system]
SERVICES = {
    "openai.chat": "deepseek",
    "openai.responses": "responses_only",
    "anthropic.messages": "anthropic",
    "gemini.generate": "gemini",
    "ollama.chat": "ollama_only",
}
PATHS = {
    "/v1/chat/completions": "openai.chat",
    "/v1/responses": "openai.responses",
    "/v1/messages": "anthropic.messages",
    "/api/chat": "ollama.chat",
}
OWN = """services:
- {id: responses_only, name: Responses only, owner: Us, category: model_api, surface: api, domains: [responses.test],
   dialect: openai.responses}
- {id: ollama_only, name: Ollama only, owner: Us, category: model_api, surface: api, domains: [ollama.test],
   dialect: ollama.chat}
"""
_CASE = re.compile(rb"case:([a-z]+)")
_PIECE = 11


class Provider:
    """Answers in the dialect that it is asked in. `arrived`: dialect, path, case and body of each call."""

    def __init__(self) -> None:
        self.arrived: list[tuple[str, str, str, bytes, dict[str, str]]] = []
        self._listener = listening(self._serve)
        self.port = self._listener.getsockname()[1]

    def stop(self) -> None:
        self._listener.close()

    def _serve(self, sock) -> None:
        with sock, sock.makefile("rb") as reader:
            while line := reader.readline():
                path = line.decode().split(" ")[1]
                headers = {}
                while (head := reader.readline()) not in (b"\r\n", b""):
                    name, value = _header(head)
                    headers[name] = value
                self._answer(sock, path, _body(reader, headers), headers)

    def _answer(self, sock, path: str, body: bytes, headers: dict[str, str]) -> None:
        api = PATHS.get(path.partition("?")[0], "gemini.generate")
        case = _CASE.search(body)[1].decode()
        self.arrived.append((api, path, case, body, headers))
        there = DIALECTS[api].read(path, body, Losses())
        if case == "error":
            return _send(sock, 429, "application/json", failure(api), 1 << 20)
        case = CASES.get(case, case)
        if case == "turns":
            results = any(isinstance(part, ToolResult) for turn in there.turns for part in turn.parts)
            case = "chat" if results else "tools"
        if not there.stream:
            return _send(sock, 200, "application/json", whole(api, case), 1 << 20)
        kind = "application/x-ndjson" if api == OLLAMA else "text/event-stream"
        return _send(sock, 200, kind, streamed(api, case), _PIECE)


def _send(sock, status: int, kind: str, data: bytes, size: int) -> None:
    sock.sendall(f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
    for at in range(0, len(data), size):
        piece = data[at : at + size]
        sock.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    sock.sendall(b"0\r\n\r\n")


@pytest.fixture(scope="module")
def world(tmp_path_factory, provider):
    if not PYTHON.exists():
        pytest.skip(f"{PYTHON} is not there: run `make conformance`")
    there, folder = Provider(), tmp_path_factory.mktemp("carried")
    (folder / "catalogue.yaml").write_text(OWN)
    routes = "".join(
        f"    {api.replace('.', '-')}:\n      targets: [{{provider: {service}, models: {{model-a: model-b}}}}]\n"
        for api, service in SERVICES.items()
    )
    providers = "".join(
        f"  {service}: {{service: {service}, target: 'http://127.0.0.1:{there.port}', credential: none}}\n"
        for service in SERVICES.values()
    )
    extra = (
        f"  allow_private: [{{network: 127.0.0.1, port: {there.port}, purpose: a stand-in}}]\n"
        f"catalogue: {{override: {folder / 'catalogue.yaml'}}}\n"
        f"providers:\n{providers}gateway:\n  default_route: openai-chat\n  routes:\n{routes}"
    )
    site = Appliance(folder / "box", provider, extra=extra)
    try:
        yield site.up(), there
    finally:
        site.down()
        there.stop()


@pytest.fixture(scope="module")
def found(world):
    site, _ = world
    command = [str(PYTHON), str(ROOT / "tests/conformance/translated_driver.py")]
    command += [f"http://127.0.0.1:{site.gateway}", "{route}"]
    env = {"PATH": os.environ["PATH"], "NO_PROXY": "*"}
    done = subprocess.run(command, env=env, capture_output=True, timeout=300, cwd="/")
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("scenario", ["chat", "stream", "image", "schema", "turns"])
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_an_sdk_reads_text_reasoning_end_and_usage(found, source, target, scenario):
    assert found[f"{source} {target} {scenario}"] == {
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
    read = made.get("calls"), made.get("stop"), made.get("usage")
    assert read == (CALLS, ENDS[source][1], usage_of(source, target)), made


@pytest.mark.parametrize("scenario", ["error", "failed"])
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_an_sdk_raises_its_own_error(found, source, target, scenario):
    made = found[f"{source} {target} {scenario}"]
    assert FAILURE in made.get("words", ""), made
    if scenario == "error":
        names = {"gemini.generate": "ClientError", "ollama.chat": "ResponseError"}
        assert made["error"] == names.get(source, "RateLimitError")


def test_what_arrives_is_of_the_targets_dialect_and_holds_no_key(found, world):
    _, there = world
    assert len(there.arrived) == len(PAIRS) * 10
    for api, path, case, body, headers in there.arrived:
        asked = DIALECTS[api].read(path, body, Losses())
        assert (asked.system, asked.max_tokens, asked.model) == (("Be brief.",), 100, "model-b"), (api, case)
        assert bool(asked.tools) == ("tool" in case or case == "turns")
        pictures = [part for turn in asked.turns for part in turn.parts if isinstance(part, Media)]
        assert len(pictures) == (case == "image")
        assert "sk-conformance" not in str(headers) + path


def test_every_dialect_is_there():
    assert set(APIS) == set(DIALECTS) == set(SERVICES)


def test_every_exchange_is_recorded_with_what_the_target_counted(found, world):
    """The last one: it takes the appliance down, to read its store."""
    site, there = world
    site.down()
    with duckdb.connect(str(site.folder / "state/store/gnomon.duckdb"), read_only=True) as file:
        rows = file.execute("SELECT body FROM exchange_open").fetchall()
    edits = [json.loads(body)["event"]["edits"] for (body,) in rows]
    assert len(edits) == len(there.arrived)
    assert all(any(edit.startswith("dialect:") for edit in each) for each in edits)
    good = [close for close in closes_at_rest(site) if close["status"] == 200 and close["finish"]]
    told = [close["usage"] for close in good if close.get("usage") and not close["usage"].get("estimated")]
    counted = [(usage["input_tokens"], usage["output_tokens"]) for usage in told]
    assert counted.count((100, 20)) >= len(PAIRS) * 8
    assert set(counted) == {(100, 20), (100, 1)}  # Anthropic's first word of usage, where the stream failed behind it
    assert {close["attempts"][0]["service"] for close in good} == set(SERVICES.values())
