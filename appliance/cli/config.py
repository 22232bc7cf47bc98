"""`gnomon config check | show`: the configuration file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.cli.output import say

if TYPE_CHECKING:
    import argparse


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the commands."""
    actions = commands.add_parser("config", help="the configuration").add_subparsers(metavar="ACTION", required=True)
    parser = actions.add_parser("check", parents=[common], help="whether the file is sound; every fault with its line")
    parser.set_defaults(run=check)
    parser = actions.add_parser("show", parents=[common], help="what would hold, defaults included, as JSON")
    parser.set_defaults(run=show)


def check(options: argparse.Namespace) -> int:
    """0: sound. OperatorError lists every fault."""
    from appliance.config import command
    from appliance.config.load import load
    from appliance.supervisor.listeners import check_safe

    told = command.check(options.config)
    check_safe(load(options.config))
    say(told)
    return 0


def show(options: argparse.Namespace) -> int:
    """The whole configuration."""
    import msgspec

    from appliance.config import effective
    from appliance.config.load import load

    say(msgspec.json.format(effective.encode(load(options.config)), indent=2).decode())
    return 0
