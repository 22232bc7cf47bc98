"""What must hold in the section `identity` beyond its types, and the paths in it.

Rules: only what can be known without the network; a fault is told at its key and never quotes what a file holds.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from urllib.parse import urlsplit

import msgspec

from appliance.config.identity_schema import ClientCertificates, Directory, Identity, TokenIssuer
from appliance.config.yaml_source import Path_
from appliance.route.targets import MAX_PORT, is_host

type Fault = tuple[Path_, str]

MAX_ISSUERS = 16
MAX_LEEWAY_S = 300.0
_MAX_TIMEOUT_S = 60.0
_PREFIX = re.compile(r"[a-z0-9][a-z0-9._-]{0,30}/")
_SEVERAL = (
    "several sources say who somebody is, and alice of one would be alice of another: "
    "give it names of its own, e.g. prefix: partner/, or say prefix: '' where its names mean the same people"
)


def absolute(identity: Identity, folder: Path) -> Identity:
    """The section with its inner paths made absolute; relative ones start at `folder`."""
    changes: dict[str, object] = {}
    if identity.tokens:
        changes["tokens"] = tuple(_absolute(issuer, ("jwks", "ca_bundle"), folder) for issuer in identity.tokens)
    if identity.certificates:
        changes["certificates"] = _absolute(identity.certificates, ("ca", "crl"), folder)
    if identity.ldap:
        changes["ldap"] = _absolute(identity.ldap, ("ca_bundle", "bind_password"), folder)
    return msgspec.structs.replace(identity, **changes)


def _absolute[T: msgspec.Struct](section: T, keys: tuple[str, ...], folder: Path) -> T:
    values = {key: getattr(section, key) for key in keys}
    paths = {key: value for key, value in values.items() if value and not is_address(value)}
    made = {key: os.path.normpath(folder / Path(value).expanduser()) for key, value in paths.items()}
    return msgspec.structs.replace(section, **made)


def is_address(jwks: str) -> bool:
    """The keys of an issuer are fetched, not read from a file."""
    return "://" in jwks


def faults(identity: Identity, *, tls: bool) -> Iterator[Fault]:
    """What is wrong, at its key. `tls`: the listeners have a certificate."""
    if identity.required and not identity.proves:
        yield (
            ("required",),
            "nobody could be known: give htpasswd, ldap, tokens, virtual_keys, certificates or addresses",
        )
    if not identity.realm.isascii() or not identity.realm.isprintable() or '"' in identity.realm:
        yield ("realm",), "printable ASCII without quotes only; it stands in a header"
    if identity.htpasswd and identity.ldap:
        yield ("ldap",), "passwords are proven by htpasswd or by a directory, not by both; take one of them out"
    yield from _issuers(identity.tokens)
    yield from _prefixes(identity)
    if identity.certificates is not None:
        for place, what in _certificates(identity.certificates, tls=tls):
            yield ("certificates", *place), what
    if identity.ldap is not None:
        for place, what in _directory(identity.ldap):
            yield ("ldap", *place), what


def _prefixes(identity: Identity) -> Iterator[Fault]:
    """Several sources that may name the same people must say whether they mean the same people."""
    sources = identity.asserting
    alone = len(sources) + bool(identity.htpasswd) < 2  # noqa: PLR2004 - there is nobody to be mixed up with
    for place, prefix in sources:
        if prefix is None and not alone:
            yield (*place, "prefix"), _SEVERAL
        elif prefix and not _PREFIX.fullmatch(prefix):
            yield (*place, "prefix"), "one word and a slash, e.g. partner/ (small letters, digits, . _ -; at most 32)"


def _issuers(issuers: tuple[TokenIssuer, ...]) -> Iterator[Fault]:
    if len(issuers) > MAX_ISSUERS:
        yield ("tokens",), f"more than {MAX_ISSUERS} issuers"
    seen: set[str] = set()
    for number, issuer in enumerate(issuers):
        for place, what in _issuer(issuer):
            yield ("tokens", number, *place), what
        if issuer.issuer in seen:
            yield ("tokens", number, "issuer"), "stands twice; give it all its audiences in one entry"
        seen.add(issuer.issuer)


def _issuer(issuer: TokenIssuer) -> Iterator[Fault]:
    if not issuer.issuer.strip():
        yield ("issuer",), "must not be empty"
    if not issuer.audience or not all(audience.strip() for audience in issuer.audience):
        yield ("audience",), "name at least one; a token for somebody else would be taken otherwise"
    if not issuer.algorithms:
        yield ("algorithms",), "name at least one"
    if not 0 <= issuer.leeway_s <= MAX_LEEWAY_S:
        yield ("leeway_s",), f"must lie between 0 and {MAX_LEEWAY_S:g}"
    if issuer.refresh_s < 1 or issuer.kept_s < issuer.refresh_s:
        yield ("kept_s",), "refresh_s is at least 1, and kept_s at least refresh_s"
    if is_address(issuer.jwks):
        if what := jwks_fault(issuer.jwks):
            yield ("jwks",), what
    else:
        yield from _file("jwks", issuer.jwks)
    yield from _file("ca_bundle", issuer.ca_bundle)


def jwks_fault(address: str) -> str:
    """What is wrong with the address of an issuer's keys; empty when nothing is."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return "not an address; write https://HOST/PATH"
    if parts.scheme != "https":
        return "must be https://: keys that come in clear prove nothing"
    if not parts.hostname or not is_host(parts.hostname) or parts.username is not None or parts.fragment:
        return "write https://HOST[:PORT]/PATH, without user and fragment"
    if port == 0 or not address.isascii() or not address.isprintable() or " " in address:
        return "write https://HOST[:PORT]/PATH in printable ASCII"
    return ""


def _certificates(section: ClientCertificates, *, tls: bool) -> Iterator[Fault]:
    if not tls:
        yield (), "clients can show certificates to a listener with TLS only; set listen.certificate and listen.key"
    yield from _file("ca", section.ca)
    yield from _file("crl", section.crl)
    try:
        groups = re.compile(section.pattern).groups
    except re.error as error:
        yield ("pattern",), f"not a regular expression: {error}"
    else:
        if groups < 1:
            yield ("pattern",), 'one group must hold the user, e.g. "(.+)@example\\\\.com"'


def _directory(section: Directory) -> Iterator[Fault]:
    if what := directory_fault(section.url):
        yield ("url",), what
    if bool(section.user_dn) == bool(section.base):
        yield ("user_dn",), "give user_dn (who signs in) or base (where people are searched)"
    if bool(section.bind_dn) != bool(section.bind_password):
        yield ("bind_dn",), "bind_dn and bind_password are given together"
    if section.base and not section.bind_dn:
        yield ("base",), "a search needs an account: give bind_dn and bind_password"
    for key, allowed in (("user_dn", {"user"}), ("search", {"user"}), ("groups_search", {"dn", "user"})):
        if (text := getattr(section, key)) is not None and (what := _template(text, allowed)):
            yield (key,), what
    if not 0 < section.timeout_s <= _MAX_TIMEOUT_S:
        yield ("timeout_s",), f"must lie between 0 and {_MAX_TIMEOUT_S:g}"
    yield from _file("ca_bundle", section.ca_bundle)
    yield from _file("bind_password", section.bind_password)


def directory_fault(url: str) -> str:
    """What is wrong with the address of a directory; empty when nothing is."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "not an address; write ldaps://HOST[:PORT]"
    if parts.scheme not in ("ldaps", "ldap"):
        return "must be ldaps://, or ldap:// (which begins TLS first)"
    if not parts.hostname or not is_host(parts.hostname) or parts.username is not None:
        return "write ldaps://HOST[:PORT]"
    if parts.path.strip("/") or parts.query or parts.fragment or (port is not None and not 0 < port <= MAX_PORT):
        return "write ldaps://HOST[:PORT], with nothing behind"
    return ""


def _template(text: str, allowed: set[str]) -> str:
    try:
        fields = [
            f"{name}{spec or ''}{turned or ''}" for _, name, spec, turned in Formatter().parse(text) if name is not None
        ]
    except ValueError:
        return "braces do not match; write {user}"
    strange = [name for name in fields if name not in allowed]
    if strange or not fields:
        return f"must hold {' or '.join('{' + name + '}' for name in sorted(allowed))}, and nothing else in braces"
    return ""


def _file(key: str, path: str | None) -> Iterator[Fault]:
    if path is None:
        return
    if not Path(path).is_file():
        yield (key,), f"{path}: no such file"
    elif not os.access(path, os.R_OK):
        yield (key,), f"{path}: not readable by this user; mend its permissions"
