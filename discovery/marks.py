"""What an HTTP message in clear shows of AI: words of a closed vocabulary, names and versions; never what was said.

Rules: pure and linear; a head is read up to `MAX_FIELDS` lines, a body up to `MAX_BODY` bytes; of a credential only
that there is one; a name is kept only where its place in the message makes it one and its letters are those of a name.
Nothing raises. Sources: discovery/known/README.md; modelcontextprotocol.io for MCP (2024-11-05 to 2026-07-28),
a2a-protocol.org for A2A; OpenAI's and Anthropic's API references.
"""

import re
from enum import StrEnum
from typing import Final

import msgspec

from discovery import bodies, credentials
from discovery.shapes import Members, members
from discovery.signatures import SERVERS, Server, Show

MAX_BODY: Final = 2_048
MAX_TOOLS: Final = 32
MAX_HEAD: Final = 16_384
MAX_FIELDS: Final = 64


class Mark(StrEnum):
    """What a message shows, whichever software it comes from; beside these, ids of the servers in discovery/known."""

    CREDENTIAL = "credential"  # the request carries a key, a token or a cookie
    CHAT_REQUEST = "chat_request"  # a model is asked
    ASKS_STREAM = "asks_stream"  # the answer is to come in pieces
    STAINLESS_SDK = "stainless_sdk"  # a provider's own client library
    ANTHROPIC_API = "anthropic_api"
    GOOGLE_GENAI = "google_genai"
    CLAUDE_CODE = "claude_code"
    CODEX = "codex"
    COHERE_SDK = "cohere_sdk"
    PORTKEY_CLIENT = "portkey_client"
    BIFROST_CLIENT = "bifrost_client"
    LITELLM_CLIENT = "litellm_client"
    CHAT_ANSWER = "chat_answer"  # a model has answered
    MODEL_LIST = "model_list"  # the models that a server has
    SSE = "sse"  # an answer in pieces: server-sent events
    NDJSON = "ndjson"  # an answer in pieces: JSON lines
    REFUSED = "refused"  # 401 or 403
    MCP = "mcp"  # a message of the Model Context Protocol
    MCP_INITIALIZE = "mcp_initialize"  # a session begins
    MCP_TOOLS_LIST = "mcp_tools_list"  # tools are asked for or listed
    MCP_TOOLS_CALL = "mcp_tools_call"  # a tool is called
    MCP_OLD_SSE = "mcp_old_sse"  # the transport of 2024-11-05
    MCP_AUTH = "mcp_auth"  # a tool server says where to get a token
    A2A = "a2a"  # a message between agents
    A2A_CARD = "a2a_card"  # an agent says what it is
    NO_AUTHENTICATION = "no_authentication"  # a model answered a request without a credential
    OTHER_MODEL = "other_model"  # another model was served than was asked for


WEAK: Final = "?"  # behind a server's id: others show the same
SURE: Final = 0.8
VOCABULARY: Final = frozenset(
    {mark.value for mark in Mark} | {server.service + end for server in SERVERS for end in ("", WEAK)}
)


class Shown(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What one message shows. `software`: name and version; `unnamed 1.2` where only the path could tell whose."""

    marks: tuple[str, ...] = ()
    software: str | None = None
    model: str | None = None
    tools: tuple[str, ...] = ()


NOTHING: Final = Shown()
UNNAMED: Final = "unnamed"
_ASKING: Final = {
    b"anthropic-version": Mark.ANTHROPIC_API,
    b"x-goog-api-client": Mark.GOOGLE_GENAI,
    b"x-claude-code-session-id": Mark.CLAUDE_CODE,
    b"mcp-session-id": Mark.MCP,
    b"mcp-protocol-version": Mark.MCP,
    b"mcp-method": Mark.MCP,
}
_ASKING_BEGINS: Final = (
    (b"x-stainless-", Mark.STAINLESS_SDK),
    (b"x-codex-", Mark.CODEX),
    (b"x-fern-", Mark.COHERE_SDK),
    (b"x-portkey-", Mark.PORTKEY_CLIENT),
    (b"x-bf-", Mark.BIFROST_CLIENT),
    (b"x-litellm-", Mark.LITELLM_CLIENT),
)
_OWN: Final = tuple(begin for begin, _ in _ASKING_BEGINS)
_MCP_METHODS: Final = {
    "initialize": Mark.MCP_INITIALIZE,
    "server/discover": Mark.MCP_INITIALIZE,
    "tools/list": Mark.MCP_TOOLS_LIST,
    "tools/call": Mark.MCP_TOOLS_CALL,
}
_MCP_BEGINS: Final = ("notifications/", "resources/", "prompts/", "sampling/", "completion/", "logging/", "roots/")
_A2A_METHODS: Final = frozenset(
    {"message/send", "message/stream", "tasks/get", "tasks/cancel", "tasks/resubscribe"}
    | {"SendMessage", "SendStreamingMessage", "GetTask", "CancelTask", "SubscribeToTask"}
)
_ANSWERS: Final = ("chat.completion", "chat.completion.chunk", "text_completion", "response", "realtime.session")
_NAME: Final = re.compile(r"[A-Za-z0-9][\w.:/@+-]{0,127}", re.ASCII)
_TOOL: Final = re.compile(r"[A-Za-z_][\w.:/-]{0,63}", re.ASCII)
_PRODUCT: Final = re.compile(r"[A-Za-z][\w. /+-]{0,39}", re.ASCII)
_VERSION: Final = re.compile(r"[vb]?(\d[\w.+-]{0,31})", re.ASCII)
_KEYS: Final = ("sk-", "sk_", "Bearer", "eyJ", "AIza", "ghp_", "xox")  # how keys begin: no model is called so
_META: Final = "_meta.io.modelcontextprotocol/serverInfo"

type _Fields = dict[bytes, bytes]


def of_request(method: str, path: str, head: bytes, body: bytes) -> Shown:
    """What a request shows; `head`: its lines as sent, `body`: its first bytes, as far as they were seen."""
    fields = _fields(head)
    marks = [mark for name, mark in _ASKING.items() if name in fields]
    own = [name for name in fields if name.startswith(_OWN)]
    marks += [mark for begin, mark in _ASKING_BEGINS if any(name.startswith(begin) for name in own)] if own else []
    whole = len(head) <= MAX_HEAD and head.count(b"\n") <= MAX_FIELDS
    if credentials.carried(path, head, fields, all_names=whole):
        marks.append(Mark.CREDENTIAL)
    shape = members(bodies.plain(fields, body, MAX_BODY)) if body and method == "POST" else {}
    tools = _called(fields, shape, marks) if shape or b"mcp-method" in fields else ()
    model = _model(shape) if shape else None
    if model and not shape.keys().isdisjoint({"messages", "input", "prompt", "contents", "options"}):
        marks.append(Mark.CHAT_REQUEST)
        if _first(shape, "stream") == "true":
            marks.append(Mark.ASKS_STREAM)
    return Shown(tuple(dict.fromkeys(marks)), None, model, tools) if marks or model else NOTHING


def of_response(status: int, head: bytes, body: bytes) -> Shown:
    """What an answer shows; arguments as of `of_request`."""
    fields = _fields(head)
    kind = fields.get(b"content-type", b"").lower()
    marks: list[str] = [Mark.SSE] if b"event-stream" in kind else [Mark.NDJSON] if b"ndjson" in kind else []
    if status in (401, 403):
        marks.append(Mark.REFUSED)
        if b"resource_metadata" in fields.get(b"www-authenticate", b""):
            marks.append(Mark.MCP_AUTH)
    if b"mcp-session-id" in fields:
        marks.append(Mark.MCP)
    plain = bodies.plain(fields, body, MAX_BODY) if body else b""
    if plain.startswith(b"event: endpoint") and Mark.SSE in marks:
        marks.append(Mark.MCP_OLD_SSE)
    shape = members(bodies.documents(plain)) if plain else {}
    software = _servers(fields, plain, shape, marks)
    told = _answered(shape, marks) if shape else None
    tools = _listed(shape, marks) if shape else ()
    served = _served(shape, marks) if shape else None
    model = _named(fields.get(b"x-litellm-model-name", b"").decode("latin-1")) or served
    software = told or software or _bare(shape)
    return Shown(tuple(dict.fromkeys(marks)), software, model, tools) if marks or software or model else NOTHING


def _fields(head: bytes) -> _Fields:
    """Header fields by name in lower case; of two the last."""
    lines = head[:MAX_HEAD].split(b"\n", MAX_FIELDS + 1)[1 : MAX_FIELDS + 1]
    parts = (line.partition(b":") for line in lines)
    return {name.lower(): value.strip() for name, colon, value in parts if colon}


def _first(shape: Members, path: str) -> str:
    return shape.get(path, ("",))[0]


def _named(text: str) -> str | None:
    return text if _NAME.fullmatch(text) and not text.startswith(_KEYS) else None


def _model(shape: Members) -> str | None:
    return _named(_first(shape, "model"))


def _called(fields: _Fields, shape: Members, marks: list[Mark]) -> tuple[str, ...]:
    """The tool that a request calls; adds what it is of MCP or A2A."""
    method = fields.get(b"mcp-method", b"").decode("latin-1") or _first(shape, "method")
    if "jsonrpc" not in shape and b"mcp-method" not in fields:
        return ()
    if method in _A2A_METHODS:
        marks.append(Mark.A2A)
        return ()
    if method in _MCP_METHODS or method.startswith(_MCP_BEGINS):
        marks.append(Mark.MCP)
    if (kind := _MCP_METHODS.get(method)) is None:
        return ()
    marks.append(kind)
    name = fields.get(b"mcp-name", b"").decode("latin-1") or _first(shape, "params.name")
    return (name,) if kind is Mark.MCP_TOOLS_CALL and _TOOL.fullmatch(name) and not name.startswith(_KEYS) else ()


def _answered(shape: Members, marks: list[str]) -> str | None:
    """A tool server's name and version; adds what the answer is of MCP or A2A."""
    if {"skills", "capabilities", "defaultInputModes"} <= shape.keys():
        marks.append(Mark.A2A_CARD)
        return _software(_first(shape, "name"), _first(shape, "version"))
    if "jsonrpc" not in shape:
        return None
    for place in ("result.serverInfo", f"result.{_META}"):
        if f"{place}.name" in shape or place in shape:
            marks.append(Mark.MCP)
            if "result.protocolVersion" in shape or "result.supportedVersions" in shape:
                marks.append(Mark.MCP_INITIALIZE)
            return _software(_first(shape, f"{place}.name"), _first(shape, f"{place}.version"))
    return None


def _listed(shape: Members, marks: list[str]) -> tuple[str, ...]:
    """The tools that a tool server lists."""
    if "jsonrpc" not in shape or "result.tools.inputSchema" not in shape:
        return ()
    marks += (Mark.MCP, Mark.MCP_TOOLS_LIST)
    return tuple(name for name in shape.get("result.tools.name", ()) if _TOOL.fullmatch(name))[:MAX_TOOLS]


def _served(shape: Members, marks: list[str]) -> str | None:
    """The model that answered; adds what the answer is."""
    kind = _first(shape, "object")
    if kind == "list" and {"data.id", "data.object"} <= shape.keys():
        marks.append(Mark.MODEL_LIST if "model" in shape["data.object"] else Mark.CHAT_ANSWER)
        return _model(shape)
    ollama = "done" in shape and "created_at" in shape
    anthropic = _first(shape, "type") in {"message", "message_start"}
    if kind in _ANSWERS or ollama or (anthropic and ("model" in shape or "message.model" in shape)):
        marks.append(Mark.CHAT_ANSWER)
        return _model(shape) or _named(_first(shape, "message.model"))
    return None


def _software(name: str, version: str) -> str | None:
    number = _VERSION.fullmatch(version)
    if not _PRODUCT.fullmatch(name):
        return None
    return f"{name} {number[1]}" if number else name


def _bare(shape: Members) -> str | None:
    """A version that stands alone: whose it is tells the path that was asked for."""
    if set(shape) == {"version"} and _VERSION.fullmatch(_first(shape, "version")):
        return f"{UNNAMED} {_first(shape, 'version').removeprefix('v')}"
    return None


def _servers(fields: _Fields, plain: bytes, shape: Members, marks: list[str]) -> str | None:
    """Every server that the answer shows; the software of the first that tells its version."""
    shown = [
        *((one, show) for first, one, show in _BY_HEADER if first in fields and _in_head(show, fields)),
        *((one, show) for first, one, show in _BY_JSON if first in shape and _in_shape(show, shape)),
        *([] if shape or not plain else _in_text(plain)),
    ]
    marks += [server.service if show.sure >= SURE else server.service + WEAK for server, show in shown]
    for server, show in shown:
        if show.version and (version := _VERSION.fullmatch(_version(show, fields, shape))):
            return f"{server.software or server.service} {version[1]}"
    return None


_ALL: Final = tuple((server, show) for server in SERVERS for show in server.shows)
_BY_HEADER: Final = tuple(((by.header or by.headers[0]).encode(), of, by) for of, by in _ALL if by.header or by.headers)
_BY_JSON: Final = tuple((next(iter(show.json)), one, show) for one, show in _ALL if show.json)
_BY_TEXT: Final = tuple((one, show) for one, show in _ALL if show.text or show.title or show.metric)


def _in_head(show: Show, fields: _Fields) -> bool:
    if show.headers:
        return all(name.encode() in fields for name in show.headers)
    value = fields.get((show.header or "").encode())
    return value is not None and value.lower().startswith(show.begins.encode())


def _in_shape(show: Show, shape: Members) -> bool:
    return all(_fits(shape, path, value) for path, value in (show.json or {}).items())


def _in_text(plain: bytes) -> list[tuple[Server, Show]]:
    title = bodies.title(plain)
    return [
        (one, show)
        for one, show in _BY_TEXT
        if (show.text and plain.startswith(show.text.encode()))
        or (show.title and title.startswith(show.title.encode()))
        or (show.metric and bodies.has_metric(plain, show.metric.encode()))
    ]


def _fits(shape: Members, path: str, value: str) -> bool:
    found = shape.get(path)
    if found is None:
        return False
    if value.endswith("*"):
        return any(one.startswith(value[:-1]) for one in found)
    return not value or value in found


def _version(show: Show, fields: _Fields, shape: Members) -> str:
    if show.json is not None:
        return _first(shape, show.version or "")
    name = show.header if show.version == "value" else show.version
    return fields.get((name or "").encode(), b"").decode("latin-1")
