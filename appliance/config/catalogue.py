"""The catalogue of AI services: embedded files, and the operator's own on top.

Rules: no two services contradict each other (one name, one owner); every name is lower-case ASCII; the version is a
hash of what was read, so equal catalogues have equal versions wherever they lie. The embedded files are JSON, one
service a line, because every process reads them at its start; tests hold them to what an operator's file is held to.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path

import msgspec

from appliance.config import yaml_source
from appliance.config.catalogue_file import CatalogueFile, faults_of, read_file
from appliance.config.conversion import nearest, refuse
from appliance.config.yaml_source import Document
from appliance.model.catalogue import Catalogue, Service
from appliance.model.errors import OperatorError

MAX_SERVICES = 10_000
type Placed = dict[str, tuple[Service, str]]  # by id, with FILE:LINE


def load_catalogue(override: Path | None = None) -> Catalogue:
    """The embedded services with what `override` (a file, or a folder of *.yaml) adds, changes and removes.

    OperatorError lists every fault of every file.
    """
    return catalogue_of(laid_over(embedded(), map(yaml_source.read, override_files(override))))


def catalogue_of(placed: Placed) -> Catalogue:
    """A catalogue of what was read; OperatorError when two services contradict each other."""
    return build([service for service, _ in placed.values()], {name: place for name, (_, place) in placed.items()})


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


def embedded() -> Placed:
    """What comes with the program."""
    found: Placed = {}
    for name, data in embedded_files():
        try:
            services = msgspec.json.decode(data, type=tuple[Service, ...])
        except msgspec.MsgspecError as error:
            raise OperatorError(f"{name}: damaged ({error}); install the program anew") from error
        found |= {service.id: (service, f"{name}:{line}") for line, service in enumerate(services, 2)}
    return found


def embedded_files() -> Iterator[tuple[str, bytes]]:
    """Name and content of each file, in order: a JSON list, one service a line from the second line on."""
    folder = resources.files("discovery") / "catalogue"
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.name.endswith(".json"):
            yield f"discovery/catalogue/{item.name}", item.read_bytes()


def override_files(override: Path | None) -> list[Path]:
    """The operator's files, in order."""
    if override is None:
        return []
    return sorted(override.glob("*.yaml")) if override.is_dir() else [override]


def laid_over(below: Placed, documents: Iterable[Document], gone: Placed | None = None) -> Placed:
    """`below` with what the files say: removed first, then added and replaced, then changed.

    Across the files each id is said once. `gone`: what may be removed though it is away. OperatorError: every fault.
    """
    read = _read(documents)
    found = dict(below)
    faults = [*_said_twice(read)]
    for document, file in read:
        for number, name in enumerate(file.remove):
            faults += _unknown(document, ("remove", number), name, below | (gone or {}))
            found.pop(name, None)
    for document, file in read:
        for number, service in enumerate(file.services):
            found[service.id] = (service, f"{document.name}:{document.line(('services', number))}")
        if len(found) > MAX_SERVICES:
            faults.append(document.fault((), f"more than {MAX_SERVICES} services"))
    for document, file in read:
        faults += _change(found, document, file)
    refuse(faults)
    return found


def _read(documents: Iterable[Document]) -> list[tuple[Document, CatalogueFile]]:
    read: list[tuple[Document, CatalogueFile]] = []
    faults: list[str] = []
    for document in documents:
        file, wrong = read_file(document)
        read.append((document, file))
        faults += wrong
    refuse(faults)
    return read


def _change(found: Placed, document: Document, file: CatalogueFile) -> Iterator[str]:
    """Make the changes that a file asks for; what is wrong with them."""
    for name, change in file.change.items():
        if name not in found:
            yield from _unknown(document, ("change", name), name, found)
            continue
        made = change.made(found[name][0])
        yield from (document.fault(("change", name, *key[:1]), what) for key, what in faults_of(made))
        found[name] = (made, f"{document.name}:{document.line(('change', name))}")


def _said_twice(read: Sequence[tuple[Document, CatalogueFile]]) -> Iterator[str]:
    places: dict[str, str] = {}
    for document, file in read:
        said = {service.id: document.line(("services", number)) for number, service in enumerate(file.services)}
        said |= {name: document.line(("change", name)) for name in file.change}
        said |= {name: document.line(("remove", number)) for number, name in enumerate(file.remove)}
        for name, line in said.items():
            if name in places:
                yield f"{document.name}:{line}: {name} stands twice, first at {places[name]}"
            places.setdefault(name, f"{document.name}:{line}")


def _unknown(document: Document, place: tuple[str | int, ...], name: str, known: Mapping[str, object]) -> Iterator[str]:
    if name not in known:
        hint = nearest(name, tuple(known))
        yield document.fault(place, f"no service {name!r}{hint if 'did you mean' in hint else ' in the catalogue'}")


def _contradictions(services: Sequence[Service]) -> Iterator[tuple[Service, str]]:
    owners: dict[str, Service] = {}
    for service in services:
        for name in service.names:
            # `.name` covers `name`: the same name said twice in one service is a slip as well.
            if (other := owners.get(name)) is not None:
                yield service, f"{name} belongs to {other.id} already"
            owners[name] = service
    for name, service in owners.items():
        covered = owners.get("." + name)
        if covered is not None and covered.id == service.id:
            yield service, f"{name} is covered by .{name} of the same service"
