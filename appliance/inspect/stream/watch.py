"""What the stream editor asks of detectors: how far a growing text is decided, and what was found in it.

Rules: offsets are code points from the beginning of the channel's text; what is decided never changes, however the text
was cut; time plays no part; nothing found is held back from the records because it is not hidden.

Beyond the ceiling: what is held is told as one detection (entity `UNDECIDED`, kind secret, score 1, rule `ceiling`).
While it grows, each further call tells the next piece as a detection of its own that begins where the last one ended,
its rule `ceiling-continued`: an editor writes the placeholder for the first and nothing for the others. Pieces that one
call decides come joined. A mask ends an answer only where `ends` names UNDECIDED itself.
"""

from typing import Final, NamedTuple, Protocol

from appliance.inspect.stream.events import Text
from appliance.model.detection import Detection, Label, Selector

UNSPOKEN: Final = "!"
"""Behind a kind, where the watcher puts values back: not in this text."""


class Decided(NamedTuple):
    """How far a growing text may leave.

    `until`: no detection that must be hidden can still begin or end differently before it; `found`: detections to be
    hidden that were decided by this call, sorted, disjoint, each ending at or before `until`; `ends_at`: where the
    first detection begins that ends the answer: nothing from there on may leave.
    """

    until: int
    found: tuple[Detection, ...] = ()
    ends_at: int | None = None


class Watch(Protocol):
    """One growing text."""

    def feed(self, text: str) -> Decided:
        """More of the text. Raises what a detector raises: the caller fails closed."""

    def close(self) -> Decided:
        """Nothing more comes: all of it is decided."""

    def labels(self) -> tuple[Label, ...]:
        """Everything found so far, hidden or not, of every class that ran."""


class Watcher(Protocol):
    """Makes watches, and looks at texts that are whole."""

    classes: tuple[str, ...]
    restores: bool  # it puts values back, and knows `UNSPOKEN`

    def watch(self, kind: str, hides: tuple[Selector, ...], ends: tuple[Selector, ...], ceiling: int) -> Watch:
        """For one channel. `kind` as in `Text` (arguments are read as JSON text); see also `UNSPOKEN`.

        `ceiling`: UTF-8 bytes held at most; beyond it the text is masked from the start of what could still match,
        never released.
        """

    def whole(
        self, kind: str, text: str, hides: tuple[Selector, ...], ends: tuple[Selector, ...], ceiling: int
    ) -> tuple[Decided, tuple[Label, ...]]:
        """A whole text at once: exactly what a watch would decide for it."""


def kind_for(watcher: Watcher, text: Text) -> str:
    """The kind of a text, as this watcher is asked for it."""
    return text.kind if text.spoken or not watcher.restores else text.kind + UNSPOKEN
