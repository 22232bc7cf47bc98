"""A small network of one's own: a client, the appliance and two providers on one switch, with a mirrored port.

    client 10.77.0.1 --+-- switch --+-- gnomon 10.77.0.2, and `span0`: copies of what the mirrored ports send
                       |            |
    (mirrored)         |            +-- provider 10.77.0.3 (approved), 10.77.0.4 (unapproved)

Each box is a network namespace of this machine, named by this process's id, and nothing leads out of them. Rules:
whatever is made here is removed by `close`, and what an earlier process that died had left is removed first; names
resolve by a hosts file of each namespace (/etc/netns/NAME), never by a question; every packet of a mirrored port, in
both directions, is copied to `span0`. Sockets of files (analyst.sock) are reached from outside all the same: they
belong to the file system.
"""

import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from system.conftest import CLEAN, Appliance
from tests_support import ROOT, Provider

from appliance.standin.certificates import write_certificates

PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
CONFIGURED = Path("/etc/netns")
PREFIX = "gnomonwire"
CLIENT, GNOMON, APPROVED, UNAPPROVED = (f"10.77.0.{number}" for number in range(1, 5))
ADDRESSES = {"client": (CLIENT,), "gnomon": (GNOMON,), "provider": (APPROVED, UNAPPROVED)}
SWITCH, SPAN = "switch", "span0"
HOSTS = {"api.openai.com": APPROVED, "api.deepseek.com": UNAPPROVED}
PROXY_PORT = 8080
ENVIRONMENT = {name: value for name, value in CLEAN.items() if not name.startswith("GNOMON")}
PATIENCE_S = 30.0
LACKS = next((name for name in ("ip", "nft", "curl") if shutil.which(name, path=PATH) is None), None)


def why_not() -> str | None:
    """Why this machine cannot hold the world; None: it can."""
    if os.geteuid() != 0:
        return "needs root to make network namespaces"
    if LACKS is not None:
        return f"needs the program {LACKS}"
    probe = f"{PREFIX}-{os.getpid()}-probe"
    if subprocess.run([_tool("ip"), "netns", "add", probe], capture_output=True).returncode:
        return "needs CAP_SYS_ADMIN to make network namespaces, which this machine does not give"
    _ip("netns", "del", probe)
    return None


def _tool(name: str) -> str:
    return shutil.which(name, path=PATH) or name


def _ip(*words: str) -> None:
    done = subprocess.run([_tool("ip"), *words], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


class Wire:
    """The namespaces and their cables. `boxes`: the addresses of each."""

    boxes: dict[str, tuple[str, ...]] = ADDRESSES

    def __init__(self, mirrored: tuple[str, ...] = ("client",)) -> None:
        self._sweep()
        try:
            self._build(mirrored)
        except BaseException:
            self.close()
            raise

    def name(self, box: str) -> str:
        """The namespace of a box."""
        return f"{PREFIX}-{os.getpid()}-{box}"

    def inside(self, box: str, *command: object) -> list[str]:
        """The command line that runs `command` in a box; its process id is that of the command itself."""
        return [_tool("ip"), "netns", "exec", self.name(box), *map(str, command)]

    def run(self, box: str, *command: object, **options) -> subprocess.CompletedProcess:
        """Run a program in a box to its end."""
        options = {"capture_output": True, "timeout": PATIENCE_S, "env": ENVIRONMENT, "cwd": ROOT} | options
        return subprocess.run(self.inside(box, *command), **options)

    def start(self, box: str, *command: object, **options) -> subprocess.Popen:
        """Start a program in a box; the caller ends it."""
        options = {"stdout": subprocess.PIPE, "env": ENVIRONMENT, "cwd": ROOT} | options
        return subprocess.Popen(self.inside(box, *command), **options)

    def close(self) -> None:
        """Remove everything that was made."""
        for box in (*self.boxes, SWITCH):
            _remove(self.name(box))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _build(self, mirrored: tuple[str, ...]) -> None:
        for box in (*self.boxes, SWITCH):
            self._furnish(box)
            _ip("netns", "add", self.name(box))
            self._quiet(box)
            _ip("-n", self.name(box), "link", "set", "lo", "up")
        switch = self.name(SWITCH)
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        for box, addresses in self.boxes.items():
            self._cable(box, "eth0", box)
            _ip("-n", switch, "link", "set", box, "master", "bridge")
            for address in addresses:
                _ip("-n", self.name(box), "addr", "add", f"{address}/24", "dev", "eth0")
        self._cable("gnomon", SPAN, "mirror")
        self._mirror(mirrored)

    def _quiet(self, box: str) -> None:
        """No IPv6: nothing here uses it, and the kernel's own chatter would be mirrored."""
        switches = [f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6" for which in ("all", "default")]
        if Path(switches[0]).exists():
            done = self.run(box, "sh", "-c", "; ".join(f"echo 1 > {switch}" for switch in switches))
            assert done.returncode == 0, done.stderr.decode()

    def _furnish(self, box: str) -> None:
        folder = CONFIGURED / self.name(box)
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{address} {name}" for name, address in HOSTS.items()]
        (folder / "hosts").write_text("\n".join(["127.0.0.1 localhost", *lines, ""]))
        (folder / "nsswitch.conf").write_text("hosts: files\n")

    def _cable(self, box: str, inner: str, outer: str) -> None:
        """A cable from `inner` of a box to `outer` of the switch."""
        ends = ("netns", self.name(box), "type", "veth", "peer", "name", outer, "netns", self.name(SWITCH))
        _ip("link", "add", inner, *ends)
        _ip("-n", self.name(box), "link", "set", inner, "up")
        _ip("-n", self.name(SWITCH), "link", "set", outer, "up")

    def _mirror(self, ports: tuple[str, ...]) -> None:
        chains = [
            f"chain {way}_{port} {{ type filter hook {way} device {port} priority 0; dup to mirror; }}"
            for port in ports
            for way in ("ingress", "egress")
        ]
        rules = "table netdev span {\n" + "\n".join(chains) + "\n}\n"
        done = self.run(SWITCH, _tool("nft"), "-f", "-", input=rules.encode())
        assert done.returncode == 0, done.stderr.decode()

    def _sweep(self) -> None:
        """What a process that died before us has left."""
        listed = subprocess.run([_tool("ip"), "netns", "list"], capture_output=True, text=True).stdout.split()
        folders = [path.name for path in CONFIGURED.glob(f"{PREFIX}-*")]
        for name in {*listed, *folders}:
            found = re.fullmatch(rf"{PREFIX}-(\d+)-\w+", name)
            if found and not Path(f"/proc/{found[1]}").exists():
                _remove(name)


def _remove(name: str) -> None:
    subprocess.run([_tool("ip"), "netns", "del", name], capture_output=True)
    shutil.rmtree(CONFIGURED / name, ignore_errors=True)
    if CONFIGURED.is_dir() and not any(CONFIGURED.iterdir()):
        CONFIGURED.rmdir()


class WireProvider(Provider):
    """A stand-in at an address of the provider box, port 443."""

    def __init__(self, wire: Wire, folder: Path, address: str, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.arrivals_file = folder / "arrivals.jsonl"
        self.ca, certificate, key = write_certificates(folder, (name,))
        command = [sys.executable, "-m", "appliance.standin.provider", "--keep", "--arrivals", self.arrivals_file]
        command += ["--certificate", certificate, "--key", key, "--host", address, "--port", 443]
        self.process = wire.start("provider", *command)
        self.port = int(self.process.stdout.readline())


class WireAppliance(Appliance):
    """`gnomon up` in the box of that name, watching the mirror."""

    def __init__(self, wire: Wire, folder: Path, approved: Provider, unapproved: Provider, extra: str = "") -> None:
        super().__init__(folder, approved)
        bundle = folder / "bundle.pem"
        bundle.write_bytes(approved.ca.read_bytes() + unapproved.ca.read_bytes())
        hosts = ", ".join(f"'{name}:443': '{address}:443'" for name, address in HOSTS.items())
        self.proxy = PROXY_PORT
        self.before = wire.inside("gnomon")
        self.config.write_text(
            f"listen: {{proxy: '{GNOMON}:{PROXY_PORT}', gateway: '127.0.0.1:4000', clients: [10.77.0.0/24]}}\n"
            f"state_dir: {folder}/state\nrun_dir: {folder}/run\nstage: enforce\ndrain_s: 3\n"
            f"egress: {{ca_bundle: {bundle}, hosts: {{{hosts}}}}}\n"
            f"{extra}"
        )


class Site:
    """The whole world: the network, both providers, the appliance, and the client's two ways out."""

    def __init__(self, wire: Wire, folder: Path, approved: Provider, unapproved: Provider) -> None:
        self.wire, self.folder, self.approved, self.unapproved = wire, folder, approved, unapproved
        self.appliance: Appliance | None = None

    def curl(self, *words: object) -> subprocess.CompletedProcess:
        """curl in the client's box; fails on nothing: look at what came."""
        return self.wire.run("client", _tool("curl"), "-sS", "--max-time", int(PATIENCE_S), *words)

    def past(self, *words: object) -> subprocess.CompletedProcess:
        """curl straight to the provider, past the appliance."""
        return self.curl("--cacert", self.folder / "gnomon/bundle.pem", *words)

    def through(self, *words: object) -> subprocess.CompletedProcess:
        """curl through the forward proxy."""
        return self.curl("-x", f"http://{GNOMON}:{PROXY_PORT}", "--cacert", self.appliance.ca, *words)


@contextmanager
def site_on_the_wire(folder: Path, extra: str = "", mirrored: tuple[str, ...] = ("client",)):
    """A `Site` whose appliance is up and watches `mirrored`."""
    with ExitStack() as stack:
        wire = stack.enter_context(Wire(mirrored))
        providers = []
        for name, address in HOSTS.items():
            providers.append(WireProvider(wire, folder / name, address, name))
            stack.callback(providers[-1].stop)
        site = Site(wire, folder, *providers)
        site.appliance = WireAppliance(wire, folder / "gnomon", *providers, extra=extra)
        stack.callback(site.appliance.down)
        site.appliance.up()
        yield site
