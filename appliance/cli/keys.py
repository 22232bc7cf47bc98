"""`gnomon keys virtual mint | list | revoke`: keys that the appliance makes for its own clients, and the word `keys`.

Rules: a key is printed once, when it is minted, and on stdout alone; nothing but its hash is kept; a running appliance
takes up what changes within a second, without a reload.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli import exposure, held_keys
from appliance.cli.output import hint, json_option, say, say_json, table

if TYPE_CHECKING:
    import argparse

    from appliance.config.schema import Config
    from appliance.identity.virtual_keys import VirtualKey

_SPAN = re.compile(r"([1-9][0-9]{0,4})([hdw])\Z")
_SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400}


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the commands."""
    told = "keys that the appliance holds, keys of its clients, keys that were seen"
    kinds = commands.add_parser("keys", help=told).add_subparsers(metavar="KIND", required=True)
    held_keys.add(kinds, common)
    exposure.add(kinds, common)
    actions = kinds.add_parser("virtual", help="keys that stand for a person or an application").add_subparsers(
        metavar="ACTION", required=True
    )
    parser = actions.add_parser("mint", parents=[common], help="make a key and print it, once")
    parser.add_argument("owner", metavar="OWNER", help="whose key it is: the name that is recorded")
    parser.add_argument("--group", action="append", default=[], metavar="NAME", help="a group of the owner; repeatable")
    parser.add_argument("--department", metavar="NAME", help="the owner's department")
    parser.add_argument(
        "--service", action="append", default=[], metavar="ID", help="a service that it is for, e.g. openai; repeatable"
    )
    parser.add_argument(
        "--model", action="append", default=[], metavar="NAME", help="a model that it is for, e.g. 'gpt-5*'; repeatable"
    )
    parser.add_argument("--expires", metavar="SPAN", help="when it ends, from now: e.g. 12h, 90d, 52w; else never")
    parser.add_argument("--note", default="", metavar="TEXT", help="what it is for, as the list shows it")
    json_option(parser)
    parser.set_defaults(run=mint)
    parser = actions.add_parser("list", parents=[common], help="ids, owners and states; never a key")
    json_option(parser)
    parser.set_defaults(run=show)
    parser = actions.add_parser("revoke", parents=[common], help="take a key back (exit 1: there was none)")
    parser.add_argument("id", metavar="ID", help="as in the list")
    parser.set_defaults(run=revoke)


def mint(options: argparse.Namespace) -> int:
    """0: the key is printed."""
    from appliance.config.site_key import load_site_key
    from appliance.identity import virtual_key_file
    from appliance.identity.virtual_keys import VirtualKey

    config, now = _config(options), time.time()
    state = Path(config.state_dir)
    template = VirtualKey(
        id="",
        owner=options.owner,
        salt="",
        digest="",
        created=now,
        groups=tuple(dict.fromkeys(options.group)),
        department=options.department,
        services=_services(config, options.service),
        models=tuple(dict.fromkeys(model.lower() for model in options.model)),
        expires=None if options.expires is None else now + _span(options.expires),
        note=options.note[:200],
    )
    key, entry = virtual_key_file.mint(state, load_site_key(state), template)
    if options.json:
        say_json({"key": key, "id": entry.id, "owner": entry.owner, "expires": entry.expires})
    else:
        say(key)
        hint(f"key {entry.id} of {entry.owner}; it is shown this once")
    if not config.identity.virtual_keys:
        hint("the appliance does not take virtual keys: set identity.virtual_keys to true, then gnomon reload")
    return 0


def show(options: argparse.Namespace) -> int:
    """0."""
    from appliance.identity import virtual_key_file

    now = time.time()
    entries = virtual_key_file.read(Path(_config(options).state_dir) / virtual_key_file.NAME)
    if options.json:
        say_json([_told(entry, now) for entry in entries])
        return 0
    rows = [
        (
            entry.id,
            entry.owner,
            ", ".join(entry.groups),
            entry.department or "",
            _day(entry.created),
            _day(entry.expires),
            entry.state(now),
            ", ".join((*entry.services, *entry.models)) or "anything",
            entry.note,
        )
        for entry in entries
    ]
    say(table(("ID", "OWNER", "GROUPS", "DEPARTMENT", "MADE", "ENDS", "STATE", "FOR", "NOTE"), rows))
    return 0


def revoke(options: argparse.Namespace) -> int:
    """0: it is taken back; 1: there was none."""
    from appliance.identity import virtual_key_file

    entry = virtual_key_file.revoke(Path(_config(options).state_dir), options.id, time.time())
    if entry is None:
        hint(f"no key {options.id[:64]} that could be taken back")
        return 1
    say(f"{entry.id} of {entry.owner} revoked")
    return 0


def _told(entry: VirtualKey, now: float) -> dict[str, object]:
    return {
        "id": entry.id,
        "owner": entry.owner,
        "groups": entry.groups,
        "department": entry.department,
        "services": entry.services,
        "models": entry.models,
        "created": entry.created,
        "expires": entry.expires,
        "revoked": entry.revoked,
        "state": entry.state(now),
        "note": entry.note,
    }


def _services(config: Config, names: list[str]) -> tuple[str, ...]:
    """As named; OperatorError: the catalogue has none of that name."""
    if not names:
        return ()
    from appliance.config.catalogue import load_catalogue
    from appliance.config.conversion import nearest
    from appliance.model.errors import OperatorError

    known = load_catalogue(Path(config.catalogue.override) if config.catalogue.override else None).services
    for name in names:
        if name not in known:
            near = nearest(name, tuple(known))
            told = near if "did you mean" in near else "; see gnomon catalogue"
            raise OperatorError(f"--service {name[:64]!r}: no such service{told}")
    return tuple(dict.fromkeys(names))


def _span(text: str) -> int:
    from appliance.model.errors import OperatorError

    match = _SPAN.match(text)
    if match is None:
        raise OperatorError(f"--expires {text[:32]!r}: write a number and h, d or w, e.g. 90d")
    return int(match[1]) * _SECONDS[match[2]]


def _day(moment: float | None) -> str:
    return "-" if moment is None else time.strftime("%Y-%m-%d", time.gmtime(moment))


def _config(options: argparse.Namespace) -> Config:
    from appliance.config.load import load

    return load(options.config)
