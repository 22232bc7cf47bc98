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

    from discovery.replay import Encode
    from discovery.stats import Stats

_HELP = "what the sensor sees in capture files, one line per observation (exit 2: a file is no capture)"
_LOOK_S = 1.0  # between two looks into a watched folder


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser = commands.add_parser("replay", parents=[common], help=_HELP)
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="pcap or pcapng, also packed (gzip, zstd); - reads one from stdin"
    )
    parser.add_argument("--format", choices=("jsonl", "text"), help="default: text on a terminal, else jsonl")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--truth", action="store_true", help="rows to compare with tshark's, field by field, as JSON")
    shown.add_argument("--stats", action="store_true", help="no rows, but what there was: packets, layers, kinds, odd")
    parser.add_argument("--watch", metavar="DIR", help="read each capture that is rotated into DIR, until interrupted")
    parser.add_argument("--settled", type=float, default=10.0, metavar="S", help="unchanged so long, a file is whole")
    parser.add_argument("--seen", metavar="FILE", help="remembers what was read (default: DIR/.gnomon-read.jsonl)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0: every file was read, damaged ones as far as they are whole; 2: a file is no capture or cannot be opened."""
    from appliance.config.load import load
    from appliance.model.errors import OperatorError
    from appliance.sanitise import one_line
    from discovery import replay

    if bool(options.files) == bool(options.watch) or (options.watch and options.stats):
        raise OperatorError("replay: give capture files (- for stdin), or --watch DIR without --stats")
    config = load(options.config)
    override = config.catalogue.override
    classifier = replay.classifier(Path(override) if override else None, config.sensor)
    encode, head = _shape(options)
    out = sys.stdout.buffer
    out.write(head)
    stats = _stats() if options.stats else None

    def read(files: Sequence[str], advance: Callable[[int], None] = lambda _: None) -> int:
        totals = replay.replay(
            files,
            classifier,
            out,
            encode=encode,
            tell=lambda line: hint(f"gnomon: {one_line(line)}"),
            advance=advance,
            stats=stats,
        )
        out.flush()
        return 2 if totals.unread else 0

    if options.watch:
        return _watch(options, lambda path: read([str(path)]))
    with _bar(options.files) as advance:
        code = read(options.files, advance)
    if stats is not None:
        _tell(stats, options)
    return code


def _shape(options: argparse.Namespace) -> tuple[Encode, bytes]:
    """How rows are written, and what stands above them."""
    from discovery import replay, truth

    if options.stats:
        return (lambda _seen, _file, _numbers: b""), b""
    if options.truth:
        return truth.truth, b""
    if (options.format or ("text" if sys.stdout.isatty() else "jsonl")) == "text":
        return replay.text, replay.text_head()
    return replay.jsonl, b""


def _stats() -> Stats:
    from discovery.stats import Stats

    return Stats()


def _tell(stats: Stats, options: argparse.Namespace) -> None:
    from appliance.cli.output import say, say_json, table
    from discovery.stats import lines

    as_text = options.format == "text" or (options.format is None and sys.stdout.isatty())
    say(table(("WHAT", "HOW MUCH"), lines(stats.sums()))) if as_text else say_json(stats.sums())


def _watch(options: argparse.Namespace, read: Callable[[Path], int]) -> int:
    """Until SIGINT or SIGTERM; the worst code of all files."""
    import signal
    import threading
    import time

    from discovery import folder

    place, ended, codes = Path(options.watch), threading.Event(), [0]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    hint(f"gnomon: reading captures as they are rotated into {place}; interrupt to end")
    folder.follow(
        place,
        folder.Memory(Path(options.seen) if options.seen else place / folder.MEMORY),
        lambda path: codes.append(read(path)),
        stopped=lambda: ended.wait(_LOOK_S),
        clock=time.monotonic,
        settled_s=options.settled,
    )
    return max(codes)


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
