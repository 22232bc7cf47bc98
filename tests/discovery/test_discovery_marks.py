"""What requests and answers in clear show: every server of the data, MCP of every version, A2A, clients; no more."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery import marks
from discovery.marks import Mark, Shown, of_request, of_response
from discovery.signatures import SERVERS

JSON = b"content-type: application/json"
SSE = b"content-type: text/event-stream; charset=utf-8"


def answer(body: bytes | dict | list = b"", *fields: bytes, status: int = 200) -> Shown:
    head = b"\r\n".join((b"HTTP/1.1 %d OK" % status, *fields, b"", b""))
    return of_response(status, head, body if isinstance(body, bytes) else json.dumps(body).encode())


def request(method: str, path: str, *fields: bytes, body: bytes | dict = b"") -> Shown:
    head = b"\r\n".join((f"{method} {path} HTTP/1.1".encode(), b"Host: x", *fields, b"", b""))
    return of_request(method, path, head, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("shown", "service", "software"),
    [
        (answer(b"Ollama is running"), "ollama", None),
        (answer({"models": [{"name": "a", "model": "a", "size": 1, "digest": "b"}]}, JSON), "ollama", None),
        (answer(b'{"model":"llama3","created_at":"2026","message":{"role":"a"},"done":false}\n'), "ollama", None),
        (answer({"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "vllm"}]}), "vllm", None),
        (answer(b"# HELP vllm:requests Number\n# TYPE vllm:requests gauge\n"), "vllm", None),
        (answer({"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "sglang"}]}), "sglang", None),
        (answer({"model_id": "m", "router": "text-generation-router", "version": "3.3.4"}), "tgi", "tgi 3.3.4"),
        (answer({"model_id": "m", "router": "text-embeddings-router", "version": "1.8.2"}), "tei", "tei 1.8.2"),
        (answer(b"", b"Server: llama.cpp"), "llama_cpp", None),
        (answer({"default_generation_settings": {"n_ctx": 1}, "total_slots": 1}), "llama_cpp", None),
        (answer({"data": [{"id": "m", "owned_by": "organization_owner"}]}), "lmstudio_server", None),
        (answer(b"<html><title>LocalAI</title>"), "localai", None),
        (answer({"result": "KoboldCpp", "version": "1.98"}), "koboldcpp", "koboldcpp 1.98"),
        (answer({"name": "Open WebUI", "version": "0.6.1", "features": {}}), "open_webui", "open_webui 0.6.1"),
        (answer({}, b"x-litellm-version: 1.82.7"), "litellm_proxy", "litellm 1.82.7"),
        (answer({}, b"X-LiteLLM-Call-Id: 1"), "litellm_proxy", None),
        (answer({"extra_fields": {"provider": "openai", "latency": 3}}), "bifrost", None),
        (answer({}, b"x-portkey-trace-id: 1"), "portkey_gateway", None),
        (answer({"system": {"comfyui_version": "0.3.60"}}), "comfyui", "comfyui 0.3.60"),
        (answer(b"<html><title>Stable Diffusion</title>"), "stable_diffusion_webui", None),
        (answer({"name": "triton", "version": "2.60.0", "extensions": ["x"]}), "triton", "triton 2.60.0"),
        (answer({"version": "4", "ray_version": "2.51.0"}), "ray_serve", "ray_serve 2.51.0"),
        (answer({"data": [{"id": "m", "owned_by": "xinference"}]}), "xinference", None),
        (answer([{"flowData": "x", "chatbotConfig": None}]), "flowise", None),
        (answer({"version": "1.2.0", "main_version": "1.2.0", "package": "Langflow"}), "langflow", "langflow 1.2.0"),
        (answer({}, b"X-Version: 1.10.0", b"X-Env: PRODUCTION"), "dify_server", "dify_server 1.10.0"),
        (answer(b"<html><title>n8n.io - Workflow Automation</title>"), "n8n", None),
        (
            answer({"title": "qdrant - vector search engine", "version": "1.16.2"}),
            "qdrant_server",
            "qdrant_server 1.16.2",
        ),
        (answer({"nanosecond heartbeat": 1}), "chroma_server", None),
        (answer({"hostname": "x", "modules": {}, "version": "1.33.0"}), "weaviate_server", "weaviate_server 1.33.0"),
        (answer(b"# HELP milvus_rootcoord x\n"), "milvus", None),
    ],
)
def test_a_server_shows_itself(shown, service, software):
    assert service in shown.marks
    assert shown.software == software


def test_what_imitates_others_is_known_first():
    tags = answer({"models": [{"name": "koboldcpp", "model": "koboldcpp/q:latest", "size": 1, "digest": "d"}]})
    assert tags.marks[0] == "koboldcpp"


def test_a_weak_sign_is_marked_as_one():
    assert answer(b'"I\'m alive!"', JSON).marks == ("litellm_proxy?",)


CHAT = {"id": "chatcmpl-1", "model": "gpt-4o", "object": "chat.completion", "choices": [{"message": {"content": "no"}}]}


@pytest.mark.parametrize(
    ("shown", "found", "model"),
    [
        (answer(CHAT, JSON), (Mark.CHAT_ANSWER,), "gpt-4o"),
        (answer(b"data: " + json.dumps({**CHAT, "object": "chat.completion.chunk"}).encode() + b"\n\n", SSE),
         (Mark.SSE, Mark.CHAT_ANSWER), "gpt-4o"),
        (answer({"object": "list", "data": [{"id": "m", "object": "model"}]}), (Mark.MODEL_LIST,), None),
        (answer({"type": "message", "role": "assistant", "model": "claude-x"}), (Mark.CHAT_ANSWER,), "claude-x"),
        (answer(b'event: message_start\ndata: {"type":"message_start","message":{"model":"claude-x"}}\n', SSE),
         (Mark.SSE, Mark.CHAT_ANSWER), "claude-x"),
        (answer({"object": "response", "model": "gpt-5"}), (Mark.CHAT_ANSWER,), "gpt-5"),
        (answer(CHAT, b"x-litellm-model-name: openai/gpt-4o-mini"),
         ("litellm_proxy", Mark.CHAT_ANSWER), "openai/gpt-4o-mini"),
        (answer(b"no", status=401), (Mark.REFUSED,), None),
        (answer(b"", b'WWW-Authenticate: Bearer resource_metadata="https://x"', status=401),
         (Mark.REFUSED, Mark.MCP_AUTH), None),
        (answer({"error": {"model": "gpt-4o"}}), (), None),
        (answer(b"<p>data: Ollama is running, object chat.completion"), (), None),
        (answer({"text": '{"object":"chat.completion","model":"x"}'}), (), None),
    ],
)  # fmt: skip
def test_answers(shown, found, model):
    assert set(found) - set(shown.marks) == set()
    assert shown.model == model
    assert shown.marks or not found


INFO = {"name": "accounts", "version": "2.1.0"}
TOOL = {"name": "look_up", "inputSchema": {"type": "object", "properties": {"name": {"type": "string"}}}}


@pytest.mark.parametrize(
    ("shown", "found", "software", "tools"),
    [
        (request("POST", "/mcp", body={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}),
         {Mark.MCP, Mark.MCP_INITIALIZE}, None, ()),
        (request("POST", "/mcp", body={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "rm"}}),
         {Mark.MCP, Mark.MCP_TOOLS_CALL}, None, ("rm",)),
        (request("POST", "/", b"Mcp-Method: tools/call", b"Mcp-Name: look_up", b"MCP-Protocol-Version: 2026-07-28"),
         {Mark.MCP, Mark.MCP_TOOLS_CALL}, None, ("look_up",)),
        (request("GET", "/x", b"mcp-session-id: abc"), {Mark.MCP}, None, ()),
        (answer({"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": "2025-06-18", "serverInfo": INFO}}),
         {Mark.MCP, Mark.MCP_INITIALIZE}, "accounts 2.1.0", ()),
        (answer(b'event: message\r\ndata: {"jsonrpc":"2.0","result":{"tools":' + json.dumps([TOOL]).encode(), SSE),
         {Mark.MCP, Mark.MCP_TOOLS_LIST, Mark.SSE}, None, ("look_up",)),
        (answer({"jsonrpc": "2.0", "id": 2, "result": {"tools": [TOOL],
                 "_meta": {"io.modelcontextprotocol/serverInfo": INFO}}}),
         {Mark.MCP, Mark.MCP_TOOLS_LIST}, "accounts 2.1.0", ("look_up",)),
        (answer(b"event: endpoint\r\ndata: /messages?session_id=1\r\n", SSE), {Mark.MCP_OLD_SSE, Mark.SSE}, None, ()),
        (request("POST", "/", body={"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {}}),
         {Mark.A2A}, None, ()),
        (answer({"name": "Planner", "version": "1.0.0", "capabilities": {}, "defaultInputModes": [], "skills": []}),
         {Mark.A2A_CARD}, "Planner 1.0.0", ()),
        (request("POST", "/rpc", body={"jsonrpc": "2.0", "id": 1, "method": "eth_call"}), set(), None, ()),
    ],
)  # fmt: skip
def test_tools_and_agents(shown, found, software, tools):
    assert set(shown.marks) == found
    assert (shown.software, shown.tools) == (software, tools)


def test_a_request_tells_its_client_and_model_and_never_its_key():
    asked = {"model": "llama3", "messages": [{"role": "user", "content": "my name is Eve"}], "stream": True}
    shown = request(
        "POST", "/v1/chat/completions", b"Authorization: Bearer sk-1234", b"X-Stainless-Lang: python", body=asked
    )
    assert set(shown.marks) == {Mark.CREDENTIAL, Mark.STAINLESS_SDK, Mark.CHAT_REQUEST, Mark.ASKS_STREAM}
    assert shown.model == "llama3"
    assert "1234" not in repr(shown)
    assert "Eve" not in repr(shown)
    assert Mark.CREDENTIAL in request("GET", "/v1/models?key=x").marks
    assert request("GET", "/v1/models?keyboard=x") == marks.NOTHING


@pytest.mark.parametrize("name", ["sk-abcdefghijkl", "Bearer x", "two words", "é", "x" * 200, "a\\u0062", "<b>"])
def test_what_is_no_name_is_not_told(name):
    assert request("POST", "/x", body={"model": name, "messages": []}).model is None
    assert request("POST", "/x", b"mcp-method: tools/call", b"mcp-name: " + name.encode()).tools == ()


def test_every_signature_can_be_shown():
    for server in SERVERS:
        for show in server.shows:
            shown = _shown(show)
            assert server.service + ("" if show.sure >= marks.SURE else marks.WEAK) in shown.marks, (server, shown)


def _shown(show) -> Shown:
    if show.header or show.headers:
        return answer(
            b"", *[f"{name}: {show.begins or '1.0'}".encode() for name in (show.header, *show.headers) if name]
        )
    if show.title:
        return answer(f"<html><title>{show.title}</title>".encode())
    if show.metric:
        return answer(f"# HELP {show.metric}x y\n".encode())
    if show.text:
        return answer(show.text.encode())
    document: dict = {}
    for path, value in show.json.items():
        *above, last = [path] if path.startswith("nano") else path.split(".")
        place = document
        for name in above:
            place = place.setdefault(name, {})
        place[last] = value.replace("*", "") or 1
    return answer(document)


@given(st.integers(100, 599), st.binary(max_size=400), st.binary(max_size=400))
def test_any_bytes_are_an_answer(status, head, body):
    shown = of_response(status, b"HTTP/1.1 200 OK\r\n" + head, body)
    assert set(shown.marks) <= marks.VOCABULARY


@given(st.sampled_from(["GET", "POST"]), st.text(max_size=80), st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_are_a_request(method, path, head, body):
    shown = of_request(method, path, b"POST / HTTP/1.1\r\n" + head, body)
    assert set(shown.marks) <= marks.VOCABULARY


@given(st.data())
def test_a_changed_answer_invents_no_word(data):
    body = bytearray(json.dumps({**CHAT, "tools": [TOOL]}).encode())
    for _ in range(data.draw(st.integers(1, 8))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    assert set(answer(bytes(body), JSON).marks) <= marks.VOCABULARY
