"""Remembers proven credentials for some minutes, without keeping them.

Rules: sans-io, time as argument; the key is a BLAKE2b of user and password under a random key of this process, so that
a memory dump yields nothing to try offline elsewhere; bounded; emptied when the password file changes.
"""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """What is known of a user beside the name that was typed. `name`: as it is to be recorded; empty: as typed."""

    name: str = ""
    groups: tuple[str, ...] = ()
    department: str | None = None


_NOBODY = Member()  # nothing more is known than the name that was typed


class CredentialCache:
    """`life`: seconds; `limit`: entries."""

    def __init__(self, life: float, limit: int = 10_000) -> None:
        self._life = life
        self._limit = limit
        self._key = secrets.token_bytes(32)
        self._until: OrderedDict[bytes, tuple[float, Member]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def holds(self, user: str, password: str, now: float) -> bool:
        """Whether this credential was proven less than `life` seconds ago."""
        return self.found(user, password, now) is not None

    def found(self, user: str, password: str, now: float) -> Member | None:
        """Whose credential this is, if it was proven less than `life` seconds ago."""
        digest = self._digest(user, password)
        entry = self._until.get(digest)
        if entry is None:
            return None
        until, member = entry
        if now >= until or now < until - self._life:  # the second: the clock was set back
            del self._until[digest]
            return None
        return member

    def add(self, user: str, password: str, now: float, member: Member = _NOBODY) -> None:
        """Note a proven credential."""
        digest = self._digest(user, password)
        self._until[digest] = now + self._life, member
        self._until.move_to_end(digest)
        while len(self._until) > self._limit:
            self._until.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._until.clear()

    def _digest(self, user: str, password: str) -> bytes:
        # The length keeps ("a", "b:c") and ("a:b", "c") apart.
        name = user.encode("utf-8", "surrogatepass")
        text = len(name).to_bytes(4) + name + password.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._key, digest_size=32).digest()
