"""What a client is told that has come to a limit: status, words, and the headers that its SDK reads. Pure.

Sources: OpenAI "Rate limits" (x-ratelimit-limit-requests, -remaining-, -reset-, and the same with tokens), Anthropic
"Rate limits" (anthropic-ratelimit-requests-limit, -remaining, -reset as RFC 3339), RFC 9110 10.2.3 (Retry-After).

Rules: a budget's name and numbers are told, never whose else's; a cost is told in words only. Answers tell of budgets
in which nobody but the caller counts; these take the place of what the provider says of the same kind, the rest stays.
"""

import datetime as dt
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from appliance.ledger.budgets import Budget, Claim
from appliance.ledger.table import Denied
from appliance.ledger.windows import LENGTH, Window

TOO_MANY, FORBIDDEN = 429, 403
_WORDS = {
    "requests": "requests",
    "tokens": "tokens",
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    "cost": "cost",
    "streams": "streams that run at once",
}


@dataclass(frozen=True, slots=True)
class Turned:
    """An answer of ours instead of the provider's. `code`: for records and programs."""

    status: int
    code: str
    message: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def budget(self) -> str:
        """Its name, for records."""
        return self.headers.get("x-gnomon-budget", self.code)


def unpriced(budget: Budget) -> Turned:
    """A model of which nobody knows the price, where a budget of cost must be kept."""
    message = f"This model has no known price, and budget {budget.name} lets only priced models pass"
    return Turned(FORBIDDEN, "unpriced", message, {"x-gnomon-budget": budget.name})


def turned(api: str | None, claim: Claim, denied: Denied, now: float) -> Turned:
    """A budget without room."""
    budget, wait = claim.budget, max(1, math.ceil(denied.retry_after))
    span = "" if budget.window is Window.RUNNING else f" for this {budget.window.value}"
    message = f"The budget {budget.name} ({_WORDS[budget.what]}{span}) is used up; there is more in {wait} s"
    headers = {"retry-after": str(wait), "x-gnomon-budget": budget.name}
    kind = "requests" if budget.what in {"requests", "streams"} else "tokens"
    if budget.what != "cost":
        headers |= _numbers(api, kind, budget.limit, max(0, budget.limit - denied.used), wait, now)
    return Turned(TOO_MANY, "quota", message, headers)


CROWDED = Turned(
    TOO_MANY,
    "running",
    "Too many of your exchanges are running at once here; there is room again when one of them has ended",
    {"retry-after": "1"},
)
"""Whoever has as many running as one caller may have."""


def own_limits(
    api: str | None, stands: Iterable[tuple[Claim, int]], ends: Callable[[Claim], float | None], now: float
) -> dict[str, str]:
    """The headers of an answer; `stands`: budgets of the caller alone and what they stand at with this request.

    Of each kind the one that has least left. `ends`: when a counter begins again. Dialects whose providers tell none
    get none.
    """
    family = (api or "").partition(".")[0]
    if family not in {"openai", "anthropic"}:
        return {}
    tightest: dict[str, tuple[float, Claim, int]] = {}
    for claim, used in stands:
        kind = _kind(family, claim.budget.what)
        left = max(0, claim.budget.limit - used)
        share = left / claim.budget.limit
        if kind and (kind not in tightest or share < tightest[kind][0]):
            tightest[kind] = share, claim, left
    told: dict[str, str] = {}
    for kind, (share, claim, left) in tightest.items():
        end = ends(claim)
        wait = LENGTH[claim.budget.window] * (1 - share) if end is None else end - now
        told |= _numbers(api, kind, claim.budget.limit, left, max(0, math.ceil(wait)), now)
    return told


def _kind(family: str, what: str) -> str:
    """What a budget's kind is called; empty: it has no name there."""
    if what == "requests":
        return what
    if what in {"input_tokens", "output_tokens"} and family == "anthropic":
        return what.replace("_", "-")
    return "tokens" if what.endswith("tokens") else ""


def _numbers(api: str | None, kind: str, limit: int, left: int, wait: int, now: float) -> dict[str, str]:
    if api is not None and api.startswith("anthropic."):
        reset = dt.datetime.fromtimestamp(int(now) + wait, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        told = {"limit": str(limit), "remaining": str(left), "reset": reset}
        return {f"anthropic-ratelimit-{kind}-{name}": value for name, value in told.items()}
    return {
        f"x-ratelimit-limit-{kind}": str(limit),
        f"x-ratelimit-remaining-{kind}": str(left),
        f"x-ratelimit-reset-{kind}": f"{wait}s",
    }
