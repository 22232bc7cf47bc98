"""Where the calls of a dialect stand at each service: the part of the path before the dialect's own words.

Rules: pure; only a redirect to another service asks, and only what stands before the words changes: query and words
stay byte for byte. A service that is not in the table has them below /v1, as most servers of the dialect do. Sources:
the API references of the services, by what their clients are told to use as base URL.
"""

from collections.abc import Mapping
from typing import Final

from appliance.model.catalogue import Service

USUAL: Final = "/v1"
_BASES: Final[Mapping[str, str]] = {
    "dashscope": "/compatible-mode/v1",
    "deepinfra": "/v1/openai",
    "groq": "/openai/v1",
    "novita": "/v3/openai",
    "openrouter": "/api/v1",
    "perplexity": "",
    "volcengine_ark": "/api/v3",
    "zai": "/api/paas/v4",
}
_CALLS: Final[Mapping[str, tuple[str, ...]]] = {"openai.chat": ("/chat/completions", "/models")}


def base_of(service: Service) -> str:
    """What stands before the words: empty, or a path without a slash at its end."""
    return _BASES.get(service.id, USUAL)


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


def reads(service: Service) -> tuple[str, ...]:
    """Paths of the list of models, which programs read before their first call."""
    if service.dialect not in _CALLS:
        return ()
    return tuple(dict.fromkeys((f"{base_of(service)}/models", "/v1/models", "/models")))
