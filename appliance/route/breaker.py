"""Whether a target is well, from what became of requests to it: closed, open, half open.

Theory. After `failures` faults in a row a target is open: it comes after all others. When its time is over one request
may try it (half open); that one's success closes it, its fault opens it again for twice as long, up to a bound. A 429
that names a time keeps the target open for so long without counting as a fault. Each worker judges by what it has seen
itself. Rules: pure, seconds of one monotonic clock as argument; a trial that nobody hears of again ends by itself; an
open target is never out of reach: where no other is well, it is tried all the same, so that no request is lost to a
judgement that may be old.
"""

from enum import StrEnum

import msgspec


class State(StrEnum):
    """What is thought of a target."""

    CLOSED = "closed"  # well
    OPEN = "open"
    HALF_OPEN = "half_open"  # one request tries it, or may


class Settings(msgspec.Struct, frozen=True):
    """`failures`: in a row, until it opens; `open_s` and `most_s`: how long it stays so at first, and at most."""

    failures: int = 5
    open_s: float = 10.0
    most_s: float = 300.0


class Breaker:
    """One target."""

    __slots__ = ("_failed", "_opened", "_settings", "_trial", "_until", "probed")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._failed = 0
        self.probed: bool | None = None  # what the last probe found; None: none was sent
        self._opened = 0  # how often in a row
        self._until: float | None = None  # None: closed
        self._trial: float | None = None  # when the running trial counts as lost

    def state(self, now: float) -> State:
        """What is thought of it now."""
        if self._until is None:
            return State.CLOSED
        return State.OPEN if now < self._until else State.HALF_OPEN

    @property
    def faults(self) -> int:
        """In a row."""
        return self._failed

    def left_alone(self, now: float) -> float:
        """Seconds until a request may try it again; 0: it is not left alone."""
        return 0.0 if self._until is None else max(0.0, self._until - now)

    def takes(self, now: float) -> bool:
        """Whether a further request may go there as to any other."""
        if self._until is None:
            return True
        return now >= self._until and (self._trial is None or now >= self._trial)

    def began(self, now: float) -> None:
        """A request goes there."""
        if self._until is not None and self.takes(now):
            self._trial = now + self._settings.open_s

    def succeeded(self) -> None:
        """It has answered."""
        self._failed = self._opened = 0
        self._until = self._trial = None

    def failed(self, now: float) -> None:
        """It has not answered, or with a fault of its own."""
        self._failed += 1
        half_open = self.state(now) is State.HALF_OPEN
        if half_open or (self._until is None and self._failed >= self._settings.failures):
            self._opened += 1
            self._shut(now, self._settings.open_s * 2.0 ** min(self._opened - 1, 32))

    def asked_to_wait(self, now: float, seconds: float) -> None:
        """It wants no request for so long (Retry-After)."""
        self._shut(now, max(0.0, seconds))

    def reached(self, now: float) -> None:
        """A probe has found it: the next request may try it."""
        self.probed = True
        if self._until is not None:
            self._until = min(self._until, now)

    def unreached(self, now: float) -> None:
        """A probe has not found it, which counts like a request that got no answer."""
        self.probed = False
        self.failed(now)

    def _shut(self, now: float, seconds: float) -> None:
        until = now + min(seconds, self._settings.most_s)
        self._until = until if self._until is None or now >= self._until else max(self._until, until)
        self._trial = None
