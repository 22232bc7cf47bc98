"""How many exchanges each caller has running in this worker, and who gets no more. Pure.

Theory of operation. Each running exchange takes a place in the worker's table of reservations. A caller may have as
many as the site allows, and never more than are still free (dynamic thresholds: Choudhury and Hahne, IEEE/ACM
Transactions on Networking 6(2), 1998), so that one caller alone comes to half of the table. The last places are kept
for callers who have none.
Rules: what was entered leaves once; who has none is not remembered.
"""

KEPT = 128


class Running:
    """One for a worker. `most`: of one caller."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: dict[str, int] = {}

    def crowds(self, who: str, free: int) -> bool:
        """Whether one more would be too many; `free`: places that nobody has."""
        has = self._counts.get(who, 0)
        return free <= 0 or (has > 0 and has >= min(self._most, free - KEPT))

    def enter(self, who: str) -> None:
        """One more."""
        self._counts[who] = self._counts.get(who, 0) + 1

    def leave(self, who: str) -> None:
        """One has ended."""
        left = self._counts.get(who, 0) - 1
        if left > 0:
            self._counts[who] = left
        else:
            self._counts.pop(who, None)
