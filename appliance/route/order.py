"""In which order the targets of a route are tried for one request.

Theory. Targets are told in order of preference; neighbours that have a weight are one group and share its requests by
weight. Within a group the order comes from weighted rendezvous hashing: each target gets a number from a keyed hash of
(conversation, target), -weight / ln(hash), and the largest comes first. So a conversation stays with its target (the
prompt caches of providers are there), shares follow the weights, and when a target leaves or comes only the
conversations that it had, or gets, move. Targets that are not well come last, in the same order. Sources: D. Thaler,
C. Ravishankar, "Using name-based mappings to increase hit rates" (1998); J. Resch, "New hashing algorithms for data
storage" (2015), for the weights.

Rules: pure; the key belongs to the site, so that no caller can aim at a target.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Protocol

_UNIT = 2.0**-64


class Weighted(Protocol):
    """A target."""

    @property
    def name(self) -> str:
        """Its own within the route."""

    @property
    def weight(self) -> int | None:
        """Its share among neighbours that have one; None: it stands by itself."""


def ordered[T: Weighted](targets: Sequence[T], conversation: str, key: bytes, takes: Callable[[T], bool]) -> list[T]:
    """All targets, each once. `takes`: whether a target is well; `key`: up to 64 bytes."""
    found: list[T] = []
    for weighted, group in groupby(targets, lambda one: one.weight is not None):
        members = list(group)
        found += sorted(members, key=lambda one: -score(one, conversation, key)) if weighted else members
    well = {id(one): takes(one) for one in found}
    return sorted(found, key=lambda one: not well[id(one)])


def score(target: Weighted, conversation: str, key: bytes) -> float:
    """The target's number for a conversation; the largest wins. A weight of 0 comes after all others."""
    if not target.weight:
        return 0.0
    text = f"{target.name}\0{conversation}".encode("utf-8", "surrogateescape")
    digest = hashlib.blake2b(text, digest_size=8, key=key[:64], person=b"gnomon-sticky").digest()
    return -target.weight / math.log((int.from_bytes(digest) + 0.5) * _UNIT)
