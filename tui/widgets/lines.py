"""One-line parts of every page: the status bar, the banner, and text that is made of spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Static

from tui.tones import content

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tui.client_state.spans import Line


class Lines(Static):
    """Text made of spans; never markup. What has not changed is not drawn again."""

    def __init__(self, *lines: Line, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(content(lines), id=id, classes=classes, markup=False)
        self._told: list[Line] = list(lines)

    def tell(self, lines: Iterable[Line]) -> None:
        """Show these lines instead."""
        told = list(lines)
        if told != self._told:
            self._told = told
            self.update(content(told))

    @property
    def told(self) -> list[Line]:
        """The lines as they stand."""
        return self._told


class StatusBar(Lines):
    """Stage, policy, workers, sensors: always there."""


class Banner(Lines):
    """One line that must be seen, such as a store that is away; hidden while it has nothing to say."""

    def tell(self, lines: Iterable[Line]) -> None:
        """Show these lines, or hide."""
        told = list(lines)
        self.display = bool(told)
        super().tell(told)
