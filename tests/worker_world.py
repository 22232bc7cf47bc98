"""A whole worker inside the test's own loop: the real chain, real sockets, a TLS stand-in as its own process."""

import asyncio
import functools
import json
import socket
import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import httpx
from tests_support import HOST, Provider

from addons import chain as composition
from addons.chain import build_chain
from addons.launch import Worker
from appliance.config import catalogue
from appliance.config.schema import Config, Egress, Listen
from appliance.inspect.detect.detectors import Detectors
from appliance.inspect.stream.watching import Watching
from appliance.ledger.ledger import Ledger
from appliance.model.names import Stage
from appliance.supervisor import policy
from appliance.supervisor.evidence import counter_file, ensure_authority


class Running:
    """What a test may use of a running worker."""

    def __init__(self, config: Config, proxy: int, gateway: int, chain: list[object], peer: int = 0) -> None:
        self.config, self.proxy, self.gateway, self.chain, self.peer = config, proxy, gateway, chain, peer
        self.trust = ssl.create_default_context(cafile=str(config.ca_dir / "root.pem"))

    def client(self, **more) -> httpx.AsyncClient:
        return httpx.AsyncClient(proxy=f"http://127.0.0.1:{self.proxy}", verify=self.trust, timeout=20, **more)

    def journal(self) -> str:
        folder = Path(self.config.state_dir) / "journal"
        return "".join(path.read_text() for path in sorted(folder.rglob("*.jsonl")))

    def events(self, kind: str) -> list[dict]:
        """The journalled events of a kind, oldest first."""
        found = [json.loads(line)["body"]["event"] for line in self.journal().splitlines()]
        return [event for event in found if event["kind"] == kind]


def listening() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen(128)
    return made


_DETECTORS = SimpleNamespace(load=functools.cache(Detectors.load))
_WATCHING = functools.cache(Watching)
_CATALOGUE = functools.cache(catalogue.load_catalogue)


def _chain(config: Config) -> list[object]:
    """A worker's chain. What is made of the release alone is made once for all workers of a test run."""
    shared = {"Detectors": _DETECTORS, "Watching": _WATCHING, "load_catalogue": _CATALOGUE}
    with mock.patch.multiple(composition, **shared):
        return build_chain(config, "w0")


@asynccontextmanager
async def worker_at(folder: Path, provider: Provider, stage: Stage = Stage.ENFORCE, started=None, **sections):
    """Run a worker; `started` is called once its chain is made."""
    egress = Egress(ca_bundle=str(provider.ca), hosts={f"{HOST}:443": f"127.0.0.1:{provider.port}"})
    settings = {"listen": Listen(), "state_dir": str(folder / "state"), "run_dir": str(folder / "run")}
    settings |= {"drain_s": 1, "egress": egress} | sections
    config = Config(**settings)
    for name in (config.state_dir, config.run_dir):
        Path(name).mkdir(mode=0o700, parents=True, exist_ok=True)
    ensure_authority(config)
    with mock.patch.object(catalogue, "load_catalogue", _CATALOGUE):
        policy.ensure(config, stage)
    Ledger(counter_file(config), claim=False).close()
    chain = _chain(config)
    if started is not None:
        started()
    sockets = {"proxy": listening(), "gateway": listening()}
    if config.peers is not None and config.peers.exchanges:
        sockets["peer"] = listening()
    ports = {name: sock.getsockname()[1] for name, sock in sockets.items()}
    worker = Worker(config, chain, sockets)
    task = asyncio.ensure_future(worker.run())
    try:
        yield Running(config, ports["proxy"], ports["gateway"], chain, ports.get("peer", 0))
    finally:
        worker.stop()
        await task
        for sock in sockets.values():
            sock.close()
