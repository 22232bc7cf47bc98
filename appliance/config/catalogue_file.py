"""A file of the operator's own about the catalogue: services, what changes of known ones, and which are not wanted.

Rules: refused whole, every fault with file, line and key; every name is lower-case ASCII; an id is said once in a file.
"""

import re
from collections.abc import Iterator

import msgspec
from msgspec import UNSET, UnsetType

from appliance.config.conversion import convert
from appliance.config.yaml_source import Document, Path_
from appliance.model.catalogue import Service, Training
from appliance.model.names import Surface
from appliance.route.targets import is_host

_ID = re.compile(r"[a-z0-9][a-z0-9_]{0,63}\Z")
_COUNTRY = re.compile(r"[A-Z]{2}\Z")
# What runs on anybody's host is known by how it talks, so that services of these categories need no name.
NAMELESS = frozenset({"local_model", "mcp"})


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is different about a known service; what is left out stays. `also`: names beside those it has."""

    name: str | UnsetType = UNSET
    owner: str | UnsetType = UNSET
    category: str | UnsetType = UNSET
    surface: Surface | UnsetType = UNSET
    domains: tuple[str, ...] | UnsetType = UNSET
    patterns: tuple[str, ...] | UnsetType = UNSET
    regions: tuple[str, ...] | UnsetType = UNSET
    dialect: str | UnsetType | None = UNSET
    shared_host: bool | UnsetType = UNSET
    confidence: float | UnsetType = UNSET
    jurisdiction: str | UnsetType | None = UNSET
    trains_on_data: Training | UnsetType | None = UNSET
    retention_days: int | UnsetType | None = UNSET
    terms: str | UnsetType | None = UNSET
    sources: tuple[str, ...] | UnsetType = UNSET
    also: tuple[str, ...] = ()

    def made(self, service: Service) -> Service:
        """The service as this says."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__ if name != "also"}
        new = {name: value for name, value in fields.items() if value is not UNSET}
        changed = msgspec.structs.replace(service, **new)
        return msgspec.structs.replace(changed, domains=(*changed.domains, *self.also)) if self.also else changed


class CatalogueFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One catalogue file. `services` replace or add by id; `change` and `remove` name ids that are known."""

    services: tuple[Service, ...] = ()
    change: dict[str, Change] = {}
    remove: tuple[str, ...] = ()


def read_file(document: Document) -> tuple[CatalogueFile, list[str]]:
    """The record and its faults. OperatorError: it has not the form of one."""
    file = convert(document, CatalogueFile)
    faults = [
        document.fault(("services", number, *key), what)
        for number, service in enumerate(file.services)
        for key, what in faults_of(service)
    ]
    said: dict[str, Path_] = {}
    named: list[tuple[Path_, str]] = [(("services", number), one.id) for number, one in enumerate(file.services)]
    named += [(("change", name), name) for name in file.change]
    named += [(("remove", number), name) for number, name in enumerate(file.remove)]
    for place, name in named:
        if name in said:
            faults.append(document.fault(place, f"{name} stands twice, first in line {document.line(said[name])}"))
        said.setdefault(name, place)
    return file, faults


def faults_of(service: Service) -> Iterator[tuple[Path_, str]]:
    """What is wrong with a service by itself: key and words."""
    for key in ("id", "category"):
        if not _ID.match(getattr(service, key)):
            yield (key,), "lower-case letters, digits and _ only"
    if not service.names and service.category not in NAMELESS:
        yield ("domains",), "a service needs a domain or a pattern"
    yield from _name_faults(service)
    if not 0 <= service.confidence <= 1:
        yield ("confidence",), "must lie between 0 and 1"
    if service.retention_days is not None and service.retention_days < 0:
        yield ("retention_days",), "must be 0 (not kept) or more"
    if service.jurisdiction is not None and not _COUNTRY.match(service.jurisdiction):
        yield ("jurisdiction",), "a country's two capital letters (ISO 3166)"


def _name_faults(service: Service) -> Iterator[tuple[Path_, str]]:
    for number, domain in enumerate(service.domains):
        name = domain.removeprefix(".")
        if not is_host(name) or "." not in name:
            yield ("domains", number), "not a lower-case host name with a dot; .name stands for all below it too"
    for number, pattern in enumerate(service.patterns):
        if not _is_pattern(pattern):
            yield ("patterns", number), "not a host name with * in it; the registered domain must be fixed"


def _is_pattern(pattern: str) -> bool:
    """A host name with `*`, whose last two labels are fixed: else one entry could take in half the network."""
    return "*" in pattern and is_host(pattern.replace("*", "x")) and "*" not in "".join(pattern.split(".")[-2:])
