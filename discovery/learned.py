"""What the gateway and the site know of programs, as a hint at connections that show nothing else.

Owns: when a handshake or a user agent is worth a hint, and its words. Rules: pure; a hint names no host and no service
of its own, and is never more than a hint: its weight is that of weak evidence. The proxy counts a handshake with AI
services and with everything else, so that a library which everybody uses hints at nothing: of a connection that names
nobody at least `SHARE` of `ENOUGH` such handshakes must have been AI; of one that names somebody whom the catalogue
does not know `SURE_SHARE` of `MANY`, because what people do elsewhere is nobody's business, and its name is not kept.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec.structs import replace

from appliance.bus.programs import Program
from appliance.model.names import ObservationKind
from appliance.model.observation import Observation, Sighting
from appliance.net.ja4 import without_name
from discovery.evidence import WEIGHTS, Assertion, Source, judge
from discovery.fingerprints import DEFAULT, Known
from discovery.joining import Connection
from discovery.notes import Note

SHARE: Final = 0.5
ENOUGH: Final = 3
SURE_SHARE: Final = 0.9
MANY: Final = 10
CATEGORY: Final = "model_api"
MAX_TOLD: Final = 3  # programs in the words
_HELLOS: Final = frozenset({ObservationKind.TLS, ObservationKind.QUIC})
# Programs that people use for everything: with what they ask an AI service says nothing of what else they do.
_EVERYBODYS: Final = frozenset(
    {
        *("aiohttp", "axios", "bun", "curl", "deno", "dart", "go-http-client", "got", "guzzlehttp", "httpie", "java"),
        *("java-http-client", "libcurl", "libwww-perl", "mozilla", "node", "node-fetch", "okhttp", "opera", "php"),
        *("postmanruntime", "powershell", "python", "python-httpx", "python-requests", "python-urllib", "reqwest"),
        *("ruby", "undici", "wget", "windowspowershell"),
    }
)


class _Met(NamedTuple):
    """Of one handshake: with AI services, with anything else, and the programs that showed it."""

    ai: int = 0
    other: int = 0
    programs: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        return self.ai / (self.ai + self.other) if self.ai else 0.0


class Learned:
    """What is known at one moment. `programs`: as `appliance.bus.programs` holds them, several of a kind are summed."""

    def __init__(self, programs: Iterable[Program] = (), known: Known = DEFAULT) -> None:
        self._known = known
        self._handshakes: dict[str, _Met] = {}
        self._agents: dict[str, tuple[int, str]] = {}
        for one in programs:
            if one.ja4:
                self._add(one)
            if one.program:
                count, service = self._agents.get(one.program.lower(), (0, one.service))
                self._agents[one.program.lower()] = count + one.ai, service or one.service

    def _add(self, one: Program) -> None:
        for ja4 in {one.ja4, without_name(one.ja4)}:
            met = self._handshakes.get(ja4, _Met())
            if one.program:
                named = dict.fromkeys((*met.programs, one.program))
                self._handshakes[ja4] = met._replace(programs=tuple(named))
            else:
                self._handshakes[ja4] = met._replace(ai=met.ai + one.ai, other=met.other + one.other)

    def hint(self, connection: Connection, service: str) -> Sighting | None:
        """What a connection that shows no service may be about, called `service`; None: nothing says so."""
        first = connection.named[0].sighting.observation if connection.named else None
        if first is None or connection.connect:
            return None
        said = self._handshake(first) if first.kind in _HELLOS else self._agent(first)
        if said is None:
            return None
        judged = judge([Assertion(Source.LEARNED, service, WEIGHTS[Source.LEARNED] * said[0], 1.0, said[1])])
        if judged is None:
            return None
        bare = replace(first, kind=ObservationKind.FLOW, server_name=None, host=None, path=None, notes=())
        return Sighting(
            observation=bare,
            service=service,
            category=CATEGORY,
            confidence=round(judged.confidence, 3),
            evidence=judged.texts,
        )

    def _handshake(self, seen: Observation) -> tuple[float, str] | None:
        """How much of such handshakes is AI, and the words."""
        if not seen.ja4:
            return None
        named = self._known.handshake(seen.ja4)
        if named is not None and named.ai:
            return 1.0, f"ja4 {seen.ja4}: {named.program}, as the site says"
        met = self._handshakes.get(seen.ja4, _Met())
        nobody = seen.name is None or Note.ECH in seen.notes
        share, enough = (SHARE, ENOUGH) if nobody else (SURE_SHARE, MANY)
        if met.ai < enough or met.share < share:
            return None
        told = ", ".join(met.programs[:MAX_TOLD]) or "programs that told no name"
        of = f"{met.ai} of {met.ai + met.other}"
        return met.share, f"ja4 {seen.ja4}: {of} such handshakes at the proxy were with AI services, by {told}"

    def _agent(self, seen: Observation) -> tuple[float, str] | None:
        """A program in clear that uses AI services through the appliance."""
        product = (seen.user_agent or "").split(" ", 1)[0].split("/", 1)[0]
        count, service = self._agents.get(product.lower(), (0, ""))
        if count < ENOUGH or product.lower() in _EVERYBODYS:
            return None
        return 1.0, f"user-agent {product}: it uses {service} through the appliance"
