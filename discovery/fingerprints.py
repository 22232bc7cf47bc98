"""How AI software shows itself in clear: default ports, request paths, user agents; and what a TLS hello hints at.

Owns: the tables that judgement looks into, made of discovery/known and of what a site adds, and the facts that belong
to no single server.
Rules: service ids stand in the catalogue (a test looks); a confidence says how sure one sign alone makes it that
traffic is of that service; nothing here is matched with a pattern that backtracks. Sources: discovery/known/README.md;
modelcontextprotocol.io for MCP; hellos measured with the clients named.
"""

from collections.abc import Mapping
from typing import Final

from appliance.model.known import FingerprintsFile, Handshake
from discovery.marks import Mark
from discovery.signatures import CLIENTS, SERVERS, Server

__all__ = ["SERVERS", "Server"]

SURE: Final = 0.95
BY_AGENT: Final = 0.6  # a provider's SDK that talks to a host nobody knows
BY_API: Final = 0.8  # a provider's path on a host nobody knows
BY_LOCAL_NAME: Final = 0.3  # a name asked for on the local link
OWN_WORD: Final = 0.6  # from here on a server's own signs go before those that many servers share

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
_STACK: Final = 23  # characters of parts one and two


class Known:
    """What judgement looks into: servers and programs of the program's own lists, and of a site's.

    `ports`: hardly anything else uses them: any HTTP request there, with how sure that makes it. `api_ports`: they tell
    whose server it is once the path says that it is one. `agents`: user agents, as they begin in lower case, to the
    service whose software that is (None: any AI software), the longest first.
    """

    def __init__(self, site: FingerprintsFile | None = None) -> None:
        site = site or FingerprintsFile()
        servers = (*(one.server for one in site.servers), *SERVERS)
        clients = {one.agent: one.service for one in CLIENTS if one.agent not in site.withdraw}
        clients |= {one.agent: one.service for one in site.clients}
        self.agents = dict(sorted(clients.items(), key=lambda one: -len(one[0])))
        self.ports = {
            port: (server.service, server.port_alone)
            for server in reversed(servers)
            if server.port_alone
            for port in server.ports
        }
        self.api_ports = {port: server.service for server in reversed(servers) if server.api for port in server.ports}
        places = tuple(  # every path that tells a server, with the port where it needs one
            (place, path, server)
            for server in servers
            for path in (*server.paths, *server.common)
            for place in ((None, *server.ports) if path in server.paths else server.ports)
        )
        self._exact = {(place, path): one for place, path, one in reversed(places) if not path.endswith("/")}
        self._below = tuple((path, one) for place, path, one in places if path.endswith("/") and place is None)
        self._beginnings = tuple(path for path, _ in self._below)
        self._order = {id(server): number for number, server in enumerate(servers)}
        self._handshakes = {one.ja4: one for one in site.handshakes}

    def server_of(self, path: str, port: int) -> Server | None:
        """The first server that this path tells, at this port or at any: `/sdapi/v1/` stands for all below it."""
        found = [server for place in (port, None) if (server := self._exact.get((place, path))) is not None]
        if path.startswith(self._beginnings):
            found += [server for beginning, server in self._below if path.startswith(beginning)]
        return min(found, key=lambda server: self._order[id(server)], default=None)

    def handshake(self, ja4: str) -> Handshake | None:
        """The program of that hello, as the site says."""
        return (self._handshakes.get(ja4) or self._handshakes.get(ja4[:_STACK])) if self._handshakes else None

    def stack(self, ja4: str) -> str | None:
        """The program or library that hello is known from, as words for people."""
        named = self.handshake(ja4)
        return f"{named.program}, as the site says" if named else STACKS.get(ja4[:_STACK])


DEFAULT: Final = Known()
server_of: Final = DEFAULT.server_of
PORTS: Final = DEFAULT.ports
API_PORTS: Final = DEFAULT.api_ports
AGENTS: Final = DEFAULT.agents
# Paths of the providers' own APIs, which many servers imitate: whoever serves them, it is a model.
API_PATHS: Final = (
    *("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/messages"),
    *("/chat/completions", "/openai/v1/chat/completions", "/api/v1/chat/completions"),
)
COMPATIBLE: Final = "openai_compatible"
MCP: Final = "mcp_server"
MCP_PATHS: Final = ("/mcp", "/api/mcp", "/v1/mcp")
BY_MCP_PATH: Final = 0.6
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
