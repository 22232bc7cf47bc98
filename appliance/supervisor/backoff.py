"""How long to wait before something that died is started again.

Rules: pure, time as an argument; the first restart is at once, each further death in quick succession doubles the
wait up to a ceiling; having stood for `stable_s` since it was ready wipes the slate clean.
"""

from typing import Final

FIRST_S: Final = 0.25
CEILING_S: Final = 15.0
STABLE_S: Final = 2.0


class BackOff:
    """Counts deaths that came too soon. All times in seconds of one monotonic clock."""

    def __init__(self, first_s: float = FIRST_S, ceiling_s: float = CEILING_S, stable_s: float = STABLE_S) -> None:
        self.failures = 0
        self.not_before = 0.0
        self._first_s, self._ceiling_s, self._stable_s = first_s, ceiling_s, stable_s

    def died(self, now: float, ready_since: float | None) -> float:
        """Note a death; the wait until the next start. `ready_since` None: it never became ready."""
        if ready_since is not None and now - ready_since >= self._stable_s:
            self.failures = 0
        wait = 0.0 if self.failures == 0 else min(self._first_s * 2.0 ** min(self.failures - 1, 30), self._ceiling_s)
        self.failures += 1
        self.not_before = now + wait
        return wait
