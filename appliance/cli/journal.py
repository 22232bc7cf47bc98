"""`gnomon journal verify | quarantine`: the audit journals on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.output import json_option, say, say_json, table

if TYPE_CHECKING:
    import argparse


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the commands."""
    actions = commands.add_parser("journal", help="the audit journals").add_subparsers(metavar="ACTION", required=True)
    parser = actions.add_parser("verify", parents=[common], help="check every line and its chain (exit 1: damage)")
    json_option(parser)
    parser.set_defaults(run=verify)
    parser = actions.add_parser("quarantine", parents=[common], help="set a damaged folder aside, unchanged")
    parser.add_argument("folder", type=Path, help="the journal's folder, as `gnomon journal verify` names it")
    parser.set_defaults(run=quarantine)


def verify(options: argparse.Namespace) -> int:
    """0: whole; 1: damaged somewhere."""
    from appliance.config.load import load
    from appliance.journal.verify import verify as verify_root

    scans = verify_root(Path(load(options.config).state_dir) / "journal")
    if options.json:
        say_json(scans)
    else:
        rows = [
            (Path(found.folder).name, found.mark.seq, found.acknowledged, len(found.opened), found.damage or "whole")
            for found in scans
        ]
        say(table(("FOLDER", "LINES", "SHIPPED", "OPEN", "STATE"), rows))
        for found in scans:
            if found.damage:
                say(f"damage: {found.damage}")
    return 1 if any(found.damage for found in scans) else 0


def quarantine(options: argparse.Namespace) -> int:
    """Ship the good prefix if the store runs, then move the folder."""
    from appliance.bus import ingest
    from appliance.bus.client import BlockingClient
    from appliance.config.load import load
    from appliance.journal.verify import quarantine as set_aside

    socket = Path(load(options.config).run_dir) / ingest.SOCKET
    with BlockingClient(socket) as client:
        done = set_aside(options.folder, ingest.sender(client) if socket.exists() else None)
    say(f"{options.folder} -> {done.path}: {done.good} good line(s), {done.acknowledged} in the store")
    say(f"damage: {done.damage}")
    return 0
