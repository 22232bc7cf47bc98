"""`gnomon keys virtual`: a key is shown once; lists and files show none."""

import json
import stat

import pytest

from appliance import cli
from appliance.config.site_key import load_site_key
from appliance.identity.virtual_key_file import NAME, VirtualKeyFile
from appliance.identity.virtual_keys import read_key


@pytest.fixture
def gnomon(tmp_path, capsys):
    path = tmp_path / "gnomon.yaml"
    path.write_text(f"state_dir: {tmp_path}/state\n")

    def run(*words):
        code = cli.main(["keys", "virtual", *words, "--config", str(path)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_mint_list_revoke(gnomon, tmp_path):
    words = ("maria", "--group", "dev", "--group", "ops", "--department", "research", "--expires", "2w", "--note", "CI")
    code, out, err = gnomon("mint", *words)
    shown = read_key(out.strip())
    assert (code, shown is not None, out.strip() in err) == (0, True, False)
    assert "identity.virtual_keys" in err  # not taken yet
    state = tmp_path / "state"
    assert stat.S_IMODE((state / NAME).stat().st_mode) == 0o600
    entry = VirtualKeyFile(state, load_site_key(state)).keys.find(shown)
    assert (entry.owner, entry.groups, entry.department, entry.note) == ("maria", ("dev", "ops"), "research", "CI")
    assert entry.expires - entry.created == 14 * 86400
    code, out, _ = gnomon("list")
    assert (code, "maria" in out, "good" in out, shown.secret in out) == (0, True, True, False)
    assert gnomon("revoke", shown.id)[0] == 0
    assert gnomon("revoke", shown.id)[0] == 1
    code, out, _ = gnomon("list", "--json")
    (told,) = json.loads(out)
    assert (told["id"], told["state"], "digest" in told, "salt" in told) == (shown.id, "revoked", False, False)


@pytest.mark.parametrize(
    "words",
    [
        ("",),
        ("a\nb",),
        ("m", "--group", ""),
        ("m", "--expires", "soon"),
        ("m", "--expires", "0d"),
        ("m", "--department", "\x1b[2J"),
    ],
)
def test_what_is_no_key_is_not_made(gnomon, tmp_path, words):
    code, out, err = gnomon("mint", *words)
    assert (code, out) == (2, "")
    assert "\x1b" not in err
    assert not (tmp_path / "state" / NAME).exists()


def test_json_holds_the_key_once(gnomon):
    code, out, err = gnomon("mint", "maria", "--json")
    told = json.loads(out)
    assert (code, read_key(told["key"]).id, told["expires"], told["key"] in err) == (0, told["id"], None, False)
    assert gnomon("list", "--json")[1].count(told["key"]) == 0


def test_a_key_for_some_services_and_models(gnomon, tmp_path, capsys):
    code, out, _ = gnomon("mint", "maria", "--service", "openai", "--model", "GPT-5*", "--model", "o3")
    name = read_key(out.strip()).id
    (told,) = json.loads(gnomon("list", "--json")[1])
    assert (code, told["services"], told["models"]) == (0, ["openai"], ["gpt-5*", "o3"])
    assert "openai, gpt-5*, o3" in gnomon("list")[1]
    for model, words in (("gpt-5-mini", "No rule"), ("gpt-4", f"user rule key:{name}")):
        asked = [
            "policy",
            "explain",
            "api.openai.com",
            "--key",
            name,
            "--model",
            model,
            "--file",
            str(tmp_path / "p.yaml"),
        ]
        (tmp_path / "p.yaml").write_text("rules: []\n")
        assert cli.main([*asked, "--config", str(tmp_path / "gnomon.yaml")]) == 0
        assert words in capsys.readouterr().out


def test_a_key_for_a_service_that_there_is_not(gnomon, tmp_path):
    code, out, err = gnomon("mint", "maria", "--service", "opnai")
    assert (code, out, "did you mean 'openai'" in err) == (2, "", True)
    assert not (tmp_path / "state" / NAME).exists()
