"""How long to wait before targets are tried again, and how often that may happen at all.

Theory. Waits grow and are drawn at random over their whole length ("full jitter": M. Brooker, "Exponential backoff and
jitter", AWS Architecture Blog, 2015), so that clients that failed together do not come back together. A budget of
retries in proportion to requests keeps a provider in trouble from getting a multiple of its load. What a provider says
itself (Retry-After, RFC 9110 10.2.3) is kept to, or the request is not tried again.

Rules: pure; time and chance are arguments; what a header says is bounded.
"""

from collections.abc import Callable
from email.utils import parsedate_to_datetime

MOST_RETRY_AFTER_S = 86400.0
_DIGITS = 9
_LEAST_SAVED, _MOST_SAVED = 10.0, 100.0


def backoff(retry: int, base_s: float, most_s: float, draw: Callable[[], float]) -> float:
    """Seconds before retry number `retry` (from 1). `draw`: a number from 0 to 1."""
    return draw() * min(most_s, base_s * 2.0 ** min(retry - 1, 32))


def retry_after(value: str, epoch: float) -> float | None:
    """Seconds that the header asks for, at most a day; None: it says nothing that can be read."""
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) <= _DIGITS:
        return min(float(text), MOST_RETRY_AFTER_S)
    try:
        told = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return min(max(0.0, told - epoch), MOST_RETRY_AFTER_S)


class RetryBudget:
    """Retries that one route may still make: each request adds a part of one. `share`: retries per request."""

    __slots__ = ("_saved", "_share")

    def __init__(self, share: float) -> None:
        self._share = share
        self._saved = _LEAST_SAVED if share > 0 else 0.0

    def request(self) -> None:
        """A request has come."""
        self._saved = min(self._saved + self._share, _MOST_SAVED)

    def take(self) -> bool:
        """Whether one more retry may be made; it counts."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True
