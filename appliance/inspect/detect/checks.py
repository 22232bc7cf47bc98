"""What the structure of a key says beyond its shape: checksums, decodable parts, letters drawn at random.

Owns: the checks, by the names that the rule file uses. Rules: pure and bounded; a check lowers a score and drops
nothing, because keys in tests and documentation are often made up, and only the issuer knows. Sources: GitHub's account
of its token format (CRC32 of the 30 letters, base62, six digits), which npm follows; RFC 7519 for JSON Web Tokens;
PyPI's tokens are macaroons that name their site.
"""

import base64
import binascii
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import msgspec

from appliance.inspect.detect import fillers, ordinary

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
_SIGNATURE, _LENGTH, _MORE = 6, 4, 0x80  # libmacaroons, format 2
_JUMBLED = 14
_TURNS = 5
_LABEL = re.compile(r"[A-Z][a-z]+")
_UNSPEAKABLE = re.compile(r"(?i:[b-df-hj-np-tv-xz]{5})")


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
    """A header that decodes to an object with an algorithm; what does not decode opens nothing."""
    try:
        head = msgspec.json.decode(_decoded(value.partition(".")[0][:_HEAD]), type=dict[str, object])
    except (ValueError, msgspec.MsgspecError):
        return DOUBTFUL
    return 1.0 if "alg" in head or "enc" in head else UNPROVEN


def macaroon(value: str) -> float:
    """A serialised macaroon that names its site; what ends before the signature opens nothing."""
    try:
        inside = _decoded(value.removeprefix("pypi-")[:_HEAD])
    except ValueError:
        return UNPROVEN
    if _SITE not in inside[:_HEAD_BYTES]:
        return UNPROVEN
    return DOUBTFUL if _ends_unsigned(inside) else 1.0


def _ends_unsigned(inside: bytes) -> bool:
    """Well-formed packets (kind, length, bytes; 0 ends a section) as far as they go, and no signature among them."""
    place = 1  # behind the version
    while place < len(inside):
        kind, place = inside[place], place + 1
        if kind >= _SIGNATURE:
            return False  # signed, or made up
        if kind:
            size, place = _number(inside, place)
            place += size
    return True


def _number(inside: bytes, place: int) -> tuple[int, int]:
    """A length as macaroons write it, seven bits a byte, and the place behind it."""
    size = shift = 0
    for byte in inside[place : place + _LENGTH]:
        size, shift, place = size | (byte & 0x7F) << shift, shift + 7, place + 1
        if byte < _MORE:
            break
    return size, place


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


def chosen(value: str) -> float:
    """No placeholder, label or type: what stands behind a name of an account may be any other word."""
    refused = fillers.stands_in(value) or ordinary.stands_for_itself(value) or ordinary.says_what_it_is(value)
    return DOUBTFUL if refused or _LABEL.fullmatch(value) else 1.0


CHECKS: dict[str, Callable[[str], float]] = {
    "github": checksummed,
    "npm": checksummed,
    "pypi": macaroon,
    "jwt": web_token,
    "cased": cased,
    "armoured": armoured,
    "drawn": drawn,
    "password": password,
    "chosen": chosen,
}


def random_looking(value: str) -> bool:
    """Drawn at random, as far as one can tell: digits and letters in turn, no word but by chance."""
    digits = sum(one.isdigit() for one in value)
    return digits >= _FEW_DIGITS and any(map(str.isalpha, value)) and bits(value) > min(3.0, math.log2(len(value)) - 1)


def switching(value: str) -> bool:
    """Letters alone, and great and small ones in turn as in no word: chance gives a key of 16 no digit in 6 of 100."""
    turns = sum(one.islower() is not other.islower() for one, other in pairwise(value))
    return len(value) >= _JUMBLED and value.isalpha() and turns >= _TURNS


def scrambled(value: str) -> bool:
    """So long and so mixed, digits among it, that it is no name in code."""
    turns = sum(one.islower() is not other.islower() for one, other in pairwise(value))
    return len(value) >= _JUMBLED and turns >= _TURNS and random_looking(value) and bool(_UNSPEAKABLE.search(value))


def jumbled(value: str) -> bool:
    """Such letters, and among them a row that nobody can say, which names in code seldom have."""
    return switching(value) and _UNSPEAKABLE.search(value) is not None


def bits(value: str) -> float:
    """Shannon entropy of its letters, bits for each."""
    size = len(value)
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values()) if size else 0.0


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError(str(error)) from None
