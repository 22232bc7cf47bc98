"""An issuer of tokens on paper: keys, its published set, and tokens good and bad."""

import base64
import hmac
import json
import warnings

from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from appliance.identity.claims import ClaimRules

ISSUER, AUDIENCE, NOW = "https://login.example.test", "gnomon", 1_800_000_000.0
RSA_ONE, RSA_TWO = RSAKey.generate_key(2048), RSAKey.generate_key(2048)
EC = ECKey.generate_key("P-256")
ED = OKPKey.generate_key("Ed25519")
RULES = ClaimRules(ISSUER, frozenset({AUDIENCE}))


def public(key, kid, **more):
    return {**key.as_dict(private=False), "kid": kid, **more}


def jwks(*keys) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def claims(**changes):
    made = {"iss": ISSUER, "aud": AUDIENCE, "sub": "maria", "exp": NOW + 600, "iat": NOW - 5} | changes
    return {name: value for name, value in made.items() if value is not None}


def token(key=RSA_ONE, kid="one", alg="RS256", header=None, **changes) -> str:
    head = {"alg": alg, "typ": "JWT"} | ({"kid": kid} if kid is not None else {}) | (header or {})
    with warnings.catch_warnings(action="ignore", category=SecurityWarning):  # EdDSA is an older name
        return jwt.encode(head, claims(**changes), key, algorithms=[alg])


def part(value) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(**header) -> str:
    return f"{part({'alg': 'none', 'kid': 'one'} | header)}.{part(claims())}."


def signed_with_the_public_key() -> str:
    """The old trick: the public key's text as the secret of an HMAC."""
    text = f"{part({'alg': 'HS256', 'kid': 'one'})}.{part(claims())}"
    return f"{text}.{part(hmac.digest(RSA_ONE.as_pem(private=False), text.encode(), 'sha256'))}"
