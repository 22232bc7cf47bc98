"""TLS between appliances: 1.3 only, both sides proven, and which peer a certificate names.

Rules: only the authorities of the named file are believed, never the system's; no session is resumed, so every
connection shows its certificate anew; a key that needs a password is refused; messages name keys and files and never
quote what a file holds.
"""

import os
import re
import socket
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

from appliance.config.placement_schema import AcceptEntry, Central, Peers
from appliance.model.errors import OperatorError, PeerError

_PLACE_IN_SOURCE = re.compile(r" \(_ssl\.c:\d+\)")


def to_central(central: Central) -> ssl.SSLContext:
    """For connections to the central appliance; its name is verified by the caller's `server_hostname`."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, "central", central)


def from_peers(peers: Peers) -> ssl.SSLContext:
    """For connections of peers, which must show a certificate."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, "peers", peers)
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0
    return context


def _context(protocol: int, section: str, files: Central | Peers) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(files.ca)
    except OSError:  # ssl.SSLError is one
        raise OperatorError(f"{section}.ca: {files.ca}: not readable as PEM certificates") from None
    try:
        context.load_cert_chain(files.certificate, files.key, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            what = f"{files.key}: does not belong to {files.certificate}; give the key of that certificate"
            raise OperatorError(f"{section}.key: {what}") from None
        what = f"{files.certificate}, {files.key}: not a PEM chain with its private key (without a password)"
        raise OperatorError(f"{section}.certificate: {what}") from None
    except OSError as error:
        what = f"{files.certificate}, {files.key}: {error.strerror}"
        raise OperatorError(f"{section}.certificate: {what}") from None
    return context


def names_in(certificate: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that a certificate says, as `getpeercert` tells it: DNS names, without any the common names."""
    dns = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
    subject = [value for part in certificate.get("subject", ()) for kind, value in part if kind == "commonName"]
    return tuple(dns or subject)


def accepted_name(names: Iterable[str], accept: Mapping[str, AcceptEntry]) -> str:
    """The one peer that these names of a certificate mean. PeerError (403): none, or several."""
    found = sorted({name.lower() for name in names} & accept.keys())
    if len(found) == 1:
        return found[0]
    if found:
        raise PeerError("the certificate says the names of several peers; give each its own", 403)
    raise PeerError("the certificate says no name that stands in peers.accept of the central appliance", 403)


def ends_at(certificate: Mapping[str, Any]) -> float:
    """When a certificate ends, epoch seconds."""
    return ssl.cert_time_to_seconds(str(certificate["notAfter"]))


def in_words(error: BaseException) -> str:
    """A failure of a connection for people."""
    if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError | socket.gaierror):
        return os.strerror(error.errno)
    return _PLACE_IN_SOURCE.sub("", str(error)) or type(error).__name__
