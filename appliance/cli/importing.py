"""`gnomon import litellm FILE`: what another gateway's configuration becomes here.

Rules: without --to nothing is written and nothing minted; with it, all is checked before the first key is minted, no
file is ever overwritten, and keys of an import that fails are taken back; the new keys are printed once, on stdout
alone, and stand in no file.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint, json_option, say, say_json, table

if TYPE_CHECKING:
    import argparse

    from appliance.config.litellm.holders import Minted
    from appliance.config.litellm.imported import Imported, Read

_PRIVATE = 0o600


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    told = "take over the configuration of another gateway"
    kinds = commands.add_parser("import", help=told).add_subparsers(metavar="KIND", required=True)
    parser = kinds.add_parser("litellm", parents=[common], help="LiteLLM: models, aliases, budgets, teams, keys")
    parser.add_argument("file", metavar="FILE", type=Path, help="its config.yaml")
    exported = "JSON of its /key/list?return_full_object=true, /team/list or /user/list; repeatable"
    parser.add_argument("--export", action="append", default=[], metavar="FILE", type=Path, help=exported)
    parser.add_argument("--to", metavar="DIR", type=Path, help="write there and mint the keys; without it only report")
    json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0: told, and with --to written."""
    from appliance.config.litellm.imported import imported
    from appliance.config.litellm.report import report

    read = _read(options)
    now = time.time()
    found = imported(read, (), now)
    if options.to is None:
        say_json(_told(found, [])) if options.json else say(report(found).rstrip())
        hint("nothing is written and no key is minted; --to DIR does both")
        return 0
    keys = _take_over(options, read, found, now)
    if options.json:
        say_json(_told(found, keys))
        return 0
    rows = [(one.was, key_id, one.owner) for one, key_id, _ in keys]
    say(f"{len(found.files) + 1} files in {options.to}; {len(keys)} keys minted.")
    if keys:
        say(table(("WAS", "IS", "OWNER"), rows))
        say("\n".join(f"{key_id}  {key}" for _, key_id, key in keys))
        hint("these keys are shown this once; give each to its owner in place of the old one")
    for name, service, where in found.held:
        hint(f"add a key ({where}): gnomon keys add {name} --provider {service} --config {options.to}/gnomon.yaml")
    hint(f"read {options.to}/report.md, then: gnomon config check --config {options.to}/gnomon.yaml")
    return 0


def _read(options: argparse.Namespace) -> Read:
    from appliance.config import yaml_source
    from appliance.config.litellm.imported import Read
    from appliance.config.litellm.source import read_config, read_export
    from appliance.config.load import load

    load(options.config)  # a base that is not sound is told before anything else
    base = yaml_source.read(options.config) if options.config else None
    folder = options.config.absolute().parent if options.config else Path.cwd()
    return Read(read_config(options.file), tuple(map(read_export, options.export)), base, folder)


def _take_over(options: argparse.Namespace, read: Read, found: Imported, now: float) -> list[tuple[Minted, str, str]]:
    """Mint and write; each key with its id and text."""
    from appliance.config.litellm.imported import REPORT, imported
    from appliance.config.litellm.report import report
    from appliance.model.errors import OperatorError

    if not found.models:
        raise OperatorError("nothing of model_list can be carried over; the report of a run without --to says why")
    folder: Path = options.to
    _free(folder, (*found.files, REPORT))
    keys: list[tuple[Minted, str, str]] = []
    written: list[Path] = []
    try:
        _mint(options, found, now, keys)
        final = imported(read, [key_id for _, key_id, _ in keys], now)
        for name, text in {**final.files, REPORT: report(final)}.items():
            _write(folder / name, text)
            written.append(folder / name)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        _take_back(options, keys, now)
        raise
    return keys


def _free(folder: Path, names: tuple[str, ...]) -> None:
    from appliance.model.errors import OperatorError

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OperatorError(f"{folder}: cannot be made ({error.strerror})") from None
    for name in names:
        if (folder / name).exists():
            raise OperatorError(f"{folder / name}: is there already; give a folder of its own")


def _mint(options: argparse.Namespace, found: Imported, now: float, keys: list[tuple[Minted, str, str]]) -> None:
    from appliance.config.load import load
    from appliance.config.site_key import load_site_key
    from appliance.identity import virtual_key_file
    from appliance.identity.virtual_keys import VirtualKey

    state = Path(load(options.config).state_dir)
    if not found.keys:
        return
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    site_key = load_site_key(state)
    for one in found.keys:
        template = VirtualKey(
            id="", owner=one.owner, salt="", digest="", created=now, groups=one.groups, department=one.department,
            expires=one.expires, note=f"was {one.was} at LiteLLM"[:200],
        )  # fmt: skip
        key, entry = virtual_key_file.mint(state, site_key, template)
        keys.append((one, entry.id, key))


def _take_back(options: argparse.Namespace, keys: list[tuple[Minted, str, str]], now: float) -> None:
    from appliance.config.load import load
    from appliance.identity import virtual_key_file

    for _, key_id, _ in keys:
        virtual_key_file.revoke(Path(load(options.config).state_dir), key_id, now)


def _write(path: Path, text: str) -> None:
    import os

    from appliance.model.errors import OperatorError

    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _PRIVATE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be written ({error.strerror})") from None


def _told(found: Imported, keys: list[tuple[Minted, str, str]]) -> dict[str, object]:
    from appliance.config.litellm.imported import counted

    return {
        "models": found.models,
        "values": counted(found.lines),
        "lines": found.lines,
        "cautions": found.cautions,
        "held": [{"name": name, "provider": service, "is": where} for name, service, where in found.held],
        "keys": [{"was": one.was, "owner": one.owner, "id": key_id, "key": key} for one, key_id, key in keys],
    }
