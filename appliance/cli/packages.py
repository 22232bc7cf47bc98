"""`gnomon packages build`: names of packages that exist, to tell those in answers that do not.

Rules: nothing is fetched: the lists are the operator's, e.g. of a mirror; they are not kept.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint, say

if TYPE_CHECKING:
    import argparse


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    told = "names of packages that exist, to tell invented ones in answers"
    actions = commands.add_parser("packages", help=told).add_subparsers(metavar="ACTION", required=True)
    parser = actions.add_parser("build", parents=[common], help="make the file for inspect.packages from lists")
    parser.add_argument("target", metavar="TARGET", type=Path, help="file to write, 2 bytes a name")
    for registry in ("pypi", "npm"):
        words = f"names of {registry}, one a line, UTF-8; several times for several lists, e.g. your own packages"
        parser.add_argument(f"--{registry}", metavar="FILE", type=Path, action="append", default=[], help=words)
    parser.set_defaults(run=build)


def build(options: argparse.Namespace) -> int:
    """0: it stands."""
    from appliance.cli.progress import measured
    from appliance.config import packages
    from appliance.inspect.output.packages_known import MISSES

    lists = {"pypi": options.pypi, "npm": options.npm}
    made = packages.build(lists, options.target, partial(measured, "building"))
    say(", ".join(f"{one.ecosystem}: {one.names} names" for one in made))
    hint(
        f"{options.target}: name it as inspect.packages; of names that are in no list {MISSES:.2%} pass for known "
        "ones; a running appliance takes it up with: gnomon reload"
    )
    return 0
