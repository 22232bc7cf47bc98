"""Remembers tokens that were judged, good ones and forged ones, without keeping them.

Rules: sans-io, time as argument; an entry stands under the BLAKE2b of the whole token under a random key of this
process, and is compared in constant time; nothing shorter than the whole token ever finds it; bounded; a good one is
forgotten when it ends or when the keys that it was checked with have changed.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Entry[T]:
    digest: bytes
    value: T
    since: float
    until: float
    generation: int


class Remembered[T]:
    """`limit`: entries."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._key = secrets.token_bytes(32)
        self._entries: OrderedDict[bytes, _Entry[T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, token: str, now: float) -> tuple[T, int] | None:
        """What is remembered of a token, and the generation of the keys then."""
        digest = self._digest(token)
        entry = self._entries.get(digest[:16])
        if entry is None or not hmac.compare_digest(entry.digest, digest):
            return None
        if not entry.since <= now < entry.until:  # ended, or the clock was set back
            del self._entries[digest[:16]]
            return None
        return entry.value, entry.generation

    def add(self, token: str, value: T, now: float, until: float, generation: int = 0) -> None:
        """Note what a token is, until then."""
        digest = self._digest(token)
        self._entries[digest[:16]] = _Entry(digest, value, now, until, generation)
        self._entries.move_to_end(digest[:16])
        while len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def forget(self, token: str) -> None:
        """Forget one."""
        self._entries.pop(self._digest(token)[:16], None)

    def _digest(self, token: str) -> bytes:
        text = token.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._key, digest_size=32).digest()
