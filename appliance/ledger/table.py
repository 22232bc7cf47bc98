"""Counters as slots in a buffer: finding, checking, and the new bytes of a change. Pure but for reading the buffer.

Rules: a key's slot is one of PROBES places that follow from a keyed hash; an empty place ends the search, which is
right because a used slot is never emptied, only taken over once its window is past. If no place is left the answer is
an error, never a grant. A window never goes back: a caller whose clock is a little behind counts in the newer window.
One that is more than a whole window behind means that the clock was set back, and the counter begins again. What was
counted beyond a limit is carried into the next window. Nothing always fits.
"""

import hashlib
from collections.abc import Sequence
from mmap import mmap
from typing import NamedTuple

import msgspec

from appliance.ledger import windows
from appliance.ledger.layout import EMPTY, SLOT, SLOTS_AT, Item, Write
from appliance.ledger.windows import CODE, LENGTH, LENGTH_OF_CODE, NANO, RATE_CODE, RUNNING_CODE, Calendar, Window
from appliance.model.errors import EvidenceError

PROBES = 32
_CACHE = 65536
_A_MOMENT = 1.0  # seconds after which something that runs may have ended
_MOST = 1 << 62  # what a slot is let grow to, whatever providers tell: one that cannot be written settles nothing
_FIRST_RATE = min(RATE_CODE.values())


class CounterKey(msgspec.Struct, frozen=True):
    """One counter and how high it may go: `level` names the layer (organisation, department, user, service ...).

    With a limit, minutes and hours are rates; without one, counts of the clock's minutes and hours.
    """

    level: str
    subject: str
    window: Window
    limit: int | None = None  # None: count only

    @property
    def code(self) -> int:
        """How its slot counts."""
        return CODE[self.window] if self.limit is None else RATE_CODE.get(self.window, CODE[self.window])

    def native(self, amount: int) -> int:
        """An amount as the slot counts it: nanoseconds for a rate, rounded away from what would be granted."""
        if self.limit is None or self.window not in RATE_CODE:
            return amount
        length = LENGTH[self.window]
        return windows.cost_of(amount, self.limit, length) if amount > 0 else -(-amount * length * NANO // self.limit)

    def amount(self, native: int) -> int:
        """The other way round, rounded up."""
        if self.limit is None or self.window not in RATE_CODE:
            return native
        return windows.drained(native, self.limit, LENGTH[self.window])


class Denied(msgspec.Struct, frozen=True):
    """The first counter that has no room: `used` of `key.limit`; there is room again after `retry_after` seconds."""

    key: CounterKey
    used: int
    retry_after: float


class Granted(NamedTuple):
    """Where each amount goes, the bytes that put it there, and what each counter stands at then."""

    items: tuple[Item, ...]
    writes: list[Write]
    used: tuple[int, ...]


class LedgerFull(EvidenceError):  # noqa: N818 - a state, in the words of its readers
    """No free slot or note: nothing was granted. Fail closed."""


class Table:
    """The slots of one file."""

    def __init__(self, buffer: mmap, slots: int, hash_key: bytes, calendar: Calendar) -> None:
        """`hash_key` keeps subjects from choosing colliding names."""
        self.buffer = buffer
        self._slots = slots
        self._hash_key = hash_key
        self._calendar = calendar
        self._places: dict[tuple[str, str, int], tuple[bytes, int]] = {}  # tag and last known slot

    def add(
        self, keys: Sequence[CounterKey], amounts: Sequence[int], now: float, *, force: bool = False
    ) -> Granted | Denied:
        """Changes nothing. LedgerFull if no slot is left, ValueError for a counter named twice. `force`: no limits."""
        items: list[Item] = []
        writes: list[Write] = []
        stands: list[int] = []
        taken: set[int] = set()
        for key, amount in zip(keys, amounts, strict=True):
            tag, slot = self._place(key)
            at = SLOTS_AT + slot * SLOT.size
            held, begun, used = SLOT.unpack_from(self.buffer, at)
            if held != tag or slot in taken:
                slot = self._found(key, tag, now, taken)
                at = SLOTS_AT + slot * SLOT.size
                held, begun, used = SLOT.unpack_from(self.buffer, at)
                if held != tag:
                    begun = used = 0
            add = self._add_to_rate if tag[15] >= _FIRST_RATE else self._add_to_count
            made = add(key, begun, used, amount, now, force=force)
            if isinstance(made, Denied):
                return made
            start, total, item, stand = made
            taken.add(slot)
            items.append(Item(slot, tag, item, key.native(amount)))
            writes.append((at, SLOT.pack(tag, start, total)))
            stands.append(stand)
        if len({item.tag for item in items}) != len(items):
            raise ValueError("the same counter twice in one reservation")
        return Granted(tuple(items), writes, tuple(stands))

    def _add_to_count(
        self, key: CounterKey, begun: int, used: int, amount: int, now: float, *, force: bool
    ) -> tuple[int, int, int, int] | Denied:
        start, end, used = self._counted(key, begun, used, now)
        if key.limit is not None and amount and used + amount > key.limit and not force:
            return Denied(key, used, max(0.0, end - now))
        total = min(used + amount, _MOST)
        return start, total, start, total

    def _counted(self, key: CounterKey, begun: int, used: int, now: float) -> tuple[int, float, int]:
        """Start and end of the window that counts now, and what it stands at."""
        if key.window is Window.RUNNING:
            return 0, now + _A_MOMENT, used
        start, end = self._calendar.bounds(key.window, now)
        if begun == start:
            return start, end, used
        if begun == end:  # somebody's clock is ahead
            return begun, end + LENGTH[key.window], used
        if begun > end or not begun or key.limit is None or used <= key.limit:
            return start, end, 0
        carried = used - key.limit - self._calendar.between(key.window, begun, start) * key.limit
        return start, end, max(0, carried)

    @staticmethod
    def _add_to_rate(
        key: CounterKey, until: int, _used: int, amount: int, now: float, *, force: bool
    ) -> tuple[int, int, int, int] | Denied:
        limit, length, moment = key.limit or 1, LENGTH[key.window], windows.moment(now)
        cost = windows.cost_of(amount, limit, length)
        free = force or not amount
        after = windows.charged(until, cost, length, moment) if free else windows.taken(until, cost, length, moment)
        if after is None:
            ahead = max(0, windows.standing(until, length, moment) - moment)
            wait = (ahead + cost) / NANO - length
            return Denied(key, windows.drained(ahead, limit, length), min(wait, 2.0 * length))
        return after, 0, moment, windows.drained(after - moment, limit, length)

    def corrections(self, items: Sequence[Item], amounts: Sequence[int], now: float | None) -> list[Write]:
        """The slots with `amounts` (as they count) added where they still count for the items.

        Past windows stay past, but what was used beyond a grant is charged to the one that has followed. `now` None:
        nobody knows, so nothing of a rate is given back.
        """
        writes: list[Write] = []
        for item, amount in zip(items, amounts, strict=True):
            at = SLOTS_AT + item.slot * SLOT.size
            held, begun, used = SLOT.unpack_from(self.buffer, at)
            if not amount or held != item.tag:
                continue
            if item.tag[15] >= _FIRST_RATE:
                if now is not None:
                    writes.append((at, SLOT.pack(held, _corrected(item, begun, amount, windows.moment(now)), 0)))
            elif begun == item.start or (amount > 0 and begun > item.start):
                writes.append((at, SLOT.pack(held, begun, min(max(0, used + amount), _MOST))))
        return writes

    def tag(self, key: CounterKey) -> bytes:
        """What its slot is known by."""
        return self._home(key)[0]

    def ends(self, key: CounterKey, now: float) -> float | None:
        """When its window ends; None: it has none."""
        if key.window is Window.RUNNING or key.code >= _FIRST_RATE:
            return None
        return float(self._calendar.bounds(key.window, now)[1])

    def used(self, key: CounterKey, now: float) -> int:
        """What a counter stands at; 0 if it was never used."""
        tag, home = self._home(key)
        for step in range(PROBES):
            slot = (home + step) % self._slots
            held, begun, used = SLOT.unpack_from(self.buffer, SLOTS_AT + slot * SLOT.size)
            if held != tag:
                continue
            if tag[15] < _FIRST_RATE:
                return int(self._counted(key, begun, used, now)[2])
            length, moment = LENGTH[key.window], windows.moment(now)
            return windows.drained(windows.standing(begun, length, moment) - moment, key.limit or 1, length)
        return 0

    def _found(self, key: CounterKey, tag: bytes, now: float, taken: set[int]) -> int:
        """The slot of a counter that is not where it was last seen; remembered."""
        slot = self._probe(key, tag, now, taken)
        self._places[key.level, key.subject, tag[15]] = tag, slot
        return slot

    def _place(self, key: CounterKey) -> tuple[bytes, int]:
        """The key's tag, and the slot where it was last seen or the search begins."""
        name = key.level, key.subject, key.code
        if (known := self._places.get(name)) is None:
            if len(self._places) >= _CACHE:
                self._places.clear()
            known = self._places[name] = self._home(key)
        return known

    def _home(self, key: CounterKey) -> tuple[bytes, int]:
        text = f"{len(key.level)}:{key.level}{key.subject}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(text, key=self._hash_key, digest_size=15).digest()
        return digest + bytes((key.code,)), int.from_bytes(digest[:8], "little") % self._slots

    def _probe(self, key: CounterKey, tag: bytes, now: float, taken: set[int]) -> int:
        """The slot that has the tag; else the first that is past or empty. `taken`: promised to earlier keys."""
        home = int.from_bytes(tag[:8], "little") % self._slots
        free = -1
        for step in range(PROBES):
            slot = (home + step) % self._slots
            if slot in taken:
                continue
            held, begun, used = SLOT.unpack_from(self.buffer, SLOTS_AT + slot * SLOT.size)
            if held == tag:
                return slot
            if free < 0 and (held == EMPTY or _is_past(held[15], begun, used, now)):
                free = slot
            if held == EMPTY:
                break
        if free < 0:
            raise LedgerFull(f"no free counter for {key.level} {key.window}: the counter file is full of live windows")
        return free


def _is_past(code: int, begun: int, used: int, now: float) -> bool:
    """Whether nobody will ask for this slot again."""
    if code == RUNNING_CODE:
        return not used
    if code >= _FIRST_RATE:
        return begun <= windows.moment(now)
    return begun + 2 * LENGTH_OF_CODE.get(code, 0) <= now


def _corrected(item: Item, until: int, amount: int, now: int) -> int:
    """The moment of a rate after `amount` nanoseconds more or fewer than were taken by `item`."""
    if amount > 0:
        return windows.charged(until, amount, LENGTH_OF_CODE[item.tag[15]], now)
    return windows.given_back(until, -amount, item.start, now)
