"""The certificate authority on disk: what is there, what is missing, what must be renewed.

    DIR/                           0700
    DIR/root.pem                   0644  root certificate: the one thing that customers distribute
    DIR/root/root-key.pem          0600  root key and certificate, folder 0700; may be taken offline
    DIR/intermediate/current.pem   0600  key and certificates of the intermediates, folder 0700; what workers hold

Rules: a root is never replaced; the root key is touched only to issue; without it everything goes on until a re-issue
cannot be put off, and then a message says what to bring back.
"""

from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from appliance.ca.authority import Issuer, expires, make_root
from appliance.ca.intermediates import Need, issued, reach_of_all, renewal
from appliance.ca.pem_files import (
    MAX_BYTES,
    create,
    encode_issuers,
    is_issued_by,
    make_folder,
    read_certificate,
    read_issuers,
    replace,
)
from appliance.ca.reach import Reach, reach_in
from appliance.model.errors import OperatorError


class CertificateStatus(msgspec.Struct, frozen=True):
    """Names a certificate. `sha256`: fingerprint, hex; `expires`: epoch seconds; `domains`: what it may sign for."""

    name: str
    sha256: str
    expires: float
    domains: tuple[str, ...] = ()


class CaStatus(msgspec.Struct, frozen=True):
    """What `gnomon ca status` shows; None: not there. `reason`: why a renewal is due, for a person.

    `domains`: of all intermediates together; empty where one is unconstrained.
    """

    folder: str
    root: CertificateStatus | None
    root_key_here: bool
    intermediates: tuple[CertificateStatus, ...]
    unconstrained: bool
    domains: tuple[str, ...]
    renewal: Need
    reason: str


def root_path(folder: Path) -> Path:
    """The root certificate."""
    return folder / "root.pem"


def root_key_path(folder: Path) -> Path:
    """The root key with its certificate."""
    return folder / "root" / "root-key.pem"


def intermediate_path(folder: Path) -> Path:
    """The intermediates' key with their certificates."""
    return folder / "intermediate" / "current.pem"


def init(folder: Path, now: float) -> x509.Certificate:
    """Make a root. OperatorError where one is there already; a root whose making was cut short is completed."""
    make_folder(folder)
    make_folder(root_key_path(folder).parent)
    if root_path(folder).exists():
        raise OperatorError(
            f"{root_path(folder)}: a root is there already and is never replaced: clients trust it. "
            "Use `gnomon ca status`; to start over, move the whole folder away"
        )
    root = _root_key(folder)
    if root is None:
        root = make_root(now)
        create(root_key_path(folder), encode_issuers((root,)), 0o600)
    create(root_path(folder), root.certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return root.certificate


def issue_intermediates(folder: Path, reach: Reach, now: float, reason: str = "") -> tuple[Issuer, ...]:
    """Put a new set in place of the old one, of which is kept what still serves.

    OperatorError where the root key is not here; then `reason` says what it is needed for.
    """
    certificate = root_certificate(folder)
    root = _root_key(folder)
    if root is None:
        raise OperatorError(
            f"{root_key_path(folder)}: the root key is not here, and a new intermediate is needed"
            f"{f' ({reason})' if reason else ''}; bring the file back (mode 600, folder mode 700) and run "
            "`gnomon ca init` again"
        )
    if root.certificate != certificate:
        raise OperatorError(
            f"{root_key_path(folder)}: belongs to another root than {root_path(folder)}; restore its own"
        )
    issuers = issued(root, reach, now, _present(folder))
    data = encode_issuers(issuers)
    if len(data) > MAX_BYTES:
        raise OperatorError(
            f"{intermediate_path(folder)}: {len(reach.domains)} domains need more than {MAX_BYTES} octets of "
            "certificates; take names out of the catalogue"
        )
    make_folder(intermediate_path(folder).parent)
    replace(intermediate_path(folder), data, 0o600)
    return issuers


def load_intermediates(folder: Path) -> tuple[Issuer, ...]:
    """What workers sign with, one at least. OperatorError: absent, damaged, or of another root."""
    path = intermediate_path(folder)
    try:
        issuers = read_issuers(path)
    except FileNotFoundError:
        raise OperatorError(f"{path}: no intermediate; run `gnomon ca init`") from None
    root = root_certificate(folder)
    if not all(is_issued_by(issuer.certificate, root) for issuer in issuers):
        raise OperatorError(
            f"{path}: was not issued by {root_path(folder)}; move it away and run `gnomon ca init` to issue it anew"
        )
    return issuers


def ensure(folder: Path, reach: Reach, now: float, *, starting: bool = False) -> tuple[tuple[Issuer, ...], str]:
    """Root and intermediates for a start or a change: made where missing, renewed where needed and possible.

    The text tells what was done, or as `due`; empty: nothing to tell. OperatorError: a renewal cannot wait and the root
    key is away; nothing was changed then. `starting`: names that no intermediate covers can wait as long as others are
    covered: what serves them goes on, and connections to the new ones are closed.
    """
    done = ""
    if not root_path(folder).exists():
        init(folder, now)
        done = f"certificate authority made in {folder}; clients must trust {root_path(folder)}"
    issuers = _present(folder)
    need, reason = renewal(issuers, reach, now)
    if need is Need.NO:
        return issuers, done
    some_names_wait = starting and not reach.everything
    can_wait = need is Need.SOON or (
        some_names_wait and renewal(issuers, reach_of_all(issuers), now)[0] is not Need.NOW
    )
    if can_wait and _root_key(folder) is None:
        return issuers, due(folder, reach, now)
    renewed = issue_intermediates(folder, reach, now, reason)
    return renewed, done or f"intermediate issued anew: {reason}"


def due(folder: Path, reach: Reach, now: float) -> str:
    """What is to be renewed and how, for a person; empty: nothing."""
    issuers = _present(folder)
    need, reason = renewal(issuers, reach, now)
    if need is Need.NO:
        return ""
    closed = ", and connections to them are closed until then" if reach_of_all(issuers).lacks(reach) else ""
    return (
        f"certificate authority: intermediate to be renewed: {reason}{closed}; bring the root key back to "
        f"{root_key_path(folder)} and run `gnomon reload`"
    )


def status(folder: Path, reach: Reach, now: float) -> CaStatus:
    """What is there. OperatorError only for files that are there and wrong."""
    root = root_certificate(folder) if root_path(folder).exists() else None
    issuers = _present(folder) if root is not None else ()
    need, reason = renewal(issuers, reach, now)
    present = reach_of_all(issuers)
    return CaStatus(
        folder=str(folder),
        root=None if root is None else _described(root),
        root_key_here=_root_key(folder) is not None,
        intermediates=tuple(_described(issuer.certificate, reach_in(issuer.certificate)) for issuer in issuers),
        unconstrained=present.everything,
        domains=present.domains,
        renewal=need,
        reason=reason,
    )


def export(folder: Path) -> bytes:
    """The root certificate as PEM: what clients are to trust."""
    return root_certificate(folder).public_bytes(serialization.Encoding.PEM)


def root_certificate(folder: Path) -> x509.Certificate:
    """The root certificate. OperatorError: absent or damaged."""
    try:
        return read_certificate(root_path(folder))
    except FileNotFoundError:
        raise OperatorError(f"{root_path(folder)}: no certificate authority here; run `gnomon ca init`") from None


def _described(certificate: x509.Certificate, reach: Reach | None = None) -> CertificateStatus:
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
    name, domains = certificate.subject.rfc4514_string(), () if reach is None else reach.domains
    return CertificateStatus(name, fingerprint, expires(certificate), domains)


def _present(folder: Path) -> tuple[Issuer, ...]:
    return load_intermediates(folder) if intermediate_path(folder).exists() else ()


def _root_key(folder: Path) -> Issuer | None:
    # A folder that only the ca user may enter is as good as offline to everybody else.
    try:
        if not root_key_path(folder).exists():
            return None
    except PermissionError:
        return None
    try:
        return read_issuers(root_key_path(folder))[0]
    except FileNotFoundError:
        return None
