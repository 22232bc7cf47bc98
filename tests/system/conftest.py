"""A whole appliance as real processes, with a TLS provider on loopback that writes down what arrives."""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests_support import HOST, ROOT, Provider

GNOMON = [sys.executable, "-m", "appliance.cli"]
CLEAN = {name: value for name, value in os.environ.items() if "proxy" not in name.lower() and "API_KEY" not in name}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Appliance:
    """`gnomon up` with a configuration of its own, in a folder of its own."""

    def __init__(self, folder: Path, provider: Provider, stage: str = "enforce", extra: str = "", workers: int = 1):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.provider = folder, provider
        self.proxy, self.gateway = free_port(), free_port()
        self.config = folder / "gnomon.yaml"
        self.config.write_text(
            f"listen: {{proxy: '127.0.0.1:{self.proxy}', gateway: '127.0.0.1:{self.gateway}'}}\n"
            f"state_dir: {folder}/state\nrun_dir: {folder}/run\nstage: {stage}\nworkers: {workers}\ndrain_s: 3\n"
            f"egress:\n  ca_bundle: {provider.ca}\n  hosts: {{'{HOST}:443': '127.0.0.1:{provider.port}'}}\n{extra}"
        )
        self.before: list[str] = []  # what the command line of `gnomon up` is put behind
        self.process: subprocess.Popen | None = None
        self.lines: list[str] = []

    def up(self) -> "Appliance":
        self.process = subprocess.Popen(
            [*self.before, *GNOMON, "up", "--json", "--config", str(self.config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env=CLEAN,
        )
        self._drain = threading.Thread(target=self._read_errors, args=(self.process.stderr,), daemon=True)
        self._drain.start()
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(10)
            self._drain.join(5)
            raise AssertionError("gnomon up failed:\n" + "\n".join(self.lines[-20:]))
        self.ca = self.folder / "root.pem"
        self.ca.write_bytes(self.run("ca", "export").stdout)
        return self

    def _read_errors(self, stream) -> None:
        for line in stream:
            self.lines.append(line.decode(errors="replace").rstrip())
        stream.close()

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        command = [*GNOMON, *arguments, "--config", str(self.config)]
        done = subprocess.run(command, capture_output=True, cwd=ROOT, env=CLEAN, timeout=60, check=False)
        if check and done.returncode:
            raise AssertionError(f"{arguments}: exit {done.returncode}: {done.stderr.decode()}")
        return done

    def status(self) -> dict:
        return json.loads(self.run("status", "--json").stdout)

    def pids(self) -> dict[str, int]:
        return {child["name"]: child["pid"] for child in self.status()["children"]}

    def ask_store(self, verb: str, **request) -> list[dict]:
        """The rows of a named query over analyst.sock, as every client of the store asks."""
        from appliance.bus.client import BlockingClient
        from appliance.store.pages import PageHead
        from appliance.store.queries import QUERIES

        with BlockingClient(self.folder / "run" / "analyst.sock") as client:
            _, rows = client.call(verb, QUERIES[verb].request(**request), reply=PageHead)
        return json.loads(rows)

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))

    def down(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self._drain.join(5)
        self.process = None


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    stand_in = Provider(tmp_path_factory.mktemp("provider"))
    yield stand_in
    stand_in.stop()


@contextmanager
def running(folder: Path, provider: Provider, **options):
    appliance = Appliance(folder, provider, **options)
    try:
        yield appliance.up()
    finally:
        appliance.down()


@pytest.fixture(scope="session")
def appliance_class():
    return Appliance


@pytest.fixture(scope="module")
def appliance(provider, tmp_path_factory):
    with running(tmp_path_factory.mktemp("enforcing"), provider) as started:
        yield started


@pytest.fixture(scope="module")
def observing(provider, tmp_path_factory):
    with running(tmp_path_factory.mktemp("observing"), provider, stage="observe") as started:
        yield started
