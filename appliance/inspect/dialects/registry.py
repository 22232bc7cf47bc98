"""Which dialect a request speaks.

Rules: the path decides, since one host speaks several dialects; the service's dialect from the catalogue only breaks a
tie. First match in the order of the list. A path that is no dialect's as it is spelt is tried in its plain form.
"""

from functools import lru_cache

from appliance.inspect.dialects import Call, Dialect, gemini, gemini_live, ollama, openai_assets
from appliance.inspect.dialects.anthropic_batches import AnthropicBatches
from appliance.inspect.dialects.anthropic_messages import AnthropicMessages
from appliance.inspect.dialects.bedrock_beside import COUNTING, GUARDRAIL, JOBS, BedrockBeside
from appliance.inspect.dialects.bedrock_converse import BedrockConverse
from appliance.inspect.dialects.bedrock_invoke import BedrockInvoke
from appliance.inspect.dialects.chatgpt_web import ChatGPTWeb
from appliance.inspect.dialects.claude_web import ClaudeWeb
from appliance.inspect.dialects.cohere import CHAT, EMBED, RERANK, Cohere
from appliance.inspect.dialects.openai_chat import OpenAIChat
from appliance.inspect.dialects.openai_realtime import OpenAIRealtime
from appliance.inspect.dialects.openai_responses import OpenAIResponses
from appliance.model.paths import plain_path

DIALECTS: tuple[Dialect, ...] = (
    OpenAIChat(),
    OpenAIResponses(),
    OpenAIRealtime(),
    ChatGPTWeb(),
    gemini.GENERATE,
    gemini.EMBED,
    gemini_live.LIVE,
    ollama.CHAT,
    ollama.GENERATE,
    ollama.EMBED,
    *openai_assets.DIALECTS,
    AnthropicMessages(),
    AnthropicMessages("anthropic.count_tokens"),
    AnthropicBatches(),
    ClaudeWeb(),
    BedrockConverse(),
    BedrockInvoke(),
    *(BedrockBeside(api) for api in (COUNTING, GUARDRAIL, JOBS)),
    *(Cohere(api) for api in (CHAT, EMBED, RERANK)),
)


_BY_API = {dialect.api: dialect for dialect in reversed(DIALECTS)}
_KNOWN_PATH = 128  # bytes of a path that is worth remembering: those of most services are the same in every request


def choose(method: str, path: str, service_dialect: str | None) -> Dialect | None:
    """The dialect of a request, or None: the generic walker reads it. `path` may still carry its query."""
    bare = path.partition("?")[0]
    plain = plain_path(bare)
    speaking = _spoken(method, bare) or _spoken(method, plain) or _spoken(method, plain.casefold())
    preferred = (dialect for dialect in speaking if service_dialect and dialect.api.startswith(service_dialect))
    return next(preferred, speaking[0] if speaking else None)


def as_read(call: Call) -> Call:
    """The call with its path in the plain form, in which dialects find the model; as it is where it is plain."""
    path, question, query = call.path.partition("?")
    plain = plain_path(path)
    return call if plain == path else Call(call.method, f"{plain}{question}{query}", call.content_type)


def _spoken(method: str, path: str) -> tuple[Dialect, ...]:
    return _speaking(method, path) if len(path) <= _KNOWN_PATH else _speaking.__wrapped__(method, path)


@lru_cache(1024)
def _speaking(method: str, path: str) -> tuple[Dialect, ...]:
    return tuple(dialect for dialect in DIALECTS if dialect.matches(method, path))


def by_api(api: str | None) -> Dialect | None:
    """The dialect that calls itself `api`."""
    return _BY_API.get(api) if api is not None else None
