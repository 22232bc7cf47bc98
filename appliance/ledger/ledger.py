"""What callers see of the ledger: reserve before an exchange, settle or refund after it.

Why the counts are exact: a reservation is a note in the worker's own table and an addition to every counter; a
settlement is the note's end and a correction of every counter. Each of the two is one transaction of `CounterFile`, in
whose log the note stands before the counters. So whenever the lock is free,

    counter == what was settled + the notes of reservations that are still out

and a worker that is killed - before the log counts (nothing happened), between note and counters or between counters
and the note's end (the next holder of the lock finishes it) - leaves either no note and nothing added, or a note with
all of it added, which `refund_dead` takes back exactly once, because that too is one transaction per note.

A reservation of more counters than a note holds has several notes, each with its own counters: each of them is such a
transaction, so what holds for one holds for all, and what a dead worker leaves of them is refunded note by note.

Rules: a denial changes nothing; a full file or table is an error, never a grant; settling twice has no effect. A worker
place belongs to one living process (a lock says so); its notes are touched by others only when it is dead.
"""

import datetime as dt
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from appliance.ledger.file import CounterFile, create
from appliance.ledger.layout import FREE_NOTE, MAX_KEYS, NOTE_HEAD, NOTE_SIZE, Item, Write, decode_note, encode_note
from appliance.ledger.table import CounterKey, Denied, LedgerFull, Table
from appliance.ledger.windows import RATE_CODE, Calendar
from appliance.model.errors import OperatorError

SLOTS = 262144  # 10,000 identities with some twenty counters each; 8 MiB
WORKERS = 16
NOTES = 1024  # reservations that one worker may have out at once
MAX_COUNTERS = 16384  # in one reservation: half of a worker's notes
_LARGEST = 1 << 53
_FEW = 64  # notes that are read in one turn at the lock
_RATES = frozenset(RATE_CODE.values())


class Reservation(msgspec.Struct, frozen=True):
    """Amounts granted and noted: settle or refund it exactly once."""

    notes: tuple[int, ...]
    number: int
    keys: tuple[CounterKey, ...]
    amounts: tuple[int, ...]
    items: tuple[Item, ...]
    used: tuple[int, ...] = ()  # what each counter stood at with this


class Moved(NamedTuple):
    """What is held after a move, and why it is not what was asked for."""

    held: Reservation | None
    denied: Denied | None = None


class Ledger:
    """One process's view of the counter file. `place`: its worker place, None for an onlooker (the supervisor)."""

    def __init__(self, path: Path, *, claim: bool = True, make: bool = True, zone: dt.tzinfo = dt.UTC) -> None:
        """Open the file, made here if it is missing and `make`, and take a free worker place unless `claim` is False.

        `zone`: whose days and months are counted; the same for all that have the file open.

        Raises OperatorError if the file is foreign, damaged or of another version, or if all places are taken. A worker
        makes none: beside others that count in the file of before, it would grant what they have granted already.
        """
        if make and not path.exists():
            create(path, slots=SLOTS, workers=WORKERS, notes=NOTES)
        self._file = CounterFile(path)
        header = self._file.header
        self._table = Table(self._file.map, header.slots, header.key, Calendar(zone))
        self.place: int | None = None
        self._free: list[int] = []
        self._number = int.from_bytes(os.urandom(6))  # differs from what an earlier life left in its notes
        if claim:
            try:
                self.place = self._claim()
            except BaseException:
                self._file.close()
                raise
            self._free = list(range(header.notes))

    def _claim(self) -> int:
        for place in range(self._file.header.workers):
            if self._file.claim(place):
                self._refund_place(place)
                return place
        raise OperatorError(
            f"{self._file.path}: all {self._file.header.workers} worker places are taken; use fewer workers"
        )

    def reserve(self, keys: Sequence[CounterKey], amounts: Sequence[int], now: float) -> Reservation | Denied:
        """Add each amount to its counter if all of them have room; `now`: epoch seconds.

        Raises LedgerFull or LedgerBusy (nothing was granted: fail closed), ValueError for amounts that are negative or
        too many and for a counter named twice.
        """
        self._check(keys, amounts)
        self._file.acquire()
        try:
            return self._reserve(keys, amounts, now)
        finally:
            self._file.release()

    def _reserve(
        self, keys: Sequence[CounterKey], amounts: Sequence[int], now: float, *, force: bool = False
    ) -> Reservation | Denied:
        """The same by who holds the lock. `force`: no limits."""
        if not keys:
            return Reservation((), 0, (), (), ())
        needed = -(-len(keys) // MAX_KEYS)
        if len(self._free) < needed:
            raise LedgerFull(f"{self._file.path}: this worker has no note free; reservations are not being settled")
        granted = self._table.add(keys, amounts, now, force=force)
        if isinstance(granted, Denied):
            return granted
        items, writes, used = granted
        self._number += 1
        notes = tuple(self._free[-needed:])
        self._put(notes, self._number, items, writes)
        del self._free[-needed:]
        return Reservation(notes, self._number, tuple(keys), tuple(amounts), items, used)

    def _put(self, notes: Sequence[int], number: int, items: tuple[Item, ...], writes: list[Write]) -> None:
        """Each note with its own counters, one transaction apiece."""
        if len(notes) == 1:
            self._file.commit([(self._note_at(notes[0]), encode_note(number, items)), *writes])
            return
        for part, note in enumerate(notes):
            here = slice(part * MAX_KEYS, (part + 1) * MAX_KEYS)
            self._file.commit([(self._note_at(note), encode_note(number, items[here])), *writes[here]])

    def extend(self, reservation: Reservation, more: Sequence[int], now: float) -> Reservation | Denied:
        """Add `more` to the same counters, limits checked; returns the reservation to use from now on.

        On a denial the old one stays. Raises ValueError if it was settled already.
        """
        self._check(reservation.keys, more)
        if not reservation.keys:
            return reservation
        with self._file.locked():
            if not self._is_out(reservation):
                raise ValueError("this reservation was settled or refunded")
            granted = self._table.add(reservation.keys, more, now)
            if isinstance(granted, Denied):
                return granted
            added, writes, used = granted
            items = tuple(_merged(old, new) for old, new in zip(reservation.items, added, strict=True))
            self._put(reservation.notes, reservation.number, items, writes)
        amounts = tuple(old + new for old, new in zip(reservation.amounts, more, strict=True))
        return msgspec.structs.replace(reservation, amounts=amounts, items=items, used=used)

    def settle(self, reservation: Reservation, actual: Sequence[int], now: float | None = None) -> bool:
        """Replace what was reserved by what was used (more is allowed: it is counted). False: it was settled before.

        `now`: epoch seconds; without it nothing of a rate is given back.
        """
        self._check(reservation.keys, actual)
        if not reservation.keys:
            return False
        with self._file.locked():
            return self._settle(reservation, actual, now)

    def _settle(self, reservation: Reservation, actual: Sequence[int], now: float | None) -> bool:
        if not self._is_out(reservation):
            return False
        booked = zip(reservation.keys, reservation.items, reservation.amounts, actual, strict=True)
        deltas = [max(key.native(used - held), -item.amount) for key, item, held, used in booked]
        for part, note in enumerate(reservation.notes):  # mostly one
            here = slice(part * MAX_KEYS, (part + 1) * MAX_KEYS)
            back = self._table.corrections(reservation.items[here], deltas[here], now)
            self._file.commit([(self._note_at(note), FREE_NOTE), *back])
        self._free += reservation.notes
        return True

    def move(
        self,
        reservation: Reservation,
        actual: Sequence[int] | None,
        keys: Sequence[CounterKey],
        amounts: Sequence[int],
        now: float,
    ) -> Moved:
        """Reserve anew in the place of `reservation`, whose room nobody else can take in between.

        `actual`: what it has used, which is settled whatever comes; None: nothing was, and where the new one is denied
        the old one stays. Raises as `reserve`.
        """
        self._check(keys, amounts)
        self._check(reservation.keys, actual or (0,) * len(reservation.keys))
        with self._file.locked():
            was_out = bool(reservation.keys) and self._settle(reservation, actual or (0,) * len(reservation.keys), now)
            granted = self._reserve(keys, amounts, now)
            if not isinstance(granted, Denied):
                return Moved(granted)
            if actual is not None or not was_out:
                return Moved(None, granted)
            back = self._reserve(reservation.keys, reservation.amounts, now, force=True)  # nobody was in between
            return Moved(None if isinstance(back, Denied) else back, granted)

    def refund(self, reservation: Reservation, now: float | None = None) -> bool:
        """Take all of it back: nothing was used. False: it was settled before."""
        return self.settle(reservation, (0,) * len(reservation.keys), now)

    @property
    def free(self) -> int:
        """How many more notes this worker may have out: one for each 32 counters of a reservation."""
        return len(self._free)

    def used(self, key: CounterKey, now: float) -> int:
        """What a counter stands at, reservations included."""
        with self._file.locked():
            return self._table.used(key, now)

    def outstanding(self, keys: Sequence[CounterKey]) -> list[int]:
        """What of each counter is reserved and not settled yet, of living and dead workers.

        Each note is read whole, and not all in one moment: for showing, not for granting.
        """
        found, tags = dict[bytes, int](), [self._table.tag(key) for key in keys]
        counters, header = self._file.map, self._file.header
        places = range(header.notes_at, header.notes_at + header.workers * header.notes * NOTE_SIZE, NOTE_SIZE)
        out = [at for at in places if NOTE_HEAD.unpack_from(counters, at)[0]]  # a glance; read well under the lock
        for few in itertools.batched(
            out, _FEW, strict=False
        ):  # nobody who wants to reserve waits for a look at all of them
            with self._file.locked():
                items = [item for at in few for item in decode_note(counters, at)[1]]
            for item in items:
                found[item.tag] = found.get(item.tag, 0) + item.amount
        return [key.amount(found.get(tag, 0)) for key, tag in zip(keys, tags, strict=True)]

    def ends(self, key: CounterKey, now: float) -> float | None:
        """When a counter begins again; None: it flows back, or counts what runs."""
        return self._table.ends(key, now)

    def add_settled(self, key: CounterKey, amount: int, now: float) -> None:
        """Count without reservation or limit: for rebuilding."""
        with self._file.locked():
            granted = self._table.add([key], [amount], now, force=True)
            if not isinstance(granted, Denied):
                self._file.commit(granted.writes)

    def refund_dead(self, place: int | None = None, now: float | None = None) -> int:
        """Take back what dead workers had reserved, of one place or of all; how many reservations that were.

        Without `now` nothing of a rate is given back: it has drained within its minute or hour.

        Raises OperatorError if the one place has a living owner; of all places those are passed over.
        """
        refunded = 0
        for candidate in range(self._file.header.workers) if place is None else (place,):
            if candidate == self.place or not self._file.claim(candidate):
                if place is not None:
                    raise OperatorError(f"{self._file.path}: worker place {place} belongs to a living process")
                continue
            try:
                refunded += self._refund_place(candidate, now)
            finally:
                self._file.leave(candidate)
        return refunded

    def _refund_place(self, place: int, now: float | None = None) -> int:
        header = self._file.header
        with self._file.locked():  # finishes what the dead worker had begun, before its notes are looked at
            area = self._file.map[header.note_at(place, 0) : header.note_at(place, header.notes)]
        heads = range(0, len(area), NOTE_SIZE)
        out = [number for number, at in enumerate(heads) if NOTE_HEAD.unpack_from(area, at)[0]]
        for note in out:
            at = header.note_at(place, note)
            with self._file.locked():
                _, items = decode_note(self._file.map, at)
                back = self._table.corrections(items, [-item.amount for item in items], now)
                self._file.commit([(at, FREE_NOTE), *back])
        return len(out)

    def _check(self, keys: Sequence[CounterKey], amounts: Sequence[int]) -> None:
        if len(keys) > MAX_COUNTERS or len(keys) != len(amounts):
            raise ValueError(
                f"{len(keys)} counters and {len(amounts)} amounts; up to {MAX_COUNTERS} of each belong together"
            )
        for amount in amounts:
            if not 0 <= amount <= _LARGEST:
                raise ValueError(f"amount {amount} is not within 0 and {_LARGEST}")

    def _note_at(self, note: int) -> int:
        if self.place is None:
            raise ValueError("an onlooker cannot reserve")
        return self._file.header.note_at(self.place, note)

    def _is_out(self, reservation: Reservation) -> bool:
        count, _, number = NOTE_HEAD.unpack_from(self._file.map, self._note_at(reservation.notes[0]))
        return bool(count) and number == reservation.number

    def close(self) -> None:
        """Leave. Reservations still out are refunded by the next `refund_dead`."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _merged(old: Item, new: Item) -> Item:
    """The note of an extension; where the window has moved on, what the old one counted stays there."""
    same = (old.slot, old.tag, old.start) == (new.slot, new.tag, new.start)
    if old.tag[15] in _RATES and old.tag == new.tag:
        return msgspec.structs.replace(new, start=old.start, amount=old.amount + new.amount)  # as if taken at first
    return msgspec.structs.replace(new, amount=old.amount + new.amount) if same else new
