"""`gnomon scan --format jsonl`: detection and redaction of JSON lines from stdin to stdout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser = commands.add_parser("scan", parents=[common], help="detect and redact texts, one JSON record per line")
    parser.add_argument("--format", choices=("jsonl",), required=True, help='{"id", "text", "role"?, "direction"?}')
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0: every line was read; 1: some line was bad, its answer says so."""
    from appliance.config.conversion import load_resource
    from appliance.config.load import load
    from appliance.config.tables import tables_folder
    from appliance.inspect import scan
    from appliance.inspect.detect.detectors import Detectors

    detectors = Detectors.load(tables_folder(Path(load(options.config).state_dir)))
    policy = load_resource("appliance.inspect", "scan.yaml", scan.ScanPolicy)
    return scan.run(sys.stdin.buffer, sys.stdout.buffer, detectors, policy)
