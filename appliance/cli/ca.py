"""`gnomon ca init | export | status`: the certificate authority."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from appliance.cli.output import json_option, say, say_json

if TYPE_CHECKING:
    import argparse

    from appliance.ca.files import CaStatus, CertificateStatus


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the commands."""
    actions = commands.add_parser("ca", help="the certificate authority").add_subparsers(
        metavar="ACTION", required=True
    )
    parser = actions.add_parser("init", parents=[common], help="make the root, or renew the intermediate")
    parser.add_argument("--unconstrained", action="store_true", help="allow an intermediate that may sign every name")
    parser.set_defaults(run=init)
    parser = actions.add_parser("export", parents=[common], help="the root certificate, for clients to trust")
    parser.add_argument("--form", choices=("pem", "der"), default="pem", help="text or binary form")
    parser.set_defaults(run=export)
    parser = actions.add_parser("status", parents=[common], help="what is there and what is due (exit 1: a renewal)")
    json_option(parser)
    parser.set_defaults(run=status)


def init(options: argparse.Namespace) -> int:
    """Make it."""
    from appliance.ca import command
    from appliance.config.load import load

    say(command.init(load(options.config), unconstrained=options.unconstrained))
    return 0


def export(options: argparse.Namespace) -> int:
    """Write the certificate to stdout."""
    from appliance.ca import command
    from appliance.config.load import load

    sys.stdout.buffer.write(command.export(load(options.config), options.form))
    return 0


def status(options: argparse.Namespace) -> int:
    """0: nothing due; 1: a renewal is."""
    from appliance.ca import command
    from appliance.config.load import load

    found = command.status(load(options.config))
    say_json(found) if options.json else say(_as_text(found))
    return 0 if found.renewal.value == "no" else 1


def _as_text(found: CaStatus) -> str:
    lines = [f"folder        {found.folder}"]
    lines += _certificate("root", found.root)
    if len(found.intermediates) > 1:
        end = min(certificate.expires for certificate in found.intermediates)
        lines.append(f"intermediates {len(found.intermediates)} of one key, until {_day(end)} (each: --json)")
    else:
        lines += _certificate("intermediate", next(iter(found.intermediates), None))
    reach = "every name" if found.unconstrained else f"{len(found.domains)} domain(s) and what is below them"
    if len(found.intermediates) > 1:
        reach += f", at most {max(len(one.domains) for one in found.intermediates)} domains in one certificate"
    lines += [f"may sign      {reach}", f"root key      {'here' if found.root_key_here else 'not here'}"]
    lines.append(f"renewal       {found.renewal}{': ' + found.reason if found.reason else ''}")
    return "\n".join(lines)


def _certificate(name: str, certificate: CertificateStatus | None) -> list[str]:
    if certificate is None:
        return [f"{name:<13} none"]
    return [
        f"{name:<13} {certificate.name}, until {_day(certificate.expires)}",
        f"{'':<13} sha256 {certificate.sha256}",
    ]


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))
