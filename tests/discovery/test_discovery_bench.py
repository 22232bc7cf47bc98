"""The capture of the bench: the same each time, of the size and mix that it claims; the peers' programs run."""

import io
import json
import shutil
import subprocess
import sys

import pytest

from appliance.config.catalogue import load_catalogue
from discovery import bench, files, replay
from discovery.classify import Classifier

PACKETS = 3_000


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "office.pcap"
    assert PACKETS <= bench.write_capture(path, PACKETS) < PACKETS + 40
    return path


def test_the_mix_is_what_it_claims_to_be(capture):
    frames = list(files.read(capture))
    assert 650 < sum(len(frame) for _, _, frame in frames) / len(frames) < 950
    assert [ts for ts, _, _ in frames] == sorted(ts for ts, _, _ in frames)
    sink = io.BytesIO()
    totals = replay.replay([str(capture)], Classifier(load_catalogue()), sink, encode=replay.jsonl, tell=pytest.fail)
    rows = [json.loads(line) for line in sink.getvalue().splitlines()]
    assert totals.packets == len(frames)
    assert 0.07 < len(rows) / len(frames) < 0.12
    assert {row["kind"] for row in rows} == {"dns", "tls", "http"}
    assert {row["server_name"] or row["host"] for row in rows} == set(bench._NAMES)
    assert len({(row["src"], row["sport"]) for row in rows}) > len(rows) / 4
    assert {row["service"] for row in rows} == {None, "openai", "chatgpt"}


def test_numbers_are_given_for_ours_and_theirs(monkeypatch):
    monkeypatch.setattr(bench, "PACKETS", PACKETS)
    numbers = bench.run(0.02, with_peers=True)
    wanted = {"packets_per_s", "reader_packets_per_s", "dpkt_packets_per_s", "scapy_packets_per_s"}
    wanted |= {"against_dpkt", "against_scapy"}
    if shutil.which("tshark"):
        wanted |= {"tshark_packets_per_s", "against_tshark"}
    assert set(numbers) == wanted
    assert all(value > 0 for value in numbers.values())


def test_the_program_dpkt_is_measured_with_reads_the_names(capture):
    program = bench._DPKT.replace("dpkt.dns.DNS(data)", "print(dpkt.dns.DNS(data).qd[0].name)")
    done = subprocess.run([sys.executable, "-c", program, str(capture)], capture_output=True, check=True)
    assert set(done.stdout.decode().splitlines()[:-1]) == set(bench._NAMES)
