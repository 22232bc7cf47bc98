"""How the names of a reach are shared out among intermediates.

Owns: which names stand together in one certificate. A certificate goes out whole in each handshake, so that one which
permits a thousand names costs 25 kB each time. Rules: pure; the groups follow from the set of names alone; each name's
place comes from its own digest, so that a name more or less changes its own group and no other, but where that group
parts in two or two join again; no group is empty, because an empty constraint would permit every name.
"""

import hashlib
from collections.abc import Iterator

from appliance.ca.reach import Reach

MAX_NAMES = 60
MAX_OCTETS = 2_000  # of names with their headings in DER
HEADING = 4  # octets in front of a name: two of its subtree, two of the name (X.690 8.1.3.4, contents below 128)
_MAX_DEPTH = 24  # more halvings than any catalogue needs

type _Placed = list[tuple[int, str]]


def grouped(reach: Reach) -> tuple[Reach, ...]:
    """Groups of at most `MAX_NAMES` names and about `MAX_OCTETS`, disjoint, together `reach`; of everything: itself."""
    if reach.everything:
        return (reach,)
    placed = [(int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]), name) for name in reach.domains]
    return tuple(Reach(domains=tuple(sorted(name for _, name in group))) for group in _parted(placed, 0))


def octets(reach: Reach) -> int:
    """What the names take in a certificate, about."""
    return sum(len(name) + HEADING for name in reach.domains)


def _parted(names: _Placed, depth: int) -> Iterator[_Placed]:
    """Halve by the next bit of the digest until each part is small enough."""
    if not names:
        return
    small = len(names) <= MAX_NAMES and sum(len(name) + HEADING for _, name in names) <= MAX_OCTETS
    if small or depth == _MAX_DEPTH:
        yield names
        return
    bit = 1 << (31 - depth)
    yield from _parted([one for one in names if not one[0] & bit], depth + 1)
    yield from _parted([one for one in names if one[0] & bit], depth + 1)
