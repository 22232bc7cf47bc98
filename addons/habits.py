"""Tells requests that are unusual for their application: a label for people and rules, never a verdict.

Owns: state_dir/habits, one file per worker, written hourly and at the end. Rules: an application is client, service and
the beginning of its system prompt as a keyed digest, never a person; what cannot be read back is begun anew, what
cannot be written is told once and costs nothing else; only the answer to "is it unusual" leaves here, as a label of
kind `topic`, so that no rule against injections acts on a mere oddity; a request waits for it only where a rule of the
policy in force may turn on it, else it is told with the end of the exchange.
"""

import hashlib
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from addons.worker import Worker
from appliance.inspect.injection.baseline import Baselines, features
from appliance.inspect.inspection import Inspection
from appliance.model.detection import Label
from appliance.model.facts import Facts
from appliance.model.names import DetectionKind

if TYPE_CHECKING:
    from appliance.policy.engine import Policy

ENTITY = "UNUSUAL_REQUEST"
FOLDER = "habits"
INTERVAL_S = 3600.0
_MAX_FILE = 16 << 20
_BEGINNING = 256  # characters of a system prompt that name the application
_CHANGING = re.compile(r"[0-9]+")  # dates and numbers in it do not


class Habits:
    """Baselines of one worker. `key`: of the digests; `clock`: epoch seconds."""

    def __init__(self, folder: Path, worker: str, key: bytes, clock: Callable[[], float]) -> None:
        self._path = folder / f"{worker}.habits"
        self._key = key
        self._clock = clock
        self._due = clock() + INTERVAL_S
        self._baselines = self._read()

    def labels(self, facts: Facts, inspection: Inspection) -> tuple[Label, ...]:
        """One label where the request is unusual for its application."""
        view = inspection.view
        newest = next((each.text for each in reversed(view.segments) if each.role == "user"), "")
        if not newest:
            return ()
        seen = features(newest, inspection.chars, view.tools_declared, self._clock())
        distance = self._baselines.judge(self._application(facts, inspection), seen)
        return () if distance is None else (Label(ENTITY, DetectionKind.TOPIC, 1, distance),)

    def is_due(self) -> bool:
        """Whether the habits should be written down; asked once, it is not for another hour."""
        now = self._clock()
        if now < self._due:
            return False
        self._due = now + INTERVAL_S
        return True

    def save(self) -> None:
        """Write the habits down. OSError: they could not be."""
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        fresh = self._path.with_suffix(f".{os.getpid()}")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(self._baselines.encode())
        fresh.replace(self._path)

    def _application(self, facts: Facts, inspection: Inspection) -> str:
        system = next((each.text for each in inspection.segments if each.role in {"system", "developer"}), "")
        told = f"{facts.client_name} {facts.service} {_CHANGING.sub('', system[:_BEGINNING])}"
        return hashlib.blake2b(told.encode("utf-8", "replace"), key=self._key, digest_size=12).hexdigest()

    def _read(self) -> Baselines:
        with suppress(OSError, ValueError), self._path.open("rb") as file:
            return Baselines.decode(file.read(_MAX_FILE))
        return Baselines()


class HabitsAddon:
    """Keeps the habits over restarts, and says when a request is asked about."""

    def __init__(self, habits: Habits, worker: Worker) -> None:
        self._habits = habits
        self._worker = worker
        self._told = False
        self._policy: Policy | None = None
        self._turns = False
        worker.habit, worker.habit_later = self._labelled, self._later

    def done(self) -> None:
        """The worker ends."""
        self._save()

    def _labelled(self, facts: Facts, inspection: Inspection) -> Facts:
        """With the label, where a rule may turn on it."""
        if not self._policy_turns():
            return facts
        labels = self._labels(facts, inspection)
        return msgspec.structs.replace(facts, labels=(*facts.labels, *labels)) if labels else facts

    def _later(self, facts: Facts, inspection: Inspection) -> tuple[Label, ...]:
        """The label once the request has gone; none where it has been told already."""
        return () if self._policy_turns() else self._labels(facts, inspection)

    def _labels(self, facts: Facts, inspection: Inspection) -> tuple[Label, ...]:
        if self._habits.is_due():
            self._save()
        return self._habits.labels(facts, inspection)

    def _policy_turns(self) -> bool:
        if self._policy is not self._worker.policy:
            self._policy = self._worker.policy
            self._turns = self._policy.asks(DetectionKind.TOPIC, ENTITY)
        return self._turns

    def _save(self) -> None:
        try:
            self._habits.save()
        except OSError as error:
            if not self._told:
                self._told = True
                self._worker.telemetry.notice("warning", "habits_not_kept", f"state_dir/{FOLDER}: {error.strerror}")
