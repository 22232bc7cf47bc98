"""Cases of the fuzzing: each a target, a fixture and a source of chance, bounded in time.

Each case has a seed of its own, so that one that fails can be run again alone, with the same fixtures and the same api.
A case may take `CASE_SECONDS` of processor time.
"""

import random
import signal
from types import FrameType
from typing import NamedTuple

from fuzz_targets import TARGETS, sources

CASE_SECONDS = 2.0
WEIGHTS = {"request": 3, "response": 3, "events": 3, "editor": 3, "walker": 4, "seed": 1, "coding": 1, "routing": 1}


class TooSlow(Exception):
    """A case took more than its time."""


class Failure(NamedTuple):
    """A case that failed, and how."""

    seed: int
    number: int
    target: str
    fixture: str
    fault: str
    api: str = ""

    @property
    def kind(self) -> tuple[str, ...]:
        """What failures of one cause have in common."""
        return self.target, self.fixture.partition("/")[0], self.fault[:60]

    def __str__(self) -> str:
        again = f"python tests/fuzz/run.py --seed {self.seed} --only {self.number}" + (
            f" --api {self.api}" if self.api else ""
        )
        return f"{self.target} of {self.fixture}: {self.fault}\n  again: {again}"


def fuzz(
    seed: int, cases: int, *, api: str = "", first: int = 0, stop_after: int = 10, loud: bool = False
) -> list[Failure]:
    """Run cases `first` to `first + cases` of this seed over the fixtures of `api` (its name or the beginning of it).

    The failures that differ, at most `stop_after`. `loud`: the first exception flies.
    """
    failures: dict[tuple[str, ...], Failure] = {}
    before = signal.signal(signal.SIGVTALRM, _too_slow)
    try:
        for number in range(first, first + cases):
            failure = _case(seed, number, api, loud)
            if failure is not None:
                failures.setdefault(failure.kind, failure)
                if len(failures) >= stop_after:
                    break
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    return list(failures.values())


def _case(seed: int, number: int, api: str, loud: bool) -> Failure | None:
    rng = random.Random(f"{seed}/{number}")  # noqa: S311 - chance that can be repeated
    name = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    fixture, other = rng.choice(sources(api)), rng.choice(sources())
    signal.setitimer(signal.ITIMER_VIRTUAL, CASE_SECONDS)
    try:
        TARGETS[name](rng, fixture, other)
    except (Exception, TooSlow) as fault:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        if loud:
            raise
        return Failure(seed, number, name, fixture.name, f"{type(fault).__name__}: {fault}"[:300], api)
    return None


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlow(f"more than {CASE_SECONDS} s of processor time")
