"""What the files that the configuration names must hold, checked before anything is bound or started.

Rules: read only; a fault names the key, the file and what is wrong with it, and never quotes what it holds: some of
these files are secrets. The workers check again when they read the files: this is for one clear message in time.
"""

from __future__ import annotations

import contextlib
import hashlib
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.config import classifier, credentials
from appliance.identity.htpasswd import parse_htpasswd
from appliance.model.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.config.schema import Config


def check_files(config: Config) -> None:
    """OperatorError lists every file that is not what its key needs."""
    faults = [what for what in (_bundle(config.egress.ca_bundle), _passwords(config.identity.htpasswd)) if what]
    faults.extend(_listener(config.listen.certificate, config.listen.key))
    faults.extend(f"gateway.routes: {what}" for what in credentials.check(config))
    faults.extend(classifier.check(config.inspect.classifier))
    faults.extend(_detection(config))
    faults.extend(_identity(config))
    faults.extend(_known(config))
    faults.extend(_budgets(config))
    faults.extend(_placement(config))
    if faults:
        raise OperatorError("\n".join(faults))


def _identity(config: Config) -> Iterator[str]:
    settings = config.identity
    if settings.tokens or settings.certificates or settings.ldap or settings.members:
        from appliance.identity.preflight import check  # its libraries only where they are needed

        yield from check(settings)


def _placement(config: Config) -> Iterator[str]:
    if config.central is not None or config.peers is not None:
        from appliance.peers.preflight import check  # its libraries only where they are needed

        yield from check(config)


def _detection(config: Config) -> Iterator[str]:
    from appliance.config.detection import detection_settings, has_more

    try:
        if has_more(config):
            detection_settings(config)
    except OperatorError as error:
        yield str(error)


def _budgets(config: Config) -> Iterator[str]:
    from appliance.config.budget_checks import services_unknown
    from appliance.config.catalogue import load_catalogue
    from appliance.config.prices_file import load_prices, places_unknown

    try:
        if config.prices.file and Path(config.prices.file).is_file():
            file, _ = load_prices(Path(config.prices.file))
            yield from places_unknown(file, config.providers, config.gateway.routes)
        if any(budget.match.service for budget in config.budgets):
            override = config.catalogue.override
            catalogue = load_catalogue(Path(override) if override else None)
            yield from services_unknown(config.budgets, tuple(catalogue.services))
    except OperatorError as error:
        yield str(error)


def known_version(config: Config) -> str:
    """Of what the site itself knows of AI software, as its files hold it now; empty: it names none."""
    found = hashlib.sha256()
    files = [Path(name) for name in (config.sensor.advisories, config.sensor.fingerprints) if name]
    for path in files:
        with contextlib.suppress(OSError):  # what cannot be read is refused elsewhere
            found.update(path.read_bytes() + b"\0")
    return found.hexdigest() if files else ""


def _known(config: Config) -> Iterator[str]:
    if not (config.sensor.advisories or config.sensor.fingerprints):
        return
    from appliance.config.catalogue import load_catalogue
    from appliance.config.known_files import load_known

    try:
        override = config.catalogue.override
        load_known(config.sensor, load_catalogue(Path(override) if override else None))
    except OperatorError as error:
        yield str(error)


def _bundle(path: str | None) -> str:
    if path is None or not Path(path).is_file():
        return ""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:  # ssl.SSLError is one
        return f"egress.ca_bundle: {path}: not readable as PEM certificates"
    return ""


def _listener(certificate: str | None, key: str | None) -> Iterator[str]:
    if not (certificate and key and Path(certificate).is_file() and Path(key).is_file()):
        return
    try:
        # The password is never asked for at a terminal: a key that needs one is refused.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            yield f"listen.key: {key}: does not belong to {certificate}; give the key of that certificate"
        else:
            yield f"listen.certificate: {certificate}, {key}: not a PEM chain with its private key (without a password)"
    except OSError as error:
        yield f"listen.certificate: {certificate}, {key}: {error.strerror}"


def _no_password() -> str:
    return ""


def _passwords(path: str | None) -> str:
    if path is None or not Path(path).is_file():
        return ""
    try:
        parse_htpasswd(Path(path).read_text(), path)
    except (OSError, UnicodeDecodeError):
        return f"identity.htpasswd: {path}: not readable as text lines of user:hash"
    except OperatorError as error:
        return f"identity.htpasswd: {error}"
    return ""
