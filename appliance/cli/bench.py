"""`gnomon bench NAME`: measurements, as metric names to numbers.

Rules: each bench is a function `run(seconds) -> dict[str, float]`, or `run(seconds, with_peers)` where there are
further programs to compare with; numbers go to stdout and are judged by nobody here; `all --write FILE` runs every
bench and writes the page, each number under the command that prints it.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
from pathlib import Path
from typing import Any

from appliance.cli.output import hint, json_option, say, say_json, table
from appliance.cli.progress import progress

REGISTRY: dict[str, str] = {
    "gateway": "appliance.bench.gateway:run",
    "stream": "appliance.bench.stream:run",
    "route": "appliance.bench.route:run",
    "fanout": "appliance.bench.fanout:run",
    "scan": "appliance.bench.scan:run",
    "store": "appliance.store.bench:run",
    "replay": "discovery.bench:run",
    "live": "discovery.bench_live:run",
    "catalogue": "appliance.bench.catalogue:run",
    "decide": "appliance.bench.decide:run",
}
ALL = "all"
_SECONDS = 30.0
_PEERS = "also measure further programs that are installed (gateway always runs beside mitmdump, replay beside tshark)"
_LONGEST = 3600.0


def add(commands: Any, _common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser = commands.add_parser("bench", help="measure this machine with this release")
    parser.add_argument("name", choices=(*REGISTRY, ALL), help="what is measured")
    parser.add_argument("--seconds", type=_seconds, default=_SECONDS, help=f"time to take (default {_SECONDS:.0f})")
    parser.add_argument(
        "--with-peers",
        action="store_true",
        help=_PEERS,
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the numbers as a page, too")
    json_option(parser)
    parser.set_defaults(run=run)


def _seconds(text: str) -> float:
    number = float(text)
    if not 1 <= number <= _LONGEST:
        raise argparse.ArgumentTypeError(f"must be 1 to {_LONGEST:.0f}")
    return number


def run(options: argparse.Namespace) -> int:
    """Measure and tell."""
    names = tuple(REGISTRY) if options.name == ALL else (options.name,)
    results = {name: measure(name, options.seconds, with_peers=options.with_peers) for name in names}
    if options.write:
        from appliance.bench.page import render

        options.write.write_text(render(results, options.seconds))
    if options.json:
        say_json(results if options.name == ALL else results[options.name])
    else:
        for name, numbers in results.items():
            say(table((name.upper(), "VALUE"), ((metric, f"{value:g}") for metric, value in numbers.items())))
    return 0


def measure(name: str, seconds: float, *, with_peers: bool) -> dict[str, float]:
    """One bench."""
    module, _, function = REGISTRY[name].partition(":")
    bench = getattr(importlib.import_module(module), function)
    has_peers = "with_peers" in inspect.signature(bench).parameters
    if with_peers and not has_peers:
        hint(f"{name}: this bench has no further peers, --with-peers adds nothing; gateway always runs beside mitmdump")
    more = {"with_peers": with_peers} if has_peers else {}
    with progress(f"measuring {name} for about {seconds:.0f} s", seconds):
        numbers: dict[str, float] = bench(seconds, **more)
    return numbers
