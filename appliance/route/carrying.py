"""Which calls a service takes as they are, and which have to be carried over to its dialect: one owner of the rule.

Rules: pure; names only, so that whoever asks loads no translation. A call that its service takes as it is stays as it
is; what neither is taken nor can be carried over is left to the caller of this, who refuses. Sources of who takes
OpenAI's Responses beside its chat calls: the API references of OpenAI, Azure OpenAI, Groq, OpenRouter, xAI; the
documentation of vLLM, LM Studio, llama.cpp and LiteLLM; who takes OpenAI's chat calls beside its own: that of Ollama.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from appliance.model.catalogue import Service
from appliance.route.native import spoken

CARRIED: Final = frozenset({"openai.chat", "openai.responses", "anthropic.messages", "gemini.generate", "ollama.chat"})
"""The dialects between which calls can be carried over: those of appliance.route.translate.carriers."""
ANY: Final = "*"
"""In a map of models: any other; as a value: the name that was asked for."""
_BESIDE: Final[Mapping[str, frozenset[str]]] = {
    "openai.chat": frozenset({"ollama"}),
    "openai.responses": frozenset(
        {
            *("openai", "azure_openai", "groq", "openrouter", "xai"),
            *("openai_compatible", "lmstudio_server", "llama_cpp", "litellm_proxy"),
        }
    ),
}
# Where clients that were given nothing but an address send their calls: other paths are a service's own.
_USUAL: Final[Mapping[str, re.Pattern[str]]] = {
    "openai.chat": re.compile(r"(?:/v1)?/chat/completions/?\Z"),
    "openai.responses": re.compile(r"(?:/v1)?/responses/?\Z"),
    "anthropic.messages": re.compile(r"(?:/v1)?/messages/?\Z"),
    "gemini.generate": re.compile(r"/v1(?:beta)?/models/[^/]+:\w+\Z"),
    "ollama.chat": re.compile(r"/api/chat/?\Z"),
}


def takes(service: Service, api: str | None) -> bool:
    """Whether the service understands calls of the dialect `api` as they are."""
    if api is None or service.dialect is None:
        return False
    return api in spoken(service.dialect) or service.id in _BESIDE.get(api, ())


def carries(api: str | None, service: Service) -> bool:
    """Whether calls of the dialect `api` have to be carried over for the service, and can be."""
    return api in CARRIED and service.dialect in CARRIED and not takes(service, api)


def is_usual(api: str | None, path: str) -> bool:
    """Whether a request target is where any client of the dialect sends its calls."""
    usual = _USUAL.get(api or "")
    return usual is not None and usual.match(path.partition("?")[0]) is not None


def alike(services: Iterable[Service]) -> bool:
    """Whether one route may lead to all of them: one dialect, or such as calls can be carried over between."""
    dialects = {service.dialect for service in services}
    return len(dialects) <= 1 or dialects <= CARRIED


def named(models: Mapping[str, str], asked: str | None) -> str | None:
    """The model that is sent for one that was asked for; None: the map says nothing of it."""
    if asked is None:
        return None
    name = models.get(asked, models.get(ANY))
    return asked if name == ANY else name
