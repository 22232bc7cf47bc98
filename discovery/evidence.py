"""How sure several signs make it that a connection is use of one AI service.

Owns: the kinds of evidence, how they are combined, and the words for two signs that do not agree. Rules: pure; each
assertion carries its source, its weight and its words; signs that stem from one source are not counted twice.

The model. Names (what the client says, what its resolver told it, what the server's certificate says) are evidence of
*which host* this is; that the host means AI is the catalogue's word (`ceiling`), and three signs of the same name do
not make that word truer. So P(host) = 1 - prod(1 - w) over the sources of names, the strongest of each source, and
names say ceiling * P(host). Behaviour (requests and answers in clear, a program's handshake, the cadence of answers) is
evidence of *AI use* itself: 1 - prod(1 - w), where handshake and cadence together never say more than `WEAK_CAP`. Both
are independent of each other: 1 - (1 - names) * (1 - behaviour). A contradiction halves what the client's words weigh.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

WEAK_CAP: Final = 0.3
DISPUTED: Final = 0.5
MAX_ASSERTIONS: Final = 32  # of one connection


class Source(StrEnum):
    """Where an assertion comes from; signs of one source are correlated."""

    CLIENT = "client"  # SNI over TCP or QUIC, CONNECT, Host: the client's own words
    RESOLVER = "resolver"  # the address was told for that name
    CERTIFICATE = "certificate"  # the server's
    CONTENT = "content"  # paths, ports, heads, marks and user agents in clear
    STACK = "stack"  # JA4: a program, no browser
    LEARNED = "learned"  # a program that the appliance has met with AI services, or that the site names
    CADENCE = "cadence"  # sizes and times of encrypted records


NAMES: Final = frozenset({Source.CLIENT, Source.RESOLVER, Source.CERTIFICATE})
WEAK: Final = frozenset({Source.STACK, Source.LEARNED, Source.CADENCE})
# How sure a name of that source makes it which host it is. An address is shared by hosts of a network of deliverers.
WEIGHTS: Final[Mapping[Source, float]] = {
    Source.CLIENT: 1.0,
    Source.RESOLVER: 0.6,
    Source.CERTIFICATE: 0.85,
    Source.STACK: 0.1,
    Source.LEARNED: 0.2,
    Source.CADENCE: 0.2,
}


class Assertion(NamedTuple):
    """One sign. `weight`: 0-1, of the host for names, of AI use else. `ceiling`: the catalogue's word for that name."""

    source: Source
    service: str
    weight: float
    ceiling: float
    text: str


class Judged(NamedTuple):
    """The service that the assertions speak for most, how sure that is, and what says so, strongest first."""

    service: str
    confidence: float
    texts: tuple[str, ...]


def confidence(assertions: Iterable[Assertion], *, disputed: bool = False) -> float:
    """0-1, of assertions about one service. `disputed`: something contradicts what the client says."""
    names: dict[Source, float] = {}
    uses: dict[Source, float] = {}
    ceiling = 0.0
    for one in assertions:
        weight = min(max(one.weight, 0.0), 1.0)
        if one.source in NAMES:
            if disputed and one.source is Source.CLIENT:
                weight *= DISPUTED
            names[one.source] = max(names.get(one.source, 0.0), weight)
            ceiling = max(ceiling, min(max(one.ceiling, 0.0), 1.0))
        else:
            uses[one.source] = max(uses.get(one.source, 0.0), weight)
    named = ceiling * _either(names.values())
    weak = min(WEAK_CAP, _either(weight for source, weight in uses.items() if source in WEAK))
    strong = _either(weight for source, weight in uses.items() if source not in WEAK)
    return _either((named, weak, strong))


def judge(assertions: Sequence[Assertion], *, disputed: bool = False) -> Judged | None:
    """The service that most speaks for; None without an assertion. Of equals the one that was said first."""
    by_service: dict[str, list[Assertion]] = {}
    for one in assertions[:MAX_ASSERTIONS]:
        by_service.setdefault(one.service, []).append(one)
    if not by_service:
        return None
    sure = {service: confidence(said, disputed=disputed) for service, said in by_service.items()}
    service = max(sure, key=sure.__getitem__)
    strongest = sorted(by_service[service], key=lambda one: -one.weight * (one.ceiling if one.source in NAMES else 1.0))
    return Judged(service, round(sure[service], 3), tuple(dict.fromkeys(one.text for one in strongest)))


def _either(chances: Iterable[float]) -> float:
    """The chance that at least one of independent things holds."""
    none = 1.0
    for chance in chances:
        none *= 1.0 - chance
    return 1.0 - none


def covers(certificate: Iterable[str], name: str) -> bool:
    """Whether a name of the certificate is `name` or stands for it (RFC 9525 6.3: `*` is one whole label)."""
    name = name.lower().removesuffix(".")
    parent = name.partition(".")[2]
    for entry in certificate:
        one = entry.lower().removesuffix(".")
        if one == name or (one.startswith("*.") and parent and one[2:] == parent):
            return True
    return False
