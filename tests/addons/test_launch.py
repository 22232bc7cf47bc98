"""The worker as its own process: readiness, drain on SIGTERM, drain when its supervisor dies, wrong environment."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.config.effective import write_effective
from appliance.config.schema import Config

# The product's chain needs an authority and a store; a worker with one addon shows the process's own behaviour.
WORKER = """
import sys
import addons.launch as launch
from mitmproxy import http
class Answer:
    def requestheaders(self, flow):
        flow.response = http.Response.make(200, flow.metadata["gnomon.listener"])
launch.build = lambda config, worker, opened: [Answer()]
sys.exit(launch.main(sys.argv[1:]))
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture
def started(tmp_path):
    """Start a worker; gives the process, its sockets, and the pipe end that stands for its supervisor's life."""
    opened: list[socket.socket] = []
    processes: list[subprocess.Popen] = []

    def start() -> tuple[subprocess.Popen, list[socket.socket], int]:
        config = Config(state_dir=str(tmp_path / "state"), run_dir=str(tmp_path), drain_s=1)
        write_effective(config, tmp_path)
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        opened.extend(sockets)
        ready, ready_in = os.pipe()
        life, life_in = os.pipe()
        fds = [*(sock.fileno() for sock in sockets), ready_in, life]
        proxy, gateway = (str(sock.fileno()) for sock in sockets)
        command = [sys.executable, "-c", WORKER, "--run-dir", str(tmp_path), "--worker", "w0"]
        command += ["--proxy-fd", proxy, "--gateway-fd", gateway]
        environment = {**os.environ, "GNOMON_READY_FD": str(ready_in), "GNOMON_PARENT_FD": str(life)}
        process = subprocess.Popen(command, pass_fds=fds, env=environment, cwd=ROOT)
        processes.append(process)
        os.close(ready_in)
        os.close(life)
        assert os.read(ready, 1) == b"1"
        os.close(ready)
        return process, sockets, life_in

    yield start
    for process in processes:
        process.kill()
        process.wait()
    for sock in opened:
        sock.close()


def ask(sock: socket.socket, target: str) -> bytes:
    with socket.create_connection(sock.getsockname()) as client:
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while data := client.recv(65536):
            answer += data
    return answer


@pytest.mark.system
def test_a_worker_serves_inherited_sockets_and_drains_on_sigterm(started):
    process, sockets, life = started()
    proxy, gateway = sockets
    assert ask(proxy, "http://a.test/").endswith(b"\r\n\r\nproxy")
    assert ask(gateway, "/").endswith(b"\r\n\r\ngateway")
    with socket.create_connection(proxy.getsockname()) as idle:
        idle.sendall(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
        assert idle.recv(65536)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    os.close(life)
    # The socket outlives the worker: the next connection waits for the next worker and is not refused.
    with socket.create_connection(proxy.getsockname()):
        pass


@pytest.mark.system
def test_a_worker_drains_when_its_supervisor_is_no_more(started):
    process, _, life = started()
    os.close(life)
    assert process.wait(20) == 0


@pytest.mark.system
def test_a_missing_configuration_is_named_and_exits_with_2(tmp_path):
    command = [sys.executable, "-m", "addons.launch", "--run-dir", str(tmp_path), "--worker", "w0", "--proxy-fd", "0"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60)
    assert done.returncode == 2
    assert "effective.json" in done.stderr
    assert "Traceback" not in done.stderr
