"""The configuration file: what is accepted, and that every fault is told at its line."""

import os
from pathlib import Path

import msgspec
import pytest

from appliance.config import effective
from appliance.config.load import load
from appliance.config.schema import RETENTION_DAYS, Config, default_run_dir
from appliance.model.errors import OperatorError
from appliance.model.names import Stage


def refusal(tmp_path: Path, text: str) -> str:
    path = tmp_path / "gnomon.yaml"
    path.write_text(text)
    with pytest.raises(OperatorError) as caught:
        load(path)
    return str(caught.value).replace(str(path), "FILE")


def test_without_a_file_the_defaults_hold() -> None:
    config = load(None)
    assert config == Config()
    assert config.stage is Stage.OBSERVE
    assert config.listen.proxy == "127.0.0.1:8080"
    assert config.gateway.routes["openai"].target == "https://api.openai.com"


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing\n")
    assert load(path) == Config()


def test_a_full_file(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("")
    (tmp_path / "ca.pem").write_text("")
    path = tmp_path / "gnomon.yaml"
    path.write_text("""
state_dir: state
workers: 2
stage: enforce
listen: {proxy: "127.0.0.1:0", gateway: "[::1]:4000", clients: [127.0.0.0/8]}
identity:
  htpasswd: users
  addresses: [{network: 10.1.2.0/24, user: lab, groups: [research], department: science}]
egress:
  hosts: {"api.openai.com:443": "127.0.0.1:9443"}
  ca_bundle: ca.pem
  allow_private: [{network: 127.0.0.1, port: 9443, purpose: stand-in}]
  intercept: ai+unclassified
  never: [.bank.example]
gateway:
  routes:
    openai: {service: openai, target: "https://api.openai.com", credential: "none", fallbacks: ["https://eu.api.openai.com"]}
store: {retention: {exchanges: 7}}
""")
    config = load(path)
    assert config.state_dir == str(tmp_path / "state")
    assert config.run_dir == str(tmp_path / "state" / "run")
    assert config.identity.htpasswd == str(tmp_path / "users")
    assert config.identity.addresses[0].groups == ("research",)
    assert config.egress.hosts == {"api.openai.com:443": "127.0.0.1:9443"}
    assert config.store.days("exchanges") == 7
    assert config.store.days("tunnels") == RETENTION_DAYS["tunnels"]
    assert config.ca_dir == tmp_path / "state" / "ca"
    assert effective.decode(effective.encode(config)) == config


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"absent\.yaml: cannot be read \(No such file"):
        load(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("egress:\n  hsots: {}\n", "FILE:2: egress.hsots: unknown key; did you mean 'hosts'?"),
        ("workers: two\n", "FILE:1: workers: must be a number"),
        ("workers: 1.5\n", "FILE:1: workers: must be a whole number"),
        ("workers: true\n", "FILE:1: workers: must be a number"),
        ("workers: 1000\n", "FILE:1: workers: must lie between"),
        ("drain_s: 1e999\n", "FILE:1: drain_s: must be a number"),
        ("stage: enforced\n", "FILE:1: stage: not one of observe, enforce"),
        ("listen: [1]\n", "FILE:1: listen: must be a section with keys (proxy, gateway"),
        ("listen: {proxy: 8080}\n", "FILE:1: listen.proxy: must be text"),
        ("listen: {proxy: nowhere}\n", "FILE:1: listen.proxy: write host:port"),
        ("listen: {proxy: '127.0.0.1:70000'}\n", "FILE:1: listen.proxy: the port must lie"),
        ("listen: {proxy: '127.0.0.1:4000'}\n", "FILE:1: listen.gateway: is the same address"),
        ("listen: {clients: [10.0.0.1/8]}\n", "FILE:1: listen.clients.0: not a network"),
        ("listen:\n  certificate: nothing.pem\n", "FILE:2: listen.certificate: certificate and key are given together"),
        ("egress: {ca_bundle: nothing.pem}\n", "nothing.pem: no such file"),
        ("egress: {hosts: {api.openai.com: '127.0.0.1:1'}}\n", "FILE:1: egress.hosts.api.openai.com: write host:port"),
        ("egress: {hosts: {'api.openai.com:443': '::1:1'}}\n", "to write an IPv6 address in brackets"),
        ("egress: {never: ['*.bank.example']}\n", "FILE:1: egress.never.0: not a host name"),
        ("egress: {intercept: everything}\n", "FILE:1: egress.intercept: not one of ai, ai+unclassified, all"),
        (
            "egress:\n  allow_private:\n    - {network: 10.0.0.1, port: 1, purpose: ' '}\n",
            "FILE:3: egress.allow_private.0.purpose",
        ),
        (
            "egress:\n  allow_private:\n    - {network: 10.0.0.1, port: 1}\n",
            "FILE:3: egress.allow_private.0.purpose: is missing",
        ),
        ("gateway: {default_route: opnai}\n", "no such route; did you mean 'openai'?"),
        (
            "gateway: {routes: {mcp: {service: x, target: 'https://x.example'}}}\n",
            "FILE:1: gateway.routes.mcp: a route is",
        ),
        (
            "gateway: {routes: {openai: {service: x, target: 'https://x.example/v1'}}}\n",
            "gateway.routes.openai.target: must be scheme",
        ),
        ("identity: {required: true}\n", "FILE:1: identity.required: nobody could be known"),
        ("store: {retention: {exchange: 3}}\n", "no such table; did you mean 'exchanges'?"),
        ("store: {memory_limit: lots}\n", "FILE:1: store.memory_limit: write a number"),
    ],
)
def test_faults_are_told_at_their_line(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(tmp_path, text)


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    said = refusal(tmp_path, "workrs: 1\negress:\n  intercept: x\n  hsots: {}\nstage: 1\n")
    assert [line.split(": ")[0] for line in said.splitlines()] == ["FILE:1", "FILE:3", "FILE:4", "FILE:5"]


def test_what_may_be_a_secret_is_not_repeated(tmp_path: Path) -> None:
    route = "gateway: {routes: {openai: {service: openai, target: 'TARGET', credential: 'CREDENTIAL'}}}\n"
    text = route.replace("TARGET", "https://me:sk-hidden@api.openai.com").replace("CREDENTIAL", "sk-hidden")
    said = refusal(tmp_path, text)
    assert "credentials" in said
    assert "held:NAME" in said
    assert "sk-hidden" not in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "users").touch(mode=0o000)
    assert "not readable" in refusal(tmp_path, "identity: {htpasswd: users}\n")


def test_effective_is_private_and_replaced_whole(tmp_path: Path) -> None:
    effective.write_effective(Config(), tmp_path)
    changed = msgspec.structs.replace(Config(), workers=3)
    path = effective.write_effective(changed, tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert effective.read_effective(tmp_path) == changed
    assert [item.name for item in tmp_path.iterdir()] == ["effective.json"]


def test_a_damaged_effective_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="is the appliance running"):
        effective.read_effective(tmp_path)
    (tmp_path / "effective.json").write_bytes(b'{"workers": "x"}')
    with pytest.raises(OperatorError, match="not an effective configuration"):
        effective.read_effective(tmp_path)


def test_the_run_folder_follows_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/r")
    assert Config().state_dir == "/s/gnomon"
    assert Config().run_dir == "/r/gnomon"
    assert default_run_dir("/elsewhere") == "/elsewhere/run"


def test_the_list_of_faults_is_bounded(tmp_path: Path) -> None:
    said = refusal(tmp_path, "".join(f"x{number}: 1\n" for number in range(120))).splitlines()
    assert len(said) == 51
    assert said[-1] == "and 70 more"
