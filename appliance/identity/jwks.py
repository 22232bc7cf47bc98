"""An issuer's public keys: a JSON Web Key Set (RFC 7517) read strictly.

Rules: pure; bounded in bytes and keys; only public keys that can check a signature we accept: RSA from 2048 to 8192
bits, P-256, P-384, P-521, Ed25519. Shared secrets (`oct`), private members, keys for encryption and keys that nobody
here understands are left out, so that no secret and no surprise ever becomes a key; a set without one usable key is
refused whole. Source of the algorithm table: RFC 7518 3.1, RFC 8037 3.1, RFC 8725 (best practice).
"""

import base64
from collections.abc import Collection
from dataclasses import dataclass

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from appliance.model.errors import PeerError

MAX_JWKS = 256 * 1024
MAX_KEYS = 64
MAX_KID = 256
_RSA_BITS = range(2048, 8193)
_MAX_EXPONENT_BITS = 33  # a larger one only makes checking slow
# Algorithm -> what its key must be: type and curve.
KEY_OF: dict[str, tuple[str, str | None]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}

type PublicKey = RSAKey | ECKey | OKPKey


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """One public key. `kid`: empty where the set gives none; `algorithms`: those that it may check."""

    kid: str
    algorithms: frozenset[str]
    key: PublicKey


class _Entry(msgspec.Struct, frozen=True):
    """The members that matter; all others are left alone."""

    kty: str
    kid: str = ""
    use: str = "sig"
    key_ops: tuple[str, ...] = ("verify",)
    alg: str | None = None
    crv: str | None = None
    n: str = ""
    e: str = ""
    x: str = ""
    y: str = ""
    d: object = None


class _Set(msgspec.Struct, frozen=True):
    keys: tuple[msgspec.Raw, ...]


def parse_jwks(data: bytes, accepted: Collection[str]) -> tuple[VerifyKey, ...]:
    """The keys of a set that can check one of the `accepted` algorithms. PeerError: no set, or none of use in it."""
    if len(data) > MAX_JWKS:
        raise PeerError(f"the key set is larger than {MAX_JWKS >> 10} KiB", 502)
    try:
        raws = msgspec.json.decode(data, type=_Set).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise PeerError("what came is no JSON Web Key Set (RFC 7517)", 502) from None
    if len(raws) > MAX_KEYS:
        raise PeerError(f"the key set holds more than {MAX_KEYS} keys", 502)
    found = tuple(key for raw in raws if (key := _key(raw, accepted)) is not None)
    if not found:
        raise PeerError(f"no key in the set can check {', '.join(sorted(accepted))}", 502)
    return found


def _key(raw: msgspec.Raw, accepted: Collection[str]) -> VerifyKey | None:
    try:
        entry = msgspec.json.decode(raw, type=_Entry)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if entry.d is not None or entry.use != "sig" or "verify" not in entry.key_ops or len(entry.kid) > MAX_KID:
        return None
    curve = entry.crv if entry.kty in ("EC", "OKP") else None
    algorithms = frozenset(
        name for name in accepted if KEY_OF.get(name) == (entry.kty, curve) and entry.alg in (None, name)
    )
    key = _public(entry) if algorithms else None
    return VerifyKey(entry.kid, algorithms, key) if key is not None else None


def _public(entry: _Entry) -> PublicKey | None:
    try:
        if entry.kty == "RSA":
            if _bits(entry.n) not in _RSA_BITS or _bits(entry.e) > _MAX_EXPONENT_BITS:
                return None
            made = RSAKey.import_key({"kty": "RSA", "n": entry.n, "e": entry.e})
            _ = made.public_key
            return made
        if entry.kty == "EC":
            key = ECKey.import_key({"kty": "EC", "crv": entry.crv or "", "x": entry.x, "y": entry.y})
            _ = key.public_key  # made now: a point that is not on the curve is found here and not with a token
            return key
        other = OKPKey.import_key({"kty": "OKP", "crv": entry.crv or "", "x": entry.x})
        _ = other.public_key
    except (JoseError, ValueError, TypeError, OverflowError):
        return None
    return other


def _bits(number: str) -> int:
    """Bits of a number in base64url; ValueError: it is none."""
    return int.from_bytes(base64.urlsafe_b64decode(number + "=" * (-len(number) % 4))).bit_length()
