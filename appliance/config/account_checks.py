"""What is wrong with accounts and sealing, beyond their form. Pure but for paths made absolute."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from appliance.config.account_schema import Accounts, Sealing
from appliance.config.conversion import nearest
from appliance.config.schema import Gateway
from appliance.config.yaml_source import Path_
from appliance.route.accounts import KINDS, MAX_ID
from appliance.route.tenants import KNOWN, fault_of

MAX_IDS = 1000


def faults(accounts: Accounts, services: frozenset[str] = frozenset()) -> Iterator[tuple[Path_, str]]:
    """Key and words of each. `services`: catalogue ids that may stand in `tenants` beside the known words."""
    for kind, ids in accounts.corporate.items():
        place: Path_ = ("corporate", kind)
        if kind not in KINDS:
            yield place, f"no such kind of id{nearest(kind, KINDS)}"
        if len(ids) > MAX_IDS or any(not each or len(each) > MAX_ID or not each.isprintable() for each in ids):
            yield place, f"at most {MAX_IDS} ids of 1 to {MAX_ID} characters"
    for word, headers in accounts.tenants.items():
        if services and word not in services and word not in KNOWN:
            yield ("tenants", word), f"no such service{nearest(word, (*KNOWN, *services))}"
        if not headers:
            yield ("tenants", word), "name its headers and their values"
        known = KNOWN[word].headers if word in KNOWN else ()
        for name, value in headers.items():
            if what := fault_of(name, value):
                yield ("tenants", word), what
            elif known and name.lower() not in {each.lower() for each in known}:
                yield ("tenants", word, name), f"no header of {word}{nearest(name, known)}"


def sealed_hosts(accounts: Accounts, intercept: str) -> Iterator[tuple[Path_, str]]:
    """Restrictions that could never be sent, because the hosts that they are for stay sealed."""
    for word in accounts.tenants if intercept == "ai" else ():
        if word in KNOWN and not KNOWN[word].services:
            told = f"{', '.join(KNOWN[word].hosts)} are no AI services and stay sealed: set egress.intercept to all"
            yield ("tenants", word), told


def sealing_fault(sealing: Sealing | None) -> str:
    """What is wrong with where the key-encryption key comes from; empty when nothing is."""
    if sealing is None:
        return ""
    if sum((sealing.file is not None, sealing.credential is not None, bool(sealing.command))) != 1:
        return "give exactly one of file, credential and command"
    if sealing.command and not Path(sealing.command[0]).is_absolute():
        return "command: name the program by its whole path"
    if sealing.credential is not None and ("/" in sealing.credential or sealing.credential in ("", ".", "..")):
        return "credential: a name, as LoadCredential= has it"
    return ""


def absolute(gateway: Gateway, folder: Path) -> Gateway:
    """With the file's path made absolute."""
    sealing = gateway.sealing
    if sealing is None or sealing.file is None:
        return gateway
    file = os.path.normpath(folder / Path(sealing.file).expanduser())
    return msgspec.structs.replace(gateway, sealing=msgspec.structs.replace(sealing, file=file))
