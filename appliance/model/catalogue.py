"""AI services by host name: the record and the matcher that proxy, policy and sensor share.

Rules: pure; built once from validated entries; the most exact entry decides: a whole name, then whatever has the
longest fixed end (a pattern before a suffix of the same end). A look-up costs at most one dictionary probe per label of
the longest entry, whatever a peer sends; names longer than DNS allows match nothing. The data is in
discovery/catalogue; reading it belongs to appliance/config.
"""

import re
from typing import Final, Literal, NamedTuple

import msgspec

from appliance.model.names import Surface

MAX_NAME: Final = 255  # octets (RFC 1035 2.3.4)

# The embedded catalogue's words; an operator's own services may use others.
CATEGORIES: Final = {
    "agent": "Builders of agents and agents that act for a person.",
    "assistant": "Chat applications for people.",
    "cloud": "AI services of the large clouds.",
    "coding": "Coding assistants, editors and application builders.",
    "companion": "Characters and role play.",
    "gateway": "Routers and resellers in front of many models.",
    "image": "Images and three-dimensional models.",
    "inference": "Other people's models behind one API.",
    "known_bad": "Known to receive stolen data.",
    "local_model": "Software that people run themselves.",
    "mcp": "Tool servers (Model Context Protocol) and their directories.",
    "meeting": "Recording and summing up of meetings and visits.",
    "model_api": "Providers of models, with their consoles.",
    "music": "Music.",
    "platform": "Tools around models: tracing, evaluation, hubs.",
    "productivity": "Documents, slides, tables, mail and trades, with AI inside.",
    "search": "Search for people and for models.",
    "translation": "Translation.",
    "vector_store": "Vector stores, retrieval and memory.",
    "video": "Video.",
    "voice": "Speech in and out.",
    "writing": "Writing aids.",
}

type Training = Literal["no", "opt_in", "opt_out", "free_tier", "yes"]


class Service(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One AI service. `domains`: exact names or `.suffix`; `patterns`: names with `*` for one label or part of it.

    `regions`: what `*` is known to stand for; a certificate can be constrained to these names and not to a pattern.
    `jurisdiction`: ISO 3166 code of the owner's seat. `trains_on_data`, `retention_days` (0: not kept): what the owner
    says in public at `terms` of prompts under default settings; None: not looked up, or not said.
    """

    id: str
    name: str
    owner: str
    category: str
    surface: Surface = Surface.API
    domains: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    dialect: str | None = None
    shared_host: bool = False
    confidence: float = 1.0
    jurisdiction: str | None = None
    trains_on_data: Training | None = None
    retention_days: int | None = None
    terms: str | None = None
    sources: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Everything it is known by."""
        return self.domains + self.patterns


class Hit(NamedTuple):
    """An entry that covers a name. `entry`: as it stands in the catalogue."""

    service: Service
    entry: str


class _Below(NamedTuple):
    """What ends in one name: patterns, and the service of the suffix."""

    patterns: tuple[tuple[re.Pattern[str], Hit], ...] = ()
    suffix: Service | None = None


class Catalogue:
    """Matches a host name to a service."""

    def __init__(self, services: tuple[Service, ...], version: str) -> None:
        self.services = {service.id: service for service in services}
        self.version = version
        self._exact: dict[str, Service] = {}
        self._below: dict[str, _Below] = {}
        for service in services:
            self._index(service)
        self._most_dots = max((end.count(".") for end in self._below), default=0)

    def _index(self, service: Service) -> None:
        for domain in service.domains:
            if domain.startswith("."):
                node = self._below.get(domain[1:], _Below())
                self._below[domain[1:]] = node._replace(suffix=service)
            else:
                self._exact[domain] = service
        for pattern in service.patterns:
            regex = "[a-z0-9-]*".join(re.escape(part) for part in pattern.split("*"))
            end = pattern.rpartition("*")[2].partition(".")[2]
            node = self._below.get(end, _Below())
            told = (re.compile(regex + r"\Z"), Hit(service, pattern))
            self._below[end] = node._replace(patterns=(*node.patterns, told))

    def match(self, host: str) -> Service | None:
        """The service that owns `host`, or None. Case, one trailing dot and the spelling of IDNA do not matter."""
        name = host.lower().removesuffix(".") if host.isascii() else _ascii(host)
        if len(name) > MAX_NAME:
            return None
        if (exact := self._exact.get(name)) is not None:
            return exact
        spare = name.count(".") - self._most_dots
        rest = name.split(".", spare)[spare] if spare > 0 else name
        below = self._below
        while rest:
            if (node := below.get(rest)) is not None:
                for regex, hit in node.patterns:
                    if regex.match(name):
                        return hit.service
                if node.suffix is not None:
                    return node.suffix
            rest = rest.partition(".")[2]
        return None

    def covering(self, host: str) -> tuple[Hit, ...]:
        """Every entry that covers `host`, the one that decides first. For people; `match` is for traffic."""
        name = host.lower().removesuffix(".") if host.isascii() else _ascii(host)
        if len(name) > MAX_NAME:
            return ()
        found = [Hit(self._exact[name], name)] if name in self._exact else []
        rest = name
        while rest:
            node = self._below.get(rest, _Below())
            found += [hit for regex, hit in node.patterns if regex.match(name)]
            if node.suffix is not None:
                found.append(Hit(node.suffix, "." + rest))
            rest = rest.partition(".")[2]
        return tuple(found)

    def domains(self) -> tuple[str, ...]:
        """Every name that is intercepted, without leading dot, sorted: the CA's name constraints.

        A pattern counts only with its regions: its registered domain would cover far more than AI.
        """
        fixed = set(self._exact) | {end for end, node in self._below.items() if node.suffix is not None}
        for service in self.services.values():
            fixed.update(pattern.replace("*", region) for pattern in service.patterns for region in service.regions)
        return tuple(sorted(fixed))


def _ascii(host: str) -> str:
    """A name with other letters in A-labels (IDNA 2003, as browsers' wide dots and letters fold); empty: none."""
    if len(host) > MAX_NAME:  # the work grows with the length
        return ""
    try:
        return host.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError:
        return ""
