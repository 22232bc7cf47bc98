"""`gnomon prices show | check | update`: what tokens cost here, and what a file would change about that."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint, json_option, say, say_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from appliance.config.schema import ProviderEntry, RouteEntry
    from appliance.ledger.prices import Place, Prices

_NAMES = {
    "in": "input",
    "out": "output",
    "cr": "cached input",
    "cw": "cache write",
    "cw1h": "cache write, 1 h",
    "ain": "audio input",
    "aout": "audio output",
    "rea": "reasoning",
    "req": "1000 requests",
}


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the commands."""
    actions = commands.add_parser("prices", help="what tokens cost").add_subparsers(metavar="ACTION", required=True)
    parser = actions.add_parser("show", parents=[common], help="what a model costs now (exit 1: no price is known)")
    parser.add_argument(
        "service", nargs="?", metavar="SERVICE", help="catalogue id, e.g. openai; of a provider or route its own"
    )
    parser.add_argument("model", metavar="MODEL", help="as it is asked for")
    parser.add_argument("--provider", metavar="NAME", help="at this provider of the configuration")
    parser.add_argument("--route", metavar="NAME", help="by this route of the gateway")
    parser.add_argument("--batch", action="store_true", help="where it comes in a batch")
    json_option(parser)
    parser.set_defaults(run=show)
    parser = actions.add_parser("check", parents=[common], help="whether a file of prices is sound")
    parser.add_argument("file", metavar="FILE", type=Path, help="models and discounts, as in prices.file")
    json_option(parser)
    parser.set_defaults(run=check)
    parser = actions.add_parser("update", parents=[common], help="what a file would change, or with --apply: change it")
    parser.add_argument("file", metavar="FILE", type=Path, help="models and discounts: all of them, not only new ones")
    parser.add_argument("--apply", action="store_true", help="write it into prices.file")
    json_option(parser)
    parser.set_defaults(run=update)


def show(options: argparse.Namespace) -> int:
    """0: it has a price; 1: none. OperatorError: no such provider or route, or no service is told."""
    prices, place = _in_force(options), _place(options)
    rates = prices.rates(place, options.model, time.time(), batch=options.batch)
    steps = {} if rates is None else {_NAMES[kind]: told for kind, told in rates.steps.items()}
    told = {kind: [[max(0, start), price / 10**18] for start, price in found] for kind, found in steps.items()}
    if options.json:
        where = {key: value for key in ("provider", "route") if (value := getattr(place, key))}
        say_json({"service": place.service, **where, "model": options.model, "prices": told, "version": prices.version})
    elif not told:
        say(f"{_told(place)} {options.model}: no price is known ({prices.version})")
    else:
        say("\n".join([f"{_told(place)} {options.model}: $ per million tokens ({prices.version})", *_lines(told)]))
    return 0 if told else 1


def _place(options: argparse.Namespace) -> Place:
    """Where the model is asked for."""
    from appliance.config.load import load
    from appliance.ledger.prices import Place
    from appliance.model.errors import OperatorError

    config = load(options.config) if options.provider or options.route else None
    service = options.service
    known: dict[str, Mapping[str, ProviderEntry | RouteEntry]] = {}
    if config is not None:
        known = {"provider": config.providers, "route": config.gateway.routes}
    for key, entries in known.items():
        name = getattr(options, key)
        if name and name not in entries:
            raise OperatorError(f"prices show: no {key} {name!r} in the configuration; there are: {', '.join(entries)}")
        service = service or (entries[name].service if name else None)
    if not service:
        raise OperatorError("prices show: name a service, or a provider or route with --provider or --route")
    return Place(service, options.provider or "", options.route or "")


def _told(place: Place) -> str:
    where = "".join(f" {key} {value}" for key in ("provider", "route") if (value := getattr(place, key)))
    return f"{place.service}{where}"


def _lines(told: dict[str, list[list[float]]]) -> list[str]:
    lines = []
    for kind, steps in told.items():
        (_, base), *more = steps
        further = "".join(f", {price:g} beyond {int(start):,} input tokens" for start, price in more)
        lines.append(f"  {kind:<18}{base:g}{further}")
    return lines


def check(options: argparse.Namespace) -> int:
    """0: it is sound. OperatorError lists every fault."""
    from appliance.config.prices_file import load_prices

    file, version = load_prices(options.file)
    told = {"models": len(file.models), "discounts": len(file.discounts), "version": version}
    if options.json:
        say_json(told)
    else:
        say(f"{options.file}: {told['models']} model(s), {told['discounts']} discount(s), version {version}")
    return 0


def update(options: argparse.Namespace) -> int:
    """0: the file is sound. OperatorError lists every fault; then nothing was written."""
    from appliance.config import prices_update

    told = prices_update.update(options.file, _file(options), apply=options.apply)
    say_json(told) if options.json else say(told.text())
    if told.written:
        hint(f"{told.written} is written anew; a running appliance takes it up with: gnomon reload")
    elif told.before != told.after:
        hint("nothing is written; --apply does that")
    return 0


def _file(options: argparse.Namespace) -> Path | None:
    from appliance.config.load import load

    text = load(options.config).prices.file
    return Path(text) if text else None


def _in_force(options: argparse.Namespace) -> Prices:
    from appliance.config.prices_file import load_prices
    from appliance.ledger.prices import Prices
    from appliance.ledger.site_prices import site_prices

    path = _file(options)
    return Prices(site_prices(*load_prices(path)) if path else None)
