"""`gnomon policy check | explain`: the rules, before and after they act. The others stand in policy_versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli import policy_suggest, policy_versions
from appliance.cli.output import json_option, say, say_json
from appliance.model.errors import OperatorError
from appliance.model.names import Stage

if TYPE_CHECKING:
    import argparse


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the commands."""
    actions = commands.add_parser("policy", help="the rules").add_subparsers(metavar="ACTION", required=True)
    parser = actions.add_parser("check", parents=[common], help="whether a policy file is sound")
    parser.add_argument("file", nargs="?", type=Path, help="policy file (default: the configured one)")
    parser.add_argument("--strict", action="store_true", help="exit 1 if there are warnings")
    json_option(parser)
    parser.set_defaults(run=check)
    parser = actions.add_parser("explain", parents=[common], help="what would happen to a request, and why")
    parser.add_argument("host", nargs="?", help="where the request goes, e.g. api.openai.com")
    parser.add_argument("--exchange", metavar="ID", help="a recorded exchange instead of an imagined request")
    parser.add_argument("--file", type=Path, help="policy file (default: the policy in force, else the configured one)")
    parser.add_argument("--user", default="anonymous", metavar="NAME", help="who asks")
    parser.add_argument("--group", action="append", default=[], metavar="NAME", help="a group of that user")
    parser.add_argument("--department", metavar="NAME", help="the department of that user")
    accounts = ("corporate", "personal", "anonymous", "unknown")
    parser.add_argument("--account", choices=accounts, help="whose account with the provider it uses")
    parser.add_argument("--key", metavar="ID", help="id of the virtual key that is shown")
    parser.add_argument("--api", metavar="NAME", help="kind of call, e.g. openai.embeddings (default: the service's)")
    parser.add_argument("--model", metavar="NAME", help="the model that is asked for")
    parser.add_argument("--tool", action="append", default=[], metavar="NAME", help="a tool that the request declares")
    parser.add_argument("--bytes", type=int, default=0, metavar="N", help="size of the body (default: 0)")
    parser.add_argument("--at", metavar="TIME", help="when, as ISO 8601 in the site's time zone (default: now)")
    parser.add_argument("--method", default="POST", help="method of the request")
    parser.add_argument("--path", default="/", help="path of the request, without query")
    parser.add_argument(
        "--entity", action="append", default=[], metavar="[KIND:]ENTITY[=SCORE]", help="something found in the body"
    )
    parser.add_argument(
        "--unscanned",
        action="append",
        nargs="?",
        const="binary",
        default=[],
        metavar="REASON",
        help="part of the body could not be read, for this reason (default: binary)",
    )
    parser.add_argument("--mcp", action="append", default=[], metavar="HOST", help="a tool server that is to be called")
    parser.add_argument("--stage", type=Stage, choices=tuple(Stage), help="default: the stage in force, else enforce")
    json_option(parser)
    parser.set_defaults(run=explain)
    policy_versions.add(actions, common)
    policy_suggest.add(actions, common)


def check(options: argparse.Namespace) -> int:
    """0: sound; 1: sound with warnings under --strict. OperatorError lists every fault."""
    from appliance.config import policy_command
    from appliance.config.load import load

    config = load(options.config)
    report = policy_command.check(options.file or _path(config.policy.file), _path(config.catalogue.override))
    say_json(report) if options.json else say(report.text())
    return 1 if options.strict and report.warnings else 0


def explain(options: argparse.Namespace) -> int:
    """Under the snapshot in force where there is one, else under the file."""
    if (options.host is None) == (options.exchange is None):
        raise OperatorError("policy explain: name either a host or --exchange ID")
    if options.exchange is not None:
        return _explain_recorded(options)
    import time

    import msgspec

    from appliance.config import policy_command
    from appliance.config.load import load
    from appliance.policy.disk import read_current

    config = load(options.config)
    snapshot = None if options.file else read_current(Path(config.state_dir) / "policy")
    if snapshot is not None and options.stage is not None:
        snapshot = msgspec.structs.replace(snapshot, stage=options.stage)
    told = policy_command.explain_request(
        _imagined(options, _limits(config.state_dir, options.key)),
        path=options.file or _path(config.policy.file),
        stage=options.stage or Stage.ENFORCE,
        catalogue_override=_path(config.catalogue.override),
        snapshot=snapshot,
        now=time.time(),
        timezone=config.site.timezone,
        routes=config.gateway.routes,
        **_site_key(config.state_dir),
    )
    say_json(told) if options.json else say(told.text)
    return 0


def _explain_recorded(options: argparse.Namespace) -> int:
    """What the policy of a file, or the one in force, makes of a recorded exchange."""
    import msgspec

    from appliance.cli.analyst import client_of
    from appliance.config import policy_command
    from appliance.config.catalogue import load_catalogue
    from appliance.config.load import load
    from appliance.config.policy_file import load_policy
    from appliance.model.event import ExchangeOpened
    from appliance.store.pages import ExchangeRecord, ExchangeRequest, PageHead

    config = load(options.config)
    with client_of(config) as client:
        _, body = client.call("exchange", ExchangeRequest(exchange=options.exchange), reply=PageHead)
    records = msgspec.json.decode(body, type=list[ExchangeRecord])
    found = next((one for one in records if one.kind == "open"), None)
    if found is None:
        raise OperatorError(f"{options.exchange}: no such exchange is recorded; `gnomon export` lists them")
    opened = msgspec.json.decode(
        msgspec.json.decode(found.body, type=dict[str, msgspec.Raw])["event"], type=ExchangeOpened
    )
    snapshot = policy_versions.in_force(config)
    changes: dict[str, Any] = {"rules": load_policy(options.file)} if options.file else {}
    changes |= {"stage": options.stage} if options.stage else {}
    snapshot = msgspec.structs.replace(snapshot, **changes)
    told = policy_command.explain_facts(
        opened.facts,
        opened.ts,
        snapshot,
        catalogue=load_catalogue(_path(config.catalogue.override)),
        site_key=policy_versions.site_key(config),
        routes=config.gateway.routes,
    )
    say_json(told) if options.json else say(told.text)
    return 0


def _imagined(options: argparse.Namespace, limits: tuple[tuple[str, ...], tuple[str, ...]]) -> Any:
    from datetime import datetime

    from appliance.model.names import AccountKind
    from appliance.policy.cases import Imagined

    try:
        moment = datetime.fromisoformat(options.at) if options.at else None
    except ValueError:
        raise OperatorError(f"--at {options.at}: no time; write e.g. 2027-03-31T12:00") from None
    return Imagined(
        virtual_key=options.key,
        key_services=limits[0],
        key_models=limits[1],
        api=options.api,
        tools=tuple(options.tool),
        bytes=max(0, options.bytes),
        at=moment,
        host=options.host,
        user=options.user,
        groups=tuple(options.group),
        department=options.department,
        account=None if options.account is None else AccountKind(options.account),
        model=options.model,
        method=options.method,
        path=options.path,
        entities=tuple(options.entity),
        unscanned=tuple(options.unscanned),
        hosted_mcp=tuple(options.mcp),
    )


def _limits(state_dir: str, key: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Services and models that a virtual key is for, as the register has it."""
    if key is None:
        return (), ()
    from appliance.identity import virtual_key_file

    entries = virtual_key_file.read(Path(state_dir) / virtual_key_file.NAME)
    return next(((entry.services, entry.models) for entry in entries if entry.id == key), ((), ()))


def _site_key(state_dir: str) -> dict[str, bytes]:
    """The key that decisions' scopes and percentages were made with, where this user may read it; it is never made."""
    from appliance.config.site_key import load_site_key

    folder = Path(state_dir)
    return {"site_key": load_site_key(folder)} if (folder / "site.key").exists() else {}


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
