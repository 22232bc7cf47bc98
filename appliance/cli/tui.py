"""`gnomon tui`: the analysts' terminal on a running appliance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.model.errors import OperatorError

if TYPE_CHECKING:
    import argparse


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser = commands.add_parser("tui", parents=[common], help="look at findings and decide, in the terminal")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0: left. OperatorError: this is no terminal."""
    import os
    from pathlib import Path

    from appliance.cli.analyst import must_have_store
    from appliance.config.load import load

    config = load(options.config)
    must_have_store(config)
    run_dir = Path(config.run_dir)
    if not all(os.isatty(fd) for fd in (0, 1, 2)) or os.environ.get("TERM", "dumb") == "dumb":
        raise OperatorError(
            "tui: stdin, stdout and stderr must be a terminal and TERM not dumb; `gnomon findings` prints a list"
        )
    from tui.app import run as show

    return show(run_dir)
