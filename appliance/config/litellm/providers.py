"""Which service a model of theirs is at: the word before the slash, and what `api_base` says.

Sources: litellm/__init__.py and litellm/litellm_core_utils/get_llm_provider_logic.py (1.106) for the words, addresses
and environment variables; our catalogue for the services. Rules: pure; a provider whose calls we cannot write from the
chat calls that clients make is named with the reason, never guessed.
"""

import ipaddress
from typing import NamedTuple
from urllib.parse import urlsplit

from appliance.model.catalogue import Catalogue, Service
from appliance.route.native import base_of
from appliance.route.targets import parse_target

OWN_SERVER = "openai_compatible"


class Known(NamedTuple):
    """`base`: where it is unless api_base says otherwise; `variable`: where its key is looked for; empty: none."""

    service: str
    base: str
    variable: str = ""


class Place(NamedTuple):
    """Where calls go. `why`: instead, why they cannot."""

    service: str = ""
    target: str = ""
    variable: str = ""
    why: str = ""


PROVIDERS: dict[str, Known] = {
    "openai": Known("openai", "https://api.openai.com", "OPENAI_API_KEY"),
    "anthropic": Known("anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY"),
    "gemini": Known("gemini", "https://generativelanguage.googleapis.com", "GEMINI_API_KEY"),
    "azure": Known("azure_openai", "", "AZURE_API_KEY"),
    "cohere": Known("cohere", "https://api.cohere.com", "COHERE_API_KEY"),
    "cohere_chat": Known("cohere", "https://api.cohere.com", "COHERE_API_KEY"),
    "mistral": Known("mistral", "https://api.mistral.ai", "MISTRAL_API_KEY"),
    "groq": Known("groq", "https://api.groq.com", "GROQ_API_KEY"),
    "deepseek": Known("deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY"),
    "openrouter": Known("openrouter", "https://openrouter.ai", "OPENROUTER_API_KEY"),
    "perplexity": Known("perplexity", "https://api.perplexity.ai", "PERPLEXITYAI_API_KEY"),
    "together_ai": Known("together", "https://api.together.xyz", "TOGETHERAI_API_KEY"),
    "xai": Known("xai", "https://api.x.ai", "XAI_API_KEY"),
    "cerebras": Known("cerebras", "https://api.cerebras.ai", "CEREBRAS_API_KEY"),
    "sambanova": Known("sambanova", "https://api.sambanova.ai", "SAMBANOVA_API_KEY"),
    "nvidia_nim": Known("nvidia_nim", "https://integrate.api.nvidia.com", "NVIDIA_NIM_API_KEY"),
    "deepinfra": Known("deepinfra", "https://api.deepinfra.com", "DEEPINFRA_API_KEY"),
    "dashscope": Known("dashscope", "https://dashscope-intl.aliyuncs.com", "DASHSCOPE_API_KEY"),
    "moonshot": Known("moonshot", "https://api.moonshot.ai", "MOONSHOT_API_KEY"),
    "hyperbolic": Known("hyperbolic", "https://api.hyperbolic.xyz", "HYPERBOLIC_API_KEY"),
    "novita": Known("novita", "https://api.novita.ai", "NOVITA_API_KEY"),
    "zai": Known("zai", "https://api.z.ai", "ZAI_API_KEY"),
    "ollama": Known(OWN_SERVER, "http://localhost:11434"),
    "ollama_chat": Known(OWN_SERVER, "http://localhost:11434"),
    "hosted_vllm": Known(OWN_SERVER, "", "HOSTED_VLLM_API_KEY"),
    "vllm": Known(OWN_SERVER, ""),
    "lm_studio": Known("lmstudio_server", "", "LM_STUDIO_API_KEY"),
    "llamafile": Known(OWN_SERVER, "http://127.0.0.1:8080"),
    "litellm_proxy": Known("litellm_proxy", "", "LITELLM_PROXY_API_KEY"),
    "openai_like": Known(OWN_SERVER, "", "OPENAI_LIKE_API_KEY"),
    "custom_openai": Known(OWN_SERVER, "", "OPENAI_API_KEY"),
    "text-completion-openai": Known("openai", "https://api.openai.com", "OPENAI_API_KEY"),
}
_NOT_WRITTEN = {
    "azure_text": "the older completions of Azure OpenAI stand below a deployment's path, which is not written here",
    "azure_ai": "the calls of Azure AI Foundry are in no dialect that is written here",
    "bedrock": "Bedrock wants every request signed with an AWS key, which is not done here; clients sign themselves",
    "sagemaker": "SageMaker wants every request signed with an AWS key, which is not done here",
    "vertex_ai": "Vertex AI wants tokens made from a service account, which is not done here",
    "vertex_ai_beta": "Vertex AI wants tokens made from a service account, which is not done here",
    "watsonx": "watsonx wants tokens exchanged for its key, which is not done here",
}
_BARE = (  # how models are called whose provider is left out: get_llm_provider_logic.py goes by lists of their names
    (
        ("gpt-", "o1", "o3", "o4", "chatgpt", "text-embedding-", "dall-e", "whisper", "tts-", "ft:gpt", "davinci"),
        "openai",
    ),
    (("claude-",), "anthropic"),
    (("gemini-",), "vertex_ai"),
    (("command",), "cohere"),
)


def split_model(model: str, given: str) -> tuple[str, str]:
    """Their word for the provider, and the model as the provider calls it. `given`: custom_llm_provider."""
    first, slash, rest = model.partition("/")
    if given:
        return given, rest if slash and first == given else model
    if slash and (first in PROVIDERS or first in _NOT_WRITTEN):
        return first, rest
    for beginnings, provider in _BARE:
        if model.startswith(beginnings):
            return provider, model
    return (first, rest) if slash else ("", model)


def place_of(provider: str, api_base: str, catalogue: Catalogue) -> Place:
    """Where a deployment is. `api_base`: as it stands, or empty."""
    if provider in _NOT_WRITTEN:
        return Place(why=_NOT_WRITTEN[provider])
    known = PROVIDERS.get(provider)
    if known is None and not api_base:
        return Place(why=f"the provider {provider or '(none is named)'} is not known to this import; add it by hand")
    known = known or Known(OWN_SERVER, "")
    if not api_base:
        why = "" if known.base else "no api_base: it stands in a variable of the environment; write it into the source"
        return Place(known.service, _whole(known.base), known.variable, why)
    return _at(known, api_base, catalogue)


def _at(known: Known, api_base: str, catalogue: Catalogue) -> Place:
    try:
        parts = urlsplit(api_base)
        target = str(parse_target(_whole(f"{parts.scheme}://{parts.netloc}")))
    except ValueError:
        return Place(why="api_base is not an address of the form https://host[:port]/path")
    if parts.username or parts.password or parts.query:
        return Place(why="api_base holds credentials or a query; a target has neither, hold the key instead")
    found = catalogue.match(parts.hostname or "")
    dialect = _dialect(catalogue, known.service)
    service = found if found is not None and found.dialect == dialect else catalogue.services.get(known.service)
    if found is None and known.service not in ("anthropic", "gemini", "cohere"):
        service = catalogue.services.get(known.service if known.base == "" else OWN_SERVER)
    if service is None:
        return Place(why=f"the catalogue has no service {known.service}")
    why = _path_fault(service, parts.path)
    return Place(service.id, target, known.variable, why)


def _path_fault(service: Service, path: str) -> str:
    usual = base_of(service)
    if path.rstrip("/") in ("", usual) or service.dialect != "openai.chat":
        return ""
    return f"its calls stand below another path than {usual or '/'}, where calls of {service.id} are sent"


def _dialect(catalogue: Catalogue, service: str) -> str | None:
    found = catalogue.services.get(service)
    return found.dialect if found else None


def _whole(base: str) -> str:
    return base.replace("://localhost", "://127.0.0.1")


def private_place(target: str) -> tuple[str, int] | None:
    """Network and port of a target that is refused unless it is excepted; None: a public address, or a name."""
    found = parse_target(target)
    host = "127.0.0.1" if found.host == "localhost" else found.host.strip("[]")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return None if address.is_global else (str(address), found.port)
