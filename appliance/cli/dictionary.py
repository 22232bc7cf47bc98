"""`gnomon dictionary build | list | remove`: exact values that must not leave, kept as keyed digests.

Rules: no value is ever printed; the list that a dictionary was made from is not kept, and the hint says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint, json_option, say, say_json, table

if TYPE_CHECKING:
    import argparse

_RELOAD = "a running appliance takes it up with: gnomon reload"


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the commands."""
    told = "exact values to be found in traffic, kept as keyed digests"
    actions = commands.add_parser("dictionary", help=told).add_subparsers(metavar="ACTION", required=True)
    parser = actions.add_parser("build", parents=[common], help="make or replace a dictionary from a list")
    parser.add_argument("file", metavar="FILE", type=Path, help="one value a line, UTF-8, at most 8 words each")
    parser.add_argument("--entity", required=True, metavar="ENTITY", help="what a find is called, e.g. CUSTOMER")
    parser.add_argument("--kind", choices=("pii", "secret", "topic"), default="pii", help="its class (default: pii)")
    parser.add_argument("--name", metavar="NAME", help="of the dictionary (default: the entity in lower case)")
    parser.set_defaults(run=build)
    parser = actions.add_parser("list", parents=[common], help="names, entities, sizes")
    json_option(parser)
    parser.set_defaults(run=show)
    parser = actions.add_parser("remove", parents=[common], help="forget a dictionary (exit 1: there was none)")
    parser.add_argument("name", metavar="NAME", help="as `list` shows it")
    parser.set_defaults(run=remove)


def build(options: argparse.Namespace) -> int:
    """0: it stands."""
    from appliance.config import dictionaries
    from appliance.config.site_key import load_site_key
    from appliance.model.names import DetectionKind

    state = _state(options)
    name = options.name or options.entity.lower()
    kind = DetectionKind(options.kind)
    count = dictionaries.build(state, load_site_key(state), options.file, options.entity, kind, name)
    say(f"{name}: {count} values")
    hint(f"{options.file} is not kept and not needed any more; {_RELOAD}")
    return 0


def show(options: argparse.Namespace) -> int:
    """0: all could be read."""
    from appliance.config import dictionaries
    from appliance.config.detection import DICTIONARIES
    from appliance.config.site_key import load_site_key

    state = _state(options)
    held = dictionaries.load(state, load_site_key(state)) if (state / DICTIONARIES).exists() else ()
    rows = [(one.name, one.entity, one.kind.value, len(one.values) // 8) for one in held]
    names = ("name", "entity", "kind", "values")
    if options.json:
        say_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        say(table(tuple(name.upper() for name in names), [tuple(map(str, row)) for row in rows]))
    return 0


def remove(options: argparse.Namespace) -> int:
    """0: it is gone; 1: there was none."""
    from appliance.config import dictionaries

    if not dictionaries.remove(_state(options), options.name):
        hint(f"no dictionary {options.name}")
        return 1
    say(f"{options.name} removed")
    hint(_RELOAD)
    return 0


def _state(options: argparse.Namespace) -> Path:
    from appliance.config.load import load

    return Path(load(options.config).state_dir)
