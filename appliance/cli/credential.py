"""`gnomon credential set | list | remove`: keys that the appliance holds for its routes.

Rules: a key is read from stdin or from a prompt that shows nothing, never from the command line; it is never printed:
the list shows its fingerprint, the same that records show.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint, json_option, say, say_json, table

if TYPE_CHECKING:
    import argparse

    from appliance.config.schema import Config


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the commands."""
    told = "keys that the appliance holds for its routes"
    actions = commands.add_parser("credential", help=told).add_subparsers(metavar="ACTION", required=True)
    parser = actions.add_parser("set", parents=[common], help="put a key in place: from stdin, or asked for unseen")
    parser.add_argument("name", metavar="NAME", help="as in `credential: held:NAME` of a route")
    parser.set_defaults(run=put)
    parser = actions.add_parser(
        "list", parents=[common], help="names, where from, fingerprints (exit 1: one is missing)"
    )
    json_option(parser)
    parser.set_defaults(run=show)
    parser = actions.add_parser("remove", parents=[common], help="remove a key (exit 1: there was none)")
    parser.add_argument("name", metavar="NAME", help="its name")
    parser.set_defaults(run=remove)


def put(options: argparse.Namespace) -> int:
    """0: it lies in its file."""
    from appliance.config.credentials import places
    from appliance.config.rotation import Rotation

    config = _config(options)
    Rotation(config).put(options.name, asked_unseen(options.name), overlap_s=0.0)
    say(f"{config.credentials_dir / options.name} written")
    if any((place.folder / options.name).exists() for place in places(config) if not place.ours):
        hint("systemd gives a credential of the same name, which goes first")
    hint("a running appliance takes it up within a second")
    return 0


def asked_unseen(name: str) -> bytes:
    """A key from stdin, or asked for with nothing shown."""
    from appliance.route.held import MAX_KEY_BYTES

    if not sys.stdin.isatty():
        return sys.stdin.buffer.read(MAX_KEY_BYTES + 3)
    import getpass

    return getpass.getpass(f"key for {name} (not shown): ").encode("utf-8", "surrogateescape")


def show(options: argparse.Namespace) -> int:
    """0: all that routes ask for can be sent; 1: some cannot."""
    from appliance.config.credentials import asked_for, listed
    from appliance.config.site_key import load_site_key

    config = _config(options)
    state = Path(config.state_dir)
    found = listed(config, load_site_key(state) if (state / "site.key").exists() else None)
    asked = asked_for(config)
    if options.json:
        say_json(found)
    else:
        rows = [
            (entry.name, entry.place, entry.fingerprint, "yes" if entry.name in asked else "no", entry.fault or "good")
            for entry in found
        ]
        say(table(("NAME", "FROM", "FINGERPRINT", "ASKED FOR", "STATE"), rows))
        for entry in found:
            if entry.fault:
                hint(f"{entry.name}: {entry.fault}")
    return 1 if any(entry.fault and entry.name in asked for entry in found) else 0


def remove(options: argparse.Namespace) -> int:
    """0: it is gone; 1: there was none."""
    from appliance.config.credentials import remove_key

    if not remove_key(_config(options), options.name):
        hint(f"no credential {options.name} in the folder")
        return 1
    say(f"{options.name} removed")
    hint("a running appliance forgets it within a second")
    return 0


def _config(options: argparse.Namespace) -> Config:
    from appliance.config.load import load

    return load(options.config)
