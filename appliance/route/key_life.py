"""The life of a held key: new, active, overlap, retired; when it must be changed, and what is overdue.

Rules: pure; times are epoch seconds and come as arguments; a key is known here by its fingerprint alone, and its value
never passes. One generation of a name is active at a time; what it replaces stays in overlap, so that whatever still
uses it outside goes on, until it is retired.
"""

import msgspec

from appliance.model.names import KeyState

DAY = 86_400.0
ROTATE_DAYS = 90  # unless the key says otherwise
OVERLAP_S = 2 * DAY
MAX_GENERATIONS = 32  # kept of one name; the oldest retired go first


class Generation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One value that a name has had. `ends`: when its overlap should be over."""

    fingerprint: str
    state: KeyState
    added: float
    activated: float | None = None
    ends: float | None = None
    retired: float | None = None


class KeyRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a held key beside its value. `provider`: catalogue id that it is bound to; empty: none."""

    name: str
    provider: str = ""
    rotate_days: int = ROTATE_DAYS
    generations: tuple[Generation, ...] = ()

    def of(self, state: KeyState) -> Generation | None:
        """The newest generation in that state."""
        return next((each for each in reversed(self.generations) if each.state is state), None)

    @property
    def due(self) -> float | None:
        """When the active key must be changed; None: there is none, or no schedule."""
        active = self.of(KeyState.ACTIVE)
        if active is None or not self.rotate_days:
            return None
        return (active.activated or active.added) + self.rotate_days * DAY


def staged(record: KeyRecord, fingerprint: str, now: float) -> KeyRecord:
    """With a new value that nothing sends yet; one that was staged before is forgotten."""
    kept = tuple(each for each in record.generations if each.state is not KeyState.NEW)
    return _with(record, (*kept, Generation(fingerprint, KeyState.NEW, now)))


def activated(record: KeyRecord, now: float, overlap_s: float = OVERLAP_S) -> KeyRecord:
    """The staged value is the one that is sent; the one before is in overlap, and any before that retired."""
    changed = []
    for each in record.generations:
        if each.state is KeyState.NEW:
            changed.append(msgspec.structs.replace(each, state=KeyState.ACTIVE, activated=now))
        elif each.state is KeyState.ACTIVE:
            changed.append(msgspec.structs.replace(each, state=KeyState.OVERLAP, ends=now + overlap_s))
        elif each.state is KeyState.OVERLAP:
            changed.append(msgspec.structs.replace(each, state=KeyState.RETIRED, retired=now))
        else:
            changed.append(each)
    return _with(record, tuple(changed))


def retired(record: KeyRecord, states: frozenset[KeyState], now: float) -> KeyRecord:
    """The generations in these states are retired."""
    changed = (
        msgspec.structs.replace(each, state=KeyState.RETIRED, retired=now) if each.state in states else each
        for each in record.generations
    )
    return _with(record, tuple(changed))


def overdue(record: KeyRecord, now: float) -> tuple[str, ...]:
    """What should have been done by now, in words; the name stands before them."""
    told = []
    if record.due is not None and now >= record.due:
        days = int((now - record.due) // DAY)
        told.append(f"should have been changed {days} days ago (every {record.rotate_days}); gnomon keys rotate")
    old = record.of(KeyState.OVERLAP)
    if old is not None and old.ends is not None and now >= old.ends:
        told.append(f"{old.fingerprint} has been replaced, and its overlap is over: revoke it, then gnomon keys retire")
    return tuple(told)


def _with(record: KeyRecord, generations: tuple[Generation, ...]) -> KeyRecord:
    surplus = len(generations) - MAX_GENERATIONS
    kept = []
    for each in generations:
        if surplus > 0 and each.state is KeyState.RETIRED:
            surplus -= 1
        else:
            kept.append(each)
    return msgspec.structs.replace(record, generations=tuple(kept))
