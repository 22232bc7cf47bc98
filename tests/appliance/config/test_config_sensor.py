"""The section `sensor` of the configuration, and the flags that stand in its place."""

from pathlib import Path

import pytest

from appliance.cli.parser import parse
from appliance.cli.up import _load
from appliance.config.load import load
from appliance.model.errors import OperatorError


def written(folder, text):
    path = folder / "gnomon.yaml"
    path.write_text(f"state_dir: {folder}/state\n{text}")
    return path


def test_files_are_named_from_the_configurations_own_folder(tmp_path):
    path = written(tmp_path, "sensor: {interfaces: [eth0], captures: [a.pcap, ../b.pcap, /c/d.pcap]}\n")
    sensor = load(path).sensor
    assert sensor.interfaces == ("eth0",)
    assert sensor.captures == (f"{tmp_path}/a.pcap", f"{tmp_path.parent}/b.pcap", "/c/d.pcap")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("interfaces: ['eth0 ']", "not the name of an interface"),
        ("interfaces: ['']", "not the name of an interface"),
        ("interfaces: [a-name-that-is-too-long]", "not the name of an interface"),
        ("interfaces: [../etc]", "not the name of an interface"),
        ("suppression_s: -1", "at least 0"),
        ("folder_settled_s: -1", "at least 0"),
        ("folder: [a]", "must be text"),
        ("advisories: nowhere.yaml", "no such file"),
        ("fingerprints: nowhere.yaml", "no such file"),
        ("processes: 0", "between 1 and 16"),
        ("processes: 17", "between 1 and 16"),
        ("interface: eth0", "interfaces"),
    ],
)
def test_what_cannot_be_is_refused_at_its_line(tmp_path, text, words):
    with pytest.raises(OperatorError, match=rf"gnomon\.yaml:2: sensor.*{words}"):
        load(written(tmp_path, f"sensor: {{{text}}}\n"))


def test_a_folder_of_captures_may_come_later_and_files_of_the_sites_own_may_not(tmp_path):
    (tmp_path / "own.yaml").write_text("")
    told = "{folder: captures, advisories: own.yaml, fingerprints: own.yaml}"
    sensor = load(written(tmp_path, f"sensor: {told}\n")).sensor
    assert sensor.folder == f"{tmp_path}/captures"
    assert sensor.advisories == sensor.fingerprints == f"{tmp_path}/own.yaml"


def test_flags_stand_in_place_of_the_files_sources(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, "sensor: {interfaces: [eth0], captures: [a.pcap], suppression_s: 7}\n")
    plain = _load(parse(["up", "--config", str(path)]))
    assert (plain.sensor.interfaces, plain.sensor.suppression_s) == (("eth0",), 7)
    flagged = _load(parse(["up", "--config", str(path), "--interface", "eth1", "--interface", "lo"]))
    assert flagged.sensor.interfaces == ("eth1", "lo")
    assert flagged.sensor.captures == (str(Path(tmp_path / "a.pcap")),)
    files = _load(parse(["up", "--config", str(path), "--pcap", "x.pcap", "--pcap", "/y.pcap", "--workers", "2"]))
    assert files.sensor.captures == (str(tmp_path / "x.pcap"), "/y.pcap")
    assert (files.sensor.interfaces, files.workers) == (("eth0",), 2)
