"""What the certificates between appliances must be, looked at before anything is bound or started.

Rules: read only; a fault names the key, the file and what to do; the handshake checks all of it again, and dates there
alone: a certificate that has ended keeps nobody from starting, and records wait until there is another.
"""

from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from appliance.config.placement_schema import Central, Peers
from appliance.config.schema import Config
from appliance.model.errors import OperatorError
from appliance.peers import tls


def check(config: Config) -> Iterator[str]:
    """Every fault of the sections `central` and `peers`."""
    if config.central is not None:
        yield from _central(config.central)
    if config.peers is not None:
        yield from _files(config.peers)


def _central(central: Central) -> Iterator[str]:
    yield from _files(central)
    try:
        names = _names(_first(central.certificate))
    except (OSError, ValueError):
        return  # told already
    if central.name not in names:
        says = ", ".join(names) or "no name"
        yield f"central.name: {central.name}: {central.certificate} says {says}; give the name that it says"


def _files(files: Central | Peers) -> Iterator[str]:
    try:
        tls.to_central(files) if isinstance(files, Central) else tls.from_peers(files)
    except OperatorError as error:
        yield str(error)


def _first(path: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(Path(path).read_bytes())


def _names(certificate: x509.Certificate) -> list[str]:
    """As `tls.names_in`: DNS names, without any the common names."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns = list(found.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        dns = []
    common = [str(part.value) for part in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return [name.lower() for name in dns or common]
