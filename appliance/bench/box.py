"""What is measured: a whole appliance as a process tree of its own, its worker alone on one core.

Rules: stage enforce with the embedded policy, so that every inline guard is on; the store, the load and the stand-in
share the other core; with a single core nothing is pinned; whatever was started ends with the context.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.model.errors import OperatorError
from appliance.standin.certificates import write_certificates

PROXY_CORE, LOAD_CORE = 0, 1
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Certificates:
    """Of the stand-in provider: what its clients trust, what it shows, and the key to it."""

    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True)
class Box:
    """A running appliance. `proxy`, `gateway`: its ports; `root`: what its clients trust; `worker`: process id."""

    proxy: int
    root: Path
    worker: int
    gateway: int = 0


def certificates(folder: Path, hosts: Sequence[str]) -> Certificates:
    """For a stand-in that speaks for all of `hosts`."""
    return Certificates(*write_certificates(folder, tuple(hosts)))


@contextmanager
def box(
    folder: Path, hosts: Sequence[str], provider: int, ca: Path, *, opens_all: bool = False, extra: str = ""
) -> Iterator[Box]:
    """An appliance for which all of `hosts` are at port `provider`. `opens_all`: TLS of names that are no AI too.

    `extra`: further lines of its configuration.
    """
    port, gateway = free_port(), free_port()
    dialled = ", ".join(f"'{host}:443': '127.0.0.1:{provider}'" for host in hosts)
    config = folder / "gnomon.yaml"
    config.write_text(
        f"listen: {{proxy: '127.0.0.1:{port}', gateway: '127.0.0.1:{gateway}'}}\n"
        f"state_dir: {folder}/state\nrun_dir: {folder}/run\nstage: enforce\ndrain_s: 2\n"
        f"egress: {{intercept: {'all' if opens_all else 'ai'}, hosts: {{{dialled}}}, ca_bundle: {ca}}}\n{extra}"
    )
    gnomon, given = [sys.executable, "-m", "appliance.cli"], ["--config", str(config)]
    if opens_all:
        output([*gnomon, "ca", "init", "--unconstrained", *given])
    with process([*gnomon, "up", "--json", *given], PROXY_CORE) as running:
        first_line(running)
        root = folder / "root.pem"
        root.write_bytes(output([*gnomon, "ca", "export", *given]))
        children = json.loads(output([*gnomon, "status", "--json", *given]))["children"]
        pids = {child["name"]: child["pid"] for child in children}
        _move(pids["store"], LOAD_CORE)
        yield Box(port, root, pids["w0"], gateway)


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Children started inside inherit this core."""
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
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


def resident_mb(pid: int) -> float:
    """Resident memory of a process (proc(5), VmRSS)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmRSS:"))


@contextmanager
def process(
    command: list[str], core: int, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program on one core, ended with the context.

    `environment`: all of that of a program whose words nobody reads; None: it has ours, and they are read.
    """
    out = subprocess.PIPE if environment is None else subprocess.DEVNULL
    with on_core(core):
        running = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, env=environment)  # noqa: S603
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def load(module: str, arguments: Sequence[str], timeout_s: float) -> bytes:
    """What a client of the bench prints, run on the load's core. OperatorError: it failed."""
    with on_core(LOAD_CORE):
        command = [sys.executable, "-m", module, *arguments]
        done = subprocess.run(command, capture_output=True, timeout=timeout_s, check=False)  # noqa: S603
    if done.returncode:
        raise OperatorError(f"the bench client failed: {done.stderr.decode(errors='replace')[-500:]}")
    return done.stdout


def output(command: list[str], timeout_s: float = 30) -> bytes:
    """What a program prints."""
    return subprocess.run(command, capture_output=True, check=True, timeout=timeout_s).stdout  # noqa: S603


def first_line(running: subprocess.Popen[bytes]) -> str:
    """The first line that a program prints."""
    if running.stdout is None or not (line := running.stdout.readline()):
        raise OperatorError(f"a process of the bench did not start: {running.args!r}")
    return line.decode().strip()


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
