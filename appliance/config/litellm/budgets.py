"""Limits of whatever has some (a key, a team, a user, a model, all), as budgets of ours.

Rules: pure. A window of theirs that is none of ours becomes the next shorter one with its share of the amount, so that
nobody gets more in the same time; one without a window becomes the month's, and that is told: it begins anew. Cost of
what has no price passes, as it did there: they book it as nothing.
"""

import re
from typing import NamedTuple

from appliance.config.litellm.account import Account
from appliance.config.litellm.source import items, number, seconds, section
from appliance.config.yaml_source import Path_, Value

type Pairs = dict[str, Value]
_NO_NAME = re.compile(r"[^a-z0-9_.-]+")
_SPANS = (("month", 28 * 86400, 30 * 86400), ("day", 86400, 86400), ("hour", 3600, 3600), ("minute", 60, 60))
_MAX_NAME = 63
_MAX_MATCH = 256
_LEAST, _MOST = 1e-6, 10**9  # what a budget can be of
_LIMITS = (
    ("tpm_limit", "tokens", "minute"),
    ("rpm_limit", "requests", "minute"),
    ("tpd_limit", "tokens", "day"),
    ("max_parallel_requests", "streams", None),
)


class Whom(NamedTuple):
    """Whose: the beginning of the budgets' names, and which requests they are about. `per`: a counter for each."""

    name: str
    match: Pairs
    per: str = ""


def budgets_of(found: dict[str, Value], path: Path_, whom: Whom, account: Account) -> list[Pairs]:
    """The budgets that a record with `max_budget`, `tpm_limit` and the like asks for."""
    made: list[Pairs] = []
    if not all(map(_matches, items(whom.match.get("model")))):
        return made  # the account tells its limits as unknown
    cost = _cost(found, path, whom, account)
    made += [cost] if cost else []
    for key, what, window in _LIMITS:
        amount = number(found.get(key))
        if amount:
            made.append(budget(f"{whom.name}-{what}-{window or 'now'}", what, float(int(amount)), window, whom))
            more = "; running streams are counted, not calls without one" if what == "streams" else ""
            account.became((*path, key), f"budget {made[-1]['name']}{more}")
        elif key in found:
            account.taken((*path, key), "no limit")
    made += _of_models(found, path, whom, account)
    made += _windows(found, path, whom, account)
    return made


def budget(name: str, what: str, amount: float, window: str | None, whom: Whom) -> Pairs:
    """One, as the configuration has it."""
    kept = min(max(amount, _LEAST), _MOST) if what == "cost" else float(min(max(1, int(amount)), _MOST))
    whole = int(kept) if kept == int(kept) else round(kept, 6)
    one: Pairs = {"name": label(name), "what": what, "amount": whole}
    if window is not None:
        one["window"] = window
    if whom.match:
        one["match"] = whom.match
    if whom.per:
        one["per"] = whom.per
    return one | ({"unpriced": "pass"} if what == "cost" else {})


def label(text: str) -> str:
    """A name as budgets, routes and rules have it, from one of theirs."""
    return _NO_NAME.sub("-", text.lower()).strip("-.")[:_MAX_NAME].rstrip("-.") or "imported"


def _matches(model: Value) -> bool:
    """A budget can be about it."""
    return isinstance(model, str) and 0 < len(model.strip()) <= _MAX_MATCH and "*" not in model.strip("*")


def _cost(found: dict[str, Value], path: Path_, whom: Whom, account: Account) -> Pairs | None:
    most, asked = number(found.get("max_budget")), found.get("budget_duration")
    if most is None:
        for key in ("max_budget", "budget_duration"):
            if key in found:
                account.taken((*path, key), "no limit")
        return None
    if most == 0:
        account.none((*path, "max_budget"), "a budget of nothing: revoke the key or block the model instead")
        return None
    window, amount, words = window_of(most, asked)
    one = budget(f"{whom.name}-cost-{window}", "cost", amount, window, whom)
    for key in ("max_budget", "budget_duration"):
        if key in found:
            account.became((*path, key), f"budget {one['name']}{words}")
    soft = number(found.get("soft_budget"))
    if soft and soft < most:
        percent = round(100 * soft / most, 2)
        one["warn"] = percent
        account.became((*path, "soft_budget"), f"budget {one['name']}: warns at {percent:g} %")
    elif "soft_budget" in found:
        account.taken((*path, "soft_budget"), "no warning of its own")
    return one


def window_of(most: float, asked: Value) -> tuple[str, float, str]:
    """A window of ours, the amount in it, and what is to be said of the change."""
    span = seconds(asked)
    if not span:
        return "month", most, "; theirs never began anew, this one does each month"
    for window, least, length in _SPANS:
        if span >= least:
            parts = max(1, round(span / length))
            words = f"; 1/{parts} of it each {window}, as there is no window of {asked}" if parts > 1 else ""
            return window, round(most / parts, 6), words
    return "minute", most, f"; the window of {asked} is shorter than a minute"


def _of_models(found: dict[str, Value], path: Path_, whom: Whom, account: Account) -> list[Pairs]:
    made: list[Pairs] = []
    for model, entry in section(found, "model_max_budget").items():
        place = (*path, "model_max_budget", model)
        inner = entry if isinstance(entry, dict) else {"max_budget": entry}
        most = number(inner.get("budget_limit")) or number(inner.get("max_budget"))
        if most and _matches(model):
            window, amount, words = window_of(most, inner.get("time_period") or inner.get("budget_duration"))
            mine = whom._replace(match={**whom.match, "model": [model]})
            made.append(budget(f"{whom.name}-{model}-cost-{window}", "cost", amount, window, mine))
            account.became(place, f"budget {made[-1]['name']}{words}")
    for holder, at in ((found, path), (section(found, "metadata"), (*path, "metadata"))):
        for key, what in (("model_rpm_limit", "requests"), ("model_tpm_limit", "tokens")):
            for model, value in section(holder, key).items():
                if (limit := number(value)) and _matches(model):
                    mine = whom._replace(match={**whom.match, "model": [model]})
                    made.append(budget(f"{whom.name}-{model}-{what}-minute", what, limit, "minute", mine))
                    account.became((*at, key, model), f"budget {made[-1]['name']}")
    return made


def _windows(found: dict[str, Value], path: Path_, whom: Whom, account: Account) -> list[Pairs]:
    """`budget_limits`: several windows at once."""
    made: list[Pairs] = []
    for place, entry in enumerate(items(found.get("budget_limits"))):
        most = number(entry.get("max_budget")) if isinstance(entry, dict) else None
        if most and isinstance(entry, dict):
            window, amount, words = window_of(most, entry.get("budget_duration"))
            made.append(budget(f"{whom.name}-cost-{window}-{place}", "cost", amount, window, whom))
            account.became((*path, "budget_limits", place), f"budget {made[-1]['name']}{words}")
    return made
