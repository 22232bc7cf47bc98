"""The certificate authority on disk: what is there, what is missing, what must be renewed.

    DIR/                           0700
    DIR/root.pem                   0644  root certificate: the one thing that customers distribute
    DIR/root/root-key.pem          0600  root key and certificate, folder 0700; may be taken offline
    DIR/intermediate/current.pem   0600  intermediate key and certificate, folder 0700; what workers hold

Rules: a root is never replaced; the root key is touched only to issue; without it everything goes on until a re-issue
cannot be put off, and then a message says what to bring back.
"""

from enum import StrEnum
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from appliance.ca.authority import DAY, Issuer, expires, make_intermediate, make_root
from appliance.ca.pem_files import (
    create,
    encode_issuer,
    is_issued_by,
    make_folder,
    read_certificate,
    read_issuer,
    replace,
)
from appliance.ca.reach import Reach, reach_in
from appliance.model.errors import OperatorError

RENEW_BEFORE = 30 * DAY


class Need(StrEnum):
    """Whether the intermediate is to be issued anew; `soon` can wait for the root key, `now` cannot."""

    NO = "no"
    SOON = "soon"
    NOW = "now"


class CertificateStatus(msgspec.Struct, frozen=True):
    """Names a certificate. `sha256`: fingerprint, hex; `expires`: epoch seconds."""

    name: str
    sha256: str
    expires: float


class CaStatus(msgspec.Struct, frozen=True):
    """What `gnomon ca status` shows; None: not there. `reason`: why a renewal is due, for a person."""

    folder: str
    root: CertificateStatus | None
    root_key_here: bool
    intermediate: CertificateStatus | None
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
    """The intermediate's key with its certificate."""
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
        create(root_key_path(folder), encode_issuer(root), 0o600)
    create(root_path(folder), root.certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return root.certificate


def issue_intermediate(folder: Path, reach: Reach, now: float) -> Issuer:
    """Make a new intermediate and put it in place of the old one. OperatorError where the root key is not here."""
    certificate = root_certificate(folder)
    root = _root_key(folder)
    if root is None:
        raise OperatorError(
            f"{root_key_path(folder)}: the root key is not here, and a new intermediate is needed; bring the file back "
            "(mode 600, folder mode 700) and run `gnomon ca init` again"
        )
    if root.certificate != certificate:
        raise OperatorError(
            f"{root_key_path(folder)}: belongs to another root than {root_path(folder)}; restore its own"
        )
    issuer = make_intermediate(root, reach, now)
    make_folder(intermediate_path(folder).parent)
    replace(intermediate_path(folder), encode_issuer(issuer), 0o600)
    return issuer


def load_intermediate(folder: Path) -> Issuer:
    """What workers sign with. OperatorError: absent, damaged, or of another root."""
    path = intermediate_path(folder)
    try:
        issuer = read_issuer(path)
    except FileNotFoundError:
        raise OperatorError(f"{path}: no intermediate; run `gnomon ca init`") from None
    if not is_issued_by(issuer.certificate, root_certificate(folder)):
        raise OperatorError(
            f"{path}: was not issued by {root_path(folder)}; move it away and run `gnomon ca init` to issue it anew"
        )
    return issuer


def ensure(folder: Path, reach: Reach, now: float) -> tuple[Issuer, str]:
    """Root and intermediate for a start-up: made where missing, renewed where needed and possible.

    The text tells what was done, or why a renewal is due that the absent root key prevents; empty: nothing to tell.
    """
    done = ""
    if not root_path(folder).exists():
        init(folder, now)
        done = f"certificate authority made in {folder}; clients must trust {root_path(folder)}"
    need, reason = Need.NOW, "there is none"
    if intermediate_path(folder).exists():
        issuer = load_intermediate(folder)
        need, reason = renewal(issuer.certificate, reach, now)
        if need is Need.NO:
            return issuer, done
        if need is Need.SOON and _root_key(folder) is None:
            return issuer, f"intermediate to be renewed: {reason}; bring the root key back to {root_key_path(folder)}"
    issuer = issue_intermediate(folder, reach, now)
    return issuer, done or f"intermediate issued anew: {reason}"


def renewal(intermediate: x509.Certificate, reach: Reach, now: float) -> tuple[Need, str]:
    """Whether this intermediate still serves `reach`, and why not."""
    present = reach_in(intermediate)
    left = expires(intermediate) - now
    due: list[tuple[bool, Need, str]] = [
        (left <= 0, Need.NOW, "it has expired"),
        (
            now < intermediate.not_valid_before_utc.timestamp(),
            Need.NOW,
            "it is not valid yet; is the clock right?",
        ),
        (not present.includes(reach), Need.NOW, "the intercepted domains have changed"),
        (left < RENEW_BEFORE, Need.SOON, f"it ends in {int(left // DAY)} days"),
        (present.everything and not reach.everything, Need.SOON, "it is unconstrained, which is no longer needed"),
        (present != reach, Need.SOON, "it permits domains that are no longer intercepted"),
    ]
    return next(((need, reason) for is_due, need, reason in due if is_due), (Need.NO, ""))


def status(folder: Path, reach: Reach, now: float) -> CaStatus:
    """What is there. OperatorError only for files that are there and wrong."""
    root = root_certificate(folder) if root_path(folder).exists() else None
    issuer = load_intermediate(folder) if root is not None and intermediate_path(folder).exists() else None
    need, reason = (Need.NOW, "there is none") if issuer is None else renewal(issuer.certificate, reach, now)
    present = Reach() if issuer is None else reach_in(issuer.certificate)
    return CaStatus(
        folder=str(folder),
        root=None if root is None else _described(root),
        root_key_here=_root_key(folder) is not None,
        intermediate=None if issuer is None else _described(issuer.certificate),
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


def _described(certificate: x509.Certificate) -> CertificateStatus:
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
    return CertificateStatus(certificate.subject.rfc4514_string(), fingerprint, expires(certificate))


def _root_key(folder: Path) -> Issuer | None:
    # A folder that only the ca user may enter is as good as offline to everybody else.
    try:
        if not root_key_path(folder).exists():
            return None
    except PermissionError:
        return None
    try:
        return read_issuer(root_key_path(folder))
    except FileNotFoundError:
        return None
