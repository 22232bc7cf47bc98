"""The process over real sockets: figures of a store that runs, a supervisor that is away, and its end."""

import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import msgspec
import pytest

from appliance.bus.client import BlockingClient
from appliance.config.effective import write_effective
from appliance.config.schema import Config
from appliance.config.signals_schema import MetricsConfig, OtelConfig
from appliance.journal.record import encode_line, genesis
from appliance.store.bench import closed, opened, store_process
from appliance.store.wire import Append, Appended

NOW = 1_763_700_000.0


@pytest.fixture
def collector():
    got, came = [], threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            if self.path == "/v1/traces":
                came.set()
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port, got, came
    server.shutdown()
    thread.join()
    server.server_close()


def start(run_dir):
    command = [sys.executable, "-m", "appliance.observe", "--run-dir", str(run_dir)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def line_with(process, words):
    for line in process.stderr:
        if words in line:
            return line
    raise AssertionError(f"it ended without saying {words!r}")


def page(place):
    with urllib.request.urlopen(f"http://{place}/metrics", timeout=5) as answer:
        return answer.read().decode().split("\n")


def put(run_dir, *events):
    lines, mark = [], genesis("w0", 7)
    for event in events:
        line, mark = encode_line(mark, event, {})
        lines.append(line)
    with BlockingClient(run_dir / "ingest.sock") as client:
        head = Append(producer="w0", epoch=7, first_seq=1, last_seq=len(lines))
        client.call("append", head, b"".join(lines), reply=Appended)


def test_figures_and_spans_of_a_real_store(tmp_path, collector):
    port, got, came = collector
    with store_process(tmp_path) as run_dir:
        config = Config(state_dir=str(tmp_path / "state"), run_dir=str(run_dir))
        otel = OtelConfig(endpoint=f"http://127.0.0.1:{port}", interval_s=0.05)
        metrics = MetricsConfig(listen="127.0.0.1:0")
        write_effective(msgspec.structs.replace(config, metrics=metrics, otel=otel), run_dir)
        process = start(run_dir)
        try:
            place = line_with(process, "figures at").split("http://")[1].removesuffix("/metrics\n")
            before = page(place)
            put(run_dir, opened("x", "w0", NOW), closed("x", NOW + 1))
            assert came.wait(10)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.wait()
            process.stderr.close()
    assert {'gnomon_up{part="store"} 1', 'gnomon_up{part="supervisor"} 0'} <= set(before)
    span = next(body for path, body in got if path == "/v1/traces")["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert span["name"] == "chat gpt-4o-mini"
    assert "/v1/metrics" in {path for path, _ in got}


def test_what_the_operator_must_do_ends_it_with_2(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        metrics = MetricsConfig(listen=f"127.0.0.1:{port}")
        config = Config(state_dir=str(tmp_path), run_dir=str(tmp_path), metrics=metrics)
        write_effective(config, tmp_path)
        process = start(tmp_path)
        _, told = process.communicate(timeout=20)
    assert process.returncode == 2
    assert f"metrics.listen: cannot listen on 127.0.0.1:{port}" in told
