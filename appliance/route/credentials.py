"""What a caller's credentials are in a request, so that another owner never sees them.

Rules: pure, on header lists and request targets; names are compared without case; a stripped value is never returned or
logged. When traffic moves to another owner everything here goes: a missing header costs an error, a leaked key costs
the key. Sources of the names: the API references of OpenAI, Anthropic, Google, Azure, AWS, Cohere, Mistral and the
OpenTelemetry and RFC 9110 lists of credential fields.
"""

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import unquote_plus

type Headers = Sequence[tuple[bytes, bytes]]

# Headers that hold a secret, with a secret in them; the first that is there is the key of the caller.
KEY_HEADERS: tuple[bytes, ...] = (
    b"authorization",
    b"x-api-key",  # Anthropic and others
    b"api-key",  # Azure OpenAI
    b"x-goog-api-key",
    b"ocp-apim-subscription-key",  # Azure API Management
    b"xi-api-key",  # ElevenLabs
    b"x-gnomon-key",
)
# Headers that identify the caller to the owner, or hold a session.
_OTHER: frozenset[bytes] = frozenset(
    {
        b"proxy-authorization",
        b"cookie",
        b"cookie2",
        b"set-cookie",
        b"www-authenticate",
        b"x-amz-security-token",
        b"x-amz-date",
        b"x-amz-content-sha256",
        b"x-csrf-token",
        b"x-xsrf-token",
        b"x-auth-token",
        b"x-access-token",
        b"x-session-token",
        b"openai-organization",
        b"openai-project",
        b"anthropic-organization-id",
        b"anthropic-workspace-id",
        b"x-goog-user-project",
        b"x-goog-iam-authorization-token",
        b"x-goog-authuser",
        b"x-openai-api-key",
        b"x-openai-assistant-app-id",
        b"chatgpt-account-id",
        b"oai-device-id",
        b"helicone-auth",
        b"cf-access-client-id",
        b"cf-access-client-secret",
        b"cf-access-jwt-assertion",
        b"referer",  # may carry a key in its query
    }
)
_QUERY = frozenset(
    {
        "key",
        "api_key",
        "api-key",
        "apikey",
        "access_token",
        "token",
        "auth",
        "authorization",
        "subscription-key",
        "sig",
        "signature",
        "x-amz-signature",
        "x-amz-credential",
        "x-amz-security-token",
        "x-goog-signature",
        "x-goog-credential",
    }
)
# What stands in names that services and proxies make up; `_` counts as `-`.
_SECRET_PARTS = (b"api-key", b"apikey", b"secret", b"password", b"token", b"authoriz", b"credential", b"session")
# Browsers cannot set headers on a WebSocket: OpenAI's realtime takes the key, and the account, as subprotocols.
_SUBPROTOCOLS = b"sec-websocket-protocol"
_SUBPROTOCOL_KEY = b"openai-insecure-api-key."
_SUBPROTOCOL_ACCOUNT = (b"openai-organization.", b"openai-project.")
_QUERY_KEYS = frozenset({"key", "api_key", "api-key", "apikey", "access_token", "subscription-key", "x-amz-credential"})
_MAX_PAIRS = 1024
_SIGNED = b"AWS4-"
_SIGNED_BY = re.compile(rb"Credential=([A-Z0-9]{16,128})/")
_REMEMBERED = 64  # bytes of a header's name that is worth remembering: most requests have the same
_SHORTEST = 8  # bytes of a key that is looked for in other headers; less would be found by chance


def is_credential_header(name: bytes) -> bool:
    """The header may hold a credential or name the caller's account."""
    lower = name.lower()
    return _known(lower) if len(lower) <= _REMEMBERED else _known.__wrapped__(lower)


@lru_cache(1024)
def _known(lower: bytes) -> bool:
    return lower in KEY_HEADERS or lower in _OTHER or _speaks_of_secrets(lower)


def _speaks_of_secrets(lower: bytes) -> bool:
    plain = lower.replace(b"_", b"-")
    return any(part in plain for part in _SECRET_PARTS)


def strip_headers(headers: Sequence[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that may go to another owner, in their order; none that repeats the caller's key by another name."""
    key = caller_key(headers) or b""
    plain = (_subprotocols_stripped(*field) for field in headers if not is_credential_header(field[0]))
    kept = ((name, value) for name, value in plain if value or name.lower() != _SUBPROTOCOLS)
    return tuple((name, value) for name, value in kept if len(key) < _SHORTEST or key not in value)


def _subprotocols_stripped(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    if name.lower() != _SUBPROTOCOLS:
        return name, value
    kept = [word.strip() for word in value.split(b",") if not _is_credential_subprotocol(word.strip().lower())]
    return name, b", ".join(kept)


def _is_credential_subprotocol(word: bytes) -> bool:
    return word.startswith(_SUBPROTOCOL_ACCOUNT) or _speaks_of_secrets(word)


def strip_query(target: str) -> str:
    """The request target without credentials in its query; all else stays byte for byte."""
    path, question, query = target.partition("?")
    if not question:
        return target
    kept = [pair for pair in query.split("&") if not is_credential_parameter(_query_name(pair))]
    return f"{path}?{'&'.join(kept)}" if any(kept) else path


def is_credential_parameter(name: str) -> bool:
    """Whether a parameter of a query, its name decoded and in lower case, may hold a credential."""
    return name in _QUERY or _speaks_of_secrets(name.encode("utf-8", "replace"))


def _query_name(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0]).strip().lower()


def caller_key(headers: Headers) -> bytes | None:
    """The secret that the caller sent, without the scheme word; None when there is none."""
    found = {name.lower(): value for name, value in reversed(headers)}
    for name in KEY_HEADERS:
        if value := found.get(name, b"").strip():
            scheme, space, rest = value.partition(b" ")
            return rest.strip() if space and scheme.lower() in (b"bearer", b"basic", b"token") else value
    words = (word.strip() for word in found.get(_SUBPROTOCOLS, b"").split(b","))
    told = (word[len(_SUBPROTOCOL_KEY) :] for word in words if word.lower().startswith(_SUBPROTOCOL_KEY))
    return next((key for key in told if key), None)


def shown_key(headers: Headers, target: str) -> bytes | None:
    """What stays the same of the key that the caller shows, in a header or in the query; None: none is shown.

    A signature of AWS is another in every request: of it, the id of the key that made it.
    """
    key = caller_key(headers) or _query_key(target)
    if key is not None and key.startswith(_SIGNED):
        found = _SIGNED_BY.search(key)
        return found[1] if found else None
    return key


def _query_key(target: str) -> bytes | None:
    for pair in target.partition("?")[2].split("&", _MAX_PAIRS)[:_MAX_PAIRS]:
        name = _query_name(pair)
        if name in _QUERY_KEYS and (value := unquote_plus(pair.partition("=")[2])):
            return (value.partition("/")[0] if name == "x-amz-credential" else value).encode("utf-8", "replace")
    return None


def fingerprint(secret: bytes, key: bytes) -> str:
    """`k_` + 16 hexadecimal characters: the same secret gives the same text under one site key (up to 64 bytes)."""
    return "k_" + hashlib.blake2b(secret, key=key[:64], digest_size=8, person=b"gnomon-key-print").hexdigest()
