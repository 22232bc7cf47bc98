"""Key and certificate files: read with suspicion, written whole or not at all.

Owns: permissions, atomic writes and the messages about them. Rules: a file that holds a key is 0600 in a folder 0700;
a symbolic link is not followed; `create` never replaces a file; a message names the file and the remedy, never content.
"""

import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from appliance.ca.authority import Issuer
from appliance.model.errors import OperatorError

MAX_BYTES = 4 << 20  # 50,000 names in a thousand intermediates
_PEM = serialization.Encoding.PEM


def encode_issuers(issuers: Sequence[Issuer]) -> bytes:
    """The key (PKCS 8) that all of them share, and their certificates: one PEM text, which never gets out of step."""
    key = issuers[0].key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key + b"".join(issuer.certificate.public_bytes(_PEM) for issuer in issuers)


def read_issuers(path: Path) -> tuple[Issuer, ...]:
    """Key and certificates of one file. FileNotFoundError: absent; OperatorError: anything else wrong with it."""
    data = _read(path, private=True)
    try:
        key = serialization.load_pem_private_key(data, password=None)
        certificates = x509.load_pem_x509_certificates(data)
        public_keys = {_point(certificate.public_key()) for certificate in certificates}
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise OperatorError(f"{path}: not a PEM file with a key and a certificate; {_RESTORE}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise OperatorError(f"{path}: the key is not a P-256 key; {_RESTORE}")
    if public_keys != {_point(key.public_key())}:
        raise OperatorError(f"{path}: key and certificate do not belong together; {_RESTORE}")
    return tuple(Issuer(certificate, key) for certificate in certificates)


def read_certificate(path: Path) -> x509.Certificate:
    """A certificate without key. Errors as `read_issuer`."""
    try:
        return x509.load_pem_x509_certificate(_read(path, private=False))
    except ValueError:
        raise OperatorError(f"{path}: not a PEM certificate; {_RESTORE}") from None


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether name and signature say so. Dates are not looked at."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def make_folder(path: Path) -> None:
    """Create `path` and missing parents (all 0700); OperatorError: it cannot be made, or others may enter it."""
    try:
        for folder in reversed((path, *path.parents)):
            folder.mkdir(mode=0o700, exist_ok=True)
        found = path.stat()
    except OSError as error:
        raise OperatorError(f"{path}: cannot be created: {error.strerror}; choose another ca.dir") from None
    _check_mode(path, found, "700")


def create(path: Path, data: bytes, mode: int) -> None:
    """Write a new file, whole or not at all; OperatorError where one is there already."""
    temporary = _write_temporary(path, data, mode)
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise OperatorError(f"{path}: exists already and is not replaced; move it away first") from None
    except OSError as error:
        raise OperatorError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        temporary.unlink()
    _sync_folder(path.parent)


def replace(path: Path, data: bytes, mode: int) -> None:
    """Write a file in place of the old one, whole or not at all."""
    temporary = _write_temporary(path, data, mode)
    try:
        temporary.replace(path)
    except OSError as error:
        temporary.unlink()
        raise OperatorError(f"{path}: cannot be written: {error.strerror}") from None
    _sync_folder(path.parent)


_RESTORE = "restore it from a backup, or move it away and issue a new one"


def _read(path: Path, *, private: bool) -> bytes:
    try:
        if private:
            _check_mode(path.parent, path.parent.stat(), "700")
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read: {error.strerror}; check its owner and permissions") from None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
            raise OperatorError(f"{path}: not a PEM file; {_RESTORE}")
        if private:
            _check_mode(path, found, "600")
        return file.read(MAX_BYTES)


def _point(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _check_mode(path: Path, found: os.stat_result, wanted: str) -> None:
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise OperatorError(f"{path}: open to others (mode {mode:o}); run: chmod {wanted} {path}")
    if os.geteuid() not in (0, found.st_uid):
        raise OperatorError(
            f"{path}: belongs to another user (uid {found.st_uid}); chown it to the user of the appliance"
        )


def _write_temporary(path: Path, data: bytes, mode: int) -> Path:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        temporary.unlink()
        raise OperatorError(f"{path}: cannot be written: {error.strerror}") from None
    return temporary


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
