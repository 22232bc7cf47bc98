"""The catalogue of AI services: embedded files, and the operator's own on top.

Rules: no two services contradict each other (one name, one owner); every name is lower-case ASCII; the version is a
hash of what was read, so equal catalogues have equal versions wherever they lie.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path

import msgspec

from appliance.config import yaml_source
from appliance.config.conversion import convert, refuse
from appliance.config.yaml_source import Document, Path_
from appliance.model.catalogue import Catalogue, Service
from appliance.route.targets import is_host

_ID = re.compile(r"[a-z0-9][a-z0-9_]{0,63}\Z")
MAX_SERVICES = 10_000
# What runs on anybody's host is known by how it talks, so that services of these categories need no name.
NAMELESS = frozenset({"local_model", "mcp"})


class CatalogueFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One catalogue file."""

    services: tuple[Service, ...] = ()


def load_catalogue(override: Path | None = None) -> Catalogue:
    """The embedded services; those of `override` (a file, or a folder of *.yaml) replace or add to them by id.

    OperatorError lists every fault of every file.
    """
    found = _collect(_embedded()) | _collect(map(yaml_source.read, _files(override)))
    return build([service for service, _ in found.values()], {name: place for name, (_, place) in found.items()})


def build(services: Sequence[Service], places: dict[str, str] | None = None) -> Catalogue:
    """A catalogue of validated services; OperatorError when two contradict each other. `places`: id to FILE:LINE."""
    where = places or {}
    faults = [f"{where.get(service.id, service.id)}: {what}" for service, what in _contradictions(services)]
    refuse(faults)
    ordered = tuple(sorted(services, key=lambda service: service.id))
    return Catalogue(ordered, version(ordered))


def version(services: Sequence[Service]) -> str:
    """12 hexadecimal characters over the services in the order given."""
    return hashlib.sha256(msgspec.json.encode(services)).hexdigest()[:12]


def _embedded() -> Iterator[Document]:
    folder = resources.files("discovery") / "catalogue"
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.name.endswith(".yaml"):
            yield yaml_source.parse(item.read_bytes(), f"discovery/catalogue/{item.name}")


def _files(override: Path | None) -> list[Path]:
    if override is None:
        return []
    return sorted(override.glob("*.yaml")) if override.is_dir() else [override]


def _collect(documents: Iterable[Document]) -> dict[str, tuple[Service, str]]:
    """Services and their places by id; OperatorError with every fault."""
    found: dict[str, tuple[Service, str]] = {}
    faults: list[str] = []
    for document in documents:
        for number, service in enumerate(convert(document, CatalogueFile).services):
            place: Path_ = ("services", number)
            faults += [document.fault((*place, *key), what) for key, what in _faults(service)]
            if service.id in found:
                faults.append(document.fault(place, f"{service.id} stands twice, first at {found[service.id][1]}"))
            found[service.id] = (service, f"{document.name}:{document.line(place)}")
        if len(found) > MAX_SERVICES:
            faults.append(document.fault((), f"more than {MAX_SERVICES} services"))
    refuse(faults)
    return found


def _faults(service: Service) -> Iterator[tuple[Path_, str]]:
    for key in ("id", "category"):
        if not _ID.match(getattr(service, key)):
            yield (key,), "lower-case letters, digits and _ only"
    if not service.domains and not service.patterns and service.category not in NAMELESS:
        yield ("domains",), "a service needs a domain or a pattern"
    for number, domain in enumerate(service.domains):
        name = domain.removeprefix(".")
        if not is_host(name) or "." not in name:
            yield ("domains", number), "not a lower-case host name with a dot; .name stands for all below it too"
    for number, pattern in enumerate(service.patterns):
        if not _is_pattern(pattern):
            yield ("patterns", number), "not a host name with * in it; the registered domain must be fixed"
    if not 0 <= service.confidence <= 1:
        yield ("confidence",), "must lie between 0 and 1"


def _is_pattern(pattern: str) -> bool:
    """A host name with `*`, whose last two labels are fixed: else one entry could take in half the network."""
    return "*" in pattern and is_host(pattern.replace("*", "x")) and "*" not in "".join(pattern.split(".")[-2:])


def _contradictions(services: Sequence[Service]) -> Iterator[tuple[Service, str]]:
    owners: dict[str, Service] = {}
    for service in services:
        for name in (*service.domains, *service.patterns):
            # `.name` covers `name`: the same name said twice in one service is a slip as well.
            if (other := owners.get(name)) is not None:
                yield service, f"{name} belongs to {other.id} already"
            owners[name] = service
    for name, service in owners.items():
        covered = owners.get("." + name)
        if covered is not None and covered.id == service.id:
            yield service, f"{name} is covered by .{name} of the same service"
