"""`gnomon budgets`: where each quota and budget stands."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint, json_option, say, say_json

if TYPE_CHECKING:
    import argparse

    from appliance.config.schema import Config
    from appliance.ledger.levels import Used
    from appliance.ledger.standing import Standing

_LINES = 50  # of one budget, for a person


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser = commands.add_parser("budgets", parents=[common], help="where each quota and budget stands (exit 1: full)")
    parser.add_argument("--budget", metavar="NAME", help="this one only, all of its subjects")
    json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0: all have room; 1: one is used up. OperatorError: there are none, or nothing was counted yet."""
    from appliance.config.load import load

    rows = _standings(load(options.config), options.budget)
    if options.json:
        say_json(rows)
    else:
        say(_table(rows, whole=options.budget is not None))
    return 1 if any(row.used >= row.limit for row in rows) else 0


def _standings(config: Config, name: str | None) -> list[Standing]:
    import zoneinfo

    from appliance.config.site_key import load_site_key
    from appliance.ledger.budgets import Budgets
    from appliance.ledger.ledger import Ledger
    from appliance.ledger.standing import standings
    from appliance.model.errors import OperatorError
    from appliance.model.pseudonym import Pseudonyms
    from appliance.supervisor.evidence import counter_file

    path, chosen = counter_file(config), [one for one in config.budgets if name in (None, one.name)]
    if not chosen:
        raise OperatorError(f"budgets: there is none called {name}" if name else "budgets: the configuration has none")
    if not path.exists():
        raise OperatorError(f"{path}: nothing has been counted yet; start the appliance with `gnomon up`")
    person = Pseudonyms(load_site_key(Path(config.state_dir))).person
    budgets, now = Budgets(chosen, person), time.time()
    with Ledger(path, claim=False, make=False, zone=zoneinfo.ZoneInfo(config.site.timezone)) as ledger:
        return standings(ledger, budgets, _history(config, budgets, now), now)


def _history(config: Config, budgets: Any, now: float) -> list[Used]:
    """Who has used anything; nobody where the store is away."""
    from appliance.bus.errors import RemoteError, Unreachable
    from appliance.ledger.standing import since
    from appliance.supervisor.evidence import stored_history

    if all(budget.per == "organisation" for budget in budgets.all):
        return []
    try:
        return list(stored_history(Path(config.run_dir), since(budgets.all, now)))
    except (Unreachable, RemoteError) as error:
        hint(f"the store cannot be asked who has counters of their own: {error}")
        return []


def _table(rows: list[Standing], *, whole: bool) -> str:
    lines = [f"{'budget':<24} {'of':<18} {'used':>16} {'limit':>16} {'reserved':>12}  resets"]
    shown: dict[str, int] = {}
    for row in rows:
        shown[row.budget] = shown.get(row.budget, 0) + 1
        if whole or shown[row.budget] <= _LINES:
            lines.append(_line(row))
    lines += [f"{name}: {count - _LINES} more; --budget {name}" for name, count in shown.items() if count > _LINES]
    return "\n".join(lines if not whole else lines[: len(rows) + 1])


def _line(row: Standing) -> str:
    used, limit, reserved = (_amount(row.what, value) for value in (row.used, row.limit, row.reserved))
    resets = time.strftime("%Y-%m-%d %H:%M", time.localtime(row.resets)) if row.resets else "-"
    mark = "  full" if row.used >= row.limit else "  nearly" if row.warns else ""
    return f"{row.budget:<24} {row.subject or row.what:<18} {used:>16} {limit:>16} {reserved:>12}  {resets}{mark}"


def _amount(what: str, value: int) -> str:
    return f"${value / 10**6:,.4f}" if what == "cost" else f"{value:,}"
