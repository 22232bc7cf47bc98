"""What the claims of a token say of its owner (RFC 7519, OpenID Connect Core 2).

Rules: pure, time as argument; issuer and audience are compared to the letter; a token without an end is refused; names
and groups are bounded text without control characters, and what does not fit is refused whole: a group that is dropped
in silence could be the one that a rule blocks.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard

from appliance.identity.jws import TokenError
from appliance.identity.realms import FOREIGN, OURS, Realm

MAX_NAME = 256
_ACCESS = "at+jwt"  # RFC 9068 2.1
_TYPES = frozenset({"", "jwt", _ACCESS})
_ACCESS_SAID, _ID_SAID = frozenset({"bearer", "access", "access_token"}), frozenset({"id", "id_token"})
_KINDS = frozenset({"jwt", _ACCESS}) | _ACCESS_SAID | _ID_SAID
MAX_GROUPS = 256
_MAX_STEPS = 4


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """What is asked of the claims of one issuer, and where the names stand."""

    issuer: str
    audience: frozenset[str]
    leeway_s: float = 60.0
    user: str = "sub"
    groups: str = "groups"
    department: str = "department"
    kind: str = "any"  # any | access | id
    realm: Realm = OURS


@dataclass(frozen=True, slots=True)
class TokenOwner:
    """Whom a token of `issuer` belongs to, and until when (seconds since the epoch, leeway included)."""

    issuer: str
    user: str
    groups: tuple[str, ...]
    department: str | None
    until: float


def owner_of(claims: Mapping[str, object], rules: ClaimRules, now: float, typ: str = "") -> TokenOwner:
    """The owner; TokenError in words. `typ`: of the token's header, see `jws`."""
    if claims.get("iss") != rules.issuer:
        raise TokenError("the token is of another issuer")
    if not _audience(claims.get("aud")) & rules.audience:
        raise TokenError("the token is meant for another audience", guess=False)
    until = _times(claims, rules.leeway_s, now)
    _fits(rules.kind, typ, claims.get("typ"))
    _is_bearers(claims)
    user = _at(claims, rules.user)
    if not is_name(user):
        raise TokenError("the token does not name its user", guess=False)
    if rules.user == "email" and claims.get("email_verified") not in (None, True, "true"):  # some issuers write text
        raise TokenError("the token's mail address is not verified", guess=False)
    groups, department = _groups(claims, rules.groups), _department(claims, rules.department)
    named = rules.realm.named(user, groups, department)
    if named is None:
        raise TokenError(f"the token {FOREIGN}", guess=False)
    return TokenOwner(rules.issuer, named[0], tuple(named[1]), named[2], until)


def is_name(value: object) -> TypeGuard[str]:
    """Text that may name a person or a group."""
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable() and value.strip() == value


def _fits(kind: str, typ: str, said: object) -> None:
    """Tokens for something else are not taken (RFC 8725 3.11). `said`: the claim by which Keycloak tells its kinds."""
    told = said.lower() if isinstance(said, str) else ""
    if typ not in _TYPES or (said is not None and told not in _KINDS):
        raise TokenError("the token is for something else (typ)", guess=False)
    access = typ == _ACCESS or told in _ACCESS_SAID
    if kind == "access" and not access:
        raise TokenError("the token is no access token (typ at+jwt), and only those are taken", guess=False)
    if kind == "id" and access:
        raise TokenError("the token is an access token, and only ID tokens are taken", guess=False)


def _is_bearers(claims: Mapping[str, object]) -> None:
    """Nothing but who bears it: no news of a session's end, which has issuer, audience and user like any token."""
    if "events" in claims:  # RFC 8417 2.2, OpenID Connect Back-Channel Logout 2.4
        raise TokenError("the token is for something else (events)", guess=False)
    if "cnf" in claims:  # RFC 7800 3.1; as a bearer's it would be good for whoever has stolen it
        raise TokenError("the token is bound to a key (cnf), and only bearer tokens can be checked here", guess=False)


def _audience(value: object) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset((value,))
    if isinstance(value, list):
        return frozenset(each for each in value if isinstance(each, str))
    return frozenset()


def _times(claims: Mapping[str, object], leeway: float, now: float) -> float:
    expires = _moment(claims, "exp")
    if expires is None:
        raise TokenError("the token has no end (exp)", guess=False)
    if now >= expires + leeway:
        raise TokenError("the token has expired", guess=False, lapsed=True)
    for name in ("nbf", "iat"):
        begins = _moment(claims, name)
        if begins is not None and begins > now + leeway:
            raise TokenError("the token is not good yet; clocks may differ", guess=False)
    return expires + leeway


def _moment(claims: Mapping[str, object], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenError(f"the token's {name} is no time")
    try:
        found = float(value)
    except OverflowError:
        raise TokenError(f"the token's {name} is no time") from None
    if not math.isfinite(found):
        raise TokenError(f"the token's {name} is no time")
    return found


def _at(claims: Mapping[str, object], name: str) -> object:
    """The claim of that very name, else the one that the dots lead to."""
    if name in claims:
        return claims[name]
    found: object = claims
    for step in name.split(".")[:_MAX_STEPS]:
        if not isinstance(found, Mapping):
            return None
        found = found.get(step)
    return found


def _groups(claims: Mapping[str, object], name: str) -> tuple[str, ...]:
    elsewhere = claims.get("_claim_names")
    if isinstance(elsewhere, Mapping) and name in elsewhere:
        raise TokenError("the token says that its groups stand elsewhere; let the issuer send fewer", guess=False)
    value = _at(claims, name)
    if value is None:
        return ()
    told = [value] if isinstance(value, str) else value
    if not isinstance(told, list) or len(told) > MAX_GROUPS or not all(map(is_name, told)):
        raise TokenError("the token's groups are no list of names", guess=False)
    return tuple(dict.fromkeys(told))


def _department(claims: Mapping[str, object], name: str) -> str | None:
    value = _at(claims, name)
    if value is None or value == "":
        return None
    if not is_name(value):
        raise TokenError("the token's department is no name", guess=False)
    return str(value)
