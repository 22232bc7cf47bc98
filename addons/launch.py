"""The proxy worker: `python -m addons.launch --run-dir DIR --worker NAME --proxy-fd N --gateway-fd M`.

Of a central appliance with `--exchanges-fd P` as well.

Owns: one worker's life from inherited sockets to drain. Rules: everything is learnt from DIR/effective.json; readiness
is told through `appliance/bus/lifeline.py` after all listeners accept; SIGTERM, SIGINT and the supervisor's death
mean drain: stop accepting, finish within `drain_s`, end what is left, exit 0; exit 2 for a wrong environment.
"""

import argparse
import asyncio
import contextlib
import gc
import importlib.util
import logging
import resource
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mitmproxy import http
from mitmproxy.addons.core import Core
from mitmproxy.addons.errorcheck import ErrorCheck

from addons.central import Hop
from addons.dialling import dialler_of
from addons.listen import Listener
from addons.upstream import PEER, Layering, LeanMaster
from addons.upstream.dial import Opened
from addons.upstream.settings import SeamSettings
from appliance.bus import ownflows
from appliance.bus.lifeline import on_parent_gone, tell_ready
from appliance.bus.ownflows import OwnFlows
from appliance.config.effective import read_effective
from appliance.config.schema import Config
from appliance.confine import privileges
from appliance.model.errors import OperatorError

YOUNG_OBJECTS = 10_000  # before a collection: streams are freed without one (upstream/stream.py, forget)
LOG = logging.getLogger("gnomon.worker")


class Worker:
    """One running worker. `listeners` are in the order proxy, gateway, peer; any may be missing."""

    def __init__(
        self,
        config: Config,
        chain: list[object],
        sockets: dict[str, socket.socket],
        opened: Opened | None = None,
    ) -> None:
        self.config = config
        self._chain = chain
        self.master = LeanMaster(_with_defaults(chain), **_options(config))
        hop = hop_of(config, chain)
        forbids = hop.forbids if hop is not None else _nothing
        dialler = dialler_of(config, sockets.values(), opened, forbids)
        self.listeners = [
            Listener(self.master, sock, _settings(config, name, hop), dialler) for name, sock in sockets.items()
        ]
        self.master.registry.starters = [listener.start for listener in self.listeners]
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Begin to drain."""
        self._stop.set()

    async def run(self) -> None:
        """Serve until `stop`, then drain."""
        running = asyncio.ensure_future(self.master.run())
        stopping = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        if self._stop.is_set():
            drains = (listener.drain(self.config.drain_s, self._farewell) for listener in self.listeners)
            await asyncio.gather(*drains)
        stopping.cancel()
        self.master.should_exit.set()
        await running

    def _farewell(self, flow: http.HTTPFlow) -> bytes:
        """Last bytes of a stream that is ended: from the first addon that has `farewell(flow, reason)`."""
        for addon in self._chain:
            speak = getattr(addon, "farewell", None)
            if speak is not None:
                return bytes(speak(flow, "drain"))
        return b""


class Ready:
    """Last in the chain: tells the supervisor that connections are served."""

    def running(self) -> None:
        """Once."""
        tell_ready()


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 drained, 2 wrong environment."""
    parser = argparse.ArgumentParser(prog="addons.launch", description="one proxy worker; started by `gnomon up`")
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--worker", required=True)
    parser.add_argument("--proxy-fd", type=int)
    parser.add_argument("--gateway-fd", type=int)
    parser.add_argument("--exchanges-fd", type=int)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", stream=sys.stderr)
    raise_file_limit()
    privileges.hide()  # no core holds a key, whatever takes cores: a pipe has no limit of size
    try:
        return asyncio.run(_run(options))
    except OperatorError as error:
        sys.stderr.write(f"gnomon worker {options.worker}: {error}\n")
        return 2


def raise_file_limit() -> None:
    """As many descriptors as the system allows: each client may need several upstream connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _run(options: argparse.Namespace) -> int:
    config = read_effective(options.run_dir)
    sockets = _inherited({"proxy": options.proxy_fd, "gateway": options.gateway_fd, PEER: options.exchanges_fd})
    opened = _opened(config, options.worker)
    worker = Worker(config, build(config, options.worker, opened), sockets, opened)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    on_parent_gone(worker.stop)
    gc.collect()
    gc.freeze()  # what is loaded stays: walking it in each full collection would stop every stream for 100 ms
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
    await worker.run()
    return 0


def _opened(config: Config, worker: str) -> Opened | None:
    """Notes connections for the sensors; None, and a warning, where there is no table: no reason not to serve."""
    try:
        flows = OwnFlows(Path(config.run_dir) / ownflows.NAME, ownflows.region_of(worker), write=True)
    except (OSError, OperatorError) as error:
        LOG.warning("sensors will take this worker's connections for clients' own: %s", error)
        return None

    def note(near: tuple[str, int], far: tuple[str, int]) -> None:
        with contextlib.suppress(ValueError):  # not an address: nothing that a sensor could see
            flows.note(near, far, time.time())

    return note


def build(config: Config, worker: str, opened: Opened | None = None) -> list[object]:
    """The addon chain of this product; empty where it is not installed. `opened` hears of what it dials itself."""
    if importlib.util.find_spec("addons.chain") is None:
        return []
    chain = importlib.import_module("addons.chain")
    return list(chain.build_chain(config, worker, opened))


def _with_defaults(chain: list[object]) -> list[object]:
    addons = [Core(), *chain, Layering(), Ready(), ErrorCheck(repeat_errors_on_stderr=True)]
    if not any(hasattr(addon, "tls_start_client") for addon in chain):
        from mitmproxy.addons.tlsconfig import TlsConfig

        addons.insert(-2, TlsConfig())
    return addons


def _options(config: Config) -> dict[str, object]:
    options: dict[str, object] = {"confdir": str(config.ca_dir / "mitmproxy")}
    if config.egress.ca_bundle:
        options["ssl_verify_upstream_trusted_ca"] = config.egress.ca_bundle
    return options


def hop_of(config: Config, chain: list[object]) -> Hop | None:
    """How flows of this worker go to a central appliance; None: it is no edge. OperatorError: it is one, and cannot."""
    if config.role != "edge":
        return None
    found = next((part for part in chain if isinstance(part, Hop)), None)
    if found is None:
        raise OperatorError("role edge: nothing here hands exchanges to the central appliance; install it anew")
    return found


def _nothing(_name: str) -> bool:
    return False


def _settings(config: Config, listener: str, hop: Hop | None) -> SeamSettings:
    egress = config.egress
    return SeamSettings(
        listener=listener,
        max_head_bytes=egress.max_head_bytes,
        max_body_bytes=egress.max_body_bytes,
        idle_timeout_s=egress.idle_timeout_s,
        tls=listener == PEER or config.listen.certificate is not None,
        hop=hop,
    )


def _inherited(numbers: dict[str, int | None]) -> dict[str, socket.socket]:
    sockets = {}
    for name, number in numbers.items():
        if number is None:
            continue
        try:
            sockets[name] = socket.socket(fileno=number)
        except OSError as error:
            raise OperatorError(f"--{name}-fd {number}: not a listening socket ({error.strerror})") from error
    if not sockets:
        raise OperatorError("neither --proxy-fd nor --gateway-fd was given; start the appliance with `gnomon up`")
    return sockets


if __name__ == "__main__":
    sys.exit(main())
