"""Keys that the appliance makes for its own clients: `gk_ID_SECRET`, and what is kept of one.

Theory of operation. ID (10 characters) finds the entry and may be told to anybody; the secret is 256 random bits in 43
characters, and 6 characters of CRC-32 behind it let a mistyped key, or a leaked one in a text, be told from any other
word without asking anybody. Of the secret only a BLAKE2b is kept, keyed with a key of this site and salted per entry: a
slow hash serves to make few likely passwords expensive to try, and among 2^256 equally likely ones there is nothing to
try; so one look-up costs microseconds, with no cache to keep a secret in. Rules: pure, time and randomness as
arguments; the secret is compared in constant time, and for an unknown id as well; a key never shows in a repr.
"""

import hashlib
import hmac
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from appliance.identity.claims import is_name

PREFIX = "gk_"
SECRET_BYTES, ID_BYTES, SALT_BYTES = 32, 8, 16
MAX_KEYS = 100_000
MAX_LIMITS = 32  # services, and models, that one key is limited to
_ID, _SECRET, _CHECK = 10, 43, 6
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
MARK = PREFIX.encode()
_ANYWHERE = re.compile(rb"gk_[0-9A-Za-z]{%d}_[0-9A-Za-z]{%d}" % (_ID, _SECRET + _CHECK))
_FORM = re.compile(rf"gk_([0-9A-Za-z]{{{_ID}}})_([0-9A-Za-z]{{{_SECRET}}})([0-9A-Za-z]{{{_CHECK}}})\Z")


class VirtualKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One entry. Times are seconds since the epoch; `services`, `models`: what it may be used for, empty: anything.

    Models are written as in policy rules: small letters, `*` for any run of characters.
    """

    id: str
    owner: str
    salt: str  # hexadecimal
    digest: str  # hexadecimal; never the key
    created: float
    groups: tuple[str, ...] = ()
    department: str | None = None
    services: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    expires: float | None = None
    revoked: float | None = None
    note: str = ""

    def state(self, now: float) -> str:
        """good, expired or revoked."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and now >= self.expires else "good"


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A key as it was shown."""

    id: str
    secret: str = field(repr=False)


def looks_like_key(text: str) -> bool:
    """It begins as our keys do: no provider's does."""
    return text.startswith(PREFIX)


def read_key(text: str) -> ShownKey | None:
    """A key taken apart; None: not one of ours, or mistyped."""
    match = _FORM.match(text)
    if match is None or not hmac.compare_digest(_checksum(match[1] + match[2]), match[3]):
        return None
    return ShownKey(match[1], match[2])


def mentions_key(value: bytes) -> bool:
    """A whole key of ours stands somewhere in it."""
    if MARK not in value:
        return False
    return any(read_key(match[0].decode("ascii")) for match in _ANYWHERE.finditer(value))


def make_key(randomness: bytes) -> tuple[str, ShownKey]:
    """A key for people and taken apart, of ID_BYTES and SECRET_BYTES random bytes."""
    if len(randomness) != ID_BYTES + SECRET_BYTES:
        raise ValueError("randomness of the wrong length")
    name = _base62(int.from_bytes(randomness[:ID_BYTES]), _ID)
    secret = _base62(int.from_bytes(randomness[ID_BYTES:]), _SECRET)
    return f"{PREFIX}{name}_{secret}{_checksum(name + secret)}", ShownKey(name, secret)


def digest_of(secret: str, salt: bytes, site: bytes) -> bytes:
    """What is kept of a secret. `site`: 32 bytes that only this site has."""
    return hashlib.blake2b(secret.encode("ascii"), key=site, salt=salt, digest_size=32, person=b"gnomon-vkey").digest()


class VirtualKeys:
    """The entries that hold now. `site`: see `digest_of`."""

    def __init__(self, entries: Iterable[VirtualKey], site: bytes) -> None:
        self._entries = {entry.id: entry for entry in entries}
        self._site = site

    def __len__(self) -> int:
        return len(self._entries)

    def empty(self, paced: Callable[[Iterable[str]], Iterable[str]]) -> None:
        """Let go of the entries one by one; of a register that nobody looks into any more."""
        for name in paced(list(self._entries)):
            del self._entries[name]

    def find(self, shown: ShownKey) -> VirtualKey | None:
        """The entry of a key whose secret is right, in whatever state; None: there is no such key."""
        entry = self._entries.get(shown.id)
        salt = bytes.fromhex(entry.salt) if entry else bytes(SALT_BYTES)
        kept = bytes.fromhex(entry.digest) if entry else bytes(32)
        right = hmac.compare_digest(digest_of(shown.secret, salt, self._site), kept)
        return entry if right else None

    def entry(self, key_id: str) -> VirtualKey | None:
        """What is known of a key id."""
        return self._entries.get(key_id)


def fault_of(entry: VirtualKey) -> str:
    """What is wrong with an entry; empty when nothing is."""
    if not re.fullmatch(rf"[0-9A-Za-z]{{{_ID}}}", entry.id):
        return "its id is none"
    if not re.fullmatch(r"[0-9a-f]{32}", entry.salt) or not re.fullmatch(r"[0-9a-f]{64}", entry.digest):
        return "salt or digest is damaged"
    if len(entry.services) > MAX_LIMITS or len(entry.models) > MAX_LIMITS:
        return f"it is limited to more than {MAX_LIMITS} services or models; write a policy rule"
    words = (entry.owner, *entry.groups, *entry.services, *entry.models)
    if not all(map(is_name, words)) or not (entry.department is None or is_name(entry.department)):
        return "a name in it is empty, too long or not printable"
    return ""


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode("ascii")), _CHECK)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
