"""One attempt at a time per client: a browser's other connections wait for the first one's answer.

Rules: bounded in clients and in those who wait; who comes too many is told so and waits for nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from appliance.identity.backoff import neighbourhood

MAX_ADDRESSES = 1024  # with an attempt under way
MAX_WAITING = 64  # attempts of one address that wait for their turn


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    holders: int = 0


class Turns:
    """Who is at it, by client address."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}

    def __len__(self) -> int:
        return len(self._turns)

    def is_crowded(self, address: str) -> bool:
        """No further attempt of this address is taken now."""
        turn = self._turns.get(neighbourhood(address))
        return turn.holders >= MAX_WAITING if turn is not None else len(self._turns) >= MAX_ADDRESSES

    @asynccontextmanager
    async def of(self, address: str) -> AsyncIterator[None]:
        """Wait for the turn of an address, and hold it."""
        key = neighbourhood(address)
        turn = self._turns.setdefault(key, _Turn())
        turn.holders += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.holders -= 1
            if turn.holders == 0:
                del self._turns[key]
