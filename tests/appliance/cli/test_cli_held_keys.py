"""`gnomon keys`: held keys come from stdin, a file or a program, change all or none, and are never shown."""

import io
import json
import sys
from types import SimpleNamespace

import pytest

from appliance import cli
from appliance.config.credentials import load_keys
from appliance.config.load import load

SECRETS = ("sk-first-of-team", "sk-second-of-team", "sk-third-of-team", "sk-first-of-claude", "sk-second-of-claude")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "gnomon.yaml"
    path.write_text(
        f"state_dir: {tmp_path}/state\n"
        "gateway:\n  routes:\n"
        "    openai: {service: openai, target: 'https://api.openai.com', credential: 'held:team'}\n"
        "    claude: {service: anthropic, target: 'https://api.anthropic.com', credential: 'held:claude'}\n"
    )
    return path


@pytest.fixture
def gnomon(config, monkeypatch, capsys):
    def run(*words, stdin=""):
        buffer = io.BytesIO(stdin.encode())
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False, buffer=buffer))
        code = cli.main(["keys", words[0], "--config", str(config), *words[1:]])
        told = capsys.readouterr()
        assert not any(secret in told.out + told.err for secret in SECRETS)
        return code, told.out, told.err

    return run


@pytest.fixture
def both(gnomon):
    assert gnomon("add", "team", stdin="sk-first-of-team\n")[0] == 0
    assert gnomon("add", "claude", stdin="sk-first-of-claude\n")[0] == 0


def sent(config):
    return {name: key.reveal().decode() for name, key in load_keys(load(config)).held.items()}


def test_add_list_rotate_retire(gnomon, config):
    code, out, _ = gnomon("add", "team", stdin="sk-first-of-team\n")
    assert (code, out) == (0, "team held for openai\n")
    assert gnomon("add", "team", stdin="sk-second-of-team")[0] == 2, "there is one"
    code, out, err = gnomon("rotate", "team", "--overlap", "1d", stdin="sk-second-of-team")
    assert code == 0
    assert "https://platform.openai.com/api-keys" in err
    _, out, _ = gnomon("list", "--json")
    team = next(each for each in json.loads(out) if each["record"]["name"] == "team")
    assert [each["state"] for each in team["record"]["generations"]] == ["overlap", "active"]
    assert (team["asked"], team["present"], team["sealed"]) == (True, True, True)
    assert "team" in gnomon("list")[1]
    assert gnomon("retire")[1] == "", "its overlap is not over"
    assert gnomon("retire", "team")[0] == 0
    assert gnomon("retire", "team")[0] == 2
    assert sent(config) == {"team": "sk-second-of-team"}


def test_a_key_is_laid_down_and_sent_later(gnomon, config, both):
    assert gnomon("rotate", "team", "--stage", stdin="sk-second-of-team")[0] == 0
    assert sent(config)["team"] == "sk-first-of-team"
    code, out, _ = gnomon("check")
    assert code == 1
    assert "laid down and not sent" in out
    assert gnomon("rotate", "team", "--staged")[0] == 0
    assert sent(config)["team"] == "sk-second-of-team"
    assert gnomon("rotate", "nobody", stdin="sk-third-of-team")[0] == 2


def test_all_at_once_or_none(gnomon, config, both, tmp_path):
    before = sent(config)
    for stdin, words in (
        ("team sk-second-of-team\n", "no new key for claude"),
        ("team sk-second-of-team\nclaude sk-second-of-claude\nother x\n", "no route asks for"),
        ("sk-second-of-team team\nsk-second-of-claude claude\n", "no route asks for"),
        ("team sk-second-of-team\nteam sk-third-of-team\n", "each name once"),
        ("team sk-second-of-team\nclaude two words\n", "nothing was written"),
        ("team\n", "NAME KEY"),
        ("", "no new key for claude, team"),
    ):
        code, _, err = gnomon("rotate-all", stdin=stdin)
        assert (code, words in err) == (2, True), err
        assert "sk-" not in err, "a key that stands where a name should"
        assert sent(config) == before
    file = tmp_path / "new-keys"
    file.write_text("team sk-second-of-team\nclaude sk-second-of-claude\n")
    code, out, err = gnomon("rotate-all", "--from", str(file))
    assert (code, out) == (0, "2 keys replaced: claude, team\n")
    assert "console.anthropic.com" in err
    assert sent(config) == {"team": "sk-second-of-team", "claude": "sk-second-of-claude"}
    assert gnomon("rotate-all", "--some", stdin="team sk-third-of-team")[0] == 0
    assert sent(config)["team"] == "sk-third-of-team"


def test_a_program_gives_the_keys(gnomon, config, both, tmp_path):
    for name in ("team", "claude"):
        (tmp_path / name).write_text(f"sk-second-of-{name}\n")
    program = tmp_path / "vault"
    program.write_text(f'#!/bin/sh\nexec cat "{tmp_path}/$1"\n')
    program.chmod(0o700)
    assert gnomon("rotate-all", "--command", str(program))[0] == 0
    assert sent(config) == {"team": "sk-second-of-team", "claude": "sk-second-of-claude"}
    code, _, err = gnomon("rotate-all", "--command", "/bin/false")
    assert (code, "exit 1" in err) == (2, True)
    assert gnomon("rotate", "team", "--command", "/bin/echo", "sk-third-of-team")[0] == 0
    assert sent(config)["team"] == "sk-third-of-team"


def test_check_says_what_is_to_be_done_and_reseal_does_it(gnomon, config, both, tmp_path):
    code, out, _ = gnomon("check")
    assert (code, "site key" in out) == (1, True)
    (tmp_path / "kek").write_text("00" * 32)
    (tmp_path / "kek").chmod(0o600)
    before = tmp_path / "before.yaml"
    before.write_text(config.read_text())
    config.write_text(config.read_text().replace("gateway:\n", f"gateway:\n  sealing: {{file: {tmp_path}/kek}}\n"))
    code, out, _ = gnomon("check")
    assert (code, "damaged" in out) == (1, True)
    assert gnomon("reseal", "--before", str(before)) == (0, "2 keys sealed anew\n", "")
    assert gnomon("check") == (0, "every key is there, sealed and in time\n", "")
    assert json.loads(gnomon("check", "--json")[1]) == []


@pytest.mark.parametrize(
    "words",
    [
        ("add", "Team"),
        ("add", "team", "--provider", "opanai"),
        ("add", "team", "--every", "9999"),
        ("retire", "--whole"),
    ],
)
def test_what_is_refused(gnomon, tmp_path, words):
    code, out, err = gnomon(*words, stdin="sk-first-of-team")
    assert (code, out) == (2, "")
    assert err
    assert not (tmp_path / "state/credentials/team").exists()
