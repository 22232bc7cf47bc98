"""`gnomon bench gateway`: the inline chain beside bare mitmdump, in one run, each on one core.

Theory. The measured proxy has core 0, the client and the stand-in provider share core 1. Both proxies get unique 2 kB
requests to the same TLS provider, first over kept connections, then with a new connection for each. The appliance runs
in stage enforce with everything on: inspection, policy, ledger, journal, store. What it adds to a request is the
difference of medians against the same client asking the provider itself, both at a rate that neither is busy with.
`--with-peers` asks other gateways in the same way (gateway_peers.py), one at a time and after ours.
"""

import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from appliance.bench import gateway_peers
from appliance.bench.box import (
    LOAD_CORE,
    PROXY_CORE,
    Certificates,
    box,
    certificates,
    first_line,
    free_port,
    process,
)
from appliance.bench.box import load as run_load
from appliance.bench.load import Result
from appliance.model.errors import OperatorError

HOST = "api.openai.com"
WARM_S = 1.0
PEER_WARM_S = 3.0  # Node compiles what runs often
MOST_PER_S = 2500
BUSY_CLIENTS = 32  # enough that the measured core never waits for the other one
CALM_CLIENTS = 2  # for latencies: nobody queues
RATE = 50.0  # requests/s at which what is added is measured: no more than half of what any of them can
RATE_CLIENTS = 4  # connections that they go over, so that one that is late makes no other late
READY_S = 30.0


def run(seconds: float, *, with_peers: bool = False) -> dict[str, float]:
    """All numbers within about `seconds` * 1.2 + 12 s; each peer takes about half as long again, and its start."""
    if with_peers:
        gateway_peers.installed()
    slice_s = max(2.0, seconds / 6 - WARM_S)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gnomon-bench-")))
        made = certificates(folder, (HOST,))
        provider = stack.enter_context(_provider(made.certificate, made.key))
        direct = Load(provider, made.ca)
        told: dict[str, float] = {}
        with box(folder, (HOST,), provider, made.ca) as ours, _mitmdump(folder, made.ca) as (theirs, pid, their_ca):
            their_load = Load(theirs, their_ca, connect=f"127.0.0.1:{provider}", worker=pid)
            our_load = Load(ours.proxy, ours.root, connect=f"{HOST}:443", worker=ours.worker)
            for load in (our_load, their_load, direct):
                load.run(WARM_S)
            told |= _measure(our_load, their_load, slice_s) | _added("", our_load, direct, slice_s)
            told |= _added("mitmdump_", their_load, direct, slice_s)
        for name in gateway_peers.NAMES if with_peers else ():
            told |= _peer(name, folder, provider, made, direct, slice_s)
        return told


def _peer(
    name: str, folder: Path, provider: int, made: Certificates, direct: "Load", slice_s: float
) -> dict[str, float]:
    """The same load through another gateway."""
    with gateway_peers.peer(name, folder, provider, made) as peer:
        load = Load(peer.port, peer.tls, headers=peer.headers, worker=peer.pid)
        load.run(PEER_WARM_S)
        kept = _joined([load.run(slice_s / 2) for _ in range(2)])
        numbers = {
            f"{name}_requests_per_s": round(kept.requests / kept.seconds, 1),
            f"{name}_cpu_ms_per_request": round(kept.cpu_s / max(1, kept.requests) * 1000, 3),
        }
        return numbers | _added(f"{name}_", load, direct, slice_s)


def _added(prefix: str, load: "Load", direct: "Load", slice_s: float) -> dict[str, float]:
    """What a request takes longer than straight to the provider; the two take turns.

    At a rate most of the time is idle, and caches are cold; one client that asks again at once finds them warm.
    """
    half = slice_s / 2
    pairs = [(direct.run(half, rate=RATE), load.run(half, rate=RATE)) for _ in range(2)]
    again = [(direct.run(half, clients=1), load.run(half, clients=1)) for _ in range(2)]
    straight, through = (_joined(runs) for runs in zip(*pairs, strict=True))
    straight_again, through_again = (_joined(runs) for runs in zip(*again, strict=True))
    return {
        f"{prefix}added_ms_p50": round(through.p50_ms - straight.p50_ms, 3),
        f"{prefix}added_ms_p99": round(through.p99_ms - straight.p99_ms, 3),
        f"{prefix}one_client_per_s": round(through_again.requests / through_again.seconds, 1),
        f"{prefix}one_client_added_ms_p50": round(through_again.p50_ms - straight_again.p50_ms, 3),
    }


def _measure(ours: "Load", theirs: "Load", slice_s: float) -> dict[str, float]:
    """Each slice is cut in two and the two proxies take turns, so that a machine that drifts drifts for both."""
    half = slice_s / 2
    few = CALM_CLIENTS
    pairs = [(ours.run(half, clients=few), ours.run(half, clients=few, beside_large=True)) for _ in range(2)]
    calm, beside = (_joined(runs) for runs in zip(*pairs, strict=True))
    kept = [(ours.run(half), theirs.run(half)) for _ in range(2)]
    new = [(ours.run(half, new=True), theirs.run(half, new=True)) for _ in range(2)]
    our_kept, their_kept = (_joined(runs) for runs in zip(*kept, strict=True))
    our_new, their_new = (_joined(runs) for runs in zip(*new, strict=True))
    ours_per_s, theirs_per_s = our_kept.requests / our_kept.seconds, their_kept.requests / their_kept.seconds
    ours_tls, theirs_tls = our_new.requests / our_new.seconds, their_new.requests / their_new.seconds
    return {
        "requests_per_s": round(ours_per_s, 1),
        "mitmdump_requests_per_s": round(theirs_per_s, 1),
        "ratio": round(ours_per_s / theirs_per_s, 3),
        "cpu_ms_per_request": round(our_kept.cpu_s / max(1, our_kept.requests) * 1000, 3),
        "mitmdump_cpu_ms_per_request": round(their_kept.cpu_s / max(1, their_kept.requests) * 1000, 3),
        "p50_ms": round(calm.p50_ms, 3),
        "p99_ms": round(calm.p99_ms, 3),
        "large_added_ms_p50": round(beside.p50_ms - calm.p50_ms, 3),
        "large_added_ms_p99": round(beside.p99_ms - calm.p99_ms, 3),
        "large_per_s": round(beside.large / beside.seconds, 1),
        "new_tls_per_s": round(ours_tls, 1),
        "mitmdump_new_tls_per_s": round(theirs_tls, 1),
        "new_tls_ratio": round(ours_tls / theirs_tls, 3),
    }


def _joined(runs: Sequence[Result]) -> Result:
    """Two halves as one; percentiles are the worse half's."""
    return Result(
        sum(run.requests for run in runs),
        sum(run.seconds for run in runs),
        max(run.p50_ms for run in runs),
        max(run.p99_ms for run in runs),
        sum(run.large for run in runs),
        sum(run.cpu_s for run in runs),
    )


class Load:
    """The client process against one server; a new seed for each run, so that no body repeats.

    `ca`: what is trusted of it; None: it is asked without TLS. `connect`: it is a proxy, and is to lead there.
    `worker`: the process whose time is counted while it is asked.
    """

    _seed = 0

    def __init__(
        self, port: int, ca: Path | None, *, connect: str = "", headers: Sequence[str] = (), worker: int = 0
    ) -> None:
        self._arguments = ["--port", str(port), "--connect", connect, "--sni", HOST, "--worker", str(worker)]
        self._arguments += ["--plain"] if ca is None else ["--ca", str(ca)]
        for line in headers:
            self._arguments += ["--header", line]

    def run(
        self,
        seconds: float,
        *,
        new: bool = False,
        clients: int = BUSY_CLIENTS,
        beside_large: bool = False,
        rate: float = 0,
    ) -> Result:
        """One slice. `rate`: requests/s over `RATE_CLIENTS` connections; 0: as many as `clients` can."""
        Load._seed += 1
        arguments = [*self._arguments, "--seed", str(Load._seed), "--seconds", str(seconds)]
        count, clients = (rate, RATE_CLIENTS) if rate else (MOST_PER_S, clients)
        arguments += ["--bodies", str(int(seconds * count)), "--concurrency", str(clients), "--rate", str(rate)]
        arguments += ["--new"] if new else []
        arguments += ["--beside-large"] if beside_large else []
        return msgspec.json.decode(run_load("appliance.bench.load", arguments, seconds + 60), type=Result)


@contextmanager
def _provider(certificate: Path, key: Path) -> Iterator[int]:
    command = [sys.executable, "-m", "appliance.standin.provider", "--certificate", str(certificate), "--key", str(key)]
    with process(command, LOAD_CORE) as running:
        yield int(first_line(running))


@contextmanager
def _mitmdump(folder: Path, provider_ca: Path) -> Iterator[tuple[int, int, Path]]:
    port, confdir = free_port(), folder / "mitmdump"
    command = [str(Path(sys.executable).with_name("mitmdump")), "-q", "--listen-host", "127.0.0.1", "--listen-port"]
    command += [str(port), "--set", f"confdir={confdir}", "--set", f"ssl_verify_upstream_trusted_ca={provider_ca}"]
    with process(command, PROXY_CORE) as running:
        root = confdir / "mitmproxy-ca-cert.pem"
        _await_port(port)
        yield port, running.pid, root


def _await_port(port: int) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise OperatorError(f"nothing listens on 127.0.0.1:{port} after {READY_S:.0f} s")
