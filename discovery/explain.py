"""Why an observation was taken for what it was taken for, in words.

Owns: those words. Rules: pure; the judgement is the classifier's own and is made anew, so what is told is what would be
told today; whatever came from the network is shown in one line, inert on a terminal; what was not seen is told too,
because most wrong guesses come from there.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from appliance.model.catalogue import Catalogue
from appliance.model.names import ObservationKind as Kind
from appliance.model.observation import Observation, Sighting
from appliance.sanitise import one_line
from discovery.classify import MAX_NAME, SHARED, WEIGHTS, Classifier, chosen, signs_of
from discovery.fingerprints import Known
from discovery.notes import Note

type Line = tuple[str, str]  # a word for what is told, and what is told

_CUT: Final = 200  # characters of one text
_WHAT: Final = {
    Kind.TLS: "a ClientHello",
    Kind.QUIC: "a ClientHello in QUIC",
    Kind.DNS: "a question to a resolver",
    Kind.MDNS: "a question on the local link (mDNS)",
    Kind.LLMNR: "a question on the local link (LLMNR)",
    Kind.HTTP: "the head of a request in clear",
    Kind.TLS_SERVER: "what a server says when TLS begins",
    Kind.DNS_ANSWER: "a resolver's answer",
    Kind.HTTP_RESPONSE: "the head of an answer in clear",
    Kind.FLOW: "the sizes of a connection",
    Kind.HOST: "what a host says of itself",
}
_NAMED: Final = {
    Kind.TLS: "the server name (SNI)",
    Kind.QUIC: "the server name (SNI)",
    Kind.TLS_SERVER: "the server's name",
    Kind.HTTP: "the host asked for",
    Kind.HTTP_RESPONSE: "the host asked for",
}
_WHY_LESS: Final = {
    Kind.DNS: "a question is no use yet: browsers ask ahead",
    Kind.DNS_ANSWER: "an answer is no use yet: browsers ask ahead",
    Kind.MDNS: "anybody may ask for any name on the local link",
    Kind.LLMNR: "anybody may ask for any name on the local link",
    Kind.TLS_SERVER: "a server's word, and one address serves many names",
    Kind.HTTP_RESPONSE: "an answer to somebody who asked for that host",
}
_HELLOS: Final = frozenset({Kind.TLS, Kind.QUIC})
_CLEAR: Final = frozenset({Kind.HTTP, Kind.HTTP_RESPONSE})


class Explained(msgspec.Struct, frozen=True):
    """`service` None: no AI service is known by what was seen."""

    service: str | None
    confidence: float | None
    lines: tuple[Line, ...]

    def text(self) -> str:
        """For a person."""
        width = max((len(word) for word, _ in self.lines), default=0)
        return "\n".join(f"{word:<{width}}  {said}" for word, said in self.lines)


def explain(seen: Observation, catalogue: Catalogue, classifier: Classifier | None = None) -> Explained:
    """What an observation was, which service that means and how sure that is, why, and what was not seen."""
    classifier = classifier or Classifier(catalogue)
    sighting = classifier.sight(seen)
    lines = [("seen", _seen(seen)), ("means", _verdict(sighting, catalogue)), *_by_name(seen, catalogue)]
    if not seen.name or catalogue.match(seen.name) is None:
        lines += _by_signs(seen, classifier.known)
    lines += [("evidence", _shown(text)) for text in sighting.evidence]
    lines += [*_stack(seen, classifier.known), *(("note", _shown(note)) for note in seen.notes)]
    lines += [("not seen", text) for text in missing(seen)]
    return Explained(sighting.service, sighting.confidence, tuple(lines))


def _shown(text: str) -> str:
    return one_line(text, _CUT)


def _seen(seen: Observation) -> str:
    ends = f"{_shown(seen.src)} port {seen.sport} to {_shown(seen.dst)} port {seen.dport}"
    return f"{_WHAT[seen.kind]}, over {seen.transport.value}, {ends}"


def _verdict(sighting: Sighting, catalogue: Catalogue) -> str:
    if sighting.service is None:
        return "no AI service: neither the catalogue nor a fingerprint knows what was seen"
    service = catalogue.services[sighting.service]
    sure = f"{sighting.confidence or 0:.2f}"
    return f"{service.name} ({service.id}), {service.category}, surface {service.surface.value}, confidence {sure}"


def _by_name(seen: Observation, catalogue: Catalogue) -> Iterator[Line]:
    """The catalogue's part: which entry takes the name, where it is from, and what the name is worth here."""
    if not seen.name or seen.kind not in WEIGHTS:
        return
    yield "name", f"{_shown(seen.name)}: {_NAMED.get(seen.kind, 'the name asked for')}"
    if len(seen.name) >= MAX_NAME:
        yield "catalogue", "not asked: the name is longer than any host's"
        return
    hits = catalogue.covering(seen.name)
    if not hits:
        yield "catalogue", f"{catalogue.version} has no entry for this name"
        return
    service, entry = hits[0]
    yield "catalogue", f"{catalogue.version}, entry {entry}: {_why(entry)}"
    yield "source", ", ".join(service.sources) or "the catalogue names none"
    for other in hits[1:]:
        yield "else", f"{other.entry} ({other.service.id}) covers the name too, and is less exact"
    weight = WEIGHTS[seen.kind]
    parts = [f"{service.confidence:g} (the catalogue's)", f"{weight:g} ({_WHY_LESS.get(seen.kind, _worth(seen.kind))})"]
    if service.shared_host:
        parts.append(f"{SHARED:g} (people do other things at this host, too)")
    yield "sure", " x ".join(parts)


def _worth(kind: Kind) -> str:
    return "what a client says when it connects" if kind in _HELLOS else "what a client asks for in clear"


def _why(entry: str) -> str:
    if entry.startswith("."):
        return "the name lies at or below it, and no entry is closer"
    return "the name fits the pattern" if "*" in entry else "the name itself"


def _by_signs(seen: Observation, own: Known) -> Iterator[Line]:
    """How software that people run themselves shows itself."""
    signs = signs_of(seen, own)
    for sign in signs:
        yield "sign", f"{_shown(sign.evidence)}: {sign.service}, {sign.confidence:g} alone"
    if together := chosen(signs):
        yield "sure", f"{together[0].confidence:.2f} for {together[0].service}, all its signs together"


def _stack(seen: Observation, own: Known) -> Iterator[Line]:
    if seen.ja4:
        stack = own.stack(seen.ja4)
        told = (
            f"as {stack} has it: a hint at the program, never at the service" if stack else "of no library known here"
        )
        yield "ja4", f"{_shown(seen.ja4)}, {told}"


def missing(seen: Observation) -> Iterator[str]:
    """What would have told more, and why it is not there."""
    if seen.kind in _HELLOS:
        yield from _missing_of_hello(seen)
    elif seen.kind in _CLEAR:
        yield from _missing_in_clear(seen)
    elif seen.kind is Kind.FLOW:
        yield "a name: it stands in the hello of this connection, which is another observation"
    elif seen.kind in WEIGHTS and seen.kind is not Kind.TLS_SERVER:
        yield "a connection to that name: that is another observation, if there was one"
    if seen.at_least:
        yield "the end of the connection: its bytes are a lower bound"


def _missing_of_hello(seen: Observation) -> Iterator[str]:
    if not seen.server_name:
        yield "a server name: the client sent none, so only its address could tell"
    if Note.ECH in seen.notes:
        yield "the inner hello: it is encrypted (ECH); the name is a front"
    elif Note.ECH_OFFERED in seen.notes:
        yield "the inner hello: it is encrypted (ECH), or only looks so; the name may be a front"
    if not seen.alpn:
        yield "a protocol (ALPN): the client offered none"
    yield "path, user agent and answer: they are encrypted; the certificate too, from TLS 1.3 on"


def _missing_in_clear(seen: Observation) -> Iterator[str]:
    if seen.kind is Kind.HTTP:
        if not seen.host:
            yield "a host: the request names none"
        if not seen.user_agent:
            yield "a user agent: the request names none"
    if not seen.marks:
        yield "marks of AI software in the head or in the first bytes of a body"
