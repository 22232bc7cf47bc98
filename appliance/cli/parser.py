"""The words of the command line.

Rules: each command lives in a file of its own, which adds its words here and sets `run`; nothing heavy is imported
before `run`. Wrong use ends with exit 2, as argparse has it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.cli import (
    bench,
    budgets,
    ca,
    calibrate,
    catalogue,
    config,
    control,
    credential,
    decide,
    demo,
    detectors,
    dictionary,
    explain,
    export,
    findings,
    hosts,
    importing,
    journal,
    keys,
    migration,
    neutrality,
    packages,
    policy,
    prepare,
    prices,
    pseudonyms,
    replay,
    routes,
    rules,
    scan,
    tui,
    up,
)
from appliance.cli import eval as evaluating

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = (
    up,
    control,
    demo,
    ca,
    policy,
    catalogue,
    findings,
    hosts,
    decide,
    routes,
    migration,
    detectors,
    credential,
    keys,
    dictionary,
    pseudonyms,
    packages,
    budgets,
    prices,
    scan,
    evaluating,
    rules,
    calibrate,
    replay,
    explain,
    neutrality,
    export,
    bench,
    journal,
    config,
    importing,
    prepare,
    tui,
)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options of one command; `run` is its function."""
    return build().parse_args(argv)


def build() -> argparse.ArgumentParser:
    """The whole parser, also for the reference page."""
    parser = argparse.ArgumentParser(
        prog="gnomon", description="Shadow-AI discovery and network-monitoring appliance.", allow_abbrev=False
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", metavar="FILE", type=Path, help="configuration file (default: embedded defaults)")
    for command in _COMMANDS:
        command.add(commands, common)
    return parser


class _Version(argparse.Action):
    """Prints the version; looks it up only then."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"gnomon {version('gnomon')}")  # noqa: T201 - the answer
        parser.exit()
