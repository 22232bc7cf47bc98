"""Values that stand where a secret would: placeholders, templates, look-ups, hashes that are no secret.

Owns: the lists and their order. Rules: pure, linear, about one value of bounded length; a value that is called none of
these may still be none. What counts is what people write in documentation, samples and lock files.
"""

import hashlib
import re
from collections import Counter

# ${NAME}, {{ name }}, <your-key>, $(command), %(name)s, #{name}, [PASSWORD], %NAME%, @NAME@, ***, ####
_TEMPLATE = re.compile(
    r"\$\{|\{\{|\}\}|\$\(|%\(|#\{|\{[A-Za-z0-9_. ]{0,40}\}|<[^<>]{1,60}>|^<"
    r"|(?<![A-Za-z0-9])\$[A-Za-z_][A-Za-z0-9_]{0,60}$|^\$[A-Z_]{2,60}"
    r"|^\$[0-9]$|^%[A-Za-z_]{1,40}%?$|^%[-+ #0]?[a-z]$|^\[[^\]]{0,60}\]?$|^@[A-Za-z_]{1,40}@$|\*{3}|\.{3}"
    r"|#{4}|\u2026|\u2022"
)
_STANDING_IN = re.compile(
    r"(?i:your|my[_-]|example|sample|dummy|placeholder|change[_-]?(?:me|it|this)|changeme|replace|insert|redacted|todo"
    r"|fake|xxx|put[_-]|enter[_-]|[_-]here|goes[_-]?here|deadbeef|foobar|not[_-]a[_-]|mock|lorem|secret[_-]key$"
    r"|(?:api|access|auth|private|public|client)[_-]?(?:key|token|secret)$)"
)
_WRITTEN = re.compile(
    r"(?i:your[_-]|[_-]your|[_-]here|tokenhere|placeholder|change_?me|redacted|example_|abcdefghijklmnopqr|012345678901)"
    r"|EXAMPLE(?:KEY)?\Z"  # as AWS ends the keys in its documentation
)
_THRICE = re.compile(r"([0-9]{3,8})[-_.]?\1[-_.]?\1")
_COUNTED = re.compile(r"(?i:1234567|0123456|abcdefg|a1b2c3d4|7654321|6543210|gfedcba|d4c3b2a1)")
_USER = re.compile(r"(?i:user(?:_?name)?|login|name)")
_PASSWORD = re.compile(r"(?i:p(?:ass(?:word|wd)?|wd|w))")
_HASHED = re.compile(r"(?i:^(?:sha(?:1|224|256|384|512)|md5|h1|blake2b|blake3)[-:=])")
_LABEL = re.compile(
    r"(?i:integrity|checksum|digest|sha-?(?:1|256|384|512)|md5|hash(?:es)?|commit|revision|resolved|etag)"
)
PUBLISHED = frozenset(
    one
    for line in (
        "04720f8c5b48eb54 1dbab3955ee24509 1eb23f4ff31fee4a 2331a06e46b6014b 4278860ad7c8919f",
        "5a2e3466d7aa6d95 6ada812c0c203722 71733bf44ea4212a 7fa6fe73624d5bcb 81b4f6c06b09cbed",
        "a667918ad80f14e8 afd2f205ef556be9 b0d0f6e9ac73ad77 e4576406f972acf1 e8e6b794c8c91613",
    )
    for one in line.split()
)
"""Digests of keys that stand in public samples; from gitleaks' list of allowed Google keys (MIT)."""

_MOSTLY = 0.6
_HELD_DOWN = 0.6
_SHORT = 4
_ALIKE = 2
_LONG_ENOUGH = 12
_LOOKED_AT = 256  # letters of a key: long ones hold any word by chance


def monotonous(value: str) -> bool:
    """Mostly one letter, or of two: xxxxxxxx-xxxx, 000000, aaaa; or the same digits over and over."""
    plain = [one for one in value if one.isalnum()]
    if len(plain) < _SHORT:
        return True
    counts = Counter(plain)
    most = counts.most_common(1)[0][1]
    if most >= _MOSTLY * len(plain) or (len(counts) <= _ALIKE and len(plain) >= _LONG_ENOUGH):
        return True
    again = sum(map(str.__eq__, plain, plain[1:]))
    return again >= _HELD_DOWN * len(plain) or _beats(value)


def _beats(value: str) -> bool:
    """The same few digits three times: 1234-1234-1234, 123123123; not 000000000, which keys may hold."""
    return any(len(set(group)) > 1 for group in _THRICE.findall(value, 0, _LOOKED_AT))


def templated(value: str) -> bool:
    """To be filled in by a program: a variable, a template, a mask."""
    return _TEMPLATE.search(value) is not None


def stands_in(value: str) -> bool:
    """To be filled in by a person, or made up for a sample."""
    return templated(value) or monotonous(value) or _STANDING_IN.search(value) is not None


def written(value: str) -> bool:
    """A key of the right shape that somebody typed for a sample, and says so."""
    return monotonous(value) or _WRITTEN.search(value, 0, _LOOKED_AT) is not None or published(value)


def counted(value: str) -> bool:
    """Letters and digits in their order, as one types them for a sample."""
    return _COUNTED.search(value) is not None


def published(value: str) -> bool:
    """A key that its issuer or a widely copied sample has printed: it opens nothing."""
    return hashlib.blake2b(value.encode("utf-8", "replace"), digest_size=8).hexdigest() in PUBLISHED


def stock_account(user: str, password: str) -> bool:
    """An account as samples and development machines have it: postgres:postgres, username:password."""
    return user.lower() == password.lower() or (_USER.fullmatch(user) and _PASSWORD.fullmatch(password)) is not None


def hashed(value: str) -> bool:
    """A digest with its label, as lock files write it: sha512-..., sha256:..."""
    return _HASHED.match(value) is not None


def labels_a_hash(name: str) -> bool:
    """A name under which digests stand."""
    return _LABEL.search(name) is not None
