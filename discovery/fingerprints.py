"""How AI software shows itself in clear: default ports, request paths, user agents; and what a TLS hello hints at.

Owns: the tables that judgement looks into, made of discovery/known, and the facts that belong to no single server.
Rules: service ids stand in the catalogue (a test looks); a confidence says how sure one sign alone makes it that
traffic is of that service; nothing here is matched with a pattern that backtracks. Sources: discovery/known/README.md;
modelcontextprotocol.io for MCP; hellos measured with the clients named.
"""

from collections.abc import Mapping
from typing import Final

from discovery.marks import Mark
from discovery.signatures import CLIENTS, SERVERS, Server

__all__ = ["SERVERS", "Server"]

SURE: Final = 0.95
BY_AGENT: Final = 0.6  # a provider's SDK that talks to a host nobody knows
BY_API: Final = 0.8  # a provider's path on a host nobody knows
BY_LOCAL_NAME: Final = 0.3  # a name asked for on the local link
OWN_WORD: Final = 0.6  # from here on a server's own signs go before those that many servers share

_PLACES: Final = tuple(  # every path that tells a server, with the port where it needs one
    (place, path, server)
    for server in SERVERS
    for path in (*server.paths, *server.common)
    for place in ((None, *server.ports) if path in server.paths else server.ports)
)
_EXACT: Final[dict[tuple[int | None, str], Server]] = {
    (place, path): server for place, path, server in reversed(_PLACES) if not path.endswith("/")
}
_BELOW: Final = tuple((path, server) for place, path, server in _PLACES if path.endswith("/") and place is None)
_BEGINNINGS: Final = tuple(path for path, _ in _BELOW)
_ORDER: Final = {server.service: number for number, server in enumerate(SERVERS)}


def server_of(path: str, port: int) -> Server | None:
    """The first server that this path tells, at this port or at any: `/sdapi/v1/` stands for all below it."""
    found = [server for place in (port, None) if (server := _EXACT.get((place, path))) is not None]
    if path.startswith(_BEGINNINGS):
        found += [server for beginning, server in _BELOW if path.startswith(beginning)]
    return min(found, key=lambda server: _ORDER[server.service], default=None)


# Ports that hardly anything else uses: any HTTP request there, with how sure that makes it.
PORTS: Final = {
    port: (server.service, server.port_alone) for server in SERVERS if server.port_alone for port in server.ports
}
# Ports that tell whose server it is once the path says that it is one.
API_PORTS: Final = {port: server.service for server in reversed(SERVERS) if server.api for port in server.ports}
# Paths of the providers' own APIs, which many servers imitate: whoever serves them, it is a model.
API_PATHS: Final = (
    *("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/messages"),
    *("/chat/completions", "/openai/v1/chat/completions", "/api/v1/chat/completions"),
)
COMPATIBLE: Final = "openai_compatible"
MCP: Final = "mcp_server"
MCP_PATHS: Final = ("/mcp", "/api/mcp", "/v1/mcp")
BY_MCP_PATH: Final = 0.6
# User agents, as they begin in lower case -> the service whose software that is, None: any AI software.
AGENTS: Final[dict[str, str | None]] = {client.agent: client.service for client in CLIENTS}
A2A: Final = "a2a_agent"
# What a message shows whichever software it comes from -> the service that this makes it, and how sure.
BY_MARK: Final[Mapping[str, tuple[str, float]]] = {
    Mark.CHAT_REQUEST: (COMPATIBLE, 0.6),
    Mark.CHAT_ANSWER: (COMPATIBLE, 0.85),
    Mark.MODEL_LIST: (COMPATIBLE, 0.8),
    Mark.CLAUDE_CODE: (COMPATIBLE, 0.6),
    Mark.CODEX: (COMPATIBLE, 0.6),
    Mark.ANTHROPIC_API: (COMPATIBLE, 0.7),
    Mark.LITELLM_CLIENT: ("litellm_proxy", 0.7),
    Mark.PORTKEY_CLIENT: ("portkey_gateway", 0.7),
    Mark.BIFROST_CLIENT: ("bifrost", 0.5),
    Mark.MCP: (MCP, SURE),
    Mark.MCP_AUTH: (MCP, 0.7),
    Mark.MCP_OLD_SSE: (MCP, 0.85),
    Mark.A2A: (A2A, 0.9),
    Mark.A2A_CARD: (A2A, SURE),
    **{server.service: (server.service, SURE) for server in SERVERS},
    **{f"{server.service}?": (server.service, OWN_WORD) for server in SERVERS},
}
# Parts of names on the local link; no name is standardised, so these are weak.
LOCAL_NAMES: Final = {
    "ollama": "ollama",
    "lmstudio": "lmstudio_server",
    "lm-studio": "lmstudio_server",
    "vllm": "vllm",
    "koboldcpp": "koboldcpp",
    "localai": "localai",
    "open-webui": "open_webui",
    "comfyui": "comfyui",
    "_llm._tcp": COMPATIBLE,
    "_mcp._tcp": MCP,
    "-mcp._tcp": MCP,
}
# Part one and two of a JA4 -> the TLS library it is known from. Many programs share one: a hint, never proof.
STACKS: Final = {
    "t13d1812h1_85036bcba153": "python/openssl",
    "t13d1813h1_85036bcba153": "python/openssl",
    "t13d5212h1_b262b3658495": "node/openssl",
    "t13d5213h1_b262b3658495": "node/openssl",
    "t13d5911h1_a33745022dd6": "node/openssl",
    "t13d1714h1_5b57614c22b0": "bun/boringssl",
    "t13d1011h2_61a7ad8aa9b6": "rustls",
    "t13d1910h2_9dc949149365": "go",
    "t13d3112h2_e8f1e7e78f70": "curl/openssl",
    "t13d1516h2_8daaf6152771": "chrome/boringssl",
}
