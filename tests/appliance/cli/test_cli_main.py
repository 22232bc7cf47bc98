"""The command line: exit codes, where words go, and that a start stays light."""

import json
import os
import subprocess
import sys

import pytest

from appliance import cli
from appliance.cli.bench import REGISTRY
from appliance.cli.output import table
from appliance.cli.parser import build


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


def test_tables_are_inert_and_aligned():
    assert table(("A", "B"), [("x", None), ("\x1b[1m", 22)]) == "A        B\nx        -\n\\x1b[1m  22"


def test_a_reader_that_leaves_is_no_error(config):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "appliance.cli", "config", "show", "--config", config]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


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
