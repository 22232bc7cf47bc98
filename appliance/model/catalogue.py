"""AI services by host name: the record and the matcher that proxy, policy and sensor share.

Rules: pure; built once from validated entries; a look-up costs one dictionary probe per label of the name. The data is
in discovery/catalogue; reading it belongs to appliance/config.
"""

import re

import msgspec

from appliance.model.names import Surface


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """One AI service. `domains`: exact names or `.suffix`; `patterns`: names with `*` for one label or part of it.

    `regions`: what `*` is known to stand for; a certificate can be constrained to these names and not to a pattern.
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
    sources: tuple[str, ...] = ()


class Catalogue:
    """Matches a host name to a service: exact name first, then the longest suffix, then patterns."""

    def __init__(self, services: tuple[Service, ...], version: str) -> None:
        self.services = {service.id: service for service in services}
        self.version = version
        self._exact: dict[str, Service] = {}
        self._suffix: dict[str, Service] = {}
        self._patterns: list[tuple[re.Pattern[str], Service]] = []
        for service in services:
            self._index(service)

    def _index(self, service: Service) -> None:
        for domain in service.domains:
            if domain.startswith("."):
                self._suffix[domain[1:]] = service
            else:
                self._exact[domain] = service
        for pattern in service.patterns:
            regex = "[a-z0-9-]*".join(re.escape(part) for part in pattern.split("*"))
            self._patterns.append((re.compile(regex + r"\Z"), service))

    def match(self, host: str) -> Service | None:
        """The service that owns `host`, or None. Case and one trailing dot do not matter."""
        name = host.lower().removesuffix(".")
        if found := self._exact.get(name):
            return found
        rest = name
        while rest:
            if found := self._suffix.get(rest):
                return found
            rest = rest.partition(".")[2]
        for regex, service in self._patterns:
            if regex.match(name):
                return service
        return None

    def domains(self) -> tuple[str, ...]:
        """Every name that is intercepted, without leading dot, sorted: the CA's name constraints.

        A pattern counts only with its regions: its registered domain would cover far more than AI.
        """
        fixed = set(self._exact) | set(self._suffix)
        for service in self.services.values():
            fixed.update(pattern.replace("*", region) for pattern in service.patterns for region in service.regions)
        return tuple(sorted(fixed))
