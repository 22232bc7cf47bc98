"""`gnomon policy check | explain`: the rules, before and after they act."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.output import json_option, say, say_json
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
    parser.add_argument("host", help="where the request goes, e.g. api.openai.com")
    parser.add_argument("--file", type=Path, help="policy file (default: the policy in force, else the configured one)")
    parser.add_argument("--user", default="anonymous", metavar="NAME", help="who asks")
    parser.add_argument("--group", action="append", default=[], metavar="NAME", help="a group of that user")
    parser.add_argument("--department", metavar="NAME", help="the department of that user")
    parser.add_argument("--model", metavar="NAME", help="the model that is asked for")
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
        _imagined(options),
        path=options.file or _path(config.policy.file),
        stage=options.stage or Stage.ENFORCE,
        catalogue_override=_path(config.catalogue.override),
        snapshot=snapshot,
        now=time.time(),
        **_site_key(config.state_dir),
    )
    say_json(told) if options.json else say(told.text)
    return 0


def _imagined(options: argparse.Namespace) -> Any:
    from appliance.config.policy_command import Imagined

    return Imagined(
        host=options.host,
        user=options.user,
        groups=tuple(options.group),
        department=options.department,
        model=options.model,
        method=options.method,
        path=options.path,
        entities=tuple(options.entity),
        unscanned=tuple(options.unscanned),
        hosted_mcp=tuple(options.mcp),
    )


def _site_key(state_dir: str) -> dict[str, bytes]:
    """The key that decisions' scopes and percentages were made with, where this user may read it; it is never made."""
    from appliance.config.site_key import load_site_key

    folder = Path(state_dir)
    return {"site_key": load_site_key(folder)} if (folder / "site.key").exists() else {}


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
