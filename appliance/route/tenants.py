"""Headers by which a provider keeps other accounts out: tenant restrictions.

Rules: pure; a header goes to the hosts of its own provider and to nobody else; what a client sends of it is taken out
first, so that nobody chooses for himself. Sources: OpenAI's header as published by vendors of gateways for ChatGPT
Enterprise; support.claude.com/en/articles/13198485; support.google.com/a/answer/1668854;
learn.microsoft.com/entra/identity/enterprise-apps/tenant-restrictions.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

MAX_VALUE: Final = 4096
_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}\Z")
_VALUE: Final = re.compile(r"[ -~]{1,4096}\Z")


class Restriction(NamedTuple):
    """`services`: catalogue ids whose hosts get it; `hosts`: more, exact or `.suffix`; `headers`: what is known."""

    services: tuple[str, ...]
    hosts: tuple[str, ...]
    headers: tuple[str, ...]


_LOGIN = ("login.microsoftonline.com", "login.microsoft.com", "login.windows.net")
KNOWN: Final[dict[str, Restriction]] = {
    "chatgpt": Restriction(("chatgpt", "openai_web"), (), ("ChatGPT-Allowed-Workspace-Id",)),
    "claude": Restriction(("claude", "anthropic", "anthropic_web"), (), ("anthropic-allowed-org-ids",)),
    "google": Restriction(
        ("gemini_web", "google_ai_studio", "google_labs"), (".google.com",), ("X-GoogApps-Allowed-Domains",)
    ),
    "microsoft": Restriction(
        (), _LOGIN, ("Restrict-Access-To-Tenants", "Restrict-Access-Context", "sec-Restrict-Tenant-Access-Policy")
    ),
    "microsoft_consumer": Restriction((), ("login.live.com",), ("sec-Restrict-Tenant-Access-Policy",)),
}


class Tenants:
    """The configured restrictions. `named`: word of `KNOWN`, or catalogue id, to headers and values."""

    def __init__(self, named: Mapping[str, Mapping[str, str]]) -> None:
        self._by_service: dict[str, list[tuple[bytes, bytes]]] = {}
        self._by_host: list[tuple[str, list[tuple[bytes, bytes]]]] = []
        self._words: dict[str, str] = {}
        for word, headers in named.items():
            fields = [(name.encode(), value.encode()) for name, value in headers.items()]
            known = KNOWN.get(word, Restriction((word,), (), ()))
            for service in known.services:
                self._by_service.setdefault(service, []).extend(fields)
                self._words[service] = word
            for host in known.hosts:
                self._by_host.append((host, fields))
                self._words[host] = word

    def __bool__(self) -> bool:
        return bool(self._by_service or self._by_host)

    def headers(self, service: str | None, host: str) -> tuple[str, list[tuple[bytes, bytes]]] | None:
        """The word and the headers for a host of a service (None: of none); None: there are none."""
        if service is not None and service in self._by_service:
            return self._words[service], self._by_service[service]
        for place, fields in self._by_host:
            if host == place or (place.startswith(".") and host.endswith(place)):
                return self._words[place], fields
        return None


def restricted(
    fields: Sequence[tuple[bytes, bytes]], headers: Sequence[tuple[bytes, bytes]]
) -> tuple[tuple[bytes, bytes], ...]:
    """A request's header fields with these, and with none of the same names that the client sent."""
    ours = {name.lower() for name, _ in headers}
    return (*((name, value) for name, value in fields if name.lower() not in ours), *headers)


def fault_of(name: str, value: str) -> str:
    """What is wrong with a header; empty when nothing is."""
    if not _NAME.match(name):
        return "a header's name is letters, digits and -"
    if not _VALUE.match(value) or value != value.strip():
        return f"a header's value is 1 to {MAX_VALUE} visible ASCII characters"
    return ""
