"""The operator's configuration file to a validated `Config`.

Rules: a file is accepted whole or refused whole, with every fault told at its line; relative paths are relative to the
file; what is checked here is what can be known without the network and without binding anything.
"""

import ipaddress
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from appliance.config import (
    account_checks,
    budget_checks,
    classifier,
    identity_checks,
    placement_checks,
    route_checks,
    signals_checks,
    yaml_source,
)
from appliance.config.conversion import convert, nearest, refuse
from appliance.config.schema import RETENTION_DAYS, Config
from appliance.config.yaml_source import Document, Path_
from appliance.net.hostname import address_literal
from appliance.route.targets import MAX_PORT, is_host, parse_host_port, parse_target

type Fault = tuple[Path_, str]

# Keys that hold a path; `True`: a file that must exist and be readable.
_PATHS: tuple[tuple[str, str, bool], ...] = (
    ("", "state_dir", False),
    ("", "run_dir", False),
    ("listen", "certificate", True),
    ("listen", "key", True),
    ("identity", "htpasswd", True),
    ("identity", "members", True),
    ("egress", "ca_bundle", True),
    ("policy", "file", True),
    ("catalogue", "override", True),
    ("inspect", "recognisers", True),
    ("inspect", "packages", True),
    ("prices", "file", True),
    ("ca", "dir", False),
    ("gateway", "credentials_dir", False),
    ("sensor", "folder", False),
    ("sensor", "advisories", True),
    ("sensor", "fingerprints", True),
    ("otel", "headers", True),
)
_MEMORY = re.compile(r"[1-9][0-9]{0,6}(MB|GB|MiB|GiB)\Z")
_MAX_WORKERS = 256
_MAX_SENSOR_PROCESSES = 16
MAX_INTERFACE = 15  # IFNAMSIZ less the end mark, <linux/if.h>
_MAX_CONTACT = 200


def load(path: Path | None) -> Config:
    """The configuration of a file, or the defaults without one. OperatorError lists every fault."""
    if path is None:
        return Config()
    return parse(yaml_source.read(path), path.absolute().parent)


def parse(document: Document, folder: Path) -> Config:
    """The configuration of a document whose relative paths start at `folder`."""
    config = _absolute(convert(document, Config), document, folder)
    faults = [document.fault(place, what) for check in _CHECKS for place, what in check(config)]
    refuse(faults)
    return config


def _absolute(config: Config, document: Document, folder: Path) -> Config:
    """Paths made absolute; a run folder that was not given follows the state folder."""
    sections: dict[str, dict[str, str]] = {}
    for section, key, _ in _PATHS:
        value = getattr(getattr(config, section) if section else config, key)
        given = not (section == "" and (key,) not in document.lines)
        if value and given:
            sections.setdefault(section, {})[key] = os.path.normpath(folder / Path(value).expanduser())
    if config.sensor.captures:
        found = (os.path.normpath(folder / Path(name).expanduser()) for name in config.sensor.captures)
        config = msgspec.structs.replace(config, sensor=msgspec.structs.replace(config.sensor, captures=tuple(found)))
    if config.inspect.classifier is not None:
        config = msgspec.structs.replace(config, inspect=classifier.absolute(config.inspect, folder))
    config = msgspec.structs.replace(
        config,
        identity=identity_checks.absolute(config.identity, folder),
        gateway=account_checks.absolute(config.gateway, folder),
        central=placement_checks.absolute(config.central, folder),
        peers=placement_checks.absolute(config.peers, folder),
    )
    top = sections.pop("", {})
    changes: dict[str, object] = {
        name: msgspec.structs.replace(getattr(config, name), **keys) for name, keys in sections.items()
    }
    return msgspec.structs.replace(config, **{"run_dir": "", **changes, **top})


def _paths(config: Config) -> Iterator[Fault]:
    for section, key, must_exist in _PATHS:
        value = getattr(getattr(config, section) if section else config, key)
        place = (section, key) if section else (key,)
        if not value or not must_exist:
            continue
        if not Path(value).exists():
            yield place, f"{value}: no such file"
        elif not os.access(value, os.R_OK):
            yield place, f"{value}: not readable by this user; mend its permissions"
        elif Path(value).is_dir() and place != ("catalogue", "override"):
            yield place, f"{value}: is a folder, not a file"


def _numbers(config: Config) -> Iterator[Fault]:
    if not 0 <= config.workers <= _MAX_WORKERS:
        yield ("workers",), f"must lie between 0 (one per core) and {_MAX_WORKERS}"
    if not 1 <= config.sensor.processes <= _MAX_SENSOR_PROCESSES:
        yield ("sensor", "processes"), f"must lie between 1 and {_MAX_SENSOR_PROCESSES}"
    lowest: tuple[tuple[Path_, float, float], ...] = (
        (("drain_s",), config.drain_s, 0),
        (("identity", "cache_s"), config.identity.cache_s, 0),
        (("egress", "connect_timeout_s"), config.egress.connect_timeout_s, 0.1),
        (("egress", "idle_timeout_s"), config.egress.idle_timeout_s, 1),
        (("egress", "max_body_bytes"), config.egress.max_body_bytes, 1024),
        (("egress", "max_head_bytes"), config.egress.max_head_bytes, 1024),
        (("journal", "max_bytes"), config.journal.max_bytes, 1 << 20),
        (("journal", "sync_ms"), config.journal.sync_ms, 1),
        (("inspect", "max_text_chars"), config.inspect.max_text_chars, 1024),
        (("inspect", "max_decoded_bytes"), config.inspect.max_decoded_bytes, 1024),
        (("inspect", "max_ratio"), config.inspect.max_ratio, 2),
        (("sensor", "suppression_s"), config.sensor.suppression_s, 0),
        (("sensor", "folder_settled_s"), config.sensor.folder_settled_s, 0),
        (("portal", "acknowledged_s"), config.portal.acknowledged_s, 0),
    )
    for place, value, low in lowest:
        if value < low:
            yield place, f"must be at least {low}"


def _listen(config: Config) -> Iterator[Fault]:
    for key in ("proxy", "gateway"):
        try:
            parse_host_port(getattr(config.listen, key), any_port=True)
        except ValueError as error:
            yield ("listen", key), str(error)
    if config.listen.proxy == config.listen.gateway and not config.listen.proxy.endswith(":0"):
        yield ("listen", "gateway"), "is the same address as listen.proxy; give each its own port"
    yield from _networks(("listen", "clients"), config.listen.clients)
    if bool(config.listen.certificate) != bool(config.listen.key):
        yield ("listen", "key" if config.listen.key else "certificate"), "certificate and key are given together"


def _networks(place: Path_, networks: tuple[str, ...]) -> Iterator[Fault]:
    for number, network in enumerate(networks):
        if what := network_fault(network):
            yield (*place, number), what


def network_fault(network: str) -> str:
    """What is wrong with the text of a network; empty when nothing is."""
    try:
        ipaddress.ip_network(network)
    except ValueError as error:
        return f"not a network: {error}; write e.g. 10.1.2.0/24 or 10.1.2.3"
    return ""


def _identity(config: Config) -> Iterator[Fault]:
    identity = config.identity
    for number, entry in enumerate(identity.addresses):
        place: Path_ = ("identity", "addresses", number)
        if what := network_fault(entry.network):
            yield (*place, "network"), what
        if not entry.user.strip():
            yield (*place, "user"), "must not be empty"
    for inner, what in identity_checks.faults(identity, tls=config.listen.certificate is not None):
        yield ("identity", *inner), what


def _egress(config: Config) -> Iterator[Fault]:
    for name, target in config.egress.hosts.items():
        for side, text in (("", name), ("to ", target)):
            try:
                parse_host_port(text)
            except ValueError as error:
                yield ("egress", "hosts", name), f"{side}{error}"
    for number, entry in enumerate(config.egress.allow_private):
        place: Path_ = ("egress", "allow_private", number)
        if what := network_fault(entry.network):
            yield (*place, "network"), what
        if not 1 <= entry.port <= MAX_PORT:
            yield (*place, "port"), "must lie between 1 and 65535"
        if not entry.purpose.strip():
            yield (*place, "purpose"), "must not be empty: say why a private address may be dialled"
    for number, name in enumerate(config.egress.never):
        if not is_host(name.removeprefix(".")) or address_literal(name) is not None:
            yield ("egress", "never", number), "not a host name; write name.example or .example for a whole domain"


def _gateway(config: Config) -> Iterator[Fault]:
    yield from route_checks.faults(config)


def _portal(config: Config) -> Iterator[Fault]:
    portal = config.portal
    if len(portal.contact) > _MAX_CONTACT or not portal.contact.isprintable():
        yield ("portal", "contact"), f"one line of at most {_MAX_CONTACT} characters"
    for key in ("address", "approved"):
        if getattr(portal, key) is not None:
            try:
                parse_target(getattr(portal, key))
            except ValueError as error:
                yield ("portal", key), str(error)


def _placement(config: Config) -> Iterator[Fault]:
    yield from placement_checks.faults(config)


def _classifier(config: Config) -> Iterator[Fault]:
    if config.inspect.classifier is not None:
        for key, what in classifier.faults(config.inspect.classifier):
            yield ("inspect", "classifier", key), what


def _budgets(config: Config) -> Iterator[Fault]:
    yield from budget_checks.faults(config.budgets, config.metering, config.site)


def _signals(config: Config) -> Iterator[Fault]:
    yield from signals_checks.faults(config)


def _accounts(config: Config) -> Iterator[Fault]:
    accounts, intercept = config.accounts, config.egress.intercept
    for place, what in (*account_checks.faults(accounts), *account_checks.sealed_hosts(accounts, intercept)):
        yield ("accounts", *place), what
    if what := account_checks.sealing_fault(config.gateway.sealing):
        yield ("gateway", "sealing"), what


def _sensor(config: Config) -> Iterator[Fault]:
    for number, name in enumerate(config.sensor.interfaces):
        if not name or len(name) > MAX_INTERFACE or "/" in name or name.split() != [name]:
            yield ("sensor", "interfaces", number), "not the name of an interface; `ip link` shows them, e.g. eth0"


def _store(config: Config) -> Iterator[Fault]:
    for table, days in config.store.retention.items():
        if table not in RETENTION_DAYS:
            yield ("store", "retention", table), f"no such table{nearest(table, tuple(RETENTION_DAYS))}"
        elif days < 1:
            yield ("store", "retention", table), "must be at least 1 day"
    if not _MEMORY.match(config.store.memory_limit):
        yield ("store", "memory_limit"), "write a number with its unit, e.g. 512MB"


_CHECKS: tuple[Callable[[Config], Iterator[Fault]], ...] = (
    _numbers,
    _listen,
    _identity,
    _egress,
    _gateway,
    _sensor,
    _store,
    _portal,
    _budgets,
    _accounts,
    _signals,
    _classifier,
    _placement,
    _paths,
)
