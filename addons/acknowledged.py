"""Acknowledgements on disk, shared by all workers: one small file per caller, service and surface.

Owns: state_dir/acknowledged (0700). Rules: looked at only where the verdict is a lesson; a file is replaced at one
stroke; what is damaged, too old or somebody else's counts as not there; at most `MOST` files, expired ones go first and
a full folder takes no more. Names and contents are digests.
"""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from appliance.model.facts import Facts
from appliance.model.names import Surface
from appliance.policy.acknowledgement import Acknowledged, Claim, claim_of, mint, place, read, who_of

FOLDER = "acknowledged"
MOST = 10_000
_MAX_FILE = 1024


class Full(Exception):  # noqa: N818 - a state, in the words of its reader
    """There is no room for another acknowledgement."""


class Acknowledgements:
    """Tokens and what has become of them. `life_s`: how long one lets its caller go on; `clock`: epoch seconds."""

    def __init__(self, state_dir: Path, key: bytes, life_s: float, clock: Callable[[], float]) -> None:
        self._folder = state_dir / FOLDER
        self._key = key
        self.life_s = life_s
        self._clock = clock

    def token(self, facts: Facts) -> str:
        """A token for the caller of these facts."""
        return mint(claim_of(facts, self._clock()), self._key)

    def claim(self, token: str) -> Claim | str:
        """What a token says, or why it is none."""
        return read(token, self._key, self._clock())

    def hold(self, facts: Facts) -> bool:
        """Whether the caller of these facts has acknowledged, and still may go on."""
        found = self._read(self._place(who_of(facts), facts.service or "", facts.surface))
        return found is not None and found.holds(facts, self.life_s, self._clock())

    def stands(self, claim: Claim) -> bool:
        """Whether the notice of this claim has been acknowledged and still holds."""
        found = self._read(self._place(claim.who, claim.service, claim.surface))
        return found is not None and found.ts <= self._clock() < found.ts + self.life_s

    def take(self, claim: Claim) -> None:
        """Keep an acknowledgement. Full; OSError: it could not be kept."""
        path = self._place(claim.who, claim.service, claim.surface)
        now = self._clock()
        self._make_room(now)
        kept = Acknowledged(now, claim.who, claim.service, claim.surface)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(kept))
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)

    def _place(self, who: str, service: str, surface: Surface) -> Path:
        return self._folder / place(who, service, surface, self._key)

    def _read(self, path: Path) -> Acknowledged | None:
        try:
            with path.open("rb") as file:
                return msgspec.json.decode(file.read(_MAX_FILE), type=Acknowledged)
        except (OSError, msgspec.DecodeError):
            return None

    def _make_room(self, now: float) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        names = sorted(self._folder.iterdir())
        if len(names) < MOST:
            return
        for path in names:
            found = self._read(path)
            if found is None or now >= found.ts + self.life_s:
                path.unlink(missing_ok=True)
        if sum(1 for _ in self._folder.iterdir()) >= MOST:
            raise Full
