"""The store as a process: readiness, ends, and kill -9."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from appliance.bus.client import BlockingClient
from appliance.bus.errors import Unreachable
from appliance.config.effective import write_effective
from appliance.config.schema import Config
from appliance.model.event import Notice
from appliance.store.pages import Health, HealthRequest
from appliance.store.wire import Appended

NOW = time.time()  # the process keeps its own time, and forgets what is old
ROUNDS = 2


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    write_effective(Config(state_dir=str(tmp_path / "state"), run_dir=str(folder)), folder)
    return folder


@contextlib.contextmanager
def store(run_dir):
    ready, tell = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "appliance.store", "--run-dir", str(run_dir)],
        pass_fds=(tell,),
        env={**os.environ, "GNOMON_READY_FD": str(tell)},
        stderr=subprocess.PIPE,
    )
    os.close(tell)
    try:
        assert os.read(ready, 1) == b"1", process.communicate()[1]
        yield process
    finally:
        os.close(ready)
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.system
def test_told_to_stop_it_leaves_everything_in_the_file(run_dir, tmp_path, life):
    journal = life().add(*(Notice(NOW, "w0", "info", "n") for _ in range(50)))
    with store(run_dir) as process, BlockingClient(run_dir / "ingest.sock") as client:
        reply, _ = client.call("append", *journal.frame(), reply=Appended)
        assert reply == Appended(50)
        second = subprocess.run(
            [sys.executable, "-m", "appliance.store", "--run-dir", str(run_dir)], capture_output=True, check=False
        )
        assert second.returncode == 2
        assert f"already open in process {process.pid}".encode() in second.stderr
        assert b"Traceback" not in second.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not (run_dir / "ingest.sock").exists()
    wal = tmp_path / "state" / "store" / "gnomon.duckdb.wal"
    assert not wal.exists() or wal.stat().st_size == 0


@pytest.mark.system
def test_killed_in_mid_work_it_has_each_acknowledged_record_once(run_dir, life):
    journal = life().add(*(Notice(NOW, "w0", "info", f"n{number}") for number in range(ROUNDS * 400)))
    acked = 0
    for number in range(ROUNDS):
        with store(run_dir) as process, BlockingClient(run_dir / "ingest.sock") as client:
            # From one before what was acknowledged, as a shipper with an old cursor would.
            first = max(1, acked)
            with contextlib.suppress(Unreachable):
                for last in range(first + 9, (number + 1) * 400 + 1, 10):
                    reply, _ = client.call("append", *journal.frame(first, last), reply=Appended)
                    acked, first = reply.acked, last + 1
                    if last > number * 400 + 200 and process.poll() is None:
                        process.kill()
    with store(run_dir), BlockingClient(run_dir / "ingest.sock") as client:
        reply, _ = client.call("append", *journal.frame(max(1, acked)), reply=Appended)
        assert reply == Appended(len(journal.lines))
        with BlockingClient(run_dir / "analyst.sock") as analyst:
            health, _ = analyst.call("health", HealthRequest(), reply=Health)
    assert health.rows["notices"] == len(journal.lines)


@pytest.mark.system
def test_without_a_configuration_it_says_so(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "appliance.store", "--run-dir", str(tmp_path)], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"effective.json" in done.stderr
    assert b"Traceback" not in done.stderr
