"""What a request shows of who asks: which header holds a credential of ours, and what of it may not go on.

Rules: pure, on header lists; `X-Gnomon-Key`, `X-Gnomon-Token` and Proxy-Authorization are ours and never go upstream;
a header of the provider's is looked at where the route does not pass it on, and only for what is plainly ours: a
virtual key by its prefix, a token by its form; a virtual key in a header that would go to a provider is a leak, and is
told as one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from appliance.identity.jws import looks_like_token
from appliance.identity.virtual_keys import MARK, looks_like_key, mentions_key

KEY_HEADER, TOKEN_HEADER, PROXY_AUTHORIZATION = b"x-gnomon-key", b"x-gnomon-token", b"proxy-authorization"
OURS = frozenset({KEY_HEADER, TOKEN_HEADER, PROXY_AUTHORIZATION})
# Where SDKs put a provider's key; `authorization` with a scheme word before it.
_PROVIDER_ORDER = (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"xi-api-key")
_IN_QUERY = re.compile(r"(?:\A|&)(?:key|api_key|api-key)=(gk_[0-9A-Za-z_]+)(?=&|\Z)")
_SCHEMES = (b"bearer ", b"token ")

type Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Shown:
    """Credentials of ours in a request. `leak`: a virtual key stands where a provider would get it."""

    proxy_authorization: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    leak: bool = False

    @property
    def anything(self) -> bool:
        """A credential other than the proxy's own was shown."""
        return self.token is not None or self.key is not None


def shown_in(headers: Headers, target: str, *, own_key: bool, tokens: bool = False) -> Shown:
    """`own_key`: the request goes on without the caller's key: the route has its own, or none. `target`: with query.

    `tokens`: those in the provider's headers are ours to judge, where they go no further.
    """
    found = {low: value.strip() for name, value in reversed(headers) if (low := name.lower()) in _LOOKED_AT}
    token, key = _text(found.get(TOKEN_HEADER)), _text(found.get(KEY_HEADER))
    if own_key:
        for secret in (*(_secret(found[name]) for name in _PROVIDER_ORDER if name in found), *_in_query(target)):
            if looks_like_key(secret):
                key = key or secret
            elif tokens and looks_like_token(secret):
                token = token or secret
    leak = _leaks(headers, target, own_key=own_key)
    return Shown(_text(found.get(PROXY_AUTHORIZATION)), token, key, leak)


def _leaks(headers: Headers, target: str, *, own_key: bool) -> bool:
    """A whole virtual key stands where nobody takes it out before the provider gets it."""
    if "gk_" not in target and not any(MARK in value for _, value in headers):
        return False  # nearly always
    taken_out = _LOOKED_AT if own_key else OURS
    if any(mentions_key(value) for name, value in headers if name.lower() not in taken_out):
        return True
    path, _, query = target.partition("?")
    return mentions_key((path if own_key else f"{path}?{query}").encode("utf-8", "replace"))


def without_ours(headers: Headers) -> tuple[tuple[bytes, bytes], ...]:
    """The headers without those that are for the appliance alone."""
    return tuple(header for header in headers if header[0].lower() not in OURS)


_LOOKED_AT = OURS | set(_PROVIDER_ORDER)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _secret(value: bytes) -> str:
    lower = value[:8].lower()
    start = next((len(scheme) for scheme in _SCHEMES if lower.startswith(scheme)), 0)
    return value[start:].strip().decode("latin-1")


def _in_query(target: str) -> list[str]:
    return _IN_QUERY.findall(target.partition("?")[2])
