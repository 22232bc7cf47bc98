"""Certificates of a central appliance and its peers, and the sections of the configuration that name them."""

from pathlib import Path

from certificates_world import Authority
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from appliance.config.placement_schema import Central


class Peerage:
    """One authority for both sides. `files(name)`: certificate and key of one peer; more by `certificates_world`."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder, "Peers")
        self.ca = self.authority.file

    def peer(self, name: str, **more) -> Path:
        return self._kept(self.authority.issue(name, names=[x509.DNSName(name)], **more)[0])

    def central(self, *names: str) -> Path:
        made = self.authority.issue(
            names[0], names=[x509.DNSName(name) for name in names], purpose=ExtendedKeyUsageOID.SERVER_AUTH
        )
        return self._kept(made[0])

    @staticmethod
    def _kept(path: Path) -> Path:
        path.chmod(0o600)
        return path

    def peers_section(self, journal: str, accept: str, certificate: Path) -> str:
        return f"peers: {{journal: '{journal}', accept: {accept}, {self._files(certificate)}}}\n"

    def central_section(self, role: str, name: str, journal: str, certificate: Path, more: str = "") -> str:
        return f"role: {role}\ncentral: {{name: {name}, journal: '{journal}', {more}{self._files(certificate)}}}\n"

    def central_of(self, certificate: Path, journal: str, name: str = "pod-a") -> Central:
        """The section as a record."""
        return Central(name=name, ca=str(self.ca), certificate=str(certificate), key=str(certificate), journal=journal)

    def _files(self, certificate: Path) -> str:
        return f"ca: {self.ca}, certificate: {certificate}, key: {certificate}"
