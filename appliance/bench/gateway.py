"""`gnomon bench gateway`: the inline chain beside bare mitmdump, in one run, each on one core.

Theory. The measured proxy has core 0, the client and the stand-in provider share core 1. Both proxies get unique 2 kB
requests to the same TLS provider, first over kept connections, then with a new connection for each. The appliance runs
in stage enforce with everything on: inspection, policy, ledger, journal, store.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from appliance.bench.load import Result
from appliance.model.errors import OperatorError
from appliance.standin.certificates import write_certificates

PROXY_CORE, LOAD_CORE = 0, 1
HOST = "api.openai.com"
WARM_S = 1.0
BUSY_CLIENTS = 32  # enough that the measured core never waits for the other one
CALM_CLIENTS = 2  # for latencies: nobody queues
READY_S = 30.0
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def run(seconds: float) -> dict[str, float]:
    """All numbers within about `seconds` + 12 s."""
    slice_s = max(2.0, seconds / 4 - WARM_S)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gnomon-bench-")))
        ca, certificate, key = write_certificates(folder, (HOST,))
        provider = stack.enter_context(_provider(certificate, key))
        ours, our_pid, our_ca = stack.enter_context(_gnomon(folder, ca, provider))
        theirs, their_pid, their_ca = stack.enter_context(_mitmdump(folder, ca))
        connect = f"127.0.0.1:{provider}"
        their_load = Load(theirs, connect, their_ca)
        our_load = Load(ours, f"{HOST}:443", our_ca)
        our_load.run(WARM_S)
        their_load.run(WARM_S)
        return _measure(our_load, their_load, (our_pid, their_pid), slice_s)


def _measure(ours: "Load", theirs: "Load", pids: tuple[int, int], slice_s: float) -> dict[str, float]:
    """Each slice is cut in two and the two proxies take turns, so that a machine that drifts drifts for both."""
    half = slice_s / 2
    calm = ours.run(WARM_S * 2, clients=CALM_CLIENTS)
    cpu = [cpu_seconds(pid) for pid in pids]
    kept = [(ours.run(half), theirs.run(half)) for _ in range(2)]
    cpu = [cpu_seconds(pid) - before for pid, before in zip(pids, cpu, strict=True)]
    new = [(ours.run(half, new=True), theirs.run(half, new=True)) for _ in range(2)]
    our_kept, their_kept = (_joined(runs) for runs in zip(*kept, strict=True))
    our_new, their_new = (_joined(runs) for runs in zip(*new, strict=True))
    ours_per_s, theirs_per_s = our_kept.requests / our_kept.seconds, their_kept.requests / their_kept.seconds
    ours_tls, theirs_tls = our_new.requests / our_new.seconds, their_new.requests / their_new.seconds
    return {
        "requests_per_s": round(ours_per_s, 1),
        "mitmdump_requests_per_s": round(theirs_per_s, 1),
        "ratio": round(ours_per_s / theirs_per_s, 3),
        "cpu_ms_per_request": round(cpu[0] / max(1, our_kept.requests) * 1000, 3),
        "mitmdump_cpu_ms_per_request": round(cpu[1] / max(1, their_kept.requests) * 1000, 3),
        "p50_ms": round(calm.p50_ms, 3),
        "p99_ms": round(calm.p99_ms, 3),
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
    )


class Load:
    """The client process against one proxy; a new seed for each run, so that no body repeats."""

    _seed = 0

    def __init__(self, proxy: int, connect: str, ca: Path) -> None:
        self._arguments = ["--proxy", str(proxy), "--connect", connect, "--ca", str(ca), "--sni", HOST]

    def run(self, seconds: float, *, new: bool = False, clients: int = BUSY_CLIENTS) -> Result:
        """One slice."""
        Load._seed += 1
        command = [sys.executable, "-m", "appliance.bench.load", *self._arguments, "--seed", str(Load._seed)]
        command += [
            "--seconds",
            str(seconds),
            "--bodies",
            str(int(seconds * 2500)),
            "--concurrency",
            str(clients),
            *(["--new"] if new else []),
        ]
        with on_core(LOAD_CORE):
            done = subprocess.run(command, capture_output=True, timeout=seconds + 60, check=False)  # noqa: S603
        if done.returncode:
            raise OperatorError(f"the bench client failed: {done.stderr.decode(errors='replace')[-500:]}")
        return msgspec.json.decode(done.stdout, type=Result)


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Children started inside inherit this core; with a single core nothing is pinned."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core} if core in before else before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _move(pid: int, core: int) -> None:
    """All threads of a process to one core: what is measured is a worker, and the store is not one."""
    if core in os.sched_getaffinity(0):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


@contextmanager
def _process(command: list[str], core: int, **more: object) -> Iterator[subprocess.Popen[bytes]]:
    with on_core(core):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **more)  # type: ignore[call-overload]  # noqa: S603
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _provider(certificate: Path, key: Path) -> Iterator[int]:
    command = [sys.executable, "-m", "appliance.standin.provider", "--certificate", str(certificate), "--key", str(key)]
    with _process(command, LOAD_CORE) as process:
        yield int(_first_line(process))


@contextmanager
def _gnomon(folder: Path, provider_ca: Path, provider: int) -> Iterator[tuple[int, int, Path]]:
    """Port, worker pid and root certificate of a whole appliance."""
    config = folder / "gnomon.yaml"
    port, gateway = free_port(), free_port()
    config.write_text(
        f"listen: {{proxy: '127.0.0.1:{port}', gateway: '127.0.0.1:{gateway}'}}\n"
        f"state_dir: {folder}/state\nrun_dir: {folder}/run\nstage: enforce\ndrain_s: 2\n"
        f"egress: {{hosts: {{'{HOST}:443': '127.0.0.1:{provider}'}}, ca_bundle: {provider_ca}}}\n"
    )
    gnomon = [sys.executable, "-m", "appliance.cli"]
    with _process([*gnomon, "up", "--json", "--config", str(config)], PROXY_CORE) as process:
        _first_line(process)
        root = folder / "root.pem"
        root.write_bytes(_output([*gnomon, "ca", "export", "--config", str(config)]))
        status = json.loads(_output([*gnomon, "status", "--json", "--config", str(config)]))
        pids = {child["name"]: child["pid"] for child in status["children"]}
        _move(pids["store"], LOAD_CORE)
        yield port, pids["w0"], root


@contextmanager
def _mitmdump(folder: Path, provider_ca: Path) -> Iterator[tuple[int, int, Path]]:
    port, confdir = free_port(), folder / "mitmdump"
    command = [str(Path(sys.executable).with_name("mitmdump")), "-q", "--listen-host", "127.0.0.1", "--listen-port"]
    command += [str(port), "--set", f"confdir={confdir}", "--set", f"ssl_verify_upstream_trusted_ca={provider_ca}"]
    with _process(command, PROXY_CORE) as process:
        root = confdir / "mitmproxy-ca-cert.pem"
        _await_port(port)
        yield port, process.pid, root


def _output(command: list[str]) -> bytes:
    return subprocess.run(command, capture_output=True, check=True, timeout=30).stdout  # noqa: S603


def _first_line(process: subprocess.Popen[bytes]) -> str:
    if process.stdout is None or not (line := process.stdout.readline()):
        raise OperatorError(f"a process of the bench did not start: {process.args!r}")
    return line.decode().strip()


def free_port() -> int:
    """A port that is free now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_port(port: int) -> None:
    import socket

    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise OperatorError(f"nothing listens on 127.0.0.1:{port} after {READY_S:.0f} s")
