"""Telling the story: one step after the other, each timed and judged, until the end or until told to stop.

Rules: a step that fails does not end the story, time does; what goes wrong in a step is a result and never an
exception; between steps `pause` may take its time and may end the telling.
"""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from appliance.bus.errors import RemoteError, Unreachable
from appliance.demo.report import Result, Unexpected
from appliance.model.errors import EvidenceError, OperatorError, PeerError

LIMIT_S: Final = 120.0
_TROUBLE: Final = (
    OperatorError, EvidenceError, PeerError, RemoteError, Unreachable, OSError, ValueError, LookupError,
    msgspec.MsgspecError, subprocess.SubprocessError,
)  # fmt: skip


class Stopped(Exception):  # noqa: N818 - not an error: the telling is over
    """Somebody wants the telling to end."""


@dataclass
class Telling:
    """The results so far. `heard` is called with each as it comes."""

    heard: Callable[[Result], None]
    pause: Callable[[], None] = lambda: None
    results: list[Result] = field(default_factory=list)

    def tell[T](self, steps: Sequence[tuple[str, Callable[[T], str]]], stage: T) -> None:
        """Take the steps. Stopped: `pause` ended it."""
        deadline = time.monotonic() + LIMIT_S
        for title, act in steps:
            self.pause()
            if time.monotonic() > deadline:
                return
            self.take(title, lambda act=act: act(stage))  # type: ignore[misc] # the default binds this step's act

    def take(self, title: str, act: Callable[[], str]) -> None:
        """One step."""
        began = time.monotonic()
        seen, failed = "", None
        try:
            seen = act()
        except Unexpected as unexpected:
            failed = unexpected
        except _TROUBLE as error:
            failed = Unexpected("no error", f"{type(error).__name__}: {getattr(error, 'message', error)}")
        result = Result(title, time.monotonic() - began, seen, failed)
        self.results.append(result)
        self.heard(result)

    @property
    def failed(self) -> bool:
        """Something expected did not happen."""
        return any(result.failed is not None for result in self.results)
