"""Whose account with a provider a request uses, as far as it can be seen without keeping a secret.

Rules: pure; a key, a token or a cookie goes in and never comes out: what is told is the form of a key, ids of accounts,
and whether somebody has signed in. A token's claims are read without proof: they count only where the service that gets
it checks it, so each service has its own signs. What the provider answers counts most. Sources of the forms: the
API references of the providers, and the rules of appliance/inspect/detect/secret_rules; names of claims as openai/codex
reads them.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from appliance.model.catalogue import Service
from appliance.model.names import AccountKind
from appliance.route.credentials import Headers, shown_key

MAX_TOKEN: Final = 8192
MAX_ID: Final = 128
MAX_IDS: Final = 8
# Beginning of a key, the longest first where one begins another.
SHAPES: Final = (
    (b"sk-proj-", "openai_project"),
    (b"sk-svcacct-", "openai_service"),
    (b"sk-admin-", "openai_admin"),
    (b"sk-ant-api", "anthropic_api"),
    (b"sk-ant-oat", "anthropic_oauth"),
    (b"sk-ant-admin", "anthropic_admin"),
    (b"sk-ant-sid", "anthropic_session"),
    (b"sk-or-", "openrouter"),
    (b"gk_", "gnomon"),
    (b"sk-", "openai_user"),
    (b"AIza", "google_api"),
    (b"ya29.", "google_oauth"),
    (b"AKIA", "aws"),
    (b"gsk_", "groq"),
    (b"xai-", "xai"),
    (b"hf_", "huggingface"),
    (b"r8_", "replicate"),
    (b"pplx-", "perplexity"),
    (b"gho_", "github_oauth"),
    (b"ghu_", "github_app"),
    (b"ghp_", "github_personal"),
    (b"github_pat_", "github_personal"),
    (b"tid=", "github_copilot"),
    (b"eyJ", "token"),
)
# Kinds of ids, the narrowest first: the first that the configuration speaks of decides.
KINDS: Final = (
    "key",
    "chatgpt_workspace",
    "openai_organization",
    "openai_project",
    "anthropic_organization",
    "google_project",
    "microsoft_tenant",
    "mail_domain",
    "host",
)
_COPILOT: Final = ".individual.githubcopilot.com"
_PERSONAL_PLANS: Final = frozenset({"free", "go", "plus", "pro"})
_ANONYMOUS: Final = "/backend-anon/"
_OF_CLAUDE: Final = re.compile(r"/api/organizations/([0-9a-fA-F-]{36})(?:[/?]|\Z)")
_ID: Final = re.compile(r"[\w.@:-]{1,128}\Z", re.ASCII)
_SESSIONS: Final = {
    "chatgpt": (b"__secure-next-auth.session-token", b"__secure-authjs.session-token"),
    "claude": (b"sessionkey",),
    "gemini_web": (b"sid", b"__secure-1psid"),
    "copilot": (b"msal", b".auth"),
}
_ANSWERED: Final = {
    b"openai-organization": "openai_organization",
    b"openai-project": "openai_project",
    b"anthropic-organization-id": "anthropic_organization",
}
_ASKED: Final[dict[str, dict[bytes, str]]] = {  # by the owner's services that check them
    "openai": {b"openai-organization": "openai_organization", b"openai-project": "openai_project"},
    "gemini": {b"x-goog-user-project": "google_project"},
    "chatgpt": {b"chatgpt-account-id": "chatgpt_workspace"},
}
_AUTH, _PROFILE = "https://api.openai.com/auth", "https://api.openai.com/profile"


class Seen(NamedTuple):
    """What a request or an answer shows. `ids`: (kind, id); `plan`: as a token tells it; `signed_in` None: not told."""

    ids: tuple[tuple[str, str], ...] = ()
    shape: str | None = None
    plan: str | None = None
    signed_in: bool | None = None


class Corporate:
    """The organisation's own accounts, by kind of id. `personal` is said only where one of that kind is named."""

    def __init__(self, named: Mapping[str, tuple[str, ...]]) -> None:
        self._named = {kind: frozenset(map(str.lower, ids)) for kind, ids in named.items() if ids}

    def kind(self, seen: Seen) -> AccountKind:
        """Whose account it is."""
        for kind in KINDS:
            named, found = self._named.get(kind), {each.lower() for each_kind, each in seen.ids if each_kind == kind}
            if named is None or not found:
                continue
            if found <= named:  # of several none may be another's: nobody knows which of them counts
                return AccountKind.CORPORATE
            if kind not in ("key", "host"):
                return AccountKind.PERSONAL
        if seen.signed_in is False:
            return AccountKind.ANONYMOUS
        personal = seen.plan in _PERSONAL_PLANS or any(each.endswith(_COPILOT) for _, each in seen.ids)
        return AccountKind.PERSONAL if personal else AccountKind.UNKNOWN


def shape_of(key: bytes) -> str:
    """What form a key has: a word of `SHAPES`, else `other`."""
    return next((word for start, word in SHAPES if key.startswith(start)), "other")


def of_request(service: Service, host: str, path: str, headers: Headers, fingerprint: str | None) -> Seen:
    """What a request shows. `path`: with its query; `fingerprint`: of the key that it carries."""
    key = shown_key(headers, path)
    claims = _claims(key) if key is not None and key.startswith(b"eyJ") else None
    ids = [("key", fingerprint)] if fingerprint else []
    ids += _from_headers(_ASKED.get(_checks(service), {}), headers)
    if service.id in ("claude", "anthropic_web") and (found := _OF_CLAUDE.match(path)):
        ids.append(("anthropic_organization", found[1]))
    if claims is not None:
        ids += _of_claims(service, claims)
    if host.endswith(".githubcopilot.com"):
        ids.append(("host", host))
    plan = _text(_table(claims, _AUTH).get("chatgpt_plan_type")) if claims and service.id in _TOKENS else None
    signed = _signed_in(service, path, headers, key)
    return Seen(tuple(ids[:MAX_IDS]), shape_of(key) if key else None, plan, signed)


def account_id(seen: Seen, key: bytes) -> str | None:
    """`o_` and 16 hexadecimal characters for the narrowest id of an account; None: none was seen."""
    ids = dict(reversed(seen.ids))
    kind = next((kind for kind in KINDS if kind in ids and kind not in ("key", "host", "mail_domain")), None)
    if kind is None:
        return None
    text = f"{kind}|{ids[kind].lower()}".encode()
    return "o_" + hashlib.blake2b(text, key=key[:64], digest_size=8, person=b"gnomon-account").hexdigest()


def of_answer(service: Service, headers: Headers) -> Seen:
    """What the provider's answer shows."""
    ids = _from_headers(_ANSWERED, headers) if service.id in ("openai", "anthropic") else []
    return Seen(tuple(ids))


_TOKENS: Final = frozenset({"chatgpt", "openai_web", "openai"})


def _checks(service: Service) -> str:
    return "chatgpt" if service.id == "openai_web" else service.id


def _from_headers(wanted: Mapping[bytes, str], headers: Headers) -> list[tuple[str, str]]:
    found = []
    for name, value in headers:
        kind = wanted.get(name.lower()) if wanted else None
        text = value.decode("latin-1").strip() if kind else ""
        if kind and _ID.match(text):
            found.append((kind, text))
    return found


def _signed_in(service: Service, path: str, headers: Headers, key: bytes | None) -> bool | None:
    """Whether somebody has signed in. None: nothing tells."""
    if service.id == "chatgpt" and path.startswith(_ANONYMOUS):
        return False
    if key is not None:
        return True
    cookies = _SESSIONS.get(service.id)
    if cookies is None:
        return None if service.surface.value != "api" else False
    return any(name.startswith(cookies) for name in _cookie_names(headers))


def _cookie_names(headers: Headers) -> Iterator[bytes]:
    """Names of cookies, in lower case: their values are never looked at."""
    for name, value in headers:
        if name.lower() == b"cookie":
            yield from (each.partition(b"=")[0].strip().lower() for each in value[: 4 * MAX_TOKEN].split(b";"))


def _claims(token: bytes) -> dict[str, object] | None:
    """The claims of a token, unproven (RFC 7519); None: it has none that can be read."""
    parts = token.split(b".") if len(token) <= MAX_TOKEN else []
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature
        return None
    try:
        data = base64.urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(data, type=dict[str, object])
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError):
        return None


def _of_claims(service: Service, claims: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Ids in the token that a service checks."""
    told: list[tuple[str, str | None]] = []
    if service.id in _TOKENS:
        auth, profile = _table(claims, _AUTH), _table(claims, _PROFILE)
        told = [
            ("chatgpt_workspace", _text(auth.get("chatgpt_account_id"))),
            ("openai_organization", _text(auth.get("organization_id"))),
            ("mail_domain", _domain(profile.get("email") or claims.get("email"))),
        ]
    elif service.owner == "Google":
        told = [("mail_domain", _text(claims.get("hd")))]
    elif service.owner == "Microsoft":
        told = [("microsoft_tenant", _text(claims.get("tid")))]
    for kind, text in told:
        if text is not None and _ID.match(text):
            yield kind, text


def _table(claims: dict[str, object], name: str) -> Mapping[str, object]:
    found = claims.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= MAX_ID else None


def _domain(value: object) -> str | None:
    """The part of a mail address that is no person's."""
    text = _text(value)
    return text.rpartition("@")[2] if text and "@" in text else None
