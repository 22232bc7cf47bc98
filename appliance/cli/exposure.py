"""`gnomon keys exposure`: which keys with providers a program or a machine has used, on the day that it is needed.

Rules: read only; keys are fingerprints, never keys; names of keys that the appliance holds come from its register,
where the asker may read that.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint, json_option, say, say_json, table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from appliance.config.schema import Config
    from appliance.store.exposure_pages import ExposedKey

_AGO = re.compile(r"([1-9][0-9]{0,4})([mhdw])\Z")
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_MOST = 500


def add(kinds: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    told = "keys with providers that were seen: who, whose account, where they are revoked, and what still uses them"
    parser = kinds.add_parser("exposure", parents=[common], help=told)
    when = "7d, 36h, or an ISO date or time (UTC)"
    parser.add_argument("--since", default="7d", metavar="WHEN", help=f"from when on: {when} (default: 7d)")
    parser.add_argument("--until", metavar="WHEN", help="until when; what was used later counts as still in use")
    parser.add_argument(
        "--client", metavar="PROGRAM", help="only what this program used, e.g. litellm or litellm/1.82.8"
    )
    parser.add_argument("--host", metavar="ADDRESS", help="only what this machine used: address, name, or a_...")
    parser.add_argument("--service", metavar="ID", help="only what went to this service")
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="at most so many keys (default: 100)")
    json_option(parser)
    parser.set_defaults(run=show)


def show(options: argparse.Namespace) -> int:
    """0: none of these keys was used after the span; 1: some still are."""
    import msgspec

    from appliance.cli.analyst import client_of, persons
    from appliance.cli.hosts import address_of
    from appliance.config.load import load
    from appliance.model.errors import OperatorError
    from appliance.store.exposure_pages import ExposedKey, ExposureHead, ExposureRequest

    config, now = load(options.config), time.time()
    since = moment(options.since, now, "--since")
    until = None if options.until is None else moment(options.until, now, "--until")
    if until is not None and until <= since:
        raise OperatorError("--until lies before --since: no time is left between them; give an earlier --since")
    with client_of(config) as client:
        request = ExposureRequest(
            since=since,
            until=until,
            program=options.client,
            client=None if options.host is None else address_of(client, options.host),
            service=options.service,
            limit=max(1, min(options.limit, _MOST)),
        )
        head, body = client.call("exposure", request, reply=ExposureHead)
        found = msgspec.json.decode(body, type=list[ExposedKey])
        names = persons(client, (digest for each in found for digest in (*each.principals, *each.clients)))
    held = _held(config)
    if options.json:
        say_json({"keys": [_told(each, held) for each in found], "persons": names, "total": head.total})
    else:
        _show(found, names, held)
        say(f"{len(found)} of {head.total} keys")
    used = [each for each in found if each.still_used]
    if used and not options.json:
        hint(f"{len(used)} of them were used after that: revoke them where they are made")
    return 1 if used else 0


def moment(text: str, now: float, option: str) -> float:
    """Epoch seconds of a moment that has been."""
    from appliance.model.errors import OperatorError

    if (ago := _AGO.match(text)) is not None:
        return max(0.0, now - int(ago[1]) * _SECONDS[ago[2]])
    try:
        found = datetime.fromisoformat(text)
        at = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise OperatorError(f"{option} {text[:40]}: no time; write 7d, 36h, 90m or 2026-03-24T10:39") from None
    if not 0 <= at <= now:
        raise OperatorError(f"{option} {text[:40]}: lies in the future")
    return at


def _show(found: list[ExposedKey], names: Mapping[str, str], held: Mapping[str, str]) -> None:
    from appliance.cli.analyst import when
    from appliance.route.revocation import page_of

    def people(digests: tuple[str, ...]) -> str:
        return ", ".join(names.get(each, each) for each in digests)

    head = ("KEY", "FORM", "OWNER", "HOSTS", "PROGRAMS", "SERVICES", "ACCOUNT", "USES", "LAST", "AFTER")
    rows = [
        (
            each.fingerprint,
            each.shape,
            f"the appliance: {_name(each, held)}" if _name(each, held) else people(each.principals),
            people(each.clients),
            ", ".join(each.programs),
            ", ".join(each.services),
            ", ".join(each.accounts),
            each.exchanges,
            when(each.last_seen),
            f"{each.after}, {when(each.last_after)}" if each.after else "no",
        )
        for each in found
    ]
    say(table(head, rows))
    services = sorted({service for each in found for service in each.services})
    pages = [(service, page.address) for service in services if (page := page_of(service))]
    if pages:
        say("\n" + table(("SERVICE", "WHERE KEYS ARE REVOKED"), pages) + "\n")


def _name(key: ExposedKey, held: Mapping[str, str]) -> str | None:
    return key.held or held.get(key.fingerprint)


def _told(key: ExposedKey, held: Mapping[str, str]) -> dict[str, object]:
    import msgspec

    from appliance.route.revocation import page_of

    pages = {service: page.address for service in key.services if (page := page_of(service))}
    made: dict[str, object] = msgspec.to_builtins(key)
    return made | {"held": _name(key, held), "still_used": key.still_used, "revoke": pages}


def _held(config: Config) -> dict[str, str]:
    """Names by fingerprint, as far as this user may know them."""
    from appliance.config.key_register import read
    from appliance.model.errors import OperatorError

    try:
        records = read(config)
    except (OperatorError, OSError):
        return {}
    return {each.fingerprint: name for name, record in records.items() for each in record.generations}
