"""The commands of an operator, typed into a shell: answers on stdout, words on stderr, exit codes to trust."""

import json
import subprocess
import time

import pytest
from system.conftest import CLEAN, GNOMON
from tests_support import ROOT

from appliance.journal.writer import Journal
from appliance.model.event import Notice

pytestmark = pytest.mark.system
MAIL = "maria.keller@corp-mail.com"


class Shell:
    """`gnomon` in a folder with a configuration."""

    def __init__(self, folder) -> None:
        self.folder, self.state = folder, folder / "state"
        self.state.mkdir(mode=0o700)
        self.config = folder / "gnomon.yaml"
        self.config.write_text("state_dir: state\nlisten: {proxy: '127.0.0.1:0', gateway: '127.0.0.1:0'}\n")

    def __call__(self, *words, given="", code=0) -> str:
        """What it says on stdout, or on stderr for exit 2; the other one is empty for 0, and no traceback ever."""
        done = subprocess.run(
            [*GNOMON, *map(str, words), "--config", self.config],
            input=given, capture_output=True, text=True, cwd=ROOT, env=CLEAN, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        if code == 2:
            assert done.stdout == ""
            assert done.stderr.startswith(("gnomon: ", "usage: "))
            return done.stderr
        return done.stdout


@pytest.fixture
def gnomon(tmp_path):
    return Shell(tmp_path)


def test_policy_check(gnomon, tmp_path):
    assert "rules are sound" in gnomon("policy", "check")
    assert json.loads(gnomon("policy", "check", "--json"))["rules"] > 0
    file = tmp_path / "policy.yaml"
    file.write_text(
        "rules:\n- id: a\n  layer: organisation\n  match: {services: [nobody]}\n  then: {disposition: block}\n"
    )
    assert "nobody" in gnomon("policy", "check", file)
    gnomon("policy", "check", file, "--strict", code=1)
    file.write_text("rules:\n- id: a\n  layer: organisation\n  then: {disposition: blokc}\n")  # codespell:ignore
    assert f"{file}:4" in gnomon("policy", "check", file, code=2)
    assert "no such file" in gnomon("policy", "check", tmp_path / "none.yaml", code=2).lower()


def test_policy_explain(gnomon):
    told = gnomon("policy", "explain", "api.openai.com", "--entity", "EMAIL_ADDRESS=0.9", "--user", "maria")
    assert told.startswith("Verdict: redact.")
    verdict = json.loads(gnomon("policy", "explain", "api.openai.com", "--json"))["verdict"]
    assert verdict["rule"] == "unapproved-service"
    assert "observe" in gnomon("policy", "explain", "api.openai.com", "--stage", "observe")
    gnomon("policy", "explain", code=2)


def test_authority(gnomon):
    assert "ca init" in gnomon("ca", "export", code=2)
    gnomon("ca", "init")
    assert gnomon("ca", "export").startswith("-----BEGIN CERTIFICATE-----")
    status = json.loads(gnomon("ca", "status", "--json"))
    assert status["renewal"] == "no"
    assert "until" in gnomon("ca", "status")
    (gnomon.state / "ca" / "root.pem").write_text("not a certificate")
    assert "root.pem" in gnomon("ca", "export", code=2)


def test_journal(gnomon):
    assert "FOLDER" in gnomon("journal", "verify")
    journal = Journal(gnomon.state / "journal", "w0", time.time_ns(), max_bytes=1 << 20)
    for number in range(3):
        journal.append(Notice(time.time(), "w0", "info", "test", f"number {number}"), {})
    journal.close()
    (folder,) = (path for path in (gnomon.state / "journal").iterdir() if path.is_dir())
    assert json.loads(gnomon("journal", "verify", "--json"))[0]["mark"]["seq"] == 3
    (segment,) = folder.glob("*.jsonl")
    whole = segment.read_bytes()
    segment.write_bytes(whole.replace(b"number 1", b"number 7"))
    assert "damage" in gnomon("journal", "verify", code=1)
    told = gnomon("up", code=2)
    assert str(folder) in told
    assert "gnomon journal quarantine" in told
    assert "1 good line" in gnomon("journal", "quarantine", folder)
    assert not folder.exists()
    gnomon("journal", "verify")
    (kept,) = (path for path in gnomon.state.rglob(segment.name))
    assert b"number 7" in kept.read_bytes()
    assert str(folder) in gnomon("journal", "quarantine", folder, code=2)


def test_scan(gnomon):
    lines = [{"id": "1", "text": f"write to {MAIL}"}, {"id": "2", "text": "nothing here"}]
    told = [json.loads(line) for line in gnomon("scan", "--format", "jsonl", given=_lines(lines)).splitlines()]
    assert [record["id"] for record in told] == ["1", "2"]
    assert MAIL not in told[0]["redacted"]
    places = {found["entity"]: slice(found["start"], found["end"]) for found in told[0]["detections"]}
    assert lines[0]["text"][places["EMAIL_ADDRESS"]] == MAIL
    assert (told[1]["verdict"], told[1]["redacted"]) == ("allow", "nothing here")
    told = gnomon("scan", "--format", "jsonl", given="not json\n" + _lines(lines), code=1).splitlines()
    assert json.loads(told[0])["id"] is None
    assert len(told) == 3
    gnomon("scan", "--format", "csv", code=2)


def _lines(records) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def test_config(gnomon):
    assert "sound" in gnomon("config", "check")
    shown = json.loads(gnomon("config", "show"))
    assert shown["state_dir"] == str(gnomon.state)
    good = gnomon.config.read_text()
    for text, words in (
        ("workrs: 2\n", ":3: "),
        ("gateway: {routes: {openai: {service: nobody, target: 'https://api.openai.com'}}}\n", "catalogue"),
        (
            "gateway: {routes: {openai: {service: openai, target: 'https://api.openai.com', credential: 'held:X'}}}\n",
            "never write a key here",
        ),
        ("policy: {file: nowhere.yaml}\n", "no such file"),
    ):
        gnomon.config.write_text(good + text)
        assert words in gnomon("config", "check", code=2)
    assert words in gnomon("up", code=2)
