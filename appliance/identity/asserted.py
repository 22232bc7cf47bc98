"""What an edge says about a request that it hands to its central appliance, in one signed header.

Theory of operation. The header is base64url (no padding) of: a byte of version, two bytes with the length of the
signature, the signature, the assertion as a MessagePack array. Signed is `CONTEXT` and that array, with the key of the
certificate by which the edge proves itself on the connection: Ed25519, ECDSA with SHA-256, or RSA-PSS with SHA-256.
Rules: sans-io, time and nonce as arguments; the signature is checked before anything signed is looked at; only the one
spelling that `encode` writes is read; bounded; an assertion holds for one request (method, destination, target), one
edge, once, and `WINDOW_S` seconds. Whether an edge may say it is asked in `edges`.
"""

import base64
import binascii
import hashlib
import re
from typing import Final, Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from appliance.identity.claims import MAX_GROUPS, MAX_NAME, is_name
from appliance.model.names import Assurance

HEADER: Final = b"x-gnomon-identity"
MAX_HEADER: Final = 16 * 1024
WINDOW_S: Final = 60.0
NONCE: Final = 16
CONTEXT: Final = b"gnomon asserted identity 1\0"
_VERSION: Final = 1
_MAX_SIGNATURE: Final = 1024
_LAST_PORT: Final = 65535
_EXCHANGE: Final = re.compile(r"[0-9a-f]{32}\Z")  # see Telemetry.exchange_id
_METHOD: Final = re.compile(r"[a-z0-9]{1,16}\Z")  # see Principal.method
_PSS: Final = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)

type Way = Literal["proxy", "gateway"]
type PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey
type PublicKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey

PRIVATE_KEYS: Final = (Ed25519PrivateKey, EllipticCurvePrivateKey, RSAPrivateKey)
PUBLIC_KEYS: Final = (Ed25519PublicKey, EllipticCurvePublicKey, RSAPublicKey)


class AssertedError(Exception):
    """The header is not what an edge writes. The text is for the record and quotes nothing of it."""


class Assertion(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Who asks, and for what. `at`: epoch milliseconds; `nonce`: 16 random bytes; `exchange`: as the edge records it.

    `way`: what the client asked: the proxy, for `scheme`, `host` and `port`, or the gateway, where these say nothing.
    `digest`: `request_digest` of the request as it was sent here.
    """

    edge: str
    exchange: str
    at: int
    nonce: bytes
    way: Way
    scheme: Literal["https", "http"]
    host: str
    port: int
    digest: bytes
    user: str
    address: str
    method: str
    assurance: Assurance
    groups: tuple[str, ...] = ()
    department: str | None = None
    key: str | None = None  # id of the virtual key that was shown at the edge


def request_digest(method: bytes, target: bytes) -> bytes:
    """32 bytes that stand for one method and request target (path and query, as they stand on the wire)."""
    return hashlib.sha256(b"%d %b%b" % (len(method), method, target)).digest()


def encode(assertion: Assertion, key: PrivateKey) -> bytes:
    """The value of the header. ValueError: it says too much for one."""
    said = msgspec.msgpack.encode(assertion)
    signature = _sign(key, CONTEXT + said)
    raw = bytes((_VERSION,)) + len(signature).to_bytes(2) + signature + said
    value = base64.urlsafe_b64encode(raw).rstrip(b"=")
    if len(value) > MAX_HEADER:
        raise ValueError(f"who asks, with all groups, takes more than {MAX_HEADER} bytes in the header of an edge")
    return value


def decode(value: bytes, key: PublicKey) -> Assertion:
    """What the holder of a key has signed. AssertedError: it has not, or it is not whole."""
    signature, said = _parts(value)
    if not _verified(key, signature, CONTEXT + said):
        raise AssertedError("the signature is not that of the certificate's key")
    try:
        assertion = msgspec.msgpack.decode(said, type=Assertion)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise AssertedError("what is signed cannot be read; edge and central may be of different releases") from None
    if msgspec.msgpack.encode(assertion) != said:
        raise AssertedError("what is signed is not written as an edge writes it")
    if fault := _fault(assertion):
        raise AssertedError(fault)
    return assertion


def late(assertion: Assertion, now: float) -> str:
    """Why its time is not now, in words; empty: it is."""
    behind = now - assertion.at / 1000
    if abs(behind) <= WINDOW_S:
        return ""
    if behind > 0:
        return f"was signed {behind:.0f} s ago ({WINDOW_S:.0f} s at most): it is repeated, or the clock there is slow"
    return f"was signed {-behind:.0f} s from now ({WINDOW_S:.0f} s at most): the clock there is fast, or ours is slow"


def _parts(value: bytes) -> tuple[bytes, bytes]:
    """Signature and what it stands for."""
    if len(value) > MAX_HEADER:
        raise AssertedError(f"longer than {MAX_HEADER} bytes")
    try:
        raw = base64.b64decode(value + b"=" * (-len(value) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise AssertedError("not base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != value:
        raise AssertedError("not base64url as an edge writes it")
    if raw[:1] != bytes((_VERSION,)):
        raise AssertedError(f"not of version {_VERSION}; edge and central may be of different releases")
    length = int.from_bytes(raw[1:3])
    signature, said = raw[3 : 3 + length], raw[3 + length :]
    if not 0 < length <= _MAX_SIGNATURE or len(signature) != length or not said:
        raise AssertedError("cut short")
    return signature, said


def _fault(assertion: Assertion) -> str:
    """What is wrong with the parts of an assertion that was signed; empty: nothing."""
    names = (assertion.user, assertion.edge, *assertion.groups)
    optional = (assertion.department, assertion.key)
    named = all(map(is_name, names)) and all(one is None or is_name(one) for one in optional)
    sized = len(assertion.nonce) == NONCE and len(assertion.digest) == hashlib.sha256().digest_size
    checks = (
        (named, "a name in it is empty, too long or not printable"),
        (len(assertion.groups) <= MAX_GROUPS, f"more than {MAX_GROUPS} groups"),
        (sized, "nonce or digest are not of their length"),
        (_EXCHANGE.match(assertion.exchange) is not None, "no id of an exchange"),
        (0 <= assertion.port <= _LAST_PORT and len(assertion.host) <= MAX_NAME, "no place that could be dialled"),
        (_METHOD.match(assertion.method) is not None, "no word for how the user is known"),
    )
    return next((words for holds, words in checks if not holds), "")


def _sign(key: PrivateKey, data: bytes) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(data)
    if isinstance(key, EllipticCurvePrivateKey):
        return key.sign(data, ECDSA(SHA256()))
    return key.sign(data, _PSS, SHA256())


def _verified(key: PublicKey, signature: bytes, data: bytes) -> bool:
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, data)
        elif isinstance(key, EllipticCurvePublicKey):
            key.verify(signature, data, ECDSA(SHA256()))
        else:
            key.verify(signature, data, _PSS, SHA256())
    except InvalidSignature:
        return False
    return True
