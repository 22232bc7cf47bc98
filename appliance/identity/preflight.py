"""Whether the files that the section `identity` names can be used, before anything is started.

Rules: reads only; nothing is fetched and nobody is asked; what is wrong is told with key and file, and never quoted.
"""

import ssl
from collections.abc import Iterator
from pathlib import Path

from appliance.config.identity_checks import is_address
from appliance.config.identity_schema import ClientCertificates, Identity, TokenIssuer
from appliance.identity.client_certificates import authorities, revocation_lists
from appliance.identity.jwks import parse_jwks
from appliance.identity.members import load_members
from appliance.model.errors import OperatorError, PeerError


def check(settings: Identity) -> Iterator[str]:
    """What is wrong, each with its key."""
    for number, issuer in enumerate(settings.tokens):
        yield from _issuer(issuer, f"identity.tokens[{number}]")
    if settings.certificates is not None:
        yield from _certificates(settings.certificates)
    if settings.ldap is not None:
        from appliance.identity.directory import DirectoryPasswords

        try:
            DirectoryPasswords(settings.ldap)
        except OperatorError as error:
            yield str(error)
    if settings.members is not None:
        try:
            load_members(Path(settings.members))
        except OperatorError as error:
            yield f"identity.members: {error}"


def _issuer(issuer: TokenIssuer, place: str) -> Iterator[str]:
    if issuer.ca_bundle is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(issuer.ca_bundle)
        except OSError:  # ssl.SSLError is one
            yield f"{place}.ca_bundle: {issuer.ca_bundle}: not readable as PEM certificates"
    if not is_address(issuer.jwks):
        try:
            parse_jwks(Path(issuer.jwks).read_bytes(), issuer.algorithms)
        except OSError as error:
            yield f"{place}.jwks: {issuer.jwks}: cannot be read ({error.strerror})"
        except PeerError as error:
            yield f"{place}.jwks: {issuer.jwks}: {error}"


def _certificates(settings: ClientCertificates) -> Iterator[str]:
    try:
        authorities(Path(settings.ca))
        if settings.crl:
            revocation_lists(Path(settings.crl))
    except OperatorError as error:
        yield str(error)
