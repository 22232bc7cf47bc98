"""Which package names are known: a Bloom filter for each registry, built from lists that the operator has.

Theory. A name sets `HASHES` bits of `BITS` for each name; a name whose bits are all set is taken for a known one. Every
name that was in the list is known, always; one that was not is taken for known in `MISSES` of cases (0.05 %), by
(1 - e^(-k/b))^k with k hashes and b bits a name. 2 bytes a name: a million names are 2 MB.

Rules: pure; a filter is read whole or refused whole; names are compared as their registry compares them: PyPI by PEP
503, npm in lower case with its scope.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

PYPI, NPM = "pypi", "npm"
ECOSYSTEMS: Final = (PYPI, NPM)
BITS, HASHES = 16, 11
MISSES: Final = (1 - math.exp(-HASHES / BITS)) ** HASHES
MOST_NAMES: Final = 20_000_000
LONGEST: Final = 214  # of npm; PyPI has no limit, and no longer one
_MAGIC: Final = b"gnomon packages 1\n"
_SEPARATORS = re.compile(r"[-_.]+")
_WORD = 8
STEP: Final = 10_000


class Known(msgspec.Struct, frozen=True):
    """One registry's names. `bits`: the filter; `names`: how many it was made of."""

    ecosystem: str
    names: int
    bits: bytes

    def __repr__(self) -> str:
        """Without the bits."""
        return f"Known({self.ecosystem!r}, {self.names} names)"

    def holds(self, name: str) -> bool:
        """Whether a name is known; `name` as it is written."""
        bits, size = self.bits, len(self.bits) * 8
        return all(bits[at >> 3] >> (at & 7) & 1 for at in _places(normal(self.ecosystem, name), size))


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ecosystem: str
    names: int
    size: int


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    parts: tuple[_Part, ...]
    sha256: str


def normal(ecosystem: str, name: str) -> str:
    """The one spelling under which a registry keeps a name."""
    return _SEPARATORS.sub("-", name).lower() if ecosystem == PYPI else name.lower()


def made_of(ecosystem: str, names: Sequence[str], tell: Callable[[int], None] = lambda _: None) -> Known:
    """A filter of names as they are written. `tell`: hears how many more are in."""
    size = max(8, -(-len(names) * BITS // 8) * 8)
    bits = bytearray(size // 8)
    for number, name in enumerate(names):
        for at in _places(normal(ecosystem, name), size):
            bits[at >> 3] |= 1 << (at & 7)
        if number % STEP == STEP - 1:
            tell(STEP)
    return Known(ecosystem, len(names), bytes(bits))


def written(parts: Iterable[Known]) -> bytes:
    """The file: a line that says what it is, a line of JSON, the filters."""
    kept = tuple(parts)
    body = b"".join(one.bits for one in kept)
    told = tuple(_Part(one.ecosystem, one.names, len(one.bits)) for one in kept)
    head = _Head(told, hashlib.sha256(body).hexdigest())
    return _MAGIC + msgspec.json.encode(head) + b"\n" + body


def read(data: bytes) -> tuple[Known, ...]:
    """ValueError: not such a file, or a damaged one."""
    head, _, body = data.removeprefix(_MAGIC).partition(b"\n")
    if not data.startswith(_MAGIC):
        raise ValueError("is no file of package names; make one with `gnomon packages build`")
    try:
        told = msgspec.json.decode(head, type=_Head)
    except msgspec.MsgspecError:
        raise ValueError("its head is damaged; build it again") from None
    names = [one.ecosystem for one in told.parts]
    whole = sum(one.size for one in told.parts) == len(body) and all(one.size > 0 for one in told.parts)
    if not whole or hashlib.sha256(body).hexdigest() != told.sha256:
        raise ValueError("is damaged or cut short; build it again")
    if len(set(names)) != len(names) or not set(ECOSYSTEMS).issuperset(names):
        raise ValueError(f"holds names of {', '.join(names)}; known are {', '.join(ECOSYSTEMS)}, each once")
    found, at = [], 0
    for one in told.parts:
        found.append(Known(one.ecosystem, one.names, body[at : at + one.size]))
        at += one.size
    return tuple(found)


def _places(name: str, size: int) -> Iterable[int]:
    """Two hashes make all the others (Kirsch and Mitzenmacher, 2006)."""
    digest = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=2 * _WORD).digest()
    first, step = int.from_bytes(digest[:_WORD], "big"), int.from_bytes(digest[_WORD:], "big") | 1
    return ((first + number * step) % size for number in range(HASHES))
