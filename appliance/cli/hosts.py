"""`gnomon hosts` and `gnomon host ADDRESS`: who is in the network and what they used, asked over analyst.sock.

Rules: read only; clear names are shown where the store still has them, else digests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.cli.output import json_option, say, say_json, table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping

    from appliance.bus.client import BlockingClient
    from appliance.config.schema import Config
    from appliance.store.host_pages import HostDetail, HostRecord, HostsRequest

_MOST = 10_000
_ORDERS = ("seen", "new", "bytes", "past")
_FEW = 4  # services in a row


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the commands."""
    parser = commands.add_parser("hosts", parents=[common], help="hosts of the network, and the AI services they used")
    parser.add_argument("--ai", action="store_true", help="only such as used, or asked for, an AI service")
    parser.add_argument("--service", metavar="ID", help="only such as used that service")
    parser.add_argument("--text", metavar="WORDS", help="in address, name, hardware address, vendor, system or service")
    parser.add_argument("--order", choices=_ORDERS, default="seen", help="largest first (default: last seen)")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many (default: 50)")
    json_option(parser)
    parser.set_defaults(run=listed)
    parser = commands.add_parser("host", parents=[common], help="everything about one host")
    parser.add_argument("address", metavar="ADDRESS", help="an address or a name as `gnomon hosts` shows it, or a_...")
    json_option(parser)
    parser.set_defaults(run=one)


def listed(options: argparse.Namespace) -> int:
    """0: asked; nobody found is an answer too."""
    from appliance.cli.analyst import client_of, persons
    from appliance.store.host_pages import HostOrder, HostsRequest

    request = HostsRequest(
        order=HostOrder(options.order), text=options.text or None, service=options.service or None, ai=options.ai
    )
    with client_of(_config(options)) as client:
        found, total = _hosts(client, request, max(1, min(options.limit, _MOST)))
        names = persons(client, (digest for host in found for digest in host.digests))
    if options.json:
        say_json({"hosts": found, "persons": names, "total": total})
        return 0
    head = ("NAME", "ADDRESS", "VENDOR", "SERVICES", "PROXY", "PAST", "UP", "DOWN", "FIRST", "LAST")
    say(table(head, (_row(host, names) for host in found)))
    say(f"{len(found)} of {total}")
    return 0


def _hosts(client: BlockingClient, request: HostsRequest, most: int) -> tuple[list[HostRecord], int]:
    """Up to `most` hosts over as many pages as it takes, and how many there are in all."""
    import msgspec

    from appliance.store.host_pages import HostRecord, HostsHead
    from appliance.store.pages import MAX_LIMIT

    found: list[HostRecord] = []
    while True:
        asked = msgspec.structs.replace(request, limit=max(1, min(MAX_LIMIT, most - len(found))))
        head, body = client.call("hosts", asked, reply=HostsHead)
        found += msgspec.json.decode(body, type=list[HostRecord])
        if head.next is None or len(found) >= most:
            return found, head.total
        request = msgspec.structs.replace(request, before=head.next)


def _row(host: HostRecord, names: Mapping[str, str]) -> tuple[object, ...]:
    from appliance.cli.analyst import when

    more = f" +{len(host.services) - _FEW}" if len(host.services) > _FEW else ""
    return (
        _name(host, names),
        names.get(host.address, host.address),
        host.vendor or None,
        ", ".join(host.services[:_FEW]) + more or None,
        host.exchanges,
        host.past,
        _bytes(host.bytes_up, at_least=host.at_least),
        _bytes(host.bytes_down, at_least=host.at_least),
        when(host.first_seen),
        when(host.last_seen),
    )


def _name(host: HostRecord, names: Mapping[str, str]) -> str | None:
    """The newest of its names."""
    return names.get(host.names[-1], host.names[-1]) if host.names else None


def _bytes(number: int, *, at_least: bool) -> str:
    return f"{'>=' if at_least and number else ''}{number}"


def one(options: argparse.Namespace) -> int:
    """0: it exists. OperatorError: there is none of that name, or several."""
    from appliance.cli.analyst import client_of, persons
    from appliance.store.host_pages import HostDetail, HostRequest

    with client_of(_config(options)) as client:
        address = address_of(client, options.address)
        detail, _ = client.call("host", HostRequest(address=address), reply=HostDetail)
        names = persons(client, detail.host.digests)
    if options.json:
        say_json({"detail": detail, "persons": names})
        return 0
    say("\n\n".join(_as_text(detail, names)))
    return 0


def address_of(client: BlockingClient, text: str) -> str:
    """The digest of a host's address, out of what a person calls it."""
    from appliance.cli.analyst import persons
    from appliance.model.errors import OperatorError
    from appliance.store.host_pages import HostsRequest

    if text.startswith("a_"):
        return text
    found, _ = _hosts(client, HostsRequest(text=text), _MOST)
    names = persons(client, (digest for host in found for digest in host.digests))
    meant = [host for host in found if text.lower() in {names.get(each, "").lower() for each in host.digests}]
    if len(meant) == 1:
        return meant[0].address
    if not meant:
        raise OperatorError(f"{text}: no host has that address or name; see: gnomon hosts --text {text}")
    raise OperatorError(f"{text}: several hosts ({', '.join(host.address for host in meant[:8])}); name one of these")


def _as_text(detail: HostDetail, names: Mapping[str, str]) -> Iterable[str]:
    from appliance.cli.analyst import when

    host = detail.host
    told = [("address", names.get(host.address, host.address)), ("digest", host.address)]
    told += [
        (f"name ({by})", names.get(name, name)) for name, by in zip(host.names[::-1], host.told_by[::-1], strict=True)
    ]
    if host.mac:
        told.append(("hardware address", f"{names.get(host.mac, host.mac)} ({host.vendor})"))
    elif host.router:
        told.append(("hardware address", "not known: behind a router"))
    told += [("system", host.system)] if host.system else []
    told += [("first seen", when(host.first_seen)), ("last seen", when(host.last_seen))]
    yield table(("HOST", ""), told)
    rows = [
        (
            use.service, use.surface, use.exchanges, use.past, use.hints, _bytes(use.bytes_up, at_least=use.at_least),
            _bytes(use.bytes_down, at_least=use.at_least), when(use.last_seen),
            None if use.cost_micros is None else f"{use.cost_micros / 1e6:.4f}",
        )
        for use in detail.services
    ]  # fmt: skip
    if rows:
        yield table(("SERVICE", "SURFACE", "PROXY", "PAST", "HINTS", "UP", "DOWN", "LAST", "USD"), rows)
    found = [(each.id, each.severity, each.state, each.kind, each.subject) for each in detail.findings]
    if found:
        yield table(("FINDING", "SEVERITY", "STATE", "WHAT", "SERVICE"), found)


def _config(options: argparse.Namespace) -> Config:
    from appliance.config.load import load

    return load(options.config)
