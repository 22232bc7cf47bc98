"""Where budgets stand: for the command line and whoever else shows them. Reads, and changes nothing."""

from collections.abc import Iterable

import msgspec

from appliance.ledger.budgets import Budget, Budgets, Claim
from appliance.ledger.ledger import Ledger
from appliance.ledger.levels import Used
from appliance.ledger.windows import LENGTH


class Standing(msgspec.Struct, frozen=True):
    """One counter. Amounts of cost are millionths of a dollar; `used` includes what is `reserved`.

    `subject`: whose it is, empty for one for all. `resets`: epoch seconds; None: it flows back, or counts what runs.
    """

    budget: str
    what: str
    window: str
    per: str
    subject: str
    limit: int
    used: int
    reserved: int
    resets: float | None
    warns: bool


def standings(ledger: Ledger, budgets: Budgets, history: Iterable[Used], now: float) -> list[Standing]:
    """Every budget, those `per` somebody for all that `history` tells of, the fullest first within each."""
    claims: dict[tuple[str, str], Claim] = {}
    for budget in budgets.all:
        if budget.per == "organisation":
            claims[budget.name, ""] = Claim(budget, budget.counter(""))
    for used in history:
        for claim in budgets.claims(used.facts):
            claims.setdefault((claim.budget.name, claim.key.subject), claim)
    told = standings_of(ledger, list(claims.values()), now)
    order = {budget.name: place for place, budget in enumerate(budgets.all)}
    return sorted(told, key=lambda one: (order[one.budget], -one.used / one.limit, one.subject))


def standings_of(ledger: Ledger, claims: list[Claim], now: float) -> list[Standing]:
    """Where these counters stand, in their order."""
    reserved = ledger.outstanding([claim.key for claim in claims])
    return [_told(ledger, claim, held, now) for claim, held in zip(claims, reserved, strict=True)]


def since(budgets: Iterable[Budget], now: float) -> float:
    """Since when history tells of everybody who may have a counter: a month at most."""
    return now - max((LENGTH[budget.window] for budget in budgets), default=0)


def _told(ledger: Ledger, claim: Claim, reserved: int, now: float) -> Standing:
    budget, key = claim
    used = ledger.used(key, now)
    return Standing(
        budget=budget.name,
        what=budget.what,
        window=budget.window.value,
        per=budget.per,
        subject=key.subject,
        limit=budget.limit,
        used=used,
        reserved=min(reserved, used),
        resets=ledger.ends(key, now),
        warns=budget.warn is not None and used >= budget.warn,
    )
