"""`gnomon pseudonyms`: how much is kept, and its end; never what."""

import json
import time

import pytest

from appliance import cli
from appliance.config.kept_names import FOLDER, KeptNames, Owner
from appliance.config.site_key import load_site_key

ANNA, BOB = Owner("anna", "sdk", "openai"), Owner("bob", "sdk", "openai")
NAMES = {"<PERSON_aaaaaaaabb>": "Anna Berg"}


@pytest.fixture
def gnomon(tmp_path, capsys):
    (tmp_path / "gnomon.yaml").write_text(f"state_dir: {tmp_path}/state\ninspect: {{pseudonyms_kept_s: 600}}\n")

    def run(*words):
        code = cli.main(["pseudonyms", *words, "--config", str(tmp_path / "gnomon.yaml")])
        told = capsys.readouterr()
        assert "Berg" not in told.out + told.err
        return code, told.out

    return run


@pytest.fixture
def kept(tmp_path):
    state = tmp_path / "state"
    made = KeptNames(state, load_site_key(state), 600, time.time)
    made.keep(ANNA, ["conv_1", "conv_2"], NAMES)
    made.keep(BOB, ["conv_1"], NAMES)
    return made


def test_where_nothing_was_kept_nothing_is_made(gnomon, tmp_path):
    code, told = gnomon("show", "--json")
    assert (code, json.loads(told)["memories"]) == (0, 0)
    assert gnomon("purge", "--all")[0] == 1
    assert not (tmp_path / "state").exists()


def test_what_is_kept_is_counted(gnomon, kept):
    code, told = gnomon("show", "--json")
    told = json.loads(told)
    assert code == 0
    assert (told["memories"], told["kept_s"]) == (3, 600)
    assert told["bytes"] == kept.held().size
    assert "MEMORIES" in gnomon("show")[1]


def test_one_persons_names_are_forgotten_or_everybodys(gnomon, kept, tmp_path):
    assert gnomon("purge", "--person", "anna") == (0, "2 forgotten\n")
    assert dict(kept.recall(BOB, ["conv_1"])) == NAMES
    assert gnomon("purge", "--all")[0] == 0
    assert not list((tmp_path / "state" / FOLDER).iterdir())


def test_somebody_must_be_named(gnomon):
    with pytest.raises(SystemExit):
        gnomon("purge")
