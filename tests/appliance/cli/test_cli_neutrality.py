"""`gnomon neutrality`, against a store that is a table of answers."""

import json

import msgspec
import pytest

from appliance import cli
from appliance.store.neutrality import NeutralityRow
from appliance.store.pages import PageHead

ROWS = [
    NeutralityRow("openai", 100, 90, 0.5, 0.52, 400.0, 900.0, 1.5, 5.0),
    NeutralityRow("anthropic", 30, 0, 0.0, None, None, None, 1.0, 2.0),
]


@pytest.fixture
def asked(monkeypatch):
    asked = []

    class FakeStore:
        def __init__(self, _path):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def call(self, verb, request, **_):
            asked.append((verb, request))
            return PageHead(len(ROWS)), msgspec.json.encode(ROWS)

    monkeypatch.setattr("appliance.bus.client.BlockingClient", FakeStore)
    return asked


def run(tmp_path, text, *more):
    config = tmp_path / "gnomon.yaml"
    config.write_text(f"state_dir: {tmp_path}/state\n{text}")
    return cli.main(["neutrality", "--config", str(config), *more])


def test_with_and_without(tmp_path, capsys, asked):
    assert run(tmp_path, "neutrality: {openai: {cached_share: 0.51, first_byte_ms: 380}}") == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == "SERVICE EXCHANGES UNCHANGED CACHED OF UNCHANGED WITHOUT FIRST BYTE 95 % OF IT HERE WITHOUT SO IT IS".split()  # fmt: skip  # noqa: E501, SIM905
    assert first.split("  ")[0] == "openai"
    for cell in ("90.0%", "50.0%", "52.0%", "51.0%", "400.0 ms", "900.0 ms", "1.5 ms", "380.0 ms", "neutral"):
        assert cell in first
    assert second.split()[0] == "anthropic"
    assert second.endswith("not known")
    assert asked[0][0] == "neutrality"


def test_worse_is_told_by_the_exit_code(tmp_path, capsys, asked):
    assert run(tmp_path, "neutrality: {openai: {cached_share: 0.6}}", "--json") == 1
    first, second = json.loads(capsys.readouterr().out)
    assert (first["word"], first["cached_without"], second["word"]) == ("less cached", 0.6, "not known")
    assert run(tmp_path, "neutrality: {openai: {first_byte_ms: 300}}") == 1
    assert "slower" in capsys.readouterr().out


def test_nothing_measured_is_no_fault_and_says_so(tmp_path, capsys, asked):
    assert run(tmp_path, "", "--days", "1") == 0
    assert "write it under `neutrality`" in capsys.readouterr().err
    assert asked
