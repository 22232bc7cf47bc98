"""Every capture is what its generator writes, and `gnomon replay` reads from it what is expected, field by field."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from appliance.model.errors import EvidenceError, OperatorError
from discovery import files
from discovery.engine import Engine

PCAPS = Path(__file__).parents[2] / "pcaps"
NAMES = sorted(path.stem for path in PCAPS.glob("*.pcap"))
FOREIGN = Path(__file__).parents[3] / "shared" / "data" / "pcaps"
LARGEST = 100_000
ALL = """
import runpy, sys
for generator in sys.argv[2:]:
    sys.argv = [generator, sys.argv[1]]
    runpy.run_path(generator, run_name="__main__")
"""
# As measured with the programs themselves: the generators' hellos are those.
JA4 = {
    "openai-sdk": "t13d1812h1_85036bcba153_d41ae481755e",
    "chatgpt-web": "t13d1516h2_8daaf6152771_d8a2da3f94cd",
}


def gnomon(*words: str, **more) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "appliance.cli", "replay", *words]
    return subprocess.run(command, capture_output=True, timeout=100, **more)


@cache
def replayed() -> dict[str, list[dict]]:
    """Rows by name of capture, all from one process."""
    done = gnomon("--format", "jsonl", *(str(PCAPS / f"{name}.pcap") for name in NAMES))
    assert (done.returncode, done.stderr) == (0, b"")
    rows = {name: [] for name in NAMES}
    for line in done.stdout.splitlines():
        row = json.loads(line)
        rows[row.pop("file").removesuffix(".pcap")].append(row)
    return rows


def expected(name: str) -> list[dict]:
    return yaml.safe_load((PCAPS / f"{name}.expect.yaml").read_text())["rows"]


def test_each_capture_has_its_generator_and_expectations():
    assert len(NAMES) >= 10
    assert {path.stem for path in PCAPS.glob("*.py")} - {"wire"} == set(NAMES)
    assert {path.name.removesuffix(".expect.yaml") for path in PCAPS.glob("*.expect.yaml")} == set(NAMES)
    assert [name for name in NAMES if "Provenance:" not in (PCAPS / f"{name}.py").read_text()] == []
    assert [name for name in NAMES if (PCAPS / f"{name}.pcap").stat().st_size > LARGEST] == []


def test_generators_write_these_files_and_no_others(tmp_path):
    generators = [str(PCAPS / f"{name}.py") for name in NAMES]
    command = [sys.executable, "-c", ALL, str(tmp_path), *generators]
    subprocess.run(command, check=True, timeout=100, env={**os.environ, "PYTHONPATH": str(PCAPS)})
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(made) == {f"{name}{ending}" for name in NAMES for ending in (".pcap", ".expect.yaml")}
    assert [name for name, data in made.items() if data != (PCAPS / name).read_bytes()] == []


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_is_what_is_expected(name):
    keys = list(replayed()[name][0])
    assert replayed()[name] == [{**dict.fromkeys(keys), **row} for row in expected(name)]


@pytest.mark.parametrize("name", JA4)
def test_the_hellos_are_those_of_real_programs(name):
    assert {row["ja4"] for row in expected(name) if row["kind"] == "tls"} == {JA4[name]}


def foreign() -> list[Path]:
    found = sorted(path for path in FOREIGN.glob("*.pcap*") if path.suffix in {".pcap", ".pcapng"})
    if not found:
        pytest.skip("../shared/data is not here")
    return found


@pytest.mark.shared
def test_captures_of_others_run_through_without_an_exception():
    done = gnomon("--format", "jsonl", *map(str, foreign()))
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) > 700
    assert {row["kind"] for row in rows} >= {"tls", "dns", "http"}
    assert len({row["file"] for row in rows}) > 60


def cuts() -> list[bytes]:
    """Every capture, cut at several places and with bytes turned over."""
    found = []
    own = [PCAPS / f"{name}.pcap" for name in NAMES]
    for path in [*own, *(sorted(FOREIGN.glob("*.pcap*")) if FOREIGN.exists() else [])]:
        data = path.read_bytes()
        found += [data[: len(data) * part // 7] for part in range(7)]
        turned = bytearray(data)
        for place in range(40, len(turned), 97):
            turned[place] ^= 0xFF
        found.append(bytes(turned))
    return found


def test_damaged_captures_never_stop_a_parser(tmp_path):
    counted = 0
    path = tmp_path / "damaged"
    for data in cuts():
        path.write_bytes(data)
        engine = Engine()
        try:
            for ts, link, frame in files.read(path):
                engine.feed(ts, link, frame)
        except (EvidenceError, OperatorError) as error:
            assert str(path) in str(error)  # noqa: PT017 - most of these files are damaged, not all
            counted += 1
        assert "parser_fault" not in engine.counters.weird
    assert counted > 5 * len(NAMES)


def test_packets_cut_anywhere_never_stop_a_parser():
    engine = Engine()
    for name in NAMES:
        for ts, link, frame in files.read(PCAPS / f"{name}.pcap"):
            for end in range(0, len(frame), 1 + len(frame) // 40):
                engine.feed(ts, link, frame[:end])
    assert engine.counters.packets > 10_000
    assert "parser_fault" not in engine.counters.weird


def test_a_name_that_is_no_text_in_the_path_of_the_file(tmp_path):
    odd = os.fsencode(tmp_path) + b"/\xff\x1b[2J.pcap"
    Path(os.fsdecode(odd)).write_bytes((PCAPS / "openai-sdk.pcap").read_bytes())
    done = gnomon("--format", "jsonl", os.fsdecode(odd))
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == ["\\xff\x1b[2J.pcap"] * 3
