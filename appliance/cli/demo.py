"""`gnomon demo`: the appliance with stand-ins and real clients, on screen or headless."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

_HELP = "show the whole appliance at work on loopback (exit 1: something expected did not happen)"


def add(commands: Any, _common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser = commands.add_parser("demo", help=_HELP)
    parser.add_argument("--headless", action="store_true", help="print each step and a summary instead of the screen")
    parser.add_argument("--out", metavar="DIR", type=Path, help="with --headless: export the evidence to this folder")
    parser.add_argument("--capture", metavar="FILE", type=Path, help="pcap file to replay (default: one of ours)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0: everything happened as expected; 1: something did not. OperatorError: it could not begin."""
    from appliance.cli.output import say
    from appliance.demo.run import Wish, run
    from appliance.demo.scene import DEFAULT_CAPTURE
    from appliance.model.errors import OperatorError

    if options.out is not None and not options.headless:
        raise OperatorError("--out goes with --headless; on screen, export with: gnomon export")
    return run(Wish(options.headless, options.out, options.capture or DEFAULT_CAPTURE), say)
