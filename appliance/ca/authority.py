"""Certificates: root, constrained intermediate, leaves.

Owns: what stands in each of them. Rules: pure but for fresh keys and serial numbers; time comes as epoch seconds;
every key is P-256; no certificate outlives its issuer; all carry what Python 3.13's VERIFY_X509_STRICT and RFC 5280 ask
for (critical basicConstraints and keyUsage, subject and authority key identifiers). A leaf is for one exact DNS name:
never a wildcard, never an address.
"""

import hashlib
from datetime import UTC, datetime

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.ca.reach import Reach, constraints
from appliance.model.errors import OperatorError
from appliance.net.hostname import canonical_name

DAY = 86400.0
ROOT_LIFE = 3650 * DAY
INTERMEDIATE_LIFE = 90 * DAY
LEAF_LIFE = 14 * DAY
BACKDATED = 2 * DAY  # clients whose clocks are slow
ORGANISATION = "Gnomon"
_MAX_COMMON_NAME = 64  # RFC 5280 upper bound ub-common-name

_SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])


class Issuer(msgspec.Struct, frozen=True):
    """A CA certificate with its key. Its repr never shows the key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def __repr__(self) -> str:
        return f"Issuer({self.certificate.subject.rfc4514_string()})"


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key: as widely accepted as RSA today and some 20 times faster to sign with."""
    return ec.generate_private_key(ec.SECP256R1())


def make_root(now: float) -> Issuer:
    """A self-signed root; the tag in its name tells two appliances' roots apart."""
    key = new_key()
    tag = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest[:4].hex()
    name = _name(f"Gnomon Root {tag}")
    builder = _builder(name, name, key.public_key(), now - BACKDATED, now + ROOT_LIFE)
    builder = _as_authority(builder, path_length=1)
    return Issuer(builder.sign(key, hashes.SHA256()), key)


def make_intermediate(
    root: Issuer,
    reach: Reach,
    now: float,
    *,
    key: ec.EllipticCurvePrivateKey | None = None,
    until: float | None = None,
) -> Issuer:
    """An issuer for TLS servers within `reach`. One for everything says so in its name.

    `key`: shared with other intermediates, None: its own. `until`: epoch seconds, where it shall end before its life.
    """
    key = key or new_key()
    life = INTERMEDIATE_LIFE if until is None else min(INTERMEDIATE_LIFE, until - now)
    subject = _name(f"Gnomon Intermediate {_kind(reach)} {datetime.fromtimestamp(now, UTC):%Y-%m-%d}{_tag(reach)}")
    builder = _as_authority(_issued(root, subject, key.public_key(), now, life), path_length=0)
    # Without serverAuth here a stolen intermediate could sign mail or client certificates, which DNS names do not bind.
    builder = builder.add_extension(_SERVER, critical=False)
    builder = builder.add_extension(constraints(reach), critical=True)
    return Issuer(builder.sign(root.key, hashes.SHA256()), key)


def make_leaf(issuer: Issuer, host: str, key: ec.EllipticCurvePublicKey, now: float) -> x509.Certificate:
    """A server certificate for exactly `host`. OperatorError: no DNS name, or the issuer is not valid now."""
    name = canonical_name(host)
    if name is None:
        raise OperatorError(f"certificate authority: no leaf for {host[:100]!a}: it is not a DNS name")
    common_name = name if len(name) <= _MAX_COMMON_NAME else None
    builder = _issued(issuer, _name(common_name), key, now, LEAF_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(authority=False), critical=True)
    builder = builder.add_extension(_SERVER, critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


def expires(certificate: x509.Certificate) -> float:
    """End of validity in epoch seconds."""
    return certificate.not_valid_after_utc.timestamp()


def _valid_at(issuer: x509.Certificate, now: float) -> None:
    if not issuer.not_valid_before_utc.timestamp() <= now < expires(issuer):
        raise OperatorError(
            f"certificate authority: {issuer.subject.rfc4514_string()} is valid from "
            f"{issuer.not_valid_before_utc:%Y-%m-%d} to "
            f"{issuer.not_valid_after_utc:%Y-%m-%d %H:%M} only; renew it, or set the clock right"
        )


def _issued(
    issuer: Issuer, subject: x509.Name, key: ec.EllipticCurvePublicKey, now: float, life: float
) -> x509.CertificateBuilder:
    _valid_at(issuer.certificate, now)
    begin = max(now - BACKDATED, issuer.certificate.not_valid_before_utc.timestamp())
    end = min(now + life, expires(issuer.certificate))
    builder = _builder(subject, issuer.certificate.subject, key, begin, end)
    identifier = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    issued_by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    return builder.add_extension(issued_by, critical=False)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, begin: float, end: float
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(int(begin), UTC))
        .not_valid_after(datetime.fromtimestamp(int(end), UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _as_authority(builder: x509.CertificateBuilder, path_length: int) -> x509.CertificateBuilder:
    constraint = x509.BasicConstraints(ca=True, path_length=path_length)
    return builder.add_extension(constraint, critical=True).add_extension(_usage(authority=True), critical=True)


def _kind(reach: Reach) -> str:
    return "UNCONSTRAINED" if reach.everything else "constrained"


def _tag(reach: Reach) -> str:
    # Clients find an issuer by its name and key: of two with one key the names must differ, or a client that remembers
    # intermediates could take one with other constraints.
    return "" if reach.everything else f" {hashlib.sha256(chr(10).join(reach.domains).encode()).hexdigest()[:8]}"


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str | None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION)]
    if common_name is not None:
        parts.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(parts)
