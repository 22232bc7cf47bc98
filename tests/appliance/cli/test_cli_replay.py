"""`gnomon replay` as a command: stdin, files that are none, exit codes, nothing but rows on stdout."""

import gzip
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from appliance import cli
from appliance.cli import replay as command

PCAPS = Path(__file__).parents[3] / "pcaps"
CAPTURE = PCAPS / "openai-sdk.pcap"
GNOMON = [sys.executable, "-m", "appliance.cli", "replay"]


@pytest.fixture
def replay(capfdbinary):
    """Run the command in this process: its exit code, its rows, what it says."""

    def run(*words: str) -> tuple[int, list[dict], str]:
        code = cli.main(["replay", *words])
        told = capfdbinary.readouterr()
        return code, [json.loads(line) for line in told.out.splitlines()], told.err.decode()

    return run


def test_rows_and_nothing_else(replay):
    code, rows, said = replay(str(CAPTURE), str(PCAPS / "ollama.pcap"))
    assert (code, said) == (0, "")
    by_file = [[row["service"] for row in rows if row["file"] == name] for name in ("openai-sdk.pcap", "ollama.pcap")]
    assert by_file[0] == ["openai"] * 3
    assert set(by_file[1]) == {"ollama", "openai_compatible"}
    assert sum(map(len, by_file)) == len(rows)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (os.devnull, "not a capture file (pcap or pcapng): it is empty"),
        (str(PCAPS), "a folder, not a capture file; name the files in it"),
        (str(PCAPS / "none.pcap"), "cannot be read: No such file or directory"),
        (str(PCAPS / "wire.py"), "not a capture file (pcap or pcapng): it begins with"),
    ],
)
def test_what_is_no_capture_is_one_line_and_exit_2_and_the_others_are_read(replay, path, said):
    code, rows, told = replay(path, str(CAPTURE))
    assert code == 2
    assert len(rows) == 3
    assert told.startswith("gnomon: ")
    assert said in told
    assert told.count("\n") == 1


def test_a_truncated_file_is_read_as_far_as_it_is_whole(replay, tmp_path):
    (tmp_path / "cut.pcap").write_bytes(CAPTURE.read_bytes()[:-1])
    code, rows, told = replay(str(tmp_path / "cut.pcap"))
    assert (code, len(rows)) == (0, 3)
    assert "cut short at byte" in told


def test_the_operators_catalogue_counts(replay, tmp_path):
    (tmp_path / "own.yaml").write_text(
        "services:\n  - {id: ours, name: Ours, owner: Us, category: assistant, domains: [www.example.com]}\n"
    )
    (tmp_path / "gnomon.yaml").write_text("catalogue: {override: own.yaml}\n")
    _, rows, _ = replay("--config", str(tmp_path / "gnomon.yaml"), str(PCAPS / "mixed-office.pcap"))
    assert {row["service"] for row in rows if row["server_name"] == "www.example.com"} == {"ours"}


def test_text_is_one_line_per_row_below_a_head(capfd):
    assert cli.main(["replay", "--format", "text", str(PCAPS / "hostile-names.pcap")]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith("TIME (UTC)")
    assert len(lines) == 28
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("words", [[], ["--watch", ".", str(CAPTURE)], ["--watch", ".", "--stats"]])
def test_either_files_or_a_folder_are_to_be_read(words, capsys):
    assert cli.main(["replay", *words]) == 2
    assert "give capture files" in capsys.readouterr().err


def test_truth_has_every_observation_with_the_number_of_its_packet(replay):
    code, rows, _ = replay("--truth", str(PCAPS / "ollama.pcap"))
    assert code == 0
    assert [row["frame"] for row in rows] == sorted(row["frame"] for row in rows)
    assert {row["kind"] for row in rows} >= {"http", "http_response"}
    assert "service" not in rows[0]


def test_statistics_as_json_and_as_a_table(capsys):
    assert cli.main(["replay", "--stats", "--format", "jsonl", str(CAPTURE)]) == 0
    sums = json.loads(capsys.readouterr().out)
    assert (sums["files"], sums["links"]) == (1, {"ethernet": sums["packets"]})
    assert sums["kinds"]["tls"] > 0
    assert cli.main(["replay", "--stats", "--format", "text", str(CAPTURE)]) == 0
    assert "link ethernet" in capsys.readouterr().out


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_packed_capture_and_a_packed_stdin(pack, replay, tmp_path):
    path = tmp_path / "capture.packed"
    path.write_bytes(pack(CAPTURE.read_bytes()))
    plain, packed = replay(str(CAPTURE)), replay(str(path))
    assert [{**row, "file": ""} for row in packed[1]] == [{**row, "file": ""} for row in plain[1]]
    with path.open("rb") as file:
        done = subprocess.run([*GNOMON, "-"], stdin=file, capture_output=True, timeout=60)
    assert len(done.stdout.splitlines()) == len(plain[1])


def test_a_watched_folder_until_it_is_interrupted(tmp_path):
    (tmp_path / "a.pcap").write_bytes(CAPTURE.read_bytes())
    command = [*GNOMON, "--watch", str(tmp_path), "--settled", "0"]
    for there in (True, False):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert b"interrupt to end" in process.stderr.readline()
            if not there:  # read by the process before
                (tmp_path / "b.pcap").write_bytes((PCAPS / "dns-mix.pcap").read_bytes())
            row = json.loads(process.stdout.readline())
            assert row["file"] == ("a.pcap" if there else "b.pcap")
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            assert process.returncode == 0


def test_a_capture_from_stdin():
    with CAPTURE.open("rb") as file:
        done = subprocess.run([*GNOMON, "-"], stdin=file, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == ["-"] * 3


def test_a_reader_who_leaves_ends_it_quietly():
    many = [str(PCAPS / "hostile-names.pcap")] * 60  # more rows than a pipe holds
    with subprocess.Popen([*GNOMON, *many], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_on_a_terminal_there_is_a_table_and_beside_one_a_bar(tmp_path):
    screen, terminal = pty.openpty()
    with (tmp_path / "rows").open("wb") as rows:
        subprocess.run([*GNOMON, str(CAPTURE)], stdout=rows, stderr=terminal, timeout=60, check=True)
    subprocess.run([*GNOMON, str(CAPTURE)], stdout=terminal, stderr=terminal, timeout=60, check=True)
    shown = os.read(screen, 1 << 16)
    os.close(screen)
    os.close(terminal)
    assert b"reading captures" in shown.partition(b"TIME (UTC)")[0]
    assert shown.count(b"reading captures") == shown.partition(b"TIME (UTC)")[0].count(b"reading captures")
    assert b"api.openai.com" in shown.partition(b"TIME (UTC)")[2]
    assert len((tmp_path / "rows").read_bytes().splitlines()) == 3


def test_the_bar_knows_the_sizes_of_files_only():
    assert command._size(str(CAPTURE)) == CAPTURE.stat().st_size
    assert command._size("-") == 0
