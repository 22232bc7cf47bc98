"""`gnomon keys add | list | rotate | rotate-all | retire | check | reseal`: keys that the appliance holds.

Rules: a key comes from stdin, a file, a program's output or a prompt that shows nothing, never from the command line;
none is printed; a running appliance takes up what changes within a second, without a restart.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint, json_option, say, say_json, table

if TYPE_CHECKING:
    from appliance.config.rotation import KeyShown, Rotation
    from appliance.config.schema import Config

_SPAN = re.compile(r"([0-9]{1,5})([mhdw])\Z")
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_MAX_LINES = 1000
_MAX_INPUT = 8 << 20


def add(kinds: Any, common: argparse.ArgumentParser) -> None:
    """The words of the commands, beside `virtual`."""
    parser = kinds.add_parser("add", parents=[common], help="hold a key of a new name")
    _named(parser)
    _source(parser)
    _schedule(parser)
    parser.set_defaults(run=put)
    parser = kinds.add_parser("list", parents=[common], help="names, providers, states, fingerprints; never a key")
    json_option(parser)
    parser.set_defaults(run=show)
    parser = kinds.add_parser("rotate", parents=[common], help="replace a key; the old one stays in overlap")
    parser.add_argument("name", metavar="NAME", help="its name")
    _source(parser)
    _schedule(parser)
    parser.add_argument("--overlap", default="2d", metavar="SPAN", help="until it must be retired (default: 2d)")
    parser.add_argument("--stage", action="store_true", help="lay the new key down, and send the old one still")
    parser.add_argument("--staged", action="store_true", help="send the key that was laid down")
    parser.set_defaults(run=rotate)
    parser = kinds.add_parser("rotate-all", parents=[common], help="replace every key that routes ask for, all or none")
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="lines NAME KEY; else stdin")
    parser.add_argument(
        "--overlap", default="0m", metavar="SPAN", help="until the old ones must be retired (default: 0m)"
    )
    parser.add_argument("--some", action="store_true", help="only those that are given, instead of all or none")
    _command(parser, "prints the key whose name is its last word; asked once for each")
    json_option(parser)
    parser.set_defaults(run=rotate_all)
    parser = kinds.add_parser("retire", parents=[common], help="forget what a key replaced (exit 2: nothing there)")
    parser.add_argument("name", nargs="?", metavar="NAME", help="its name; else every one whose overlap is over")
    parser.add_argument("--whole", action="store_true", help="the key that is sent as well")
    parser.set_defaults(run=retire)
    parser = kinds.add_parser(
        "check", parents=[common], help="what is overdue, missing or in clear (exit 1: something)"
    )
    json_option(parser)
    parser.set_defaults(run=check)
    parser = kinds.add_parser("reseal", parents=[common], help="seal every key anew with gateway.sealing")
    parser.add_argument("--before", type=Path, metavar="FILE", help="configuration they were sealed with, if another")
    parser.set_defaults(run=reseal)


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="as in `credential: held:NAME` of a route")
    parser.add_argument("--provider", metavar="ID", help="catalogue id that it is bound to; else that of its routes")


def _source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="file that holds the key; else stdin")
    _command(parser, "prints the key")


def _command(parser: argparse.ArgumentParser, told: str) -> None:
    words = f"program, with its words, that {told}; no shell; the last option"
    parser.add_argument("--command", nargs=argparse.REMAINDER, default=[], metavar="ARG", help=words)


def _schedule(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--every", type=int, metavar="DAYS", help="how often it must be changed (default: 90; 0: never)"
    )


def put(options: argparse.Namespace) -> int:
    """0: it is held."""
    config = _config(options)
    _provider_known(config, options.provider)
    record = _rotation(config).add(
        options.name, _value(options), provider=options.provider, rotate_days=_days(options.every)
    )
    say(f"{record.name} held" + (f" for {record.provider}" if record.provider else ", bound to no provider"))
    return 0


def show(options: argparse.Namespace) -> int:
    """0."""
    found = _rotation(_config(options)).shown()
    if options.json:
        say_json(found)
    else:
        head = ("NAME", "PROVIDER", "STATE", "FINGERPRINT", "SINCE", "DUE", "ASKED FOR", "SEALED")
        say(table(head, (row for each in found for row in _rows(each))))
    return 0


def rotate(options: argparse.Namespace) -> int:
    """0: it is replaced, or laid down."""
    from appliance.model.errors import OperatorError

    rotation = _rotation(_config(options))
    if options.stage and options.staged:
        raise OperatorError("--stage lays a key down, --staged sends it: one of them")
    if not options.staged:
        if not any(each.record.name == options.name and each.present for each in rotation.shown()):
            raise OperatorError(f"{options.name}: no key of that name; gnomon keys add {options.name}")
        rotation.stage({options.name: _value(options)}, rotate_days=_days(options.every))
    if options.stage:
        say(f"{options.name}: laid down; send it with: gnomon keys rotate {options.name} --staged")
        return 0
    record = rotation.activate(options.name, _span(options.overlap))
    say(f"{options.name}: the new key is sent from now on")
    _revoke(record.provider)
    return 0


def rotate_all(options: argparse.Namespace) -> int:
    """0: every key is replaced. OperatorError: one is missing or no key, and nothing was changed."""
    from appliance.config.credentials import asked_for
    from appliance.model.errors import OperatorError

    config = _config(options)
    rotation, wanted = _rotation(config), asked_for(config)
    values = _given(options, wanted)
    missing = [name for name in wanted if name not in values]
    strange = [name for name in values if name not in wanted]
    if strange or (missing and not options.some) or not values:
        told = [f"no new key for {', '.join(missing)}"] if missing else []
        told += [f"no route asks for what {len(strange)} of the lines name: write NAME KEY"] if strange else []
        raise OperatorError(f"{'; '.join(told) or 'no key was given'}: nothing was changed")
    rotation.stage(values)
    records = [rotation.activate(name, _span(options.overlap)) for name in sorted(values)]
    if options.json:
        say_json(records)
    else:
        say(f"{len(records)} keys replaced: {', '.join(record.name for record in records)}")
        for provider in sorted({record.provider for record in records}):
            _revoke(provider)
    return 0


def retire(options: argparse.Namespace) -> int:
    """0: done. Without a name: every one whose overlap is over."""
    from appliance.model.errors import OperatorError
    from appliance.model.names import KeyState

    rotation, now = _rotation(_config(options)), time.time()
    names = [options.name]
    if options.name is None:
        if options.whole:
            raise OperatorError("--whole takes a name")
        old = ((each.record.name, each.record.of(KeyState.OVERLAP)) for each in rotation.shown())
        names = [name for name, each in old if each is not None and each.ends is not None and each.ends <= now]
    for name in names:
        record = rotation.retire(name, whole=options.whole)
        say(f"{name}: {'retired' if options.whole else 'what it replaced is retired'}")
        _revoke(record.provider)
    return 0


def check(options: argparse.Namespace) -> int:
    """0: all is well; 1: something is to be done."""
    rotation = _rotation(_config(options))
    found = [(each.record.name, what) for each in rotation.shown() for what in each.problems]
    if told := rotation.sealing():
        found.append(("-", told))
    if options.json:
        say_json([{"name": name, "problem": what} for name, what in found])
    else:
        for name, what in found:
            say(f"{name}: {what}" if name != "-" else what)
        if not found:
            say("every key is there, sealed and in time")
    return 1 if found else 0


def reseal(options: argparse.Namespace) -> int:
    """0: every key is sealed with what is configured."""
    from appliance.config.load import load

    config = _config(options)
    before = load(options.before) if options.before is not None else config
    say(f"{_rotation(config).reseal(before)} keys sealed anew")
    return 0


def _given(options: argparse.Namespace, wanted: tuple[str, ...]) -> dict[str, bytes]:
    """The new keys by name."""
    from appliance.config.sealing import printed_by
    from appliance.model.errors import OperatorError
    from appliance.route.held import MAX_KEY_BYTES

    if options.command:
        return {name: printed_by((*options.command, name), "--command", MAX_KEY_BYTES + 2) for name in wanted}
    data = options.source.read_bytes() if options.source is not None else sys.stdin.buffer.read(_MAX_INPUT)
    values: dict[str, bytes] = {}
    lines = [line for line in data.splitlines() if line.strip()]
    for number, line in enumerate(lines[: _MAX_LINES + 1], 1):
        name, _, value = line.strip().partition(b" ")
        text = name.decode("ascii", "replace")
        if not value.strip() or text in values:
            raise OperatorError(f"line {number}: write NAME KEY, each name once; nothing was changed")
        values[text] = value.strip()
    return values


def _value(options: argparse.Namespace) -> bytes:
    from appliance.config.sealing import printed_by
    from appliance.model.errors import OperatorError
    from appliance.route.held import MAX_KEY_BYTES

    if options.command:
        return printed_by(tuple(options.command), "--command", MAX_KEY_BYTES + 2)
    if options.source is not None:
        try:
            with options.source.open("rb") as file:
                return bytes(file.read(MAX_KEY_BYTES + 3))
        except OSError as error:
            raise OperatorError(f"{options.source}: cannot be read ({error.strerror})") from None
    from appliance.cli.credential import asked_unseen

    return asked_unseen(options.name)


def _rows(shown: KeyShown) -> list[tuple[object, ...]]:
    record = shown.record
    asked, sealed = "yes" if shown.asked else "no", "yes" if shown.sealed else "no"
    if not record.generations:
        state = "not in the register" if shown.present else "missing"
        return [(record.name, record.provider or None, state, None, None, None, asked, sealed)]
    return [
        (
            record.name,
            record.provider or None,
            each.state,
            each.fingerprint,
            _day(each.activated or each.added),
            _day(each.ends if each.state == "overlap" else record.due if each.state == "active" else each.retired),
            asked,
            sealed,
        )
        for each in record.generations
    ]


def _revoke(provider: str) -> None:
    from appliance.route.revocation import page_of

    page = page_of(provider)
    hint(f"revoke the old key with its provider{f': {page.address}' if page else ''}")


def _provider_known(config: Config, provider: str | None) -> None:
    from appliance.config.catalogue import load_catalogue
    from appliance.config.conversion import nearest
    from appliance.model.errors import OperatorError

    if provider:
        known = load_catalogue(Path(config.catalogue.override) if config.catalogue.override else None).services
        if provider not in known:
            raise OperatorError(f"--provider {provider}: no such service{nearest(provider, tuple(known))}")


def _days(days: int | None) -> int | None:
    from appliance.model.errors import OperatorError

    if days is not None and not 0 <= days <= 3650:  # noqa: PLR2004 - ten years
        raise OperatorError("--every: 0 to 3650 days")
    return days


def _span(text: str) -> float:
    from appliance.model.errors import OperatorError

    match = _SPAN.match(text)
    if match is None:
        raise OperatorError(f"--overlap {text[:32]!r}: write a number and m, h, d or w, e.g. 2d")
    return float(int(match[1]) * _SECONDS[match[2]])


def _day(moment: float | None) -> str:
    return "-" if moment is None else time.strftime("%Y-%m-%d", time.gmtime(moment))


def _rotation(config: Config) -> Rotation:
    from appliance.config.rotation import Rotation

    return Rotation(config)


def _config(options: argparse.Namespace) -> Config:
    from appliance.config.load import load

    return load(options.config)
