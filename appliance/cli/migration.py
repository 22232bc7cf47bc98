"""`gnomon migration`: what has become of decisions that were to move people, asked over analyst.sock.

Rules: read only; clear names are shown where the store still has them, else digests.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from appliance.cli.output import json_option, say, say_json, table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping

    from appliance.store.moving import Migration

_MOST = 500
_HEAD = ("DECISION", "WHAT", "SERVICE", "ROUTE", "SINCE", "BEFORE", "MOVED", "STOPPED", "STILL", "GONE", "PAST")


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    told = "who has moved since decisions that coach, redirect or block, and who still uses what"
    parser = commands.add_parser("migration", parents=[common], help=told)
    parser.add_argument("--decision", type=int, metavar="NUMBER", help="only this one (default: all in force)")
    parser.add_argument(
        "--limit", type=int, default=20, metavar="N", help="people and hosts shown of each (default 20)"
    )
    json_option(parser)
    parser.set_defaults(run=show)


def show(options: argparse.Namespace) -> int:
    """0: asked; 1: somebody still uses what he was sent away from."""
    import msgspec

    from appliance.cli.analyst import client_of, persons
    from appliance.config.load import load
    from appliance.store.moving import Migration, MigrationRequest
    from appliance.store.pages import PageHead

    request = MigrationRequest(time.time(), options.decision, max(1, min(options.limit, _MOST)))
    with client_of(load(options.config)) as client:
        _, body = client.call("migration", request, reply=PageHead)
        found = msgspec.json.decode(body, type=list[Migration])
        names = persons(client, (one.who for each in found for one in each.there))
    if options.json:
        say_json({"decisions": found, "persons": names})
    else:
        say("\n\n".join(_as_text(found, names)) or "No decision in force coaches, redirects or blocks.")
    return int(any(each.still or each.hosts for each in found))


def _as_text(found: list[Migration], names: Mapping[str, str]) -> Iterable[str]:
    from appliance.cli.analyst import when

    if found:
        yield table(_HEAD, (_row(each) for each in found))
    for each in found:
        if each.there:
            rows = [(names.get(one.who, one.who), one.exchanges, one.past, when(one.last_seen)) for one in each.there]
            yield table((f"STILL USES {each.service.upper()}", "PROXY", "PAST", "LAST"), rows)


def _row(each: Migration) -> tuple[object, ...]:
    from appliance.cli.analyst import when

    what = f"{each.decision} (some people)" if each.narrowed else str(each.decision)
    people = (each.earlier, each.moved, each.stopped, each.still, each.gone)
    return (each.number, what, each.service, each.route, when(each.ts), *people, f"{each.past} ({each.hosts} hosts)")
