"""The way out of a worker as configured: address rules, the map of hosts, parent proxies.

Rules: made once for each who dials; a parent proxy whose credential is not there stays one, and what would go by it
fails, so that nothing takes another way in silence.
"""

import socket
import ssl
from collections.abc import Callable, Iterable
from ipaddress import ip_address

import certifi

from addons.upstream import Dialler, Parent
from addons.upstream.dial import Opened
from appliance.config.credentials import read_key
from appliance.config.schema import Config
from appliance.model.errors import OperatorError
from appliance.net.addresses import Allowance, exemptions_of
from appliance.route.held import held_name
from appliance.route.targets import parse_target


def dialler_of(
    config: Config,
    own: Iterable[socket.socket] = (),
    opened: Opened | None = None,
    forbids: Callable[[str], bool] = lambda _: False,
) -> Dialler:
    """The dial rules of a configuration; `own` are the sockets that must never be dialled; `forbids`: as `Dialler`."""
    egress = config.egress
    endpoints = frozenset((ip_address(name[0]), name[1]) for name in (sock.getsockname() for sock in own))
    exemptions = exemptions_of((entry.network, entry.port, entry.purpose) for entry in egress.allow_private)
    allowance = Allowance(exemptions, endpoints)
    return Dialler(
        egress.hosts,
        allowance,
        timeout_s=egress.connect_timeout_s,
        opened=opened,
        parents=parents_of(config),
        forbids=forbids,
    )


def parents_of(config: Config) -> tuple[Parent, ...]:
    """The parent proxies in the order of the configuration."""
    made = []
    for entry in config.egress.via:
        place = parse_target(entry.proxy)
        secret, fault = _secret(config, entry.credential)
        tls = trusting(config.egress.ca_bundle) if place.scheme == "https" else None
        hosts = tuple(name.lower() for name in entry.hosts)
        made.append(Parent(place.host, place.port, tls, hosts, secret, fault))
    return tuple(made)


def _secret(config: Config, credential: str | None) -> tuple[bytes | None, str]:
    name = held_name(credential) if credential else None
    if name is None:
        return None, ""
    try:
        key = read_key(config, name)
    except OperatorError:
        key = None
    if key is None or b":" not in key.reveal():
        return None, f"the parent proxy's credential {name} is not there, or is no user:password"
    return key.reveal(), ""


def trusting(bundle: str | None) -> ssl.SSLContext:
    """TLS 1.2 and later with verified chain and name. `bundle`: authorities instead of the system's. OperatorError."""
    try:
        context = ssl.create_default_context(cafile=bundle)
    except OSError:
        raise OperatorError(f"egress.ca_bundle: {bundle}: not readable as PEM certificates") from None
    if bundle is None and ssl.get_default_verify_paths().cafile is None:
        context.load_verify_locations(certifi.where())  # a machine without authorities of its own
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as upstreams are verified: in-house authorities are seldom strict
    return context
