"""`gnomon bench NAME`: measurements, as metric names to numbers.

Rules: each bench is a function `run(seconds) -> dict[str, float]`; numbers go to stdout and are judged by nobody
here.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint, json_option, say, say_json, table

if TYPE_CHECKING:
    import argparse

REGISTRY: dict[str, str] = {
    "gateway": "appliance.bench.gateway:run",
    "store": "appliance.store.bench:run",
}
_SECONDS = 30.0


def add(commands: Any, _common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser = commands.add_parser("bench", help="measure this machine with this release")
    parser.add_argument("name", choices=tuple(REGISTRY))
    parser.add_argument("--seconds", type=float, default=_SECONDS, help=f"time to take (default {_SECONDS:.0f})")
    parser.add_argument("--with-peers", action="store_true", help="also measure comparable programs")
    json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure and tell."""
    module, _, function = REGISTRY[options.name].partition(":")
    measure = getattr(importlib.import_module(module), function)
    hint(f"measuring {options.name} for about {options.seconds:.0f} s")
    more = {"with_peers": options.with_peers} if "with_peers" in inspect.signature(measure).parameters else {}
    numbers: dict[str, float] = measure(options.seconds, **more)
    say_json(numbers) if options.json else say(table(("METRIC", "VALUE"), ((k, f"{v:g}") for k, v in numbers.items())))
    return 0
