"""Where the calls of a dialect stand at each service: the part of the path before the dialect's own words.

Rules: pure; only a redirect to another service asks, and only what stands before the words changes: query and words
stay byte for byte. A service that is not in the table has them below /v1, as most servers of the dialect do; a dialect
without words has its whole paths fixed, and they stay as they are. Sources: the API references of the services, by what
their clients are told to use as base URL.
"""

from collections.abc import Mapping
from typing import Final

from appliance.model.catalogue import Service

USUAL: Final = "/v1"
_BASES: Final[Mapping[str, Mapping[str, str]]] = {
    "openai.chat": {
        "azure_openai": "/openai/v1",  # the paths without api-version; the model is the deployment's name
        "dashscope": "/compatible-mode/v1",
        "deepinfra": "/v1/openai",
        "github_copilot": "",
        "groq": "/openai/v1",
        "novita": "/v3/openai",
        "openrouter": "/api/v1",
        "perplexity": "",
        "volcengine_ark": "/api/v3",
        "zai": "/api/paas/v4",
    },
    "anthropic.messages": {"azure_ai": "/anthropic/v1"},
}
_CALLS: Final[Mapping[str, tuple[str, ...]]] = {
    "openai.chat": ("/chat/completions", "/responses", "/models"),
    "anthropic.messages": ("/messages", "/messages/count_tokens", "/models"),
    "ollama.chat": ("/chat/completions",),  # OpenAI's, which it takes beside its own
}
_HOME: Final[Mapping[str, frozenset[str]]] = {
    "openai.chat": frozenset({*_CALLS["openai.chat"], "/completions", "/embeddings"}),
    "anthropic.messages": frozenset(_CALLS["anthropic.messages"]),
}
_LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "gemini.generate": ("/v1beta/models", "/v1/models"),
    "cohere.chat": ("/v1/models",),
    "ollama.chat": ("/api/tags", "/api/version"),
}
_BESIDE: Final[Mapping[str, frozenset[str]]] = {
    "anthropic.messages": frozenset({"anthropic.count_tokens"}),
    "bedrock.converse": frozenset({"bedrock.invoke", "bedrock.count_tokens"}),
    "cohere.chat": frozenset({"cohere.embed", "cohere.rerank"}),
    "gemini.generate": frozenset({"gemini.embed"}),
    "ollama.chat": frozenset({"ollama.generate", "ollama.embed"}),
}


def names_deployment(target: str) -> bool:
    """Whether the path says which model is meant, as Azure's older ones do: nobody else reads it there."""
    return "/deployments/" in target.partition("?")[0]


def base_of(service: Service) -> str:
    """What stands before the words: empty, or a path without a slash at its end."""
    return _BASES.get(service.dialect or "", {}).get(service.id, USUAL)


def spoken(dialect: str) -> frozenset[str]:
    """The names of all calls that whoever speaks `dialect` takes; OpenAI's others are taken by few of its servers."""
    return _BESIDE.get(dialect, frozenset()) | {dialect}


def native_path(asked: Service, there: Service, target: str) -> str:
    """The request target of a call of `asked`, as `there` has it. One in other words stays as it is."""
    path, question, query = target.partition("?")
    bare = path.rstrip("/")
    if asked.id == there.id:
        return target
    for words in _CALLS.get(there.dialect or "", ()):
        if bare.endswith(words):
            return f"{base_of(there)}{words}{question}{query}"
    return target


def at_home(there: Service, target: str) -> str:
    """The request target of a client that was given the gateway as its base URL, as `there` has it."""
    path, question, query = target.partition("?")
    base, words = base_of(there), path.rstrip("/").removeprefix(USUAL)
    if base == USUAL or not path.startswith(f"{USUAL}/") or words not in _HOME.get(there.dialect or "", ()):
        return target
    return f"{base}{words}{question}{query}"


def placed(there: Service, target: str) -> str:
    """The request target of a call in the dialect of `there`, in the usual place, as that service has it."""
    for words in _CALLS.get(there.dialect or "", ()):
        if target == f"{USUAL}{words}":
            return f"{base_of(there)}{words}"
    return target


def reads(service: Service) -> tuple[str, ...]:
    """Paths of the list of models, which programs read before their first call."""
    dialect = service.dialect or ""
    if "/models" in _CALLS.get(dialect, ()):
        return tuple(dict.fromkeys((f"{base_of(service)}/models", "/v1/models", "/models")))
    return _LISTS.get(dialect, ())
