"""What must hold of `role`, `central` and `peers` beyond their types, and the paths in them.

Rules: only what can be known without the network; a combination that could not work is refused in words at its key,
and so is one that would only look as if it worked. What the certificates hold is looked at when the appliance starts.
"""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from appliance.config.conversion import refuse
from appliance.config.placement_schema import AcceptEntry, Central, Peers
from appliance.config.schema import Config
from appliance.config.yaml_source import Path_
from appliance.route.targets import parse_host_port

type Fault = tuple[Path_, str]

MAX_PEERS: Final = 256
MAX_TARGETS: Final = 16
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?\Z")
_FILES: Final = ("ca", "certificate", "key")


def absolute[T: Central | Peers](section: T | None, folder: Path) -> T | None:
    """The section with its paths made absolute; relative ones start at `folder`."""
    if section is None:
        return None
    made = {key: os.path.normpath(folder / Path(getattr(section, key)).expanduser()) for key in _FILES}
    return msgspec.structs.replace(section, **made)


def faults(config: Config) -> Iterator[Fault]:
    """What is wrong, at its key."""
    yield from _combination(config)
    if config.central is not None:
        for place, what in _central(config.role, config.central):
            yield ("central", *place), what
    if config.peers is not None:
        for place, what in _peers(config, config.peers):
            yield ("peers", *place), what


def checked(config: Config) -> Config:
    """The configuration, with flags applied, if it still goes together. OperatorError lists every fault."""
    refuse([f"{'.'.join(map(str, place))}: {what}" for place, what in faults(config)])
    return config


def _combination(config: Config) -> Iterator[Fault]:
    role = config.role
    if role == "appliance":
        if config.central is not None:
            yield ("central",), "belongs to an edge or a sidecar; set `role`, or take the section out"
        return
    if config.central is None:
        yield ("role",), f"{role}: needs the section `central`, which says where its records and exchanges go"
    if config.peers is not None:
        yield ("peers",), f"belongs to a central appliance; a {role} has no peers of its own"
    if role == "sidecar" and config.workers != 1:
        yield ("workers",), "a sidecar has one worker; set 1, or leave the key out"
    if config.ships_records:
        yield from _storeless(config)


def _storeless(config: Config) -> Iterator[Fault]:
    """Without a store nobody could ask for what these keys promise."""
    for key in ("interfaces", "captures", "folder"):
        if getattr(config.sensor, key):
            yield ("sensor", key), f"a {config.role} that ships its records watches no network; let central do it"
    where = "the store is at the central appliance: set it there"
    if config.metrics.listen:
        yield ("metrics", "listen"), where
    if config.otel.endpoint:
        yield ("otel", "endpoint"), where
    if config.store.analyst_group:
        yield ("store", "analyst_group"), where


def _central(role: str, central: Central) -> Iterator[Fault]:
    yield from _name((), "name", central.name)
    if central.journal is None and role == "sidecar":
        yield ("journal",), "is missing: a sidecar ships its records; give HOST:PORT of the central appliance"
    if central.journal is not None:
        yield from _place(("journal",), central.journal)
    if role == "sidecar" and central.targets:
        yield ("targets",), "belongs to an edge; a sidecar talks to providers itself"
    if role == "edge" and not central.targets:
        yield ("targets",), "is missing: an edge sends its exchanges to a central appliance; give HOST:PORT"
    if len(central.targets) > MAX_TARGETS:
        yield ("targets",), f"more than {MAX_TARGETS}"
    for number, target in enumerate(central.targets):
        yield from _place(("targets", number), target)
    yield from _files(central)


def _peers(config: Config, peers: Peers) -> Iterator[Fault]:
    if peers.journal is None and peers.exchanges is None:
        yield (), "nothing would listen; give `journal` (records), `exchanges` (of edges), or both"
    taken = {config.listen.proxy: "listen.proxy", config.listen.gateway: "listen.gateway"}
    for key in ("journal", "exchanges"):
        if (address := getattr(peers, key)) is None:
            continue
        yield from _place((key,), address, any_port=True)
        if address in taken and not address.endswith(":0"):
            yield (key,), f"is the same address as {taken[address]}; give each its own port"
        taken[address] = f"peers.{key}"
    if not peers.accept:
        yield ("accept",), "nobody would be accepted; name at least one peer"
    if len(peers.accept) > MAX_PEERS:
        yield ("accept",), f"more than {MAX_PEERS} peers"
    for name, entry in peers.accept.items():
        yield from _name(("accept",), name, name)
        for place, what in _accepted(peers, entry):
            yield ("accept", name, *place), what
    yield from _files(peers)


def _accepted(peers: Peers, entry: AcceptEntry) -> Iterator[Fault]:
    if not entry.roles:
        yield ("roles",), "name what it may be: edge, sidecar, or both"
    if entry.may_assert and "edge" not in entry.roles:
        yield ("may_assert",), "only an edge speaks for the people behind it; take it out, or add the role edge"
    if "sidecar" in entry.roles and peers.journal is None:
        yield ("roles",), "a sidecar needs peers.journal, where its records are taken"
    if "edge" in entry.roles and peers.exchanges is None:
        yield ("roles",), "an edge needs peers.exchanges, where its exchanges are taken"


def _name(place: Path_, key: str, name: str) -> Iterator[Fault]:
    if not _NAME.match(name):
        yield (*place, key), "a name of at most 63 small letters, digits, dots and hyphens, as the certificate says it"


def _place(place: Path_, address: str, *, any_port: bool = False) -> Iterator[Fault]:
    try:
        parse_host_port(address, any_port=any_port)
    except ValueError as error:
        yield place, str(error)


def _files(section: Central | Peers) -> Iterator[Fault]:
    for key in _FILES:
        path = Path(getattr(section, key))
        if not path.is_file():
            yield (key,), f"{path}: no such file"
        elif not os.access(path, os.R_OK):
            yield (key,), f"{path}: not readable by this user; mend its permissions"
        elif key == "key" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield (key,), f"{path}: can be read by others; run: chmod 600 {path}"
