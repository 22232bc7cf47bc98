"""Clear names behind digests, asked for once and remembered.

Rules: what may not be told, or is erased, is shown as its digest; the table is bounded; a clear name is foreign text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.client_state.spans import foreign

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.store.pages import Person

KEPT: Final = 5_000
ASKED: Final = 500  # digests in one question


class Names:
    """Digest to clear name; None: asked for, and the store knows none."""

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def wanted(self, digests: Iterable[str]) -> tuple[str, ...]:
        """Digests to ask the store for."""
        return tuple(dict.fromkeys(each for each in digests if each not in self._known))[:ASKED]

    def learn(self, asked: Iterable[str], persons: Iterable[Person]) -> None:
        """What the store answered to `wanted`."""
        if len(self._known) > KEPT:
            self._known.clear()
        self._known.update(dict.fromkeys(asked))
        self._known.update({person.digest: person.value for person in persons})

    def show(self, digest: str) -> str:
        """The clear name, else the digest; inert."""
        return foreign(self._known.get(digest) or digest, 64)
