"""What is wrong with budgets, beyond their form. Pure but for the table of time zones."""

import difflib
import re
import zoneinfo
from collections.abc import Iterable, Iterator

from appliance.config.budget_schema import BudgetEntry, Metering, Site
from appliance.config.yaml_source import Path_

MAX_BUDGETS = 10_000
MAX_RUNNING = 1024
MAX_FOR_ALL = 16
"""Budgets without a match: every request is counted in each of them."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}\Z")
_MOST = 2**40
_MOST_DOLLARS = 10**9
_MOST_TOKENS = 10_000_000
_MAX_VALUE = 256


def faults(budgets: tuple[BudgetEntry, ...], metering: Metering, site: Site) -> Iterator[tuple[Path_, str]]:
    """Key and words of each."""
    if not is_zone(site.timezone):
        yield ("site", "timezone"), "no such time zone; write e.g. Europe/Berlin (IANA), or UTC"
    for key in ("output_tokens", "whole_tokens", "step_tokens"):
        if not 1 <= getattr(metering, key) <= _MOST_TOKENS:
            yield ("metering", key), f"must lie between 1 and {_MOST_TOKENS}"
    if not 1 <= metering.running <= MAX_RUNNING:
        yield ("metering", "running"), f"must lie between 1 and {MAX_RUNNING}: a worker runs that many at once"
    if len(budgets) > MAX_BUDGETS:
        yield ("budgets",), f"more than {MAX_BUDGETS}"
    names: dict[str, int] = {}
    for number, budget in enumerate(budgets):
        place: Path_ = ("budgets", number)
        if not _NAME.match(budget.name):
            yield (*place, "name"), "1 to 63 of a-z, 0-9, -, _ and ., beginning with a letter or digit"
        if budget.name in names:
            yield (*place, "name"), f"{budget.name} stands twice, first as number {names[budget.name] + 1}"
        names.setdefault(budget.name, number)
        yield from (((*place, key), what) for key, what in _of_one(budget))
        yield from (((*place, *key), what) for key, what in _matches(budget))
    for_all = [number for number, budget in enumerate(budgets) if not any_match(budget)]
    if len(for_all) > MAX_FOR_ALL:
        yield ("budgets", for_all[MAX_FOR_ALL]), f"more than {MAX_FOR_ALL} budgets without a match"


def is_zone(name: str) -> bool:
    """Whether a name stands for a time zone."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def any_match(budget: BudgetEntry) -> bool:
    """Whether it is about some requests only."""
    return any(getattr(budget.match, key) for key in budget.match.__struct_fields__)


def _of_one(budget: BudgetEntry) -> Iterator[tuple[str, str]]:
    most = _MOST_DOLLARS if budget.what == "cost" else _MOST
    if not 0 < budget.amount <= most:
        yield "amount", f"must be more than 0 and at most {most}"
    elif budget.what == "cost" and budget.amount * 10**6 < 1:
        yield "amount", "must be at least a millionth of a dollar"
    elif budget.what != "cost" and budget.amount != int(budget.amount):
        yield "amount", f"must be a whole number of {budget.what}"
    if budget.what == "streams" and budget.window is not None:
        yield "window", "streams are counted while they run; leave the window out"
    if budget.what != "streams" and budget.window is None:
        yield "window", "is missing: minute, hour, day or month"
    if budget.per in ("model", "tool") and not getattr(budget.match, budget.per):
        yield "per", f"clients choose what {budget.per}s are called: name those that are counted in match.{budget.per}"
    if not 0 < budget.warn <= 100:  # noqa: PLR2004 - percent
        yield "warn", "a percentage above 0; 100: never"


def _matches(budget: BudgetEntry) -> Iterator[tuple[Path_, str]]:
    for key in budget.match.__struct_fields__:
        for number, value in enumerate(getattr(budget.match, key)):
            if not value.strip() or len(value) > _MAX_VALUE:
                yield ("match", key, number), f"must not be empty, nor longer than {_MAX_VALUE} characters"
            elif "*" in (value if key != "model" else value.strip("*")):
                yield ("match", key, number), "only a model may have *, where it begins or ends"


def services_unknown(budgets: Iterable[BudgetEntry], services: tuple[str, ...]) -> Iterator[str]:
    """Services that budgets name and the catalogue has not: such a budget would never count anything."""
    known = frozenset(services)
    for number, budget in enumerate(budgets):
        for value in budget.match.service:
            if value not in known:
                close = difflib.get_close_matches(value, services, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                yield f"budgets.{number}.match.service: no service {value!r} in the catalogue{hint}"
