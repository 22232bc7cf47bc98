"""An authority of clients: certificates for people, good and bad, and lists of those that are taken back."""

import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = dt.timedelta(days=1)
PEM = serialization.Encoding.PEM


class Authority:
    def __init__(self, folder: Path, name="Clients") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(*[False] * 5, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False)
        self.certificate = (
            self._builder(self.name, self.key.public_key(), -DAY, DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.file, self.crl = folder / "clients.pem", folder / "clients.crl"
        self.file.write_bytes(self.certificate.public_bytes(PEM))
        self.revoke()

    def issue(
        self, common_name, *, emails=(), names=(), begins=-DAY, ends=DAY, purpose=ExtendedKeyUsageOID.CLIENT_AUTH
    ):
        """A certificate and its key in one file, and the certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = self._builder(subject, key.public_key(), begins, ends)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        others = [*map(x509.RFC822Name, emails), *names]
        if others:
            builder = builder.add_extension(x509.SubjectAlternativeName(others), critical=False)
        made = builder.sign(self.key, hashes.SHA256())
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path = self.folder / f"{made.serial_number}.pem"
        path.write_bytes(made.public_bytes(PEM) + private)
        return path, made

    def revoke(self, *certificates, ends=DAY, key=None) -> None:
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        builder = builder.last_update(now - DAY).next_update(now + ends)
        for each in certificates:
            entry = x509.RevokedCertificateBuilder().serial_number(each.serial_number).revocation_date(now - DAY)
            builder = builder.add_revoked_certificate(entry.build())
        self.crl.write_bytes(builder.sign(key or self.key, hashes.SHA256()).public_bytes(PEM))

    def _builder(self, subject, public_key, begins, ends):
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
        )
