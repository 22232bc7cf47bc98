"""How much one peer may ask of the central store: pure, time as an argument.

Rules: too many bytes make the peer wait and are never refused, so that an honest one with a long backlog gets through
and a hostile one cannot take the store from the others; journals that were never heard of come from one folder per
life of a worker, so too many of them in a short time are refused. All times in seconds of one monotonic clock.
"""

from collections import OrderedDict
from typing import Final

BYTES_PER_S: Final = 4 << 20
BURST_BYTES: Final = 64 << 20
FRAMES_PER_S: Final = 200.0
BURST_FRAMES: Final = 1_000.0
NEW_LIVES_PER_S: Final = 0.1
BURST_LIVES: Final = 256.0
MAX_LIVES: Final = 1_024  # remembered


class Bucket:
    """Grows by `rate` per second up to `most`; may go into debt."""

    def __init__(self, rate: float, most: float, now: float) -> None:
        self._rate, self._most, self._level, self._at = rate, most, most, now

    def take(self, amount: float, now: float) -> float:
        """Take it; how many seconds until it is paid."""
        self._grow(now)
        self._level -= amount
        return max(0.0, -self._level / self._rate)

    def spare(self, amount: float, now: float) -> bool:
        """Take it if it is there."""
        self._grow(now)
        if self._level < amount:
            return False
        self._level -= amount
        return True

    def _grow(self, now: float) -> None:
        self._level = min(self._most, self._level + max(0.0, now - self._at) * self._rate)
        self._at = now


class Allowance:
    """Of one peer, over all its connections."""

    def __init__(self, now: float) -> None:
        self._bytes = Bucket(BYTES_PER_S, BURST_BYTES, now)
        self._frames = Bucket(FRAMES_PER_S, BURST_FRAMES, now)
        self._new_lives = Bucket(NEW_LIVES_PER_S, BURST_LIVES, now)
        self._lives: OrderedDict[tuple[str, int], None] = OrderedDict()

    def wait(self, size: int, now: float) -> float:
        """Seconds to wait before a frame of `size` bytes is looked at."""
        return max(self._bytes.take(size, now), self._frames.take(1, now))

    def knows(self, producer: str, epoch: int, now: float) -> bool:
        """Whether records of this life may be taken; False: too many new ones."""
        life = (producer, epoch)
        if life not in self._lives:
            if not self._new_lives.spare(1, now):
                return False
            self._lives[life] = None
            if len(self._lives) > MAX_LIVES:
                self._lives.popitem(last=False)
        self._lives.move_to_end(life)
        return True
