"""The capture of the bench: the same each time, of the size and mix that it claims; the peers' programs run."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.config.catalogue import load_catalogue
from discovery import bench, bench_capture, files, replay
from discovery.classify import Classifier
from discovery.engine import Engine

PACKETS = 3_000
PCAPS = Path(__file__).parents[2] / "pcaps"


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "office.pcap"
    written, shared = bench_capture.write_capture(path, PACKETS)
    assert PACKETS <= written < PACKETS + 40
    assert shared == 0
    return path


def test_the_mix_is_what_it_claims_to_be(capture):
    frames = list(files.read(capture))
    assert 650 < sum(len(frame) for _, _, frame in frames) / len(frames) < 950
    assert [ts for ts, _, _ in frames] == sorted(ts for ts, _, _ in frames)
    sink = io.BytesIO()
    totals = replay.replay([str(capture)], Classifier(load_catalogue()), sink, encode=replay.jsonl, tell=pytest.fail)
    found = [json.loads(line) for line in sink.getvalue().splitlines()]
    assert {row["kind"] for row in found} >= {"dns", "tls", "http"}
    rows = [row for row in found if row["kind"] in {"dns", "tls", "http"}]
    assert totals.packets == len(frames)
    assert 0.07 < len(rows) / len(frames) < 0.12
    assert {row["server_name"] or row["host"] for row in rows} == set(bench_capture.NAMES)
    assert len({(row["src"], row["sport"]) for row in rows}) > len(rows) / 4
    assert {row["service"] for row in rows} == {None, "openai", "chatgpt"}


def test_captures_of_others_are_mixed_in_with_addresses_of_their_own(tmp_path):
    path = tmp_path / "mixed.pcap"
    written, shared = bench_capture.write_capture(path, PACKETS, PCAPS)
    assert PACKETS <= written < PACKETS + 1_000
    assert 0.4 < shared / written < 0.7
    engine = Engine()
    rows = [row for frame in files.read(path) for row in engine.feed(*frame)]
    names = {row.server_name for row in rows if row.kind.value == "tls"}
    assert "chatgpt.com" in names
    assert names - set(bench_capture.NAMES)
    hellos = [(row.src, row.sport, row.dst, row.dport) for row in rows if row.kind.value == "tls"]
    assert len(set(hellos)) > 0.7 * len(hellos)


OURS = {"packets_per_s", "reader_packets_per_s", "packets", "shared_packets"}
LIBRARIES = {"dpkt_packets_per_s", "against_dpkt", "scapy_packets_per_s", "against_scapy"}


def test_who_is_not_there_is_told_and_has_no_number(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(bench, "PACKETS", PACKETS)
    monkeypatch.setattr(bench, "PEERS", tmp_path / "python")
    monkeypatch.setattr(bench, "CAPTURES", tmp_path / "nowhere")
    monkeypatch.setenv("PATH", str(tmp_path))
    numbers = bench.run(0.02)
    assert set(numbers) == OURS | LIBRARIES
    assert all(value > 0 for name, value in numbers.items() if name != "shared_packets")
    said = capsys.readouterr().err
    assert "nfstream: not measured" in said
    assert "tshark: not measured" in said


@pytest.mark.conformance
def test_numbers_are_given_for_whoever_is_there(monkeypatch):
    monkeypatch.setattr(bench, "PACKETS", PACKETS)
    wanted = set(OURS | LIBRARIES)
    for name, there in {"tshark": shutil.which("tshark"), "nfstream": bench.PEERS.is_file()}.items():
        wanted |= {f"{name}_packets_per_s", f"against_{name}"} if there else set()
    assert set(bench.run(0.02)) == wanted


def test_the_program_dpkt_is_measured_with_reads_the_names(capture):
    program = bench._DPKT.replace("dpkt.dns.DNS(data)", "print(dpkt.dns.DNS(data).qd[0].name)")
    done = subprocess.run([sys.executable, "-c", program, str(capture)], capture_output=True, check=True)
    assert set(done.stdout.decode().splitlines()[:-1]) == set(bench_capture.NAMES)
