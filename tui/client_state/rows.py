"""A window of at most 500 rows over a list that the store pages by key, and the row that is selected in it.

Rules: rows are merged by id and never cleared to be filled again; the selection is an id, so it stays on the same row
while rows move; a row that left gives the selection to its nearest neighbour. Paused, what the store tells is counted
and kept aside, and shown on resuming. Older rows push the newest out of the window; the keys of what was pushed out are
remembered, so that the way back up is the way down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HELD: Final = 500  # rows, also the largest page that the store gives
STEP: Final = 100  # rows asked for at once


class Page[K, R](NamedTuple):
    """Rows that a store's answer held. `before`: the key they were asked for; `next`: the key for what follows."""

    rows: Sequence[R]
    before: K | None
    next: K | None
    total: int


class Asked[K](NamedTuple):
    """What to ask the store for."""

    before: K | None
    limit: int


class Window[K, R]:
    """`id_of` and `key_of` tell a row's id and the key that a page after it begins behind."""

    def __init__(self, id_of: Callable[[R], str], key_of: Callable[[R], K]) -> None:
        self._id_of, self._key_of = id_of, key_of
        self.rows: list[R] = []
        self.start: K | None = None
        self.next: K | None = None
        self.total = 0
        self.loaded = False
        self.paused = False
        self.aside: Page[K, R] | None = None
        self.fresh = 0  # rows that are new or changed in what is kept aside
        self._above: list[K | None] = []
        self._selected: str | None = None

    # the selection

    @property
    def at(self) -> int:
        """Index of the selected row; -1: there is none."""
        for index, row in enumerate(self.rows):
            if self._id_of(row) == self._selected:
                return index
        return -1

    @property
    def selected(self) -> R | None:
        """The selected row."""
        return self.rows[at] if (at := self.at) >= 0 else None

    def select(self, index: int) -> None:
        """Select by index, held inside the window."""
        if self.rows:
            self._selected = self._id_of(self.rows[max(0, min(index, len(self.rows) - 1))])

    # what to ask, and what came

    def ask_again(self) -> Asked[K]:
        """The whole window anew."""
        return Asked(self.start, min(HELD, max(STEP, len(self.rows))))

    def ask_older(self) -> Asked[K] | None:
        """What follows the window; None: nothing does."""
        return None if self.next is None or self.paused else Asked(self.next, STEP)

    def ask_newer(self) -> Asked[K] | None:
        """What was pushed out at the top; None: the window begins at the top."""
        return Asked(self._above[-1], HELD) if self._above and not self.paused else None

    def reset(self) -> None:
        """Begin at the top: the filter has changed. Rows stay on screen until the answer is there."""
        self.start, self.next, self.aside, self.fresh = None, None, None, 0
        self._above.clear()

    def take(self, page: Page[K, R]) -> bool:
        """Show what the store answered; False: it is no longer what is wanted, or is kept aside."""
        if page.before is not None and page.before == self.next and self.loaded and not self.paused:
            return self._append(page)
        if self._above and page.before == self._above[-1] and page.before != self.start:
            self._above.pop()
            self.start = page.before
        elif page.before != self.start:
            return False
        if self.paused:
            self.aside, self.fresh = page, self._changes(page)
            return False
        self._replace(list(page.rows), page)
        return True

    def pause(self, *, on: bool) -> None:
        """Hold still, or go on with what has come meanwhile."""
        self.paused = on
        aside, self.aside, self.fresh = self.aside, None, 0
        if not on and aside is not None:
            self._replace(list(aside.rows), aside)

    def _append(self, page: Page[K, R]) -> bool:
        known = {self._id_of(row) for row in page.rows}
        rows = [row for row in self.rows if self._id_of(row) not in known]
        rows += page.rows
        while len(rows) > HELD:
            cut = min(STEP, len(rows) - 1)
            self._above.append(self.start)
            self.start = self._key_of(rows[cut - 1])
            del rows[:cut]
        self._replace(rows, page)
        return True

    def _replace(self, rows: list[R], page: Page[K, R]) -> None:
        before = self.at
        self.rows, self.next, self.total, self.loaded = rows[:HELD], page.next, page.total, True
        if self.at < 0:
            self._selected = None
            self.select(max(before, 0))

    def _changes(self, page: Page[K, R]) -> int:
        known = {self._id_of(row): row for row in self.rows}
        return sum(known.get(self._id_of(row)) != row for row in page.rows)
