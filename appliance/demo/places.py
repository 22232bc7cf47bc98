"""Where everything of a demo lies: one private folder, free ports, a configuration, certificates, a held key.

Rules: the folder is the caller's and is removed by the caller; the keys are made up anew each time and open nothing;
the configuration is JSON, which YAML reads, so that no path can break it.
"""

import json
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from appliance.standin.certificates import write_certificates

APPROVED, SECOND, UNAPPROVED, WEB = "openai", "mistral", "deepseek", "deepseek_web"  # catalogue ids
HOSTS: Final = {APPROVED: "api.openai.com", SECOND: "api.mistral.ai", UNAPPROVED: "api.deepseek.com"}
WEB_HOST: Final = "chat.deepseek.com"
ROUTE, CREDENTIAL = "approved", "demo"
# Addresses that the demo's people call from. Hers is what a program gets that chooses none: behind a proxy httpx has no
# way to choose.
MARIA, JONAS = "127.0.0.1", "127.0.0.3"
_PEOPLE: Final = ((MARIA, "maria.keller", "design"), (JONAS, "jonas.weber", "sales"))


@dataclass(frozen=True)
class Places:
    """Folders, ports and keys of one demo."""

    folder: Path
    proxy: int
    gateway: int
    held_key: str
    capture: Path  # what the sensor reads
    captured: frozenset[str] = frozenset()  # services that must be seen in it; empty: some service

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "gnomon.json"

    @property
    def run_dir(self) -> Path:
        """The appliance's sockets."""
        return self.folder / "run"

    @property
    def root(self) -> Path:
        """The root certificate that clients trust."""
        return self.folder / "state/ca/root.pem"

    @property
    def proxy_url(self) -> str:
        """What clients set as their proxy."""
        return f"http://127.0.0.1:{self.proxy}"

    def provider(self, service: str) -> Path:
        """The folder of a stand-in."""
        return self.folder / f"provider-{service}"


def prepare(folder: Path, capture: Path, captured: frozenset[str] = frozenset()) -> Places:
    """Choose ports, make certificates and the held key."""
    proxy, gateway = _free_ports(2)
    places = Places(folder, proxy, gateway, f"sk-held-{secrets.token_hex(12)}", capture, captured)
    for service, host in HOSTS.items():
        names = (host, WEB_HOST) if service == UNAPPROVED else (host,)
        places.provider(service).mkdir(mode=0o700)
        write_certificates(places.provider(service), names)
    bundle = b"".join((places.provider(service) / "ca.pem").read_bytes() for service in HOSTS)
    (folder / "bundle.pem").write_bytes(bundle)
    credentials = folder / "credentials"
    credentials.mkdir(mode=0o700)
    (credentials / CREDENTIAL).touch(mode=0o600)
    (credentials / CREDENTIAL).write_text(places.held_key)
    return places


def write_config(places: Places, ports: dict[str, int]) -> None:
    """The appliance's configuration; `ports`: where the stand-in of each service listens."""
    places.config.write_text(json.dumps(configuration(places, ports), indent=2))


def configuration(places: Places, ports: dict[str, int]) -> dict[str, Any]:
    """The configuration as a document."""
    folder = places.folder
    dials = {f"{host}:443": f"127.0.0.1:{ports[service]}" for service, host in HOSTS.items()}
    dials[f"{WEB_HOST}:443"] = dials[f"{HOSTS[UNAPPROVED]}:443"]
    routes = {service: {"service": service, "target": f"https://{host}"} for service, host in HOSTS.items()}
    del routes[UNAPPROVED]
    routes[ROUTE] = routes[APPROVED] | {"credential": f"held:{CREDENTIAL}"}
    people = [{"network": address, "user": user, "department": department} for address, user, department in _PEOPLE]
    return {
        "listen": {"proxy": f"127.0.0.1:{places.proxy}", "gateway": f"127.0.0.1:{places.gateway}"},
        "state_dir": str(folder / "state"),
        "run_dir": str(places.run_dir),
        "stage": "enforce",
        "drain_s": 2,
        "identity": {"addresses": people},
        "egress": {"ca_bundle": str(folder / "bundle.pem"), "hosts": dials},
        "gateway": {"routes": routes, "credentials_dir": str(folder / "credentials")},
        "sensor": {"captures": [str(places.capture)]},
    }


def _free_ports(count: int) -> list[int]:
    """Ports that nobody has now, all different."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports
