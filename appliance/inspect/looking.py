"""What is looked at, and what looks: one text with its source and its views, and the detectors beside the patterns.

Rules: pure; the views of a text are made once and shared by all detectors; a detector tells places of the original
text, half-open, in code points, and never text; one that cannot finish by the deadline raises `DetectorFailure`; one
that a bound of its own keeps from reading everything says so (`Looked.left`).
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

from appliance.model.detection import Detection, Segment
from appliance.model.names import Source

RAW = "raw"
CANONICAL = "canonical"


class View(NamedTuple):
    """A way to read a text. `name`: raw, canonical, or what was undone (base64, hex, url, rot13, tags...).

    `place`: a span of `text` in the original; None: its own offsets. `sure`: only findings that are certain count
    (keys, checksums), since decoding makes digits and letters of anything. `parts`: the places of `text` in which
    patterns may find what they do not find in the original; None: all of it. `cut`: a bound left something undone.

    `fresh`: the words that this reading makes, in lower case, where all else in it stands in the original, too: who
    knows none of them finds nothing new. None: it is not known.
    """

    name: str
    text: str
    place: Callable[[int, int], tuple[int, int]] | None = None
    sure: bool = False
    parts: Sequence[tuple[int, int]] | None = None
    cut: bool = False
    fresh: frozenset[str] | None = None

    def placed(self, start: int, end: int) -> tuple[int, int]:
        """A span of this view in the original text."""
        return (start, end) if self.place is None else self.place(start, end)


class Readings(list[View]):
    """Views of a text. `lacking`: what a bound kept from being read in full: classes of detectors, or `views`."""

    def __init__(self, views: Iterable[View] = ()) -> None:
        super().__init__(views)
        self.lacking: set[str] = set()


class Seen(NamedTuple):
    """What detectors found in a text.

    `partial`: classes of detectors that stopped at a bound of theirs. `skipped`: detectors that were not asked, because
    what had been found before them was enough.
    """

    found: tuple[Detection, ...] = ()
    partial: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


class Looked:
    """One text as all detectors see it."""

    def __init__(self, text: str, source: Source, reader: Callable[[str], Sequence[View]]) -> None:
        """`reader`: makes the views beside the raw one: the canonical one first, where it differs."""
        self.text = text
        self.source = source
        self.said: tuple[Detection, ...] = ()  # what patterns found in the letters, for those that read on
        self.kept: dict[str, tuple[View, ...]] = {}  # further readings, for whoever asks next
        self.partial: set[str] = set()  # classes of detectors that have not looked at all of it
        self._reader = reader

    def left(self, *classes: str) -> None:
        """A bound has kept detectors of these classes from looking at all of the text."""
        self.partial.update(classes)

    @cached_property
    def others(self) -> Sequence[View]:
        """Every view but the raw one."""
        made = self._reader(self.text)
        if isinstance(made, Readings):
            self.partial |= made.lacking
        return made

    @property
    def views(self) -> Sequence[View]:
        """All of them, the raw one first."""
        return (View(RAW, self.text), *self.others)

    @property
    def canonical(self) -> View:
        """The text as a person reads it; the raw one where there is nothing to undo."""
        if self.others and self.others[0].name == CANONICAL:
            return self.others[0]
        return View(RAW, self.text)


class Detector(Protocol):
    """Beside the patterns, on whole texts. `name`: for statistics; `classes`: pii, secret, injection, output, topic.

    `version`: another whenever it would find something else. `sources`: the texts that it looks at; empty: all.
    """

    @property
    def name(self) -> str:
        """Of the detector, for statistics and settings."""

    @property
    def detector_class(self) -> str:
        """Which class of detection it stands for in the coverage."""

    @property
    def version(self) -> str:
        """Another whenever it would find something else."""

    @property
    def sources(self) -> frozenset[Source]:
        """The texts that it looks at; empty: all."""

    def find(self, looked: Looked, deadline: float) -> Iterable[Detection]:
        """What it finds, by places of the original text. `deadline`: on the monotonic clock."""


_BY_CHANNEL = {
    "name": Source.DEFINITION,
    "description": Source.DEFINITION,
    "arguments": Source.ASSISTANT,
    "metadata": Source.UNKNOWN,
    "number": Source.UNKNOWN,
}
_BY_ROLE = {
    "user": Source.USER,
    "system": Source.SYSTEM,
    "developer": Source.SYSTEM,
    "assistant": Source.ASSISTANT,
    "tool": Source.TOOL,
}


def source_of(segment: Segment) -> Source:
    """Whose words a segment of a request is; one of an answer is `Source.ANSWER`."""
    if segment.fixed:
        return Source.DOCUMENT
    return _BY_CHANNEL.get(segment.channel) or _BY_ROLE.get(segment.role, Source.UNKNOWN)
