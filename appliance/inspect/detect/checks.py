"""What the structure of a key says beyond its shape: checksums, decodable parts, letters drawn at random.

Owns: the checks, by the names that the rule file uses. Rules: pure and bounded; a check lowers a score and drops
nothing, because keys in tests and documentation are often made up, and only the issuer knows. Sources: GitHub's account
of its token format (CRC32 of the 30 letters, base62, six digits), which npm follows; RFC 7519 for JSON Web Tokens;
PyPI's tokens are macaroons that name their site.
"""

import base64
import binascii
import math
import zlib
from collections import Counter
from collections.abc import Callable

import msgspec

from appliance.inspect.detect import fillers

UNPROVEN = 0.7
"""What is left of a score when a checksum or a decoding fails: known by its shape alone."""
DOUBTFUL = 0.35
"""What is left of it when the value is a placeholder."""

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY = 30
_CHECKED = 36
_HEAD = 4000
_FEW_DIGITS = 2
_LEAST_BODY = 24
_HEAD_BYTES = 40
_SITE = b"pypi"


def factor(check: str, value: str) -> float:
    """By what a score is multiplied. `check`: a name of `CHECKS`, or empty."""
    if fillers.written(value):
        return DOUBTFUL
    return CHECKS[check](value) if check else 1.0


def checksummed(value: str) -> float:
    """`prefix_` and 30 letters, then their CRC32."""
    body = value.rpartition("_")[2]
    if len(body) != _CHECKED:
        return 1.0
    rest = zlib.crc32(body[:_BODY].encode())
    made = ""
    while rest:
        rest, digit = divmod(rest, 62)
        made = _BASE62[digit] + made
    return 1.0 if made.rjust(_CHECKED - _BODY, "0") == body[_BODY:] else UNPROVEN


def web_token(value: str) -> float:
    """A header that decodes to an object with an algorithm."""
    try:
        head = msgspec.json.decode(_decoded(value.partition(".")[0][:_HEAD]), type=dict[str, object])
    except (ValueError, msgspec.MsgspecError):
        return UNPROVEN
    return 1.0 if "alg" in head or "enc" in head else UNPROVEN


def macaroon(value: str) -> float:
    """A serialised macaroon that names its site."""
    try:
        inside = _decoded(value.removeprefix("pypi-")[:_HEAD])
    except ValueError:
        return UNPROVEN
    return 1.0 if _SITE in inside[:_HEAD_BYTES] else UNPROVEN


def cased(value: str) -> float:
    """Great and small letters, as no name in code has them in so long a row."""
    return DOUBTFUL if value.islower() or value.isupper() else 1.0


def armoured(value: str) -> float:
    """Something between the lines that frame a key."""
    body = value.partition("-----\n")[2] or value.partition("KEY-----")[2] or value.partition("BLOCK-----")[2]
    return 1.0 if len(body.partition("-----END")[0]) >= _LEAST_BODY else DOUBTFUL


def drawn(value: str) -> float:
    """Digits among its letters, as keys have and names have not."""
    return 1.0 if random_looking(value) else DOUBTFUL


def password(value: str) -> float:
    """Nothing to be filled in."""
    return DOUBTFUL if fillers.templated(value) else 1.0


CHECKS: dict[str, Callable[[str], float]] = {
    "github": checksummed,
    "npm": checksummed,
    "pypi": macaroon,
    "jwt": web_token,
    "cased": cased,
    "armoured": armoured,
    "drawn": drawn,
    "password": password,
}


def random_looking(value: str) -> bool:
    """Drawn at random, as far as one can tell: digits and letters in turn, no word but by chance."""
    digits = sum(one.isdigit() for one in value)
    return digits >= _FEW_DIGITS and any(map(str.isalpha, value)) and bits(value) > min(3.0, math.log2(len(value)) - 1)


def bits(value: str) -> float:
    """Shannon entropy of its letters, bits for each."""
    size = len(value)
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values()) if size else 0.0


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError(str(error)) from None
