"""A signed token (JWS compact form, RFC 7515) before and while its signature is checked.

Rules: pure; everything is bounded before it is decoded; the algorithm is taken from our list and never from the token
alone; members of the header that carry or name keys (`jwk`, `jku`, `x5c`, `x5u`) are not looked at; what asks for an
extension (`crit`, `b64`) is refused. What is wrong is told in fixed words: no part of a token is ever quoted.
"""

import base64
import binascii
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError

from appliance.identity.jwks import MAX_KID, VerifyKey

MAX_TOKEN = 16 * 1024
MAX_HEADER = 4096
_PARTS = 3
_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


class TokenError(ValueError):
    """The token is not taken. `guess`: it looks like an attempt, and not like a token that was good once.

    `lapsed`: its time is over, and nothing else is wrong.
    """

    def __init__(self, message: str, *, guess: bool = True, lapsed: bool = False) -> None:
        super().__init__(message)
        self.guess = guess
        self.lapsed = lapsed


@dataclass(frozen=True, slots=True)
class UncheckedToken:
    """A token that can be read. Nothing in it is proven."""

    alg: str
    kid: str
    typ: str  # small letters, without `application/`; empty: it says none
    claims: dict[str, object] = field(repr=False)
    text: str = field(repr=False)


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str = ""
    typ: str = ""
    crit: object = None
    b64: object = None


class _Registry(jws.JWSRegistry):
    """The library's, with our bounds, and without its warning: EdDSA is RFC 9864's Ed25519."""

    max_header_length = MAX_HEADER
    max_signature_length = MAX_HEADER

    def __init__(self, algorithms: Collection[str]) -> None:
        super().__init__(algorithms=algorithms, strict_check_header=False)  # issuers add members; none is acted upon

    def get_alg(self, name: str) -> Any:
        """The one that is allowed here."""
        if name not in (self.allowed or ()) or name not in self.algorithms:
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


def looks_like_token(text: str) -> bool:
    """Three parts that begin like a JSON object: worth judging, where a header may hold somebody else's key too."""
    return text.startswith("eyJ") and text.count(".") == _PARTS - 1


def read_token(text: str, accepted: Collection[str]) -> UncheckedToken:
    """Take a token apart; TokenError in words. `accepted`: algorithms."""
    if len(text) > MAX_TOKEN:
        raise TokenError(f"the token is longer than {MAX_TOKEN >> 10} KiB")
    parts = text.split(".")
    if len(parts) != _PARTS or not all(parts) or not all(_ALPHABET.issuperset(part) for part in parts):
        raise TokenError("that is no signed token (three parts of base64url)")
    if len(parts[0]) > MAX_HEADER:
        raise TokenError("the token's header is too long")
    try:
        header = msgspec.json.decode(_decoded(parts[0]), type=_Header)
        claims = msgspec.json.decode(_decoded(parts[1]), type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, binascii.Error, ValueError):
        raise TokenError("header or claims of the token cannot be read") from None
    if header.alg not in accepted:
        raise TokenError("the token's signature algorithm is not accepted here")
    if header.crit is not None or header.b64 is not None:
        raise TokenError("the token asks for an extension")
    if len(header.kid) > MAX_KID:
        raise TokenError("the token's key id is too long")
    typ = header.typ.lower().removeprefix("application/")
    return UncheckedToken(header.alg, header.kid, typ, claims, text)


def check_signature(token: UncheckedToken, keys: Collection[VerifyKey]) -> None:
    """TokenError unless one of `keys` has signed the token."""
    for key in keys:
        if token.alg not in key.algorithms:
            continue
        try:
            jws.deserialize_compact(token.text, key.key, registry=_Registry(algorithms=[token.alg]))
        except (JoseError, ValueError, TypeError, RecursionError):
            continue
        return
    raise TokenError("the token's signature is not the issuer's")


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
