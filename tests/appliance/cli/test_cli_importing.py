"""`gnomon import litellm`: told without a trace, written and minted whole or not at all, keys shown once."""

import json

import pytest

from appliance import cli
from appliance.config.load import load
from appliance.config.policy_file import load_policy
from appliance.identity import virtual_key_file

CONFIG = """
model_list:
- {model_name: fast, litellm_params: {model: openai/gpt-4o-mini, api_key: sk-in-clear-000111}}
general_settings: {master_key: sk-1234}
"""
KEYS = [{"token": "88dc28", "key_name": "sk-...ab12", "user_id": "ada", "models": ["fast"], "max_budget": 3}]


@pytest.fixture
def world(tmp_path):
    (tmp_path / "base.yaml").write_text("state_dir: state\n")
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "keys.json").write_text(json.dumps({"keys": KEYS}))
    return tmp_path


def run(world, *words):
    files = ("--export", str(world / "keys.json"), "--config", str(world / "base.yaml"))
    return cli.main(["import", "litellm", str(world / "config.yaml"), *files, *words])


def minted(world):
    return virtual_key_file.read(world / "state" / virtual_key_file.NAME)


def test_a_report_changes_nothing(world, capsys):
    before = sorted(world.rglob("*"))
    assert run(world) == 0
    told = capsys.readouterr().out
    assert "gnomon keys add litellm-openai-1 --provider openai" in told
    assert "sk-in-clear" not in told
    assert "sk-1234" not in told
    assert sorted(world.rglob("*")) == before


def test_what_is_written_is_taken_by_our_loaders(world, capsys):
    (world / "base.yaml").write_text(f"state_dir: {world}/state\n")
    assert run(world, "--to", str(world / "new")) == 0
    shown = capsys.readouterr().out
    config = load(world / "new" / "gnomon.yaml")
    assert config.identity.virtual_keys
    rules = load_policy(world / "new" / "policy.yaml")
    entries = {entry.owner: entry for entry in minted(world)}
    assert set(entries) == {"ada", "litellm-master"}
    assert entries["ada"].id in next(rule for rule in rules if rule.id.startswith("key-")).match.virtual_keys
    assert [budget.match.key for budget in config.budgets] == [(entries["ada"].id,)]
    assert {path.stat().st_mode & 0o777 for path in (world / "new").iterdir()} == {0o600}
    keys = [word for word in shown.split() if word.startswith("gk_")]
    assert len(keys) == 2
    written = "".join(path.read_text() for path in (world / "new").iterdir())
    assert not any(key in written for key in keys)


def test_nothing_is_overwritten_and_no_key_is_minted_for_it(world, capsys):
    (world / "new").mkdir()
    (world / "new" / "policy.yaml").write_text("mine")
    assert run(world, "--to", str(world / "new")) == 2
    assert "is there already" in capsys.readouterr().err
    assert (world / "new" / "policy.yaml").read_text() == "mine"
    assert minted(world) == ()


def test_keys_of_an_import_that_fails_are_taken_back(world, capsys):
    (world / "new").mkdir()
    (world / "new" / "report.md").symlink_to(world / "nowhere")  # not there, and yet cannot be made
    assert run(world, "--to", str(world / "new")) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert {entry.state(entry.created) for entry in minted(world)} == {"revoked"}
    assert [path.name for path in (world / "new").iterdir()] == ["report.md"]


def test_json_tells_all_at_once(world, capsys):
    assert run(world, "--to", str(world / "new"), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert {one["owner"] for one in told["keys"]} == {"ada", "litellm-master"}
    assert told["values"]["no counterpart"] >= 1


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("config.yaml", "- a\n", "not a configuration of LiteLLM"),
        ("config.yaml", "a: &x 1\n", "config.yaml:1: anchors"),
        ("config.yaml", "model_list: [{model_name: a, litellm_params: {model: azure/b}}]\n", "can be carried over"),
        ("keys.json", "{", "not JSON"),
        ("keys.json", "[]", "holds none of keys"),
        ("keys.json", '{"keys": ["88dc28"]}', "return_full_object"),
        ("base.yaml", "listen: 1\n", "base.yaml:1"),
    ],
)
def test_what_cannot_be_read_is_refused_whole(world, capsys, name, text, why):
    (world / name).write_text(text)
    assert run(world, "--to", str(world / "new")) == 2
    assert why in capsys.readouterr().err
    assert not (world / "new").exists()
    assert minted(world) == ()
