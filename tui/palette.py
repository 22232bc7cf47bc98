"""The command palette's entries: the actions of the page in front, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from tui.actions import on

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Actions(Provider):
    """Made of the table of actions, like the keys."""

    async def discover(self) -> Hits:
        """Everything that can be done here."""
        for action in on(getattr(self.screen, "NAME", "")):
            yield DiscoveryHit(Content(f"{action.label} ({action.shown})"), self._doing(action.id), help=action.help)

    async def search(self, query: str) -> Hits:
        """What fits the words."""
        matcher = self.matcher(query)
        for action in on(getattr(self.screen, "NAME", "")):
            text = f"{action.label}: {action.help}"
            if (score := matcher.match(text)) > 0:
                yield Hit(score, matcher.highlight(text), self._doing(action.id))

    def _doing(self, action: str) -> Callable[[], Awaitable[None]]:
        screen = self.screen

        async def do() -> None:
            await screen.run_action(action)

        return do
