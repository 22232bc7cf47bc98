"""How AI software shows itself in clear: default ports, request paths, user agents; and what a TLS hello hints at.

Owns: facts, as tables. Rules: service ids stand in the catalogue (a test looks); a confidence says how sure one sign
alone makes it that traffic is of that service; nothing here is matched with a pattern that backtracks. Sources: the
servers' own documentation and clients (ollama-python 0.6.3 for Ollama's paths), modelcontextprotocol.io for MCP,
hellos and user agents measured with the clients named.
"""

from typing import Final, NamedTuple


class Server(NamedTuple):
    """A server that people run themselves.

    `paths` are told by few others: on any port they make it this server with confidence `alone`, on one of its default
    `ports` with `SURE`. `common` ones are told by many: they count on a default port only. A path that ends in `/`
    stands for all below it.
    """

    service: str
    ports: tuple[int, ...]
    alone: float
    paths: tuple[str, ...]
    common: tuple[str, ...] = ()


SURE: Final = 0.95
BY_PORT: Final = 0.4  # any HTTP request to a default port that hardly anything else uses
BY_AGENT: Final = 0.6  # a provider's SDK that talks to a host nobody knows
BY_API: Final = 0.8  # a provider's path on a host nobody knows
BY_LOCAL_NAME: Final = 0.3  # a name asked for on the local link

# The first that fits holds. KoboldCpp speaks Ollama's API as well, so it stands before it.
SERVERS: Final = (
    Server("koboldcpp", (5001,), 0.8, ("/api/extra/",)),
    Server("open_webui", (3000, 8080), 0.8, ("/ollama/api/", "/api/chat/completions")),
    Server(
        *("ollama", (11434,), 0.6, ("/api/generate", "/api/chat", "/api/embed", "/api/embeddings")),
        common=("/api/tags", "/api/ps", "/api/show", "/api/pull", "/api/push", "/api/create", "/api/copy"),
    ),
    Server("lmstudio_server", (1234,), 0.7, ("/api/v0/models", "/api/v0/chat/completions")),
    Server("llama_cpp", (8080,), 0.5, ("/completion",), common=("/props", "/slots")),
    Server("litellm_proxy", (4000,), 0.7, ("/model/info", "/health/liveliness"), common=("/key/generate",)),
    Server("tgi", (), 0.6, ("/generate_stream",)),
    Server("sglang", (30000,), 0.7, ("/get_model_info",), common=("/generate",)),
    Server("comfyui", (8188,), 0.6, ("/object_info", "/system_stats"), common=("/prompt", "/ws")),
    Server("stable_diffusion_webui", (7860,), 0.9, ("/sdapi/v1/",)),
)
# Ports that hardly anything else uses.
PORTS: Final = {11434: "ollama", 8188: "comfyui"}
# Ports that tell whose server it is once the path says that it is one.
API_PORTS: Final = {11434: "ollama", 1234: "lmstudio_server", 4000: "litellm_proxy", 30000: "sglang", 5001: "koboldcpp"}
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
AGENTS: Final[dict[str, str | None]] = {
    "ollama-python/": "ollama",
    "ollama/": "ollama",
    "openai/": None,
    "asyncopenai/": None,
    "azureopenai/": None,
    "asyncazureopenai/": None,
    "anthropic/": None,
    "asyncanthropic/": None,
    "groq/": None,
    "asyncgroq/": None,
    "mistral-client-": None,
    "cohere/": None,
    "litellm/": None,
    "langchain": None,
    "llama-index": None,
    "claude-cli/": None,
    "claude-code/": None,
    "codex_": None,
    "geminicli": None,
    "githubcopilot/": None,
    "google-genai-sdk/": None,
}
# Parts of names on the local link; no name is standardised, so these are weak.
LOCAL_NAMES: Final = {
    "ollama": "ollama",
    "lmstudio": "lmstudio_server",
    "lm-studio": "lmstudio_server",
    "_mcp._tcp": MCP,
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
