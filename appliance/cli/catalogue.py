"""`gnomon catalogue show | update | check`: which names are AI services, and what files of a site's own say beside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint, json_option, say, say_json
from appliance.sanitise import one_line

if TYPE_CHECKING:
    import argparse

    from appliance.config.catalogue_update import Shown


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the commands."""
    actions = commands.add_parser("catalogue", help="which names are AI services").add_subparsers(
        metavar="ACTION", required=True
    )
    parser = actions.add_parser("show", parents=[common], help="which entry matches a host, and why (exit 1: none)")
    parser.add_argument("host", metavar="HOST", help="a name as it stands on the wire, e.g. api.openai.com")
    json_option(parser)
    parser.set_defaults(run=show)
    parser = actions.add_parser("update", parents=[common], help="what a file would change, or with --apply: change it")
    parser.add_argument("file", metavar="FILE", type=Path, help="services, change and remove, as in an override")
    parser.add_argument("--apply", action="store_true", help="write it into catalogue.override")
    json_option(parser)
    parser.set_defaults(run=update)
    parser = actions.add_parser(
        "check", parents=[common], help="whether files of the site's own for the sensor are sound"
    )
    parser.add_argument("--advisories", type=Path, metavar="FILE", help="instead of sensor.advisories")
    parser.add_argument("--fingerprints", type=Path, metavar="FILE", help="instead of sensor.fingerprints")
    json_option(parser)
    parser.set_defaults(run=check)


def show(options: argparse.Namespace) -> int:
    """0: an entry covers it; 1: none does."""
    from appliance.config import catalogue_update

    found = catalogue_update.show(options.host, _override(options))
    say_json(found) if options.json else say(_told(found))
    return 0 if found.service else 1


def update(options: argparse.Namespace) -> int:
    """0: the file is sound. OperatorError lists every fault and contradiction; then nothing was written."""
    from appliance.config import catalogue_update

    told = catalogue_update.update(options.file, _override(options), apply=options.apply)
    say_json(told) if options.json else say(told.text())
    if told.written:
        hint(f"{told.written} is written anew (comments after the first lines are gone)")
        hint("a running appliance takes it up with: gnomon reload")
    elif told.before != told.after:
        hint("nothing is written; --apply does that")
    return 0


def check(options: argparse.Namespace) -> int:
    """0: both are sound. OperatorError lists every fault and contradiction of the first bad one."""
    import msgspec

    from appliance.config.catalogue import load_catalogue
    from appliance.config.known_files import load_known
    from appliance.config.load import load

    sensor = load(options.config).sensor
    named = {"advisories": options.advisories, "fingerprints": options.fingerprints}
    sensor = msgspec.structs.replace(sensor, **{key: str(path) for key, path in named.items() if path})
    found = load_known(sensor, load_catalogue(_override(options)))
    bad, shown = found.advisories, found.fingerprints
    counts = {
        "advisories": len(bad.advisories),
        "advisories_withdrawn": len(bad.withdraw),
        "clients": len(shown.clients),
        "servers": len(shown.servers),
        "handshakes": len(shown.handshakes),
        "clients_withdrawn": len(shown.withdraw),
    }
    if options.json:
        say_json(counts)
    elif not found.version:
        say("Neither sensor.advisories nor sensor.fingerprints is given: only what comes with the program is known.")
    else:
        say("\n".join(f"{name.replace('_', ' '):<22}{count}" for name, count in counts.items()))
    if options.advisories or options.fingerprints:
        hint("a running appliance takes a file up when the configuration names it, with: gnomon reload")
    return 0


def _told(found: Shown) -> str:
    host = one_line(found.host)
    if found.service is None:
        return f"{host}: {found.why} ({found.version})"
    service = found.service
    facts: list[tuple[str, object]] = [
        ("entry", f"{found.entry}  ({found.why})"),
        ("stands in", found.place),
        ("owner", f"{service.owner} ({service.jurisdiction or 'seat unknown'})"),
        ("category", f"{service.category}, surface {service.surface.value}"),
        ("confidence", f"{service.confidence:g}{', shared with other uses' if service.shared_host else ''}"),
        ("dialect", service.dialect or "-"),
        ("trains on data", service.trains_on_data or "not known"),
        ("keeps prompts", "not known" if service.retention_days is None else f"{service.retention_days} days"),
        ("terms", service.terms or "-"),
        ("sources", ", ".join(service.sources) or "-"),
    ]
    lines = [f"{host}: {service.name} ({service.id}), catalogue {found.version}"]
    lines += [f"  {name:<14}  {value}" for name, value in facts]
    lines += [f"  {'else':<14}  {entry}  ({name})" for entry, name in found.also]
    return "\n".join(lines)


def _override(options: argparse.Namespace) -> Path | None:
    from appliance.config.load import load

    text = load(options.config).catalogue.override
    return Path(text) if text else None
