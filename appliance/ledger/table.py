"""Counters as slots in a buffer: finding, checking, and the new bytes of a change. Pure but for reading the buffer.

Rules: a key's slot is one of PROBES places that follow from a keyed hash; an empty place ends the search, which is
right because a used slot is never emptied, only taken over once its window is past. If no place is left the answer is
an error, never a grant. A window never goes back: a caller whose clock is a little behind counts in the newer window.
One that is more than a whole window behind means that the clock was set back, and the counter begins again.
"""

import hashlib
from collections.abc import Sequence
from mmap import mmap

import msgspec

from appliance.ledger.layout import CODE, EMPTY, LENGTH, LENGTH_OF_CODE, SLOT, SLOTS_AT, Item, Window, Write
from appliance.model.errors import EvidenceError

PROBES = 32
_CACHE = 65536


class CounterKey(msgspec.Struct, frozen=True):
    """One counter and how high it may go: `level` names the layer (organisation, department, user, service ...)."""

    level: str
    subject: str
    window: Window
    limit: int | None = None  # None: count only


class Denied(msgspec.Struct, frozen=True):
    """The first counter that has no room: `used` of `key.limit`; it begins again after `retry_after` seconds."""

    key: CounterKey
    used: int
    retry_after: float


class LedgerFull(EvidenceError):  # noqa: N818 - a state, in the words of its readers
    """No free slot or note: nothing was granted. Fail closed."""


class Table:
    """The slots of one file."""

    def __init__(self, buffer: mmap, slots: int, hash_key: bytes) -> None:
        """`hash_key` keeps subjects from choosing colliding names."""
        self.buffer = buffer
        self._slots = slots
        self._hash_key = hash_key
        self._places: dict[tuple[str, str, Window], tuple[bytes, int]] = {}  # tag and last known slot

    def add(
        self, keys: Sequence[CounterKey], amounts: Sequence[int], now: float
    ) -> tuple[tuple[Item, ...], list[Write]] | Denied:
        """Where each amount goes and the bytes that put it there; Denied if one of them does not fit.

        Changes nothing. LedgerFull if no slot is left, ValueError for a counter named twice.
        """
        items: list[Item] = []
        writes: list[Write] = []
        taken: set[int] = set()
        for key, amount in zip(keys, amounts, strict=True):
            slot, tag = self._find(key, now, taken)
            at = SLOTS_AT + slot * SLOT.size
            held, begun, used = SLOT.unpack_from(self.buffer, at)
            length = LENGTH[key.window]
            start = int(now // length) * length
            if held != tag or not start <= begun <= start + length:
                used = 0
            else:
                start = begun
            if key.limit is not None and used + amount > key.limit:
                return Denied(key, used, max(0.0, start + length - now))
            taken.add(slot)
            items.append(Item(slot, tag, start, amount))
            writes.append((at, SLOT.pack(tag, start, used + amount)))
        if len({item.tag for item in items}) != len(items):
            raise ValueError("the same counter twice in one reservation")
        return tuple(items), writes

    def corrections(self, items: Sequence[Item], amounts: Sequence[int]) -> list[Write]:
        """The slots with `amounts` added where they still count the items' windows; past windows stay past."""
        writes: list[Write] = []
        for item, amount in zip(items, amounts, strict=True):
            if amount:
                at = SLOTS_AT + item.slot * SLOT.size
                held, begun, used = SLOT.unpack_from(self.buffer, at)
                if held == item.tag and begun == item.start:
                    writes.append((at, SLOT.pack(held, begun, max(0, used + amount))))
        return writes

    def used(self, key: CounterKey, now: float) -> int:
        """What a counter stands at; 0 if it was never used."""
        tag, home = self._home(key)
        for step in range(PROBES):
            slot = (home + step) % self._slots
            held, begun, used = SLOT.unpack_from(self.buffer, SLOTS_AT + slot * SLOT.size)
            if held == tag:
                start = now // LENGTH[key.window] * LENGTH[key.window]
                return int(used) if start <= begun <= start + LENGTH[key.window] else 0
        return 0

    def _find(self, key: CounterKey, now: float, taken: set[int]) -> tuple[int, bytes]:
        tag, slot = self._place(key)
        at = SLOTS_AT + slot * SLOT.size
        if self.buffer[at : at + 16] != tag or slot in taken:
            slot = self._probe(key, tag, now, taken)
            self._places[key.level, key.subject, key.window] = tag, slot
        return slot, tag

    def _place(self, key: CounterKey) -> tuple[bytes, int]:
        """The key's tag, and the slot where it was last seen or the search begins."""
        name = key.level, key.subject, key.window
        if (known := self._places.get(name)) is None:
            if len(self._places) >= _CACHE:
                self._places.clear()
            known = self._places[name] = self._home(key)
        return known

    def _home(self, key: CounterKey) -> tuple[bytes, int]:
        text = f"{len(key.level)}:{key.level}{key.subject}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(text, key=self._hash_key, digest_size=15).digest()
        return digest + bytes((CODE[key.window],)), int.from_bytes(digest[:8], "little") % self._slots

    def _probe(self, key: CounterKey, tag: bytes, now: float, taken: set[int]) -> int:
        """The slot that has the tag; else the first that is past or empty. `taken`: promised to earlier keys."""
        home = int.from_bytes(tag[:8], "little") % self._slots
        free = -1
        for step in range(PROBES):
            slot = (home + step) % self._slots
            if slot in taken:
                continue
            held, begun, _ = SLOT.unpack_from(self.buffer, SLOTS_AT + slot * SLOT.size)
            if held == tag:
                return slot
            if free < 0 and (held == EMPTY or begun + 2 * LENGTH_OF_CODE.get(held[15], 0) <= now):
                free = slot
            if held == EMPTY:
                break
        if free < 0:
            raise LedgerFull(f"no free counter for {key.level} {key.window}: the counter file is full of live windows")
        return free
