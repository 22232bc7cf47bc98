"""`gnomon routes`: which targets the gateway's routes have, and how each is, asked over analyst.sock.

Rules: read only; each worker judges for itself, so a target is told once with how many workers think what of it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint, json_option, say, say_json, table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from appliance.store.finding_pages import TargetState

_HEAD = ("ROUTE", "SERVICE", "TARGET", "STATE", "FAULTS", "TRIED AGAIN", "PROBE", "KEY")


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    told = "the gateway's routes and how their targets are (exit 1: one is not well)"
    parser = commands.add_parser("routes", parents=[common], help=told)
    parser.add_argument("--route", metavar="NAME", help="only this one")
    json_option(parser)
    parser.set_defaults(run=show)


def show(options: argparse.Namespace) -> int:
    """0: all targets are well; 1: one is not, its key is not there, or nobody tells. OperatorError: no such route."""
    import msgspec

    from appliance.cli.analyst import client_of, state_of
    from appliance.config.load import load
    from appliance.model.errors import OperatorError
    from appliance.route.redirection import PORTAL_ROUTE

    with client_of(load(options.config)) as client:
        state = state_of(client)
    targets = [each for each in state.targets if options.route in (None, each.route)]
    asked = [route for route in state.routes if options.route in (None, route)]
    if options.route is not None and not asked:
        raise OperatorError(f"routes: there is none called {options.route}; there are: {', '.join(state.routes)}")
    silent = sorted({*asked} - {each.route for each in targets} - {PORTAL_ROUTE})
    if options.json:
        say_json([msgspec.to_builtins(each) for each in targets])
    else:
        rows = [_row(group, time.time()) for group in grouped(targets)]
        say(table(_HEAD, rows) if rows else "No worker has told of a route's target.")
    if silent:
        hint(f"of these routes no worker has told how their targets are: {', '.join(silent)}")
    return int(bool(silent) or any(each.state != "closed" or not each.key for each in targets))


def grouped(targets: Iterable[TargetState]) -> list[list[TargetState]]:
    """What each worker thinks of one target, together; in the order of the configuration."""
    found: dict[tuple[str, str, str], list[TargetState]] = {}
    for each in targets:
        found.setdefault((each.route, each.target, each.provider), []).append(each)
    order = list(dict.fromkeys(key[0] for key in found))
    return [found[key] for key in sorted(found, key=lambda key: order.index(key[0]))]


def _row(group: list[TargetState], now: float) -> tuple[object, ...]:
    first, well = group[0], sum(each.state == "closed" for each in group)
    until = max(each.until for each in group)
    probes = {each.probed for each in group}
    probe = "failed" if False in probes else "reached" if True in probes else "-"
    return (
        first.route,
        first.service,
        f"{first.target} ({first.provider})" if first.provider else first.target,
        f"{'well' if well == len(group) else 'not well'} on {well}/{len(group)}",
        max(each.faults for each in group),
        f"in {max(0, round(until - now))} s" if until else "-",
        probe,
        "there" if all(each.key for each in group) else "missing",
    )
