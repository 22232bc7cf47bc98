"""A site's own advisories and fingerprints: `sensor.advisories` and `sensor.fingerprints`.

Rules: a file is accepted whole or refused whole, with every fault told at its line; what contradicts itself, the other
entries or the program's own lists is refused: whoever wants to say it otherwise withdraws that entry by its name.
Services and categories stand in the catalogue. The program's lists are read as data, without a line of the sensor's.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from appliance.config import yaml_source
from appliance.config.conversion import convert, nearest, refuse
from appliance.model.known import AdvisoriesFile, Advisory, Client, FingerprintsFile, Server, SiteKnown
from appliance.route.targets import is_host

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from appliance.config.schema import SensorConfig
    from appliance.config.yaml_source import Document, Path_
    from appliance.model.catalogue import Catalogue
    from appliance.model.known import Range

MAX_ENTRIES: Final = 10_000  # of one list
type Fault = tuple[Path_, str]


def load_known(sensor: SensorConfig, catalogue: Catalogue) -> SiteKnown:
    """What the section names, empty where it names nothing. OperatorError lists every fault of the first bad file."""
    if not (sensor.advisories or sensor.fingerprints):
        return SiteKnown()
    said, shown = AdvisoriesFile(), FingerprintsFile()
    if sensor.advisories:
        said = parse_advisories(yaml_source.read(Path(sensor.advisories)), catalogue)
    if sensor.fingerprints:
        shown = parse_fingerprints(yaml_source.read(Path(sensor.fingerprints)), catalogue)
    version = hashlib.sha256(msgspec.json.encode((said, shown))).hexdigest()[:12]
    return SiteKnown(advisories=said, fingerprints=shown, version=version)


def parse_advisories(document: Document, catalogue: Catalogue) -> AdvisoriesFile:
    """The advisories of a document; OperatorError lists every fault."""
    file = convert(document, AdvisoriesFile)
    shipped = {one.id for one in _shipped("advisories.json", Advisory)}
    categories = tuple({service.category for service in catalogue.services.values()})
    faults: list[Fault] = []
    first: dict[str, Path_] = {}
    for number, one in enumerate(file.advisories):
        place: Path_ = ("advisories", number)
        faults += [((*place, *key), f"{one.id}: {what}") for key, what in _advisory_faults(one, catalogue, categories)]
        if one.id in first:
            faults.append(((*place, "id"), f"{one.id} stands twice, first in line {document.line(first[one.id])}"))
        elif one.id in shipped and one.id not in file.withdraw:
            faults.append(((*place, "id"), f"{one.id} comes with the program; withdraw it to say it otherwise"))
        first.setdefault(one.id, (*place, "id"))
    faults += _unknown(file.withdraw, shipped, "advisory")
    _refuse(document, [*faults, *_too_many(("advisories", len(file.advisories)))])
    return file


def parse_fingerprints(document: Document, catalogue: Catalogue) -> FingerprintsFile:
    """The fingerprints of a document; OperatorError lists every fault."""
    file = convert(document, FingerprintsFile)
    clients, servers = _shipped("clients.json", Client), _shipped("servers.json", Server)
    faults: list[Fault] = []
    named = [(("clients", number, "service"), one.service) for number, one in enumerate(file.clients) if one.service]
    named += [(("servers", number, "service"), one.service) for number, one in enumerate(file.servers)]
    known = tuple(catalogue.services)
    for place, service in named:
        if service not in catalogue.services:
            faults.append((place, f"no service {service!r} in the catalogue{_close(service, known)}"))
    faults += _unknown(file.withdraw, {one.agent for one in clients}, "user agent")
    faults += _client_faults(document, file, clients)
    faults += _server_faults(document, file, servers)
    faults += _handshake_faults(document, file)
    sizes = (("clients", len(file.clients)), ("servers", len(file.servers)), ("handshakes", len(file.handshakes)))
    _refuse(document, [*faults, *_too_many(*sizes)])
    return file


def _refuse(document: Document, faults: Sequence[Fault]) -> None:
    refuse([document.fault(place, what) for place, what in faults])


def _too_many(*sizes: tuple[str, int]) -> Iterator[Fault]:
    for key, size in sizes:
        if size > MAX_ENTRIES:
            yield (key,), f"more than {MAX_ENTRIES} entries"


def _unknown(names: Sequence[str], known: set[str], what: str) -> Iterator[Fault]:
    for number, name in enumerate(names):
        if name not in known:
            yield ("withdraw", number), f"no {what} {name!r} comes with the program{_close(name, tuple(known))}"


def _close(word: str, known: tuple[str, ...]) -> str:
    hint = nearest(word, known)
    return hint if "did you mean" in hint else ""


def _advisory_faults(one: Advisory, catalogue: Catalogue, categories: tuple[str, ...]) -> Iterator[Fault]:
    if not (one.software or one.names or one.categories):
        yield (), "applies to nothing; give `software`, `names` or `categories`"
    if bool(one.software) != bool(one.affected):
        yield ("affected" if one.affected else "software",), "`software` and `affected` belong together"
    if one.software and one.software != one.software.lower():
        yield ("software",), "in lower case, as answers are compared"
    for number, part in enumerate(one.affected):
        if what := _range_fault(part):
            yield ("affected", number), what
    yield from _place_faults(one, catalogue, categories)


def _place_faults(one: Advisory, catalogue: Catalogue, categories: tuple[str, ...]) -> Iterator[Fault]:
    for number, name in enumerate(one.names):
        if not is_host(name.removeprefix(".")) or "." not in name.removeprefix("."):
            yield ("names", number), "not a lower-case host name with a dot; .name stands for all below it too"
        elif catalogue.match(name.removeprefix(".")) is None:
            yield (
                ("names", number),
                "no service in the catalogue, so it would never be met: add one in catalogue.override",
            )
    for number, category in enumerate(one.categories):
        if category not in categories:
            yield ("categories", number), f"no service of category {category!r}{nearest(category, categories)}"


def _range_fault(part: Range) -> str:
    if (part.last is None) == (part.before is None):
        return "has either `last` or `before`"
    since, end = _numbers(part.since or "0"), _numbers(part.last or part.before or "0")
    empty = since > end or (part.before is not None and since == end)
    return "no release is in it: it ends before it begins" if empty else ""


def _numbers(version: str) -> tuple[int, ...]:
    found = [int(part) for part in version.split(".")]
    return (*found, *[0] * (5 - len(found)))


def _client_faults(document: Document, file: FingerprintsFile, shipped: Sequence[Client]) -> Iterator[Fault]:
    theirs = {one.agent: one.service for one in shipped if one.agent not in file.withdraw}
    first: dict[str, Path_] = {}
    for number, one in enumerate(file.clients):
        place: Path_ = ("clients", number, "agent")
        if one.agent != one.agent.lower():
            yield place, "in lower case, as user agents are compared"
        if one.agent in first:
            yield place, f"{one.agent} stands twice, first in line {document.line(first[one.agent])}"
        elif one.agent in theirs and theirs[one.agent] != one.service:
            whose = theirs[one.agent] or "any AI software"
            yield place, f"{one.agent} is {whose} already; withdraw it to say it otherwise"
        first.setdefault(one.agent, place)


def _server_faults(document: Document, file: FingerprintsFile, shipped: Sequence[Server]) -> Iterator[Fault]:
    """Whose a path is at a port (None: at any) must be told once."""
    owners: dict[tuple[int | None, str], tuple[str, str]] = {}
    for one in shipped:
        owners |= dict.fromkeys(_places(one), (one.service, ""))
    for number, mine in enumerate(file.servers):
        line = document.line(("servers", number))
        if not (mine.paths or mine.common or mine.port_alone):
            yield ("servers", number), "tells nothing; give `paths`, or `common` with `ports`, or `port_alone`"
        if (mine.common or mine.port_alone) and not mine.ports:
            yield ("servers", number), "`common` and `port_alone` need `ports`"
        for place in dict.fromkeys(_places(mine.server)):
            owner, where = owners.setdefault(place, (mine.service, f" in line {line}"))
            if owner != mine.service:
                port = "any port" if place[0] is None else f"port {place[0]}"
                yield ("servers", number), f"{place[1]} at {port} is {owner}'s already{where}"


def _places(server: Server) -> Iterator[tuple[int | None, str]]:
    yield from ((None, path) for path in server.paths)
    yield from ((port, path) for port in server.ports for path in server.common)


def _handshake_faults(document: Document, file: FingerprintsFile) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for number, one in enumerate(file.handshakes):
        if one.ja4 in first:
            line = document.line(("handshakes", first[one.ja4], "ja4"))
            yield ("handshakes", number, "ja4"), f"{one.ja4} stands twice, first in line {line}"
        first.setdefault(one.ja4, number)


def _shipped[T](name: str, kind: type[T]) -> tuple[T, ...]:
    data = (resources.files("discovery") / "known" / name).read_bytes()
    return msgspec.json.decode(data, type=tuple[kind, ...])  # type: ignore[valid-type]
