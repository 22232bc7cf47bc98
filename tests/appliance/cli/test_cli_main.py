"""The command line: exit codes, where words go, and that a start stays light."""

import fcntl
import json
import os
import pty
import subprocess
import sys
from types import SimpleNamespace

import msgspec
import pytest

from appliance import cli
from appliance.bus.control import SensorStatus, Status
from appliance.bus.errors import Unreachable
from appliance.cli import control
from appliance.cli.bench import REGISTRY
from appliance.cli.control import _as_text
from appliance.cli.output import table
from appliance.cli.parser import build
from appliance.model.names import Stage
from appliance.supervisor.instance import RUN_LOCK


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "gnomon.yaml"
    path.write_text(f"state_dir: {tmp_path}/state\nlisten:\n  proxy: 127.0.0.1:18080\n")
    return str(path)


def test_config_check_and_show(config, capsys):
    assert cli.main(["config", "check", "--config", config]) == 0
    assert "sound" in capsys.readouterr().out
    assert cli.main(["config", "show", "--config", config]) == 0
    assert json.loads(capsys.readouterr().out)["listen"]["proxy"] == "127.0.0.1:18080"


@pytest.mark.parametrize(
    "words",
    [["config", "check"], ["status"], ["down"], ["up"], ["ca", "status"], ["policy", "check"], ["journal", "verify"]],
    ids=" ".join,
)
def test_a_bad_file_is_one_message_and_exit_2(words, tmp_path, capsys):
    path = tmp_path / "bad.yaml"
    path.write_text("stage: observe\nlsten: {}\n")
    assert cli.main([*words, "--config", str(path)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"gnomon: {path}:2: lsten")
    assert "Traceback" not in told.err


NINE = 1_767_258_000
LOST = ((NINE, 800), *((NINE + number, 10) for number in range(2, 6)), (NINE + 6, 364))


def test_status_says_how_a_sensor_captures():
    status = Status("up", 1, 0.5, "0.1.0", Stage.OBSERVE, 1, 1, 1, "127.0.0.1:8080", "127.0.0.1:4000", "/s", 0)
    shown = [
        SensorStatus("sensor0", "eth0", "capturing", "", "ring in 4 processes", 1_204, NINE, 800, LOST),
        SensorStatus("sensor1", "any", "capturing", "", "libpcap in 1 process"),
        SensorStatus("sensor2", "a.pcap", "finished"),
        SensorStatus("sensor3", "eth3", "starting", "", "\x1b[2J"),
    ]
    text = _as_text(msgspec.structs.replace(status, sensors=tuple(shown)))
    newest = "10 at 09:00:02, 10 at 09:00:03, 10 at 09:00:04, 10 at 09:00:05, 364 at 09:00:06"
    lost = (
        f"1,204 packets lost in the last minute (worst second: 800 at 09:00:00 UTC; by seconds, the newest: {newest})"
    )
    assert text.splitlines()[-4:] == [
        f"sensor sensor0 on eth0: capturing by ring in 4 processes, {lost}",
        "sensor sensor1 on any: capturing by libpcap in 1 process, nothing lost in the last minute",
        "sensor sensor2 on a.pcap: finished",
        r"sensor sensor3 on eth3: starting by \x1b[2J, nothing lost in the last minute",
    ]


def test_a_hostile_file_name_cannot_act_on_the_terminal(capsys):
    assert cli.main(["config", "check", "--config", "\x1b[31m\u202ex.yaml"]) == 2
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert "\u202e" not in err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nothing"],
        ["bench", "x"],
        ["bench", "store", "--seconds", "-1"],
        ["up", "--workers", "-1"],
        ["stage", "strict"],
    ],
)
def test_wrong_use_is_exit_2(words, capsys):
    with pytest.raises(SystemExit) as caught:
        build().parse_args(words)
    assert caught.value.code == 2
    assert capsys.readouterr().out == ""


def test_not_running(config, capsys):
    assert cli.main(["status", "--config", config]) == 1
    assert cli.main(["status", "--json", "--config", config]) == 1
    assert capsys.readouterr().out == 'not running\n{"phase":"down"}\n'
    assert cli.main(["down", "--config", config]) == 0
    assert cli.main(["reload", "--config", config]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "is the appliance running?" in told.err


class Away:
    """An appliance whose socket comes back at the `back`th call."""

    def __init__(self, back):
        self.back, self.asked = back, 0

    def __call__(self, _client):
        self.asked += 1
        if self.asked < self.back:
            raise Unreachable("away")
        return "here"


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    """A run folder and a clock that the waiting itself moves."""
    now = [0.0]
    monkeypatch.setattr(control.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(control.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return SimpleNamespace(run_dir=str(tmp_path), lock=tmp_path / RUN_LOCK, now=now)


def test_a_socket_that_is_away_for_a_moment_is_asked_again(run_folder):
    with run_folder.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        assert control._asked(run_folder, Away(20)) == "here"
        with pytest.raises(Unreachable):
            control._asked(run_folder, Away(10_000))
        assert 3 < run_folder.now[0] < 6


@pytest.mark.parametrize("pid", ["", "4194999", str(os.getpid())], ids=["ended well", "died", "number taken anew"])
def test_where_nobody_holds_the_lock_one_call_is_enough(run_folder, pid):
    run_folder.lock.write_text(pid)
    gone = Away(2)
    with pytest.raises(Unreachable):
        control._asked(run_folder, gone)
    assert gone.asked == 1


def test_unsafe_binds_are_refused(tmp_path, capsys):
    path = tmp_path / "open.yaml"
    path.write_text(f"state_dir: {tmp_path}/state\nlisten: {{proxy: '0.0.0.0:18080'}}\n")
    assert cli.main(["config", "check", "--config", str(path)]) == 2
    assert "0.0.0.0:18080" in capsys.readouterr().err


def test_journal_verify_of_nothing(config, capsys):
    assert cli.main(["journal", "verify", "--json", "--config", config]) == 0
    assert capsys.readouterr().out == "[]\n"


def test_a_bench_is_found_by_name(monkeypatch, capsys):
    monkeypatch.setitem(REGISTRY, "store", f"{__name__}:fake_bench")
    assert cli.main(["bench", "store", "--seconds", "3", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == {"seconds": 3.0}
    assert told.err


def fake_bench(seconds):
    return {"seconds": seconds}


def test_a_bench_without_further_peers_says_so(monkeypatch, capsys):
    monkeypatch.setitem(REGISTRY, "store", f"{__name__}:fake_bench")
    assert cli.main(["bench", "store", "--with-peers", "--json"]) == 0
    assert "no further peers" in capsys.readouterr().err
    monkeypatch.setitem(REGISTRY, "store", f"{__name__}:fake_bench_with_peers")
    assert cli.main(["bench", "store", "--with-peers", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == {"peers": 1}
    assert "peers" not in told.err


def fake_bench_with_peers(_seconds, *, with_peers):
    return {"peers": int(with_peers)}


FAKES = """
import sys, types
from pathlib import Path
from appliance.cli import bench, main
from appliance.config import tables
from appliance.inspect.detect.detectors import Detectors
sys.modules["fake"] = fake = types.ModuleType("fake")
fake.run = lambda seconds: {"seconds": seconds}
bench.REGISTRY["store"] = "fake:run"
tables.tables_folder = lambda _: Path(sys.argv[1])
Detectors.load = print
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    ("words", "answer", "shown"),
    [
        (["bench", "store", "--seconds", "3", "--json"], '{"seconds":3.0}\n', "measuring store"),
        (["prepare"], "FOLDER\n", "building the detection tables"),
    ],
    ids=["bench", "prepare"],
)
def test_long_work_shows_a_bar_on_a_terminal_and_only_there(words, answer, shown, tmp_path):
    command = [sys.executable, "-c", FAKES, str(tmp_path), *words]
    answer = answer.replace("FOLDER", str(tmp_path))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == answer
    assert done.stderr.startswith(shown)
    assert done.stderr.count("\n") == 1
    terminal, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=slave, text=True, check=True, env=environment)
    os.close(slave)
    seen = _all_of(terminal)
    assert done.stdout == answer
    assert shown in seen
    assert "\u2501" in seen
    assert "\x1b[?25h" in seen  # the cursor is back


def _all_of(terminal):
    seen = b""
    try:
        while chunk := os.read(terminal, 65536):
            seen += chunk
    except OSError:  # how a terminal ends whose other side is closed
        pass
    finally:
        os.close(terminal)
    return seen.decode()


def test_tables_are_inert_and_aligned():
    assert table(("A", "B"), [("x", None), ("\x1b[1m", 22)]) == "A        B\nx        -\n\\x1b[1m  22"


def test_a_reader_that_leaves_is_no_error(config):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "appliance.cli", "config", "show", "--config", config]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.system
def test_lines_left_without_an_answer_are_no_success():
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "appliance.cli", "scan", "--format", "jsonl"]
    done = subprocess.run(command, input=b'{"id":1,"text":"x"}\n', stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_start_loads_nothing_heavy():
    code = "import sys, appliance.cli.parser as p; p.build(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {
        "mitmproxy",
        "duckdb",
        "presidio_analyzer",
        "spacy",
        "yaml",
        "textual",
        "scapy",
        "cryptography",
    }
