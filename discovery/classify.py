"""Which AI service an observation belongs to, how sure that is, and what says so.

Owns: the sensor's judgement of one observation. Rules: pure; the catalogue's names come first, then how self-hosted
software shows itself in clear HTTP (fingerprints, marks); what is known of neither gets no service; evidence is short
strings in a fixed wording, strongest first; everything taken from the network is cut. A name is looked up once while
the cache holds it. What an advisory says stands in the evidence, and its finding beside the service.
"""

from math import prod
from typing import Final, NamedTuple

from appliance.model.catalogue import Catalogue, Service
from appliance.model.known import SiteKnown
from appliance.model.names import FindingKind, ObservationKind
from appliance.model.observation import Observation, Sighting
from discovery import advisories
from discovery import fingerprints as known
from discovery.advisories import Advisories
from discovery.fingerprints import DEFAULT, Known
from discovery.marks import Mark

MAX_NAME: Final = 255  # RFC 1035: of a host's name in text there are fewer; here parsers cut
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
    ObservationKind.DNS_ANSWER: 0.6,
    ObservationKind.TLS_SERVER: 0.9,
    ObservationKind.HTTP_RESPONSE: 0.9,
}
_LABELS: Final = {
    ObservationKind.TLS: "sni",
    ObservationKind.QUIC: "quic sni",
    ObservationKind.HTTP: "host",
    ObservationKind.DNS: "dns question",
    ObservationKind.MDNS: "mdns question",
    ObservationKind.LLMNR: "llmnr question",
    ObservationKind.DNS_ANSWER: "dns answer",
    ObservationKind.TLS_SERVER: "server",
    ObservationKind.HTTP_RESPONSE: "answer of",
}
_ASKED: Final = frozenset({ObservationKind.MDNS, ObservationKind.LLMNR})
_CLEAR: Final = frozenset({ObservationKind.HTTP, ObservationKind.HTTP_RESPONSE})
MAX_TOLD: Final = 8  # tools in evidence


class Sign(NamedTuple):
    """One thing that points to a service."""

    service: str
    confidence: float
    evidence: str


class Classifier:
    """Judges observations by one catalogue, and by what a site knows beside the program's own lists."""

    def __init__(
        self, catalogue: Catalogue, known_bad: Advisories | None = None, site: SiteKnown | None = None
    ) -> None:
        self._catalogue = catalogue
        own = site or SiteKnown()
        self._known_bad = advisories.load(site=own.advisories) if known_bad is None else known_bad
        self.known = Known(own.fingerprints) if site else DEFAULT
        self._names: dict[str, Service | None] = {}

    def sight(self, seen: Observation) -> Sighting:
        """The observation with service, category, surface, confidence (0-1) and evidence, as far as they are known."""
        name = seen.name if seen.kind in WEIGHTS else None
        service = self._of(name) if name else None
        if service is not None:
            confidence = service.confidence * WEIGHTS[seen.kind] * (SHARED if service.shared_host else 1.0)
            return self._sighting(seen, service, confidence, (f"{_label(seen)} {name}",))
        if seen.kind not in _CLEAR and seen.kind not in _ASKED:
            return Sighting(observation=seen)
        found = chosen(signs_of(seen, self.known))
        service = self._catalogue.services.get(found[0].service) if found else None
        if service is None:
            return Sighting(observation=seen)
        said = dict.fromkeys(sign.evidence for sign in found)
        most = tuple(one for one in said if not any(other != one and other.startswith(one) for other in said))
        return self._sighting(seen, service, found[0].confidence, most)

    def _sighting(self, seen: Observation, service: Service, confidence: float, first: tuple[str, ...]) -> Sighting:
        bad = self._known_bad.of(software=seen.software, name=seen.name, category=service.category)
        kinds = [one.finding for one in bad if one.finding is not None]
        if Mark.OTHER_MODEL in seen.marks:
            kinds.append(FindingKind.OTHER_MODEL)
        facts = (fact for fact in _facts(seen, self.known) if not any(said.endswith(fact) for said in first))
        said = dict.fromkeys((*first, *(one.text for one in bad), *facts, *seen.notes))
        return Sighting(
            observation=seen,
            service=service.id,
            category=service.category,
            surface=service.surface.value,
            confidence=round(confidence, 3),
            evidence=tuple(said),
            kinds=tuple(dict.fromkeys(kinds)),
        )

    def _of(self, name: str) -> Service | None:
        try:
            return self._names[name]
        except KeyError:
            pass
        if len(name) >= MAX_NAME:
            return None  # it was cut, or could have been: how it ends is whatever its sender wanted
        found = self._catalogue.match(name)
        if len(self._names) >= MAX_CACHE:
            self._names.clear()  # hostile traffic asks for ever new names; refilling costs little
        self._names[name] = found
        return found


def _label(seen: Observation) -> str:
    return "connect" if seen.method == "CONNECT" else _LABELS[seen.kind]


def _facts(seen: Observation, own: Known) -> list[str]:
    """What else was seen and belongs to the evidence, whatever the service."""
    facts = []
    if Mark.OTHER_MODEL in seen.marks and seen.model:
        facts.append(f"served {seen.model[:MAX_EVIDENCE]}")
    if Mark.NO_AUTHENTICATION in seen.marks:
        facts.append("answers without authentication")
    if seen.software:
        facts.append(f"software {seen.software[:MAX_EVIDENCE]}")
    if seen.path and seen.method != "CONNECT":
        facts.append(f"path {_route(seen.path)[:MAX_EVIDENCE]}")
    if seen.user_agent:
        facts.append(f"user-agent {seen.user_agent[:MAX_EVIDENCE]}")
    if seen.model and Mark.OTHER_MODEL not in seen.marks:
        facts.append(f"model {seen.model[:MAX_EVIDENCE]}")
    if seen.tools:
        facts.append(f"tools {', '.join(seen.tools[:MAX_TOLD])}"[:MAX_EVIDENCE])
    if seen.ja4 and (stack := own.stack(seen.ja4)):
        facts.append(f"ja4 {seen.ja4} ({stack})")
    return facts


def _route(path: str) -> str:
    """A path without its query, where keys and texts may stand, and without scheme and host of a proxy's request."""
    if path.lower().startswith(("http://", "https://")):
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path.partition("?")[0]


def signs_of(seen: Observation, own: Known = DEFAULT) -> list[Sign]:
    """Everything that points to software people run themselves, the surest first."""
    if seen.kind in _ASKED:
        signs = [
            Sign(service, known.BY_LOCAL_NAME, f"{_LABELS[seen.kind]} {seen.name}")
            for part, service in known.LOCAL_NAMES.items()
            if seen.name and len(seen.name) <= MAX_NAME and part in seen.name.lower()
        ]
    elif seen.kind not in _CLEAR or seen.method == "CONNECT":
        return []
    else:
        port = seen.dport if seen.kind is ObservationKind.HTTP else seen.sport
        path = _route(seen.path or "")[:MAX_EVIDENCE]
        by_mark = _by_mark(seen.marks)
        # An answer alone that shows nothing is any program's, whichever port it has.
        answered = bool(by_mark) or seen.kind is ObservationKind.HTTP
        place = [*_by_path(path, seen.method, port, own), *_by_port(port, own)] if answered else []
        signs = [*by_mark, *place, *_by_agent(seen, own)]
    return sorted(signs, key=lambda sign: -sign.confidence)


def chosen(signs: list[Sign]) -> list[Sign]:
    """The signs of the service that they speak for, the first with their confidence together.

    A server's own word goes before what many servers show. Signs of one service strengthen each other only where an
    answer or a head is one of them: path, port and user agent of a request are not independent.
    """
    if not signs:
        return []
    own = next((one for one in signs if one.service != known.COMPATIBLE and one.confidence >= known.OWN_WORD), signs[0])
    ours = [one for one in signs if one.service == own.service]
    confidence = ours[0].confidence
    if len(ours) > 1 and any(one.evidence.startswith(_SHOWS) for one in ours):
        confidence = max(confidence, min(known.SURE, 1 - prod(1 - one.confidence for one in ours)))
    shared = [one for one in signs if one.service == known.COMPATIBLE and one not in ours]
    confidence = max([confidence, *(one.confidence for one in shared)])
    return [ours[0]._replace(confidence=confidence), *ours[1:], *shared]


def _by_mark(marks: tuple[str, ...]) -> list[Sign]:
    return [Sign(*known.BY_MARK[mark], f"{_SHOWS} {mark}") for mark in marks if mark in known.BY_MARK]


_SHOWS: Final = "shows"


def _by_path(path: str, method: str | None, port: int, own: Known) -> list[Sign]:
    signs = []
    server = own.server_of(path, port)
    if server is not None:
        usual = port in server.ports
        place = f"{server.service} port {port} + " if usual else ""
        signs.append(Sign(server.service, known.SURE if usual else server.alone, f"{place}path {path}"))
    if path in known.API_PATHS and not signs:
        owner = own.api_ports.get(port)
        place = f"{owner} port {port} + " if owner else ""
        signs.append(Sign(owner or known.COMPATIBLE, known.BY_API, f"{place}path {path}"))
    if path in known.MCP_PATHS and method in {"POST", "GET", "DELETE"}:
        signs.append(Sign(known.MCP, known.BY_MCP_PATH, f"path {path}"))
    return signs


def _by_port(port: int, own: Known) -> list[Sign]:
    service, confidence = own.ports.get(port, ("", 0.0))
    return [Sign(service, confidence, f"{service} port {port}")] if service else []


def _by_agent(seen: Observation, own: Known) -> list[Sign]:
    agent = (seen.user_agent or "")[:MAX_NAME].lower()
    for start, service in own.agents.items():
        if agent.startswith(start):
            words = f"user-agent {(seen.user_agent or '')[:MAX_EVIDENCE]}"
            return [Sign(service or known.COMPATIBLE, known.SURE if service else known.BY_AGENT, words)]
    return []
