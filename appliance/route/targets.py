"""Where a request may go: scheme, host and port, and nothing of the caller's choosing.

Rules: pure; a target has no path, query or user part: a key written into a URL would end in logs. Names are ASCII
(punycode) and lower case; addresses are normalised. Errors are ValueError with words for the operator; they never show
what stood in the text, because it may hold a key.
"""

import ipaddress
import re
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")
_NUMBER = re.compile(r"[0-9]+\Z|0x[0-9a-f]*\Z")  # a name that ends so is an address to resolvers (WHATWG URL, 3.5)
_MAX_NAME = 253
MAX_PORT = 65535
PORTS = {"https": 443, "http": 80}


class HostPort(NamedTuple):
    """A host (name or address, without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        """`host:port`, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Target(NamedTuple):
    """One upstream."""

    scheme: Literal["https", "http"]
    host: str
    port: int

    def __str__(self) -> str:
        """As in the configuration; the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == PORTS[self.scheme] else f":{self.port}")


def is_address(host: str) -> bool:
    """The host is an IPv4 or IPv6 literal."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_host(host: str) -> bool:
    """A lower-case ASCII name (RFC 1123 labels, underscore allowed, no trailing dot) or an address literal."""
    if is_address(host):
        return True
    labels = host.split(".")
    return len(host) <= _MAX_NAME and all(map(_LABEL.match, labels)) and not _NUMBER.match(labels[-1])


def parse_host_port(text: str, *, any_port: bool = False) -> HostPort:
    """`name:443`, `127.0.0.1:9443` or `[::1]:9443`; with `any_port` also port 0. ValueError tells what is wrong."""
    host, colon, digits = text.rpartition(":")
    if not colon or not digits.isascii() or not digits.isdigit():
        raise ValueError("write host:port, e.g. api.openai.com:443")
    port = int(digits[:6])
    if not (0 if any_port else 1) <= port <= MAX_PORT:
        raise ValueError("the port must lie between 1 and 65535")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("write an IPv6 address in brackets, e.g. [::1]:443")
    return HostPort(_host(host), port)


def parse_target(text: str) -> Target:
    """`https://host` or `https://host:port`. ValueError tells what is wrong."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError("not a URL; write https://host or https://host:port") from error
    scheme = parts.scheme
    if scheme not in ("https", "http"):
        raise ValueError("must start with https:// or http://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold credentials: they would end in logs")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("must be scheme, host and port only: the path is the caller's")
    if port is not None and not 1 <= port <= MAX_PORT:
        raise ValueError("the port must lie between 1 and 65535")
    return Target("https" if scheme == "https" else "http", _host(parts.hostname or ""), port or PORTS[scheme])


def _host(host: str) -> str:
    name = host.lower()
    if not is_host(name):
        raise ValueError("not a host name or address; write names in ASCII (punycode)")
    return str(ipaddress.ip_address(name)) if is_address(name) else name
