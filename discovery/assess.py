"""What a gathered connection is: its evidence put together, contradictions found, the way that it took.

Owns: which facts of a connection become which assertion. Rules: pure, collaborators as arguments; a name that the
catalogue does not know is compared and then forgotten, it never stands in evidence; on the way to the appliance only
the client's words count, for its server is the appliance. Names at one address are no contradiction while the client
does not know better: networks of deliverers hold thousands.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from msgspec.structs import replace

from appliance.model.names import Cause, FindingKind, Leg, ObservationKind, Transport
from appliance.model.observation import Observation, Sighting
from discovery.evidence import WEIGHTS, Assertion, Source, covers, judge
from discovery.joining import Connection, Named, left_early
from discovery.names_seen import NamesSeen
from discovery.reconcile import REJECTIONS, Rejections, Way, cause

type Sight = Callable[[Observation], Sighting]

ANOTHER: Final = "another"  # some other name: which one is nobody's business
MAX_CERTIFICATE: Final = 16  # names of a certificate that are looked up
ECH: Final = "ech"
_NAMED_ONLY: Final = frozenset({ObservationKind.TLS, ObservationKind.QUIC})  # only a name tells their service


class Assessed(msgspec.Struct, frozen=True):
    """One service that a connection is about. `name`: what told it, None: nothing that the catalogue knows."""

    sighting: Sighting
    count: int
    name: str | None = None
    cause: Cause | None = None
    contradicts: str | None = None
    size: Observation | None = None


class _Case:
    """One hello or request of a connection while its evidence is gathered."""

    def __init__(self, seen: Observation) -> None:
        self.seen = seen
        self.assertions: list[Assertion] = []
        self.told: dict[str, tuple[Sighting, str | None]] = {}  # service -> the sighting that tells it, and its name
        self.more: list[str] = []
        self.contradicts: str | None = None

    def say(self, source: Source, sighting: Sighting, weight: float, text: str, name: str | None) -> None:
        service, ceiling = sighting.service or "", sighting.confidence or 0.0
        self.assertions.append(Assertion(source, service, weight, ceiling, text))
        self.told.setdefault(service, (sighting, name))

    def differ(self, service: str | None) -> None:
        if self.contradicts is None or self.contradicts == ANOTHER:
            self.contradicts = service or ANOTHER


class Assessor:
    """Judges connections of one sensor. `sight`: what the catalogue says of a single observation."""

    def __init__(self, sight: Sight, names: NamesSeen, rejections: Rejections) -> None:
        self._sight, self._names, self._rejections = sight, names, rejections

    def assess(self, connection: Connection, leg: Leg) -> Iterator[Assessed]:
        """The services that it is about; none: nothing of it is to be kept."""
        size = connection.size
        for named in connection.named or _unasked(connection):
            found = self._one(connection, named, leg)
            if found is not None:
                yield found if size is None else replace(found, size=size)
                size = None

    def _one(self, connection: Connection, named: Named, leg: Leg) -> Assessed | None:
        if named.sighting.service is None and not connection.answers and not connection.certificate:
            seen = named.sighting.observation
            if not self._names.names(seen.ts, seen.src, seen.dst):
                return None  # most of all traffic
        case = _Case(named.sighting.observation)
        self._by_client(case, named.sighting)
        for answer in connection.answers if _answered(connection, named) else ():
            if answer.service is not None:
                case.say(Source.CONTENT, answer, answer.confidence or 0.0, answer.evidence[0], None)
                case.more += answer.evidence[1:]
        if leg is Leg.DIRECT and not connection.connect:
            self._by_resolver(case)
            self._by_certificate(case, connection.certificate)
        judged = judge(case.assertions, disputed=case.contradicts is not None)
        if judged is None:
            return None
        sighting, name = case.told[judged.service]
        why = self._why(connection, case, sighting, leg)
        differs = (f"points to {case.contradicts} as well",) if case.contradicts else ()
        said = dict.fromkeys((*judged.texts, *differs, *case.more))
        if connection.rejected in REJECTIONS and leg is Leg.PROXY:
            said[f"alert {connection.rejected}: the client rejects the appliance's certificate"] = None
        elif leg is Leg.PROXY and left_early(connection):
            said["the client leaves when it sees the appliance's certificate"] = None
        elif why is Cause.PINNED and (pinned := self._rejections.pinned(case.seen.ts, case.seen.src, judged.service)):
            said[pinned.value] = None
        disagree = (FindingKind.NAME_DISAGREEMENT,) if differs else ()
        signs = (kind for one in (sighting, named.sighting, *connection.answers) for kind in one.kinds)
        kinds, kept = tuple(dict.fromkeys((*disagree, *signs))), _kept(case, name)
        whole = replace(sighting, confidence=judged.confidence, evidence=tuple(said), observation=kept, kinds=kinds)
        return Assessed(whole, named.count, name, why, case.contradicts)

    def _by_client(self, case: _Case, sighting: Sighting) -> None:
        if sighting.service is None:
            return
        name = case.seen.name
        known = sighting if case.seen.kind in _NAMED_ONLY else self._called(case.seen, name) if name else None
        if known is not None and known.service == sighting.service:
            case.say(Source.CLIENT, sighting, WEIGHTS[Source.CLIENT], sighting.evidence[0], name)
        else:
            case.say(Source.CONTENT, sighting, sighting.confidence or 0.0, sighting.evidence[0], name)
        case.more += sighting.evidence[1:]

    def _by_resolver(self, case: _Case) -> None:
        seen = case.seen
        told = self._names.names(seen.ts, seen.src, seen.dst)
        name = (seen.name or "").lower().removesuffix(".")
        hidden = not name or (ECH in seen.notes and self._called(seen, name) is None)
        if name in told:
            if (agreed := self._called(seen, name)) is not None:
                case.say(Source.RESOLVER, agreed, WEIGHTS[Source.RESOLVER], f"dns address of {name}", name)
            return
        if not told or (not hidden and not self._names.elsewhere(seen.ts, seen.src, name, seen.dst)):
            return
        known = [(other, found) for other in told if (found := self._called(seen, other)) is not None]
        if not hidden:
            said = self._called(seen, name)
            if said is not None:  # the client's own words stand, the other name is what they do not agree with
                if not any(found.service == said.service for _, found in known):
                    case.differ(known[0][1].service if known else None)
                return
            if known:
                case.differ(None)
        weight = WEIGHTS[Source.RESOLVER] * len(known) / len(told)
        for other, found in known:
            case.say(Source.RESOLVER, found, weight, f"dns address of {other}", other)
            for text in (text for text in found.evidence[1:] if text.startswith("ja4 ")):
                case.say(Source.STACK, found, WEIGHTS[Source.STACK], text, other)

    def _by_certificate(self, case: _Case, certificate: tuple[str, ...]) -> None:
        if not certificate:
            return
        name = case.seen.name
        if name and covers(certificate, name):
            if (agreed := self._called(case.seen, name)) is not None:
                case.say(Source.CERTIFICATE, agreed, WEIGHTS[Source.CERTIFICATE], f"certificate for {name}", name)
            return
        looked = certificate[:MAX_CERTIFICATE]
        known = [
            (one, found) for one in looked if (found := self._called(case.seen, one.replace("*", "any"))) is not None
        ]
        if name and ECH not in case.seen.notes:
            said = self._called(case.seen, name)
            if said is not None:
                case.differ(next((found.service for _, found in known if found.service != said.service), None))
                return
            if known:
                case.differ(None)
        for one, found in known:
            same = sum(other.service == found.service for _, other in known)
            weight = WEIGHTS[Source.CERTIFICATE] * same / len(looked)
            case.say(Source.CERTIFICATE, found, weight, f"certificate for {one}", one)

    def _why(self, connection: Connection, case: _Case, sighting: Sighting, leg: Leg) -> Cause | None:
        seen, service = case.seen, sighting.service or ""
        if leg is Leg.PROXY and connection.rejected in REJECTIONS:
            self._rejections.note(seen.ts, seen.src, service)
            return Cause.PINNED
        last = connection.named[-1].sighting.observation if connection.named else None
        if leg is Leg.PROXY and connection.met and last is seen:
            if left_early(connection):
                self._rejections.left(seen.ts, seen.src, service)
                return Cause.PINNED  # nothing has passed
            self._rejections.accepted(seen.src, service)
        by_name = any(one.source is Source.CLIENT and one.service == service for one in case.assertions)
        return cause(
            Way(
                leg=leg,
                kind=seen.kind,
                server=seen.dst,
                category=sighting.category or "",
                connect=connection.connect,
                hidden=ECH in seen.notes and not by_name,
                pinned=self._rejections.pinned(seen.ts, seen.src, service) is not None,
            )
        )

    def _called(self, seen: Observation, name: str) -> Sighting | None:
        """What the catalogue would say of a hello that names `name`."""
        asked = Observation(
            ts=seen.ts,
            src=seen.src,
            sport=seen.sport,
            dst=seen.dst,
            dport=seen.dport,
            transport=seen.transport,
            kind=ObservationKind.TLS,
            server_name=name,
            ja4=seen.ja4,
        )
        found = self._sight(asked)
        return found if found.service is not None else None


def _kept(case: _Case, name: str | None) -> Observation:
    """What may be kept of the hello or request: nothing that names a host other than the one that told the service."""
    seen = case.seen
    return seen if seen.name == name else replace(seen, server_name=None, host=None, path=None)


def _answered(connection: Connection, named: Named) -> bool:
    """Whether what was answered speaks for this request: on a way to a proxy the next one may be to anybody else."""
    if named.sighting.service is not None or not connection.named:
        return True
    return named is connection.named[0] and all(one.sighting.service is None for one in connection.named)


def _unasked(connection: Connection) -> list[Named]:
    """Where only the server was seen: as if its client had asked without a word."""
    client, sport, server, dport = connection.key
    first = connection.answers[0].observation if connection.answers else None
    if first is None and not connection.certificate:
        return []
    seen = Observation(
        ts=first.ts if first else connection.since,
        src=client,
        sport=sport,
        dst=server,
        dport=dport,
        transport=Transport.TCP,
        kind=ObservationKind.HTTP if first else ObservationKind.TLS,
    )
    return [Named(Sighting(observation=seen))]
