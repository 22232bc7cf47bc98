"""What a streamed answer has told about itself, kept within bounds.

Rules: pure; everything comes from the network and may be of any type; more than the bounds is dropped, since only the
beginning of a list of 128 tools is ever looked at.
"""

from typing import TYPE_CHECKING, Final

from appliance.inspect.stream.events import Told

if TYPE_CHECKING:
    from appliance.model.event import Usage

MAX_TOLD: Final = 128
"""Reasons to finish and names of tools that are kept, and code points of a name."""


def called_tools(names: list[object]) -> tuple[str, ...]:
    """Names of functions called, each once, within the bounds."""
    found = dict.fromkeys(name[:MAX_TOLD] for name in names if isinstance(name, str) and name)
    return tuple(found)[:MAX_TOLD]


class Telling:
    """Collects; `model`, `usage`, `done` and `error` are set by the reader itself."""

    def __init__(self) -> None:
        self.model: str | None = None
        self.usage: Usage | None = None
        self.done = False
        self.error = False
        self._finish: list[str] = []
        self._finished = 0
        self._called: dict[str, None] = {}

    def finished(self, reason: object) -> None:
        """A reason for which one choice ended; anything but a word is passed over."""
        if isinstance(reason, str) and reason:
            self._finished += 1
            if len(self._finish) < MAX_TOLD:
                self._finish.append(reason[:MAX_TOLD])

    def called(self, name: object) -> None:
        """A function that the model calls."""
        if isinstance(name, str) and name and len(self._called) < MAX_TOLD:
            self._called[name[:MAX_TOLD]] = None

    def served(self, model: object) -> None:
        """The model that answers; what is told first holds."""
        if self.model is None and isinstance(model, str) and model:
            self.model = model

    def told(self) -> Told:
        """Everything so far."""
        return Told(
            model=self.model,
            usage=self.usage,
            finish=tuple(self._finish),
            finished=self._finished,
            tools_called=tuple(self._called),
            done=self.done,
            error=self.error,
        )
