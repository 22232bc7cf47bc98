"""`gnomon scan --format jsonl`: detection and redaction of JSON lines from stdin to stdout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse


_READER_GONE = 141  # 128 + SIGPIPE, as shells count
_HELP = f"detect and redact texts, one JSON record per line (exit 1: a bad line; {_READER_GONE}: the reader went away)"


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser = commands.add_parser("scan", parents=[common], help=_HELP)
    parser.add_argument("--format", choices=("jsonl",), required=True, help='{"id", "text", "role"?, "direction"?}')
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0: every line was answered; 1: some line was bad, its answer says so; 141: the reader left, lines are open."""
    from appliance.cli.output import abandon_stdout
    from appliance.config.conversion import load_resource
    from appliance.config.load import load
    from appliance.config.tables import tables_folder
    from appliance.inspect import scan
    from appliance.inspect.detect.detectors import Detectors

    detectors = Detectors.load(tables_folder(Path(load(options.config).state_dir)))
    policy = load_resource("appliance.inspect", "scan.yaml", scan.ScanPolicy)
    try:
        return scan.run(sys.stdin.buffer, sys.stdout.buffer, detectors, policy)
    except BrokenPipeError:  # unlike a page read in part, lines without an answer must not pass for scanned ones
        abandon_stdout()
        return _READER_GONE
