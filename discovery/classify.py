"""Which AI service an observation belongs to, how sure that is, and what says so.

Owns: the sensor's judgement. Rules: pure; the catalogue's names come first, then how self-hosted software shows itself
in clear HTTP (fingerprints); what is known of neither gets no service; evidence is short strings in a fixed wording,
strongest first; everything taken from the network is cut. A name is looked up once while the cache holds it.
"""

from typing import Final, NamedTuple

from appliance.model.catalogue import Catalogue, Service
from appliance.model.names import ObservationKind
from appliance.model.observation import Observation, Sighting
from discovery import fingerprints as known

MAX_NAME: Final = 255  # RFC 1035; a longer one is no host's
MAX_EVIDENCE: Final = 120  # characters of a path or user agent in evidence
MAX_CACHE: Final = 65_536  # names
SHARED: Final = 0.5  # people do other things at such a host, too
# How much a name is worth by where it stood: a question to a resolver is no use yet, and browsers ask ahead.
WEIGHTS: Final = {
    ObservationKind.TLS: 1.0,
    ObservationKind.QUIC: 1.0,
    ObservationKind.HTTP: 1.0,
    ObservationKind.DNS: 0.6,
    ObservationKind.MDNS: 0.3,
    ObservationKind.LLMNR: 0.3,
}
_LABELS: Final = {
    ObservationKind.TLS: "sni",
    ObservationKind.QUIC: "quic sni",
    ObservationKind.HTTP: "host",
    ObservationKind.DNS: "dns question",
    ObservationKind.MDNS: "mdns question",
    ObservationKind.LLMNR: "llmnr question",
}
_ASKED: Final = frozenset({ObservationKind.MDNS, ObservationKind.LLMNR})


class Sign(NamedTuple):
    """One thing that points to a service."""

    service: str
    confidence: float
    evidence: str


class Classifier:
    """Judges observations by one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._names: dict[str, Service | None] = {}

    def sight(self, seen: Observation) -> Sighting:
        """The observation with service, category, surface, confidence (0-1) and evidence, as far as they are known."""
        name = seen.name
        service = self._of(name) if name else None
        if service is not None:
            confidence = service.confidence * WEIGHTS[seen.kind] * (SHARED if service.shared_host else 1.0)
            return _sighting(seen, service, confidence, (f"{_label(seen)} {name}",))
        if seen.kind is not ObservationKind.HTTP and seen.kind not in _ASKED:
            return Sighting(observation=seen)
        signs = sorted(_signs(seen), key=lambda sign: -sign.confidence)
        service = self._catalogue.services.get(signs[0].service) if signs else None
        if service is None:
            return Sighting(observation=seen)
        said = dict.fromkeys(sign.evidence for sign in signs if sign.service == service.id)
        most = tuple(one for one in said if not any(other != one and other.startswith(one) for other in said))
        return _sighting(seen, service, signs[0].confidence, most)

    def _of(self, name: str) -> Service | None:
        try:
            return self._names[name]
        except KeyError:
            pass
        found = self._catalogue.match(name) if len(name) <= MAX_NAME else None
        if len(self._names) >= MAX_CACHE:
            self._names.clear()  # hostile traffic asks for ever new names; refilling costs little
        if len(name) <= MAX_NAME:
            self._names[name] = found
        return found


def _sighting(seen: Observation, service: Service, confidence: float, first: tuple[str, ...]) -> Sighting:
    facts = (fact for fact in _facts(seen) if not any(said.endswith(fact) for said in first))
    said = dict.fromkeys((*first, *facts, *seen.notes))
    return Sighting(
        observation=seen,
        service=service.id,
        category=service.category,
        surface=service.surface.value,
        confidence=round(confidence, 3),
        evidence=tuple(said),
    )


def _label(seen: Observation) -> str:
    return "connect" if seen.method == "CONNECT" else _LABELS[seen.kind]


def _facts(seen: Observation) -> list[str]:
    """What else was seen and belongs to the evidence, whatever the service."""
    facts = []
    if seen.path and seen.method != "CONNECT":
        facts.append(f"path {_route(seen.path)[:MAX_EVIDENCE]}")
    if seen.user_agent:
        facts.append(f"user-agent {seen.user_agent[:MAX_EVIDENCE]}")
    if seen.ja4 and (stack := known.STACKS.get(seen.ja4[:23])):
        facts.append(f"ja4 {seen.ja4} ({stack})")
    return facts


def _route(path: str) -> str:
    """A path without its query, where keys and texts may stand, and without scheme and host of a proxy's request."""
    if path.lower().startswith(("http://", "https://")):
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path.partition("?")[0]


def _signs(seen: Observation) -> list[Sign]:
    """Everything that points to software people run themselves."""
    if seen.kind in _ASKED:
        return [
            Sign(service, known.BY_LOCAL_NAME, f"{_LABELS[seen.kind]} {seen.name}")
            for part, service in known.LOCAL_NAMES.items()
            if seen.name and len(seen.name) <= MAX_NAME and part in seen.name.lower()
        ]
    if seen.method == "CONNECT":
        return []
    path = _route(seen.path or "")[:MAX_EVIDENCE]
    return [*_by_path(path, seen), *_by_port(seen.dport), *_by_agent(seen)]


def _by_path(path: str, seen: Observation) -> list[Sign]:
    signs = []
    for server in known.SERVERS:
        usual = seen.dport in server.ports
        if _among(path, server.paths) or (usual and _among(path, server.common)):
            place = f"{server.service} port {seen.dport} + " if usual else ""
            signs.append(Sign(server.service, known.SURE if usual else server.alone, f"{place}path {path}"))
            break
    if path in known.API_PATHS and not signs:
        owner = known.API_PORTS.get(seen.dport)
        place = f"{owner} port {seen.dport} + " if owner else ""
        signs.append(Sign(owner or known.COMPATIBLE, known.BY_API, f"{place}path {path}"))
    if path in known.MCP_PATHS and seen.method in {"POST", "GET", "DELETE"}:
        signs.append(Sign(known.MCP, known.BY_MCP_PATH, f"path {path}"))
    return signs


def _among(path: str, paths: tuple[str, ...]) -> bool:
    """`/api/chat` stands for itself, `/sdapi/v1/` for all below it."""
    return any(path.startswith(each) if each.endswith("/") else path == each for each in paths)


def _by_port(port: int) -> list[Sign]:
    service = known.PORTS.get(port)
    return [Sign(service, known.BY_PORT, f"{service} port {port}")] if service else []


def _by_agent(seen: Observation) -> list[Sign]:
    agent = (seen.user_agent or "")[:MAX_NAME].lower()
    for start, service in known.AGENTS.items():
        if agent.startswith(start):
            words = f"user-agent {(seen.user_agent or '')[:MAX_EVIDENCE]}"
            return [Sign(service or known.COMPATIBLE, known.SURE if service else known.BY_AGENT, words)]
    return []
