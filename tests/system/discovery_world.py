"""A town on the wire: clients, the appliance, providers, a foreign proxy, a model on a desk, and who spoke to whom.

    alice .1, bob .5 --+               +-- provider: one address for each service, a resolver .53, port 443 TCP and UDP
                       +-- switch -----+-- foreign .6: a proxy that is not ours (CONNECT, port 3128)
    gnomon .2 ---------+               +-- desk .7: an Ollama, port 11434

Every port of the switch is mirrored to `span0` of the appliance's box by what it receives, so that each packet is there
once, the appliance's own among them; `twice` mirrors both directions of each port, as many switches do, so that each
packet is there two times. Rules: names are asked for on the wire; the census is the kernel's own (nftables at the
switch: a SYN makes a connection) and knows nothing of what is tested. Services have addresses of the public network,
all others private ones; nothing leads out.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from system.conftest import CLEAN, Appliance
from system.conftest import GNOMON as GNOMON_COMMAND
from system.wire_world import CONFIGURED, PROXY_PORT, SPAN, SWITCH, Wire, _ip, _tool
from tests_support import ROOT

from appliance.config.site_key import load_site_key
from appliance.model.pseudonym import Pseudonyms

ALICE, GNOMON, BOB, FOREIGN, DESK, RESOLVER = (f"10.77.0.{number}" for number in (1, 2, 5, 6, 7, 53))
NAMES = {
    "api.openai.com": "25.77.0.101",
    "api.anthropic.com": "25.77.0.102",
    "generativelanguage.googleapis.com": "25.77.0.103",
    "api.deepseek.com": "25.77.0.104",
    "api.mistral.ai": "25.77.0.105",
    "api.groq.com": "25.77.0.106",
    "api.cohere.com": "25.77.0.107",
    "api.x.ai": "25.77.0.108",
    "openrouter.ai": "25.77.0.109",
    "slow.cohere.com": "25.77.0.112",
    "api.together.xyz": "25.77.0.113",
    "bank.example": "25.77.0.110",
    "api.perplexity.ai": "25.77.0.111",
}
SERVICES = "25.77.0.0/24"
PROVIDER = (*NAMES.values(), RESOLVER)
PROXY = f"http://{GNOMON}:{PROXY_PORT}"
STRANGER = f"http://{FOREIGN}:3128"
SERVERS = Path(__file__).with_name("discovery_servers.py")
PATHS = {"PYTHONPATH": f"{SERVERS.parent}:{ROOT}"}
SERVED = (("tls", "provider", "-"), ("quic", "provider", NAMES["api.groq.com"]), ("names", "provider", RESOLVER))
SERVED += (("tunnel", "foreign", FOREIGN), ("model", "desk", DESK))


class Flow(NamedTuple):
    """One connection as the switch saw it begin."""

    transport: str
    client: str
    sport: int
    server: str
    port: int


class TownWire(Wire):
    """The namespaces. `twice`: both directions of every port are mirrored."""

    boxes = {"alice": (ALICE,), "bob": (BOB,), "gnomon": (GNOMON,), "provider": PROVIDER}
    boxes |= {"foreign": (FOREIGN,), "desk": (DESK,)}

    def __init__(self, *, twice: bool = False) -> None:
        self._ways = ("ingress", "egress") if twice else ("ingress",)
        super().__init__(tuple(self.boxes))

    def _build(self, mirrored: tuple[str, ...]) -> None:
        super()._build(mirrored)
        for box in {*self.boxes} - {"provider"}:
            _ip("-n", self.name(box), "route", "add", SERVICES, "dev", "eth0")

    def census(self) -> set[Flow]:
        """Every TCP connection that was begun so far, and every pair of UDP ports to 443."""
        return {
            Flow(transport, *(one if isinstance(one, str) else int(one) for one in element))
            for transport in ("tcp", "udp")
            for element in self._elements(transport)
        }

    def _elements(self, transport: str) -> list[list[str | int]]:
        done = self.run(SWITCH, _tool("nft"), "-j", "list", "set", "netdev", "census", f"of_{transport}")
        assert done.returncode == 0, done.stderr.decode()
        [found] = [part["set"] for part in json.loads(done.stdout)["nftables"] if "set" in part]
        return [one["concat"] for one in found.get("elem", ())]

    def _furnish(self, box: str) -> None:
        folder = CONFIGURED / self.name(box)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hosts").write_text("127.0.0.1 localhost\n")
        (folder / "nsswitch.conf").write_text("hosts: files dns\n")
        (folder / "resolv.conf").write_text(f"nameserver {RESOLVER}\noptions timeout:5 attempts:2\n")

    def _mirror(self, ports: tuple[str, ...]) -> None:
        key = "{} flags dynamic; size 65535; }}"
        rules = ["table netdev census {"]
        for transport in ("tcp", "udp"):
            typed = f"typeof ip saddr . {transport} sport . ip daddr . {transport} dport;"
            rules.append(f"set of_{transport} {{ {key.format(typed)}")
        for port in ports:
            rules += [
                f"chain at_{port} {{ type filter hook ingress device {port} priority -10;",
                "tcp flags & (syn | ack) == syn add @of_tcp { ip saddr . tcp sport . ip daddr . tcp dport }",
                "udp dport 443 add @of_udp { ip saddr . udp sport . ip daddr . udp dport }; }",
            ]
        rules.append("}\ntable netdev span {")
        rules += [
            f"chain {way}_{port} {{ type filter hook {way} device {port} priority 0; dup to mirror; }}"
            for port in ports
            for way in self._ways
        ]
        done = self.run(SWITCH, _tool("nft"), "-f", "-", input="\n".join([*rules, "}\n"]).encode())
        assert done.returncode == 0, done.stderr.decode()


class Town:
    """The network with everything that serves in it."""

    def __init__(self, wire: TownWire, folder: Path) -> None:
        self.wire, self.folder, self.authority = wire, folder, folder / "ca.pem"
        self.processes: list[subprocess.Popen] = []
        self.appliance: TownAppliance | None = None

    def open(self) -> None:
        (self.folder / "names").write_text("".join(f"{name} {address}\n" for name, address in NAMES.items()))
        for kind, box, address in SERVED:
            command = [sys.executable, SERVERS, kind, self.folder, address]
            self.processes.append(self.wire.start(box, *command, env=PATHS))
            assert self.processes[-1].stdout.readline() == b"serving\n", kind
        self.appliance = TownAppliance(self, self.folder / "gnomon")
        self.appliance.up()

    def at(self, box: str, *command: object, trust: Path | None = None, proxy: str = "") -> subprocess.CompletedProcess:
        """A client of a box, with what its user has set: proxy and trusted authority; it may fail."""
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "NO_COLOR": "1"}
        if proxy:
            env |= {"HTTPS_PROXY": proxy, "https_proxy": proxy}
        for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE"):
            env[name] = str(trust or self.authority)
        return self.wire.run(box, *command, env=env, cwd="/", timeout=90)

    def digest(self, address: str) -> str:
        return Pseudonyms(load_site_key(self.appliance.folder / "state")).address(address)

    def stop(self) -> None:
        if self.appliance is not None:
            self.appliance.down()
        for one in self.processes:
            one.terminate()
            one.wait(10)
            one.stdout.close()


class TownAppliance(Appliance):
    """`gnomon up` in its box, watching the mirror."""

    def __init__(self, town: Town, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder, self.config, self.lines, self.process = folder, folder / "gnomon.yaml", [], None
        self.proxy = PROXY_PORT
        self.before = town.wire.inside("gnomon")
        hosts = ", ".join(f"'{name}:443': '{address}:443'" for name, address in NAMES.items())
        self.config.write_text(
            f"listen: {{proxy: '{GNOMON}:{PROXY_PORT}', gateway: '127.0.0.1:4000', clients: [10.77.0.0/24]}}\n"
            f"state_dir: {folder}/state\nrun_dir: {folder}/run\nstage: enforce\ndrain_s: 3\n"
            f"egress: {{ca_bundle: {town.authority}, hosts: {{{hosts}}}}}\n"
            "gateway:\n  default_route: ours\n"
            "  routes: {ours: {service: openai, target: 'https://api.openai.com', credential: 'held:team'}}\n"
            f"sensor: {{interfaces: [{SPAN}], suppression_s: 1}}\n"
        )
        (folder / "state").mkdir(mode=0o700)
        command = [*GNOMON_COMMAND, "credential", "set", "team", "--config", str(self.config)]
        subprocess.run(command, input=b"sk-of-the-town\n", cwd=ROOT, env=CLEAN, capture_output=True, check=True)


@contextmanager
def town_on_the_wire(folder: Path, *, twice: bool = False) -> Iterator[Town]:
    """A `Town` whose appliance is up."""
    with ExitStack() as stack:
        wire = stack.enter_context(TownWire(twice=twice))
        town = Town(wire, folder)
        stack.callback(town.stop)
        town.open()
        yield town
