"""`gnomon replay FILE...`: what the sensor would have seen in capture files."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

_HELP = "what the sensor sees in capture files, one line per observation (exit 2: a file is no capture)"


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser = commands.add_parser("replay", parents=[common], help=_HELP)
    parser.add_argument("files", nargs="+", metavar="FILE", help="pcap or pcapng; - reads one from stdin")
    parser.add_argument("--format", choices=("jsonl", "text"), help="default: text on a terminal, else jsonl")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0: every file was read, damaged ones as far as they are whole; 2: a file is no capture or cannot be opened."""
    from appliance.config.load import load
    from appliance.sanitise import one_line
    from discovery import replay

    override = load(options.config).catalogue.override
    classifier = replay.classifier(Path(override) if override else None)
    chosen = options.format or ("text" if sys.stdout.isatty() else "jsonl")
    out = sys.stdout.buffer
    if chosen == "text":
        out.write(replay.text_head())
    with _bar(options.files) as advance:
        totals = replay.replay(
            options.files,
            classifier,
            out,
            encode=replay.text if chosen == "text" else replay.jsonl,
            tell=lambda line: hint(f"gnomon: {one_line(line)}"),
            advance=advance,
        )
    out.flush()
    return 2 if totals.unread else 0


@contextmanager
def _bar(files: Sequence[str]) -> Iterator[Callable[[int], None]]:
    """A bar over the bytes of the files, where stderr is a terminal and rows do not go to one."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda _: None
        return
    from appliance.cli.progress import measured

    with measured("reading captures", sum(map(_size, files))) as advance:
        yield advance


def _size(name: str) -> int:
    try:
        return os.stat(name).st_size  # noqa: PTH116 - a size for the bar only
    except OSError:
        return 0
