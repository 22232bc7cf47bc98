"""TLS client certificates as a way to know who asks.

Theory of operation. The chain, its dates, its purpose and its revocation are verified by TLS in the handshake
(`addons/listener_tls.py`); here the certificate becomes a name. A connection may outlive both, so end and revocation
are asked again with each request. Rules: exactly one name of the certificate must match the operator's pattern, as a
whole; a verified certificate that yields no name is refused and is never anonymous; revocation lists are believed only
with the signature of an authority of the bundle, and only until they are out of date.
"""

import datetime as dt
import re
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import NameOID

from appliance.config.identity_schema import ClientCertificates, NameFrom
from appliance.identity.claims import is_name
from appliance.identity.method import Answer, IdentityRequest, Refusal
from appliance.model.errors import OperatorError
from appliance.model.facts import Principal
from appliance.model.names import Assurance, RefusalReason

MAX_FILE = 16 << 20
MAX_KNOWN = 4096
LOOK_EVERY = 1.0
_OUT_OF_DATE = "the client's certificate is out of date"
_SIGNERS = (RSAPublicKey, EllipticCurvePublicKey, Ed25519PublicKey)
_CRL = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Known:
    user: str | None
    issuer: bytes
    serial: int
    begins: float
    ends: float


class Revocations:
    """The revocation lists of a file, read again when it has changed. `problem`: why it is not used; then none is."""

    def __init__(self, crl: Path, ca: Path) -> None:
        self._crl, self._ca = crl, ca
        self._seen: tuple[int, ...] = ()
        self._next_look = 0.0
        self._revoked: dict[bytes, tuple[frozenset[int], float]] = {}
        self.problem = ""
        self.refresh(0.0)

    def refresh(self, now: float) -> None:
        """Look at the file, at most once a second."""
        if now < self._next_look <= now + LOOK_EVERY:
            return
        self._next_look = now + LOOK_EVERY
        try:
            found = self._crl.stat()
            stamp = found.st_mtime_ns, found.st_size, found.st_ino
            if stamp != self._seen:
                self._revoked = _revoked(self._crl, self._ca)
                self._seen = stamp
            self.problem = ""
        except (OSError, OperatorError) as error:
            self.problem = str(error)
            self._revoked, self._seen = {}, ()

    def fault(self, issuer: bytes, serial: int, now: float) -> str:
        """Why a certificate of this issuer may not be used; empty: it may."""
        serials, until = self._revoked.get(issuer, (frozenset[int](), 0.0))
        if serial in serials:
            return "the certificate is revoked"
        if now >= until:
            return (
                "whether the certificate is revoked cannot be said: there is no list of its authority that is in date"
            )
        return ""


class CertificateMethod:
    """An `IdentityMethod`. OperatorError: the pattern or a file is not usable."""

    def __init__(self, settings: ClientCertificates) -> None:
        self._from: NameFrom = settings.user_from
        self._pattern = re.compile(settings.pattern)
        self._revocations = Revocations(Path(settings.crl), Path(settings.ca)) if settings.crl else None
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    @property
    def problem(self) -> str:
        """Why the revocation list is not used; every certificate is refused then."""
        return self._revocations.problem if self._revocations is not None else ""

    async def identify(self, request: IdentityRequest, now: float) -> Answer | None:
        """None: no certificate was shown."""
        if request.certificate is None:
            return None
        known = self._of(request.certificate)
        if what := self._fault(known, now):
            return Refusal(403, RefusalReason.IDENTITY_FAILED, what, lapsed=what == _OUT_OF_DATE)
        return Principal(known.user or "", request.address, method="mtls", assurance=Assurance.HIGH)

    def _fault(self, known: _Known, now: float) -> str:
        if known.user is None:
            return "the client's certificate names nobody whom this appliance knows"
        if not known.begins <= now < known.ends:
            return _OUT_OF_DATE
        if self._revocations is None:
            return ""
        self._revocations.refresh(now)
        return self._revocations.fault(known.issuer, known.serial, now)

    def _of(self, der: bytes) -> _Known:
        known = self._known.get(der)
        if known is None:
            known = self._known[der] = self._read(der)
            while len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(der)
        return known

    def _read(self, der: bytes) -> _Known:
        try:
            certificate = x509.load_der_x509_certificate(der)
            return _Known(
                user_of(certificate, self._from, self._pattern),
                certificate.issuer.public_bytes(),
                certificate.serial_number,
                certificate.not_valid_before_utc.timestamp(),
                certificate.not_valid_after_utc.timestamp(),
            )
        except (ValueError, UnsupportedAlgorithm):
            return _Known(None, b"", 0, 0.0, 0.0)


def user_of(certificate: x509.Certificate, source: NameFrom, pattern: re.Pattern[str]) -> str | None:
    """The one user that the certificate names; None: nobody, or several. ValueError: it cannot be read."""
    matches = [match for name in _names(certificate, source) if is_name(name) and (match := pattern.fullmatch(name))]
    users = {match[1] for match in matches}
    user = users.pop() if len(users) == 1 else None
    return user if is_name(user) else None


def _names(certificate: x509.Certificate, source: NameFrom) -> list[str]:
    if source == "common_name":
        return [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    if source == "email":
        return list(names.get_values_for_type(x509.RFC822Name))
    if source == "uri":
        return list(names.get_values_for_type(x509.UniformResourceIdentifier))
    return list(names.get_values_for_type(x509.DNSName))


def authorities(path: Path) -> list[x509.Certificate]:
    """The certificates of a bundle. OperatorError: there is none, or one cannot be read."""
    try:
        return x509.load_pem_x509_certificates(_bytes(path))
    except ValueError:
        raise OperatorError(f"identity.certificates.ca: {path}: not readable as PEM certificates") from None


def revocation_lists(path: Path) -> list[x509.CertificateRevocationList]:
    """The lists of a file. OperatorError: there is none, or one cannot be read."""
    blocks = _CRL.findall(_bytes(path))
    try:
        lists = [x509.load_pem_x509_crl(block) for block in blocks]
    except ValueError:
        lists = []
    if not lists:
        raise OperatorError(f"identity.certificates.crl: {path}: not readable as PEM revocation lists")
    return lists


def _revoked(crl: Path, ca: Path) -> dict[bytes, tuple[frozenset[int], float]]:
    """By issuer: serial numbers, and until when the list is in date."""
    keys = {each.subject.public_bytes(): each.public_key() for each in authorities(ca)}
    found: dict[bytes, tuple[frozenset[int], float]] = {}
    for each in revocation_lists(crl):
        issuer = each.issuer.public_bytes()
        key = keys.get(issuer)
        if not isinstance(key, _SIGNERS) or not each.is_signature_valid(key):
            raise OperatorError(f"identity.certificates.crl: {crl}: a list is not signed by an authority of {ca}")
        serials = frozenset(entry.serial_number for entry in each)
        until = each.next_update_utc or dt.datetime.fromtimestamp(0, dt.UTC)
        old, old_until = found.get(issuer, (frozenset[int](), 0.0))
        found[issuer] = serials | old, max(until.timestamp(), old_until)
    return found


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read ({error.strerror})") from None
    if len(data) > MAX_FILE:
        raise OperatorError(f"{path}: larger than {MAX_FILE >> 20} MiB")
    return data
