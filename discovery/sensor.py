"""From what was read off the wire to what is recorded of it: the judgement of one sensor.

Owns: the order of questions: what may be written down, is it an AI service, is it the appliance itself, which leg, who.
Rules: pure, collaborators and time as arguments; of names that the catalogue does not know nothing is kept, not even a
digest; what is left out is counted by its reason. Only in a live capture can a packet be the appliance's own.
"""

from collections.abc import Callable, Iterator
from typing import Final

from appliance.model.event import Observed
from appliance.model.names import Leg, ObservationKind, Surface
from appliance.model.observation import Observation, Sighting
from appliance.model.pseudonym import Pseudonyms
from discovery import written
from discovery.aggregate import Aggregate, Recorded
from discovery.box import Box

type Knows = Callable[[tuple[str, int], tuple[str, int], float], bool]

MAX_EVIDENCE: Final = 8
MAX_EVIDENCE_TEXT: Final = 160
_QUESTIONS: Final = frozenset({ObservationKind.DNS, ObservationKind.MDNS, ObservationKind.LLMNR})
_GATEWAY: Final = "gateway"


class Sensor:
    """One source. `own` None: a file, in which nothing is taken for the appliance's own."""

    def __init__(
        self,
        name: str,
        source: str,
        sight: Callable[[Observation], Sighting],
        pseudonyms: Pseudonyms,
        box: Box,
        aggregate: Aggregate,
        own: Knows | None = None,
    ) -> None:
        self.name, self.source = name, source
        self.box = box  # replaced when the machine's addresses change
        self._sight, self._pseudonyms, self._aggregate, self._own = sight, pseudonyms, aggregate, own
        self.left_out: dict[str, int] = {"no_service": 0, "own_flow": 0, "own_question": 0, "own_gateway": 0}
        self.kept = 0

    def take(self, seen: Observation) -> Iterator[Recorded]:
        """What is to be journalled because of one more observation."""
        sighting = self._sight(written.cut(seen))
        if reason := self._left_out(sighting):
            self.left_out[reason] += 1
            return
        self.kept += 1
        yield from self._aggregate.take(self._observed(sighting), seen.src)

    def due(self, now: float) -> Iterator[Recorded]:
        """What is to be journalled because time has passed."""
        return self._aggregate.due(now)

    def flush(self) -> Iterator[Recorded]:
        """What is left to be journalled at the end."""
        return self._aggregate.flush()

    def _left_out(self, sighting: Sighting) -> str | None:
        seen = sighting.observation
        if sighting.service is None or sighting.category is None or sighting.surface is None:
            return "no_service"
        if seen.kind is ObservationKind.HTTP and self.box.listener(seen.dst, seen.dport) == _GATEWAY:
            return "own_gateway"  # the gateway records its requests itself, and they name no service
        if self._own is None:
            return None
        if seen.kind in _QUESTIONS:
            return "own_question" if seen.src in self.box.addresses else None
        return "own_flow" if self._own((seen.src, seen.sport), (seen.dst, seen.dport), seen.ts) else None

    def _observed(self, sighting: Sighting) -> Observed:
        seen = sighting.observation
        question = seen.kind in _QUESTIONS
        return Observed(
            ts=seen.ts,
            sensor=self.name,
            source=self.source,
            seen=seen.kind,
            transport=seen.transport,
            leg=Leg.DIRECT if question else self.box.leg(seen.dst, seen.dport),
            client=self._pseudonyms.address(seen.src),
            server=seen.dst,
            port=seen.dport,
            service=sighting.service or "",
            category=sighting.category or "",
            surface=Surface(sighting.surface or Surface.API),
            confidence=sighting.confidence or 0.0,
            name=seen.name or seen.dst,
            alpn=seen.alpn,
            ja3=seen.ja3,
            ja4=seen.ja4,
            host=seen.host,
            path=seen.path,
            user_agent=seen.user_agent,
            evidence=tuple(text[:MAX_EVIDENCE_TEXT] for text in sighting.evidence[:MAX_EVIDENCE]),
        )
