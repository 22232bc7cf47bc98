"""From events to what they add to findings.

Rules: pure. A `Delta` is a sum: folding events in one batch or in many gives the same findings. Nothing here knows what
is stored. A service that the catalogue does not know makes a finding all the same. An event that does not concern a
finding adds nothing. Texts from the network are cut to `MAX_TEXT`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from appliance.findings.suppress import Suppression
from appliance.model.catalogue import Catalogue, Service
from appliance.model.event import Event, ExchangeOpened, Observed, Refused
from appliance.model.facts import Facts
from appliance.model.finding import finding_id
from appliance.model.names import FindingKind, Leg, ObservationKind, RefusalReason, Surface

MAX_TEXT: Final = 512
MAX_SUBJECT: Final = 253  # a host name's length (RFC 1035)
_WAYS: Final = frozenset({ObservationKind.TLS, ObservationKind.QUIC, ObservationKind.HTTP})
_REFUSALS: Final = {
    RefusalReason.NAME_DISAGREEMENT: FindingKind.NAME_DISAGREEMENT,
    RefusalReason.CERTIFICATE_REJECTED: FindingKind.CERTIFICATE_REJECTED,
}
FROM_REFUSALS: Final = frozenset(_REFUSALS.values())  # kinds that refused connections make; sightings make the others
_HOST: Final = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")


class Subject(NamedTuple):
    """What a finding is about."""

    kind: FindingKind
    subject: str
    surface: Surface


class Sign(msgspec.Struct, frozen=True):
    """One reason for a finding. `n`: the event's row number."""

    n: int
    ts: float
    source: str
    kind: str
    client: str
    text: str


class Delta:
    """What a batch adds to one finding. `people` and `hosts`: digest to when it was first seen here."""

    __slots__ = (
        *("bypass", "bypass_last", "category", "confidence", "first_seen", "governed", "hints", "hosts", "id"),
        *("last_seen", "people", "signs", "subject", "via"),
    )

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.id = finding_id(*subject)
        self.category = ""
        self.confidence = 0.0
        self.first_seen = float("inf")
        self.last_seen = float("-inf")
        self.bypass_last: float | None = None
        self.governed = self.via = self.bypass = self.hints = 0
        self.people: dict[str, float] = {}
        self.hosts: dict[str, float] = {}
        self.signs: list[Sign] = []

    def seen(self, first: float, last: float, confidence: float) -> None:
        """A sign from `first` to `last`."""
        self.first_seen = min(self.first_seen, first)
        self.last_seen = max(self.last_seen, last)
        self.confidence = max(self.confidence, confidence)

    def past(self, count: int, last: float) -> None:
        """`count` sightings past the appliance, the newest at `last`."""
        self.bypass += count
        self.bypass_last = last if self.bypass_last is None else max(last, self.bypass_last)

    def absorb(self, other: "Delta") -> None:
        """Add what another batch adds, or what is counted here from now on."""
        self.seen(other.first_seen, other.last_seen, other.confidence)
        if other.bypass_last is not None:
            self.past(0, other.bypass_last)
        self.category = self.category or other.category
        self.governed += other.governed
        self.via += other.via
        self.bypass += other.bypass
        self.hints += other.hints
        for digest, ts in other.people.items():
            _meet(self.people, digest, ts)
        for digest, ts in other.hosts.items():
            _meet(self.hosts, digest, ts)
        self.signs += other.signs


class Fold:
    """Folds batches of events. One `suppression` for all of them."""

    def __init__(self, catalogue: Catalogue, suppression: Suppression) -> None:
        self._catalogue = catalogue
        self._suppression = suppression

    def fold(self, events: Iterable[tuple[int, Event]]) -> dict[Subject, Delta]:
        """What events, each with its row number, add to findings."""
        deltas: dict[Subject, Delta] = {}
        for n, event in events:
            if isinstance(event, ExchangeOpened):
                self._exchange(deltas, n, event)
            elif isinstance(event, Observed):
                self._observed(deltas, n, event)
            elif isinstance(event, Refused):
                self._refused(deltas, n, event)
        return deltas

    def _exchange(self, deltas: dict[Subject, Delta], n: int, event: ExchangeOpened) -> None:
        facts, ts = event.facts, event.ts
        if facts.service is None:
            return
        delta = _delta(deltas, FindingKind.SERVICE_IN_USE, facts.service, facts.surface)
        delta.seen(ts, ts, 1.0 if facts.api else self._confidence(facts.service))  # a call that was read is no guess
        delta.category = delta.category or facts.category or ""
        delta.governed += 1
        _meet(delta.people, facts.principal, ts)
        _meet(delta.hosts, facts.client, ts)
        if not self._suppression.full(delta.id, ts):
            self._sign(delta, n, ts, (event.worker, "exchange", facts.client, _told(facts)))

    def _confidence(self, name: str) -> float:
        service = self._catalogue.services.get(name)
        return service.confidence if service else 1.0

    def _observed(self, deltas: dict[Subject, Delta], n: int, event: Observed) -> None:
        text = "; ".join((*([f"cause {event.cause}"] if event.cause else ()), *event.evidence)) or event.name
        for kind in dict.fromkeys((FindingKind.SERVICE_IN_USE, *event.kinds)):
            self._sighted(_delta(deltas, kind, event.service, event.surface), n, event, text)

    def _sighted(self, delta: Delta, n: int, event: Observed, text: str) -> None:
        last = max(event.ts, event.until)
        delta.seen(event.ts, last, event.confidence)
        delta.category = delta.category or event.category
        _meet(delta.hosts, event.client, event.ts)
        if event.seen is ObservationKind.FLOW and not event.evidence:
            return  # how large a connection was that counts already
        if event.seen not in _WAYS or (event.leg is Leg.PROXY and event.cause is not None):
            delta.hints += event.count  # no way was seen, or nothing passed on it: the client rejected our certificate
        elif event.leg is Leg.PROXY:
            delta.via += event.count
        else:
            delta.past(event.count, last)
        self._sign(delta, n, event.ts, (event.source, event.seen.value, event.client, text))

    def _refused(self, deltas: dict[Subject, Delta], n: int, event: Refused) -> None:
        kind = _REFUSALS.get(event.reason)
        host = event.host.lower().removesuffix(".")[:MAX_SUBJECT]
        if kind is None or not host:
            return
        service = refused_service(event.host, event.detail, self._catalogue)
        delta = _delta(deltas, kind, service.id if service else host, service.surface if service else Surface.API)
        delta.seen(event.ts, event.ts, 1.0)
        delta.category = service.category if service else ""
        delta.governed += 1
        _meet(delta.people, event.principal, event.ts)
        _meet(delta.hosts, event.client, event.ts)
        text = event.detail or f"{event.reason} at {event.host}"
        self._sign(delta, n, event.ts, (event.worker, "refusal", event.client, text))

    def _sign(self, delta: Delta, n: int, ts: float, told: tuple[str, str, str, str]) -> None:
        source, kind, client, text = told
        text = text[:MAX_TEXT]
        if self._suppression.admits((delta.id, client, kind, text), ts):
            delta.signs.append(Sign(n, ts, source[:MAX_TEXT], kind, client, text))


def add(deltas: dict[Subject, Delta], more: Mapping[Subject, Delta]) -> None:
    """Add what another batch adds."""
    for subject, delta in more.items():
        if (known := deltas.get(subject)) is None:
            deltas[subject] = delta
        else:
            known.absorb(delta)


def refused_service(host: str, detail: str, catalogue: Catalogue) -> Service | None:
    """The AI service that a refused connection was about: by its host, else by a name that its detail tells."""
    if found := catalogue.match(host):
        return found
    names = _HOST.findall(detail[:MAX_TEXT].lower())
    return next((service for name in names if (service := catalogue.match(name))), None)


def _told(facts: Facts) -> str:
    """An exchange in a few words: what was asked, of whom, by which program."""
    call = f"{facts.api}, model {facts.model}" if facts.api else f"{facts.method} request"
    program = f", by {facts.client_name} {facts.client_version or ''}".rstrip() if facts.client_name else ""
    return f"{call}, to {facts.host}{program}"


def _delta(deltas: dict[Subject, Delta], kind: FindingKind, subject: str, surface: Surface) -> Delta:
    key = Subject(kind, subject, surface)
    found = deltas.get(key)
    if found is None:
        found = deltas[key] = Delta(key)
    return found


def _meet(parties: dict[str, float], digest: str, ts: float) -> None:
    known = parties.get(digest)
    if known is None or ts < known:
        parties[digest] = ts
