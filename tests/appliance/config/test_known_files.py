"""A site's own advisories and fingerprints: taken whole, or refused with file, line and key."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from appliance import cli
from appliance.config import yaml_source
from appliance.config.catalogue import load_catalogue
from appliance.config.known_files import load_known, parse_advisories, parse_fingerprints
from appliance.config.schema import SensorConfig
from appliance.model.errors import OperatorError
from appliance.model.known import SiteKnown
from appliance.model.names import FindingKind

CATALOGUE = load_catalogue()
SOUND = {
    "id": "ACME-1",
    "title": "leaks prompts",
    "kind": "compromise",
    "severity": "critical",
    "published": "2026-05-01",
    "sources": ["https://intranet.example/acme-1"],
    "software": "acme-llm",
    "affected": [{"before": "2.0.1"}],
}
JA4 = "t13d1812h1_85036bcba153_6a1c4b4a0b0e"


def advisories(text):
    return parse_advisories(yaml_source.parse(text.encode(), "own.yaml"), CATALOGUE)


def fingerprints(text):
    return parse_fingerprints(yaml_source.parse(text.encode(), "own.yaml"), CATALOGUE)


def entry(**change):
    made = {key: value for key, value in (SOUND | change).items() if value is not None}
    return f"advisories:\n- {json.dumps(made)}\n"


def test_a_sound_file_says_what_it_adds_and_withdraws():
    found = advisories(entry() + "withdraw: [CVE-2024-37032]\n")
    (one,) = found.advisories
    assert (one.finding, found.withdraw) == (FindingKind.COMPROMISED, ("CVE-2024-37032",))
    again = advisories(entry(id="CVE-2024-37032") + "withdraw: [CVE-2024-37032]\n")
    assert again.advisories[0].title == "leaks prompts"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (entry(id="x"), r"own\.yaml:2: advisories\.0\.id: must fit"),
        (entry(severity="grave"), r"own\.yaml:2: advisories\.0\.severity: not one of"),
        (entry(sources=["http://x.example"]), r"own\.yaml:2: advisories\.0\.sources\.0"),
        (entry(sources=[]), r"own\.yaml:2: advisories\.0\.sources"),
        (entry(title="x" * 201), r"own\.yaml:2: advisories\.0\.title"),
        (entry(software=None), "belong together"),
        (entry(affected=None), "belong together"),
        (entry(software=None, affected=None), "applies to nothing"),
        (entry(software="ACME"), "in lower case"),
        (entry(affected=[{"since": "1.0"}]), "either `last` or `before`"),
        (entry(affected=[{"last": "1.0", "before": "2.0"}]), "either `last` or `before`"),
        (entry(affected=[{"since": "2.1", "last": "2.0.9"}]), r"affected\.0: ACME-1: no release is in it"),
        (entry(affected=[{"since": "2", "before": "2.0"}]), "no release is in it"),
        (entry(affected=[{"before": 2.0}]), "must be text"),
        (entry(names=["localhost"]), r"names\.0: ACME-1: not a lower-case host name"),
        (entry(names=["evil.example"]), r"names\.0: ACME-1: no service in the catalogue"),
        (entry(categories=["gatewy"]), "did you mean 'gateway'"),
        (entry(id="CVE-2024-37032"), "comes with the program; withdraw it"),
        (entry() + entry().partition("\n")[2], r"own\.yaml:3: advisories\.1\.id: ACME-1 stands twice, first in line 2"),
        (entry() + "withdraw: [CVE-2024-37033]\n", r"withdraw\.0: no advisory .* did you mean 'CVE-2024-37032'"),
        (entry() + "remove: []\n", "unknown key"),
        (entry(id="x") + "withdraw: [zzz]\n", r"advisories\.0\.id"),
    ],
)
def test_a_bad_advisory_is_refused_at_its_line(text, words):
    with pytest.raises(OperatorError, match=words):
        advisories(text)


FINGERPRINTS = f"""\
clients:
  - {{agent: acme-bot/, service: openai}}
  - {{agent: acme-crawler/}}
servers:
  - {{service: ollama, ports: [8443], paths: [/acme/generate], common: [/health], alone: 0.6}}
handshakes:
  - {{ja4: {JA4}, program: acme-agent, ai: true}}
withdraw: [langchain]
"""


def test_sound_fingerprints():
    found = fingerprints(FINGERPRINTS)
    assert [one.agent for one in found.clients] == ["acme-bot/", "acme-crawler/"]
    assert found.servers[0].server.paths == ("/acme/generate",)
    assert found.handshakes[0].ai


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clients: [{agent: x/, service: opnai}]", r"own\.yaml:1: clients\.0\.service: no service 'opnai' in the cat"),
        ("clients: [{agent: X/}]", "in lower case"),
        ("clients:\n- {agent: x/}\n- {agent: x/, service: openai}", r"own\.yaml:3: clients\.1\.agent: x/ stands twice"),
        ("clients: [{agent: ollama/}]", "ollama/ is ollama already; withdraw it"),
        ("clients: [{agent: openai/, service: ollama}]", "openai/ is any AI software already"),
        ("servers: [{service: ollama}]", "tells nothing"),
        ("servers: [{service: ollama, paths: [x]}]", r"own\.yaml:1: servers\.0\.paths\.0"),
        ("servers: [{service: ollama, common: [/x]}]", "need `ports`"),
        ("servers: [{service: ollama, paths: [/x], alone: 0}]", r"own\.yaml:1: servers\.0\.alone"),
        ("servers: [{service: ollama, paths: [/x], ports: [0]}]", r"servers\.0\.ports\.0"),
        ("servers: [{service: vllm, paths: [/api/generate]}]", "/api/generate at any port is ollama's already"),
        (
            "servers:\n- {service: vllm, paths: [/x]}\n- {service: ollama, paths: [/x]}",
            r"own\.yaml:3: servers\.1: /x at any port is vllm's already in line 2",
        ),
        ("handshakes: [{ja4: abc, program: x}]", r"handshakes\.0\.ja4: must fit"),
        (
            f"handshakes:\n- {{ja4: {JA4}, program: x}}\n- {{ja4: {JA4}, program: y}}",
            r"own\.yaml:3: .*stands twice, first in line 2",
        ),
        ("withdraw: [langchian]", "did you mean 'langchain'"),
    ],
)
def test_bad_fingerprints_are_refused_at_their_line(text, words):
    with pytest.raises(OperatorError, match=words):
        fingerprints(text)


def test_a_program_that_was_withdrawn_may_be_said_otherwise():
    found = fingerprints("clients: [{agent: openai/, service: ollama}]\nwithdraw: [openai/]")
    assert found.clients[0].service == "ollama"


def test_both_files_have_one_version(tmp_path):
    assert load_known(SensorConfig(), CATALOGUE) == SiteKnown()
    (tmp_path / "a.yaml").write_text(entry())
    (tmp_path / "f.yaml").write_text(FINGERPRINTS)
    sensor = SensorConfig(advisories=str(tmp_path / "a.yaml"), fingerprints=str(tmp_path / "f.yaml"))
    first = load_known(sensor, CATALOGUE)
    assert len(first.version) == 12
    (tmp_path / "f.yaml").write_text("# other words\n" + FINGERPRINTS)
    assert load_known(sensor, CATALOGUE).version == first.version
    assert load_known(msgspec.structs.replace(sensor, advisories=None), CATALOGUE).version != first.version


def test_the_command_checks_what_is_to_come_and_what_is_in_force(tmp_path, capsys):
    config, own = tmp_path / "gnomon.yaml", tmp_path / "own.yaml"
    own.write_text(entry())
    config.write_text("sensor: {advisories: own.yaml}\n")
    assert cli.main(["catalogue", "check", "--json", "--config", str(config)]) == 0
    assert json.loads(capsys.readouterr().out)["advisories"] == 1
    bad = tmp_path / "bad.yaml"
    bad.write_text("clients: [{agent: X/}]")
    assert cli.main(["catalogue", "check", "--fingerprints", str(bad), "--config", str(config)]) == 2
    assert f"{bad}:1: clients.0.agent: in lower case" in capsys.readouterr().err
    own.write_text(entry(id="x"))
    assert cli.main(["config", "check", "--config", str(config)]) == 2
    assert "own.yaml:2: advisories.0.id" in capsys.readouterr().err
    assert cli.main(["catalogue", "check"]) == 0
    assert "only what comes with the program" in capsys.readouterr().out


def test_the_examples_that_people_copy_are_sound():
    page = (Path(__file__).parents[3] / "discovery/known/README.md").read_text()
    said, shown = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert advisories(said).advisories[0].id == "SITE-1"
    assert fingerprints(shown).withdraw == ("langchain",)
