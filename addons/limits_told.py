"""What a client is told that has come to a limit: status, words, and the headers that its SDK reads. Pure.

Sources: OpenAI "Rate limits" (x-ratelimit-limit-requests, -remaining-, -reset-, and the same with tokens), Anthropic
"Rate limits" (anthropic-ratelimit-requests-limit, -remaining, -reset as RFC 3339), RFC 9110 10.2.3 (Retry-After).

Rules: a budget's name and numbers are told, never whose else's; a cost is told in words only.
"""

import datetime as dt
import math
from dataclasses import dataclass, field

from appliance.ledger.budgets import Budget, Claim
from appliance.ledger.table import Denied
from appliance.ledger.windows import Window

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
