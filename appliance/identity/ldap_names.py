r"""Names on their way into an LDAP filter or a distinguished name, and group names out of one.

Rules: pure; every octet that is not plainly harmless is written as `\XX` (RFC 4515 3, RFC 4514 2.4), so that nothing
that a person types can end a value, open a filter or add a component.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from appliance.identity.claims import is_name

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_@")
_PORTS = {"ldaps": 636, "ldap": 389}
_FIRST_RDN = re.compile(r"\s*[\w.-]+\s*=\s*((?:\\[0-9A-Fa-f]{2}|\\.|[^\\,+;\"])*)")
_ESCAPE = re.compile(r"\\([0-9A-Fa-f]{2})|\\(.)", re.DOTALL)
_ATTRIBUTE = re.compile(r"([A-Za-z][A-Za-z0-9-]*)=\{user\}")


def escaped(value: str) -> str:
    """A value for a filter as well as for a distinguished name."""
    return "".join(chr(octet) if octet in _PLAIN else f"\\{octet:02x}" for octet in value.encode("utf-8"))


def attribute_of(template: str) -> str | None:
    """The attribute that a template compares with the user, e.g. uid of `(&(objectClass=person)(uid={user}))`."""
    match = _ATTRIBUTE.search(template)
    return match[1] if match else None


def group_name(value: str) -> str | None:
    """The name of a group: the first component of its distinguished name, or the text itself; None: no name."""
    match = _FIRST_RDN.match(value)
    name = _unescaped(match[1]).strip() if match else value
    return name if is_name(name) else None


def group_names(values: Iterable[str]) -> tuple[str, ...]:
    """Names of groups, each once."""
    return tuple(dict.fromkeys(name for value in values if (name := group_name(value)) is not None))


def host_and_port(url: str) -> tuple[str, int, bool]:
    """Host, port, and whether TLS comes first (ldaps) or after a request for it (ldap)."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS[parts.scheme], parts.scheme == "ldaps"


def _unescaped(text: str) -> str:
    octets = bytearray()
    last = 0
    for match in _ESCAPE.finditer(text):
        octets += text[last : match.start()].encode("utf-8")
        octets += bytes.fromhex(match[1]) if match[1] else match[2].encode("utf-8")
        last = match.end()
    return (octets + text[last:].encode("utf-8")).decode("utf-8", "replace")
