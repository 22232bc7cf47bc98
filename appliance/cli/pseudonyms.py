"""`gnomon pseudonyms show | purge`: what is kept of names for memories of providers, and its end.

Rules: neither a name nor a value is ever shown; what is purged is gone for running workers at once.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint, json_option, say, say_json, table

if TYPE_CHECKING:
    import argparse

    from appliance.config.kept_names import KeptNames


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the commands."""
    told = "values that are kept, encrypted, for conversations that providers remember"
    actions = commands.add_parser("pseudonyms", help=told).add_subparsers(metavar="ACTION", required=True)
    parser = actions.add_parser("show", parents=[common], help="how many conversations, bytes, and since when")
    json_option(parser)
    parser.set_defaults(run=show)
    parser = actions.add_parser("purge", parents=[common], help="forget them: their names stay names (exit 1: none)")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true", help="of everybody")
    told = "of one person, as `identity` names people; of an address without a name: 'anonymous|ADDRESS'"
    which.add_argument("--person", metavar="NAME", help=told)
    parser.set_defaults(run=purge)


def show(options: argparse.Namespace) -> int:
    """0: told."""
    from appliance.config.kept_names import Held

    kept, life_s = _kept(options)
    held = kept.held() if kept else Held(0, 0, 0.0)
    oldest = datetime.fromtimestamp(held.oldest, UTC).isoformat(timespec="seconds") if held.memories else ""
    told = {"memories": held.memories, "bytes": held.size, "oldest": oldest, "kept_s": life_s}
    if options.json:
        say_json(told)
    else:
        say(table(("MEMORIES", "BYTES", "OLDEST", "KEPT S"), [tuple(str(value) for value in told.values())]))
    return 0


def purge(options: argparse.Namespace) -> int:
    """0: they are gone; 1: there were none."""
    kept, _ = _kept(options)
    gone = kept.purge(options.person) if kept else 0
    if not gone:
        hint("nothing is kept")
        return 1
    say(f"{gone} forgotten")
    return 0


def _kept(options: argparse.Namespace) -> tuple[KeptNames | None, float]:
    """What is kept, None where nothing ever was, and for how long it would be."""
    from pathlib import Path

    from appliance.config.kept_names import FOLDER, KeptNames
    from appliance.config.load import load
    from appliance.config.site_key import load_site_key

    config = load(options.config)
    state, life_s = Path(config.state_dir), config.inspect.pseudonyms_kept_s
    if not (state / FOLDER).is_dir():
        return None, life_s
    return KeptNames(state, load_site_key(state), life_s, time.time), life_s
