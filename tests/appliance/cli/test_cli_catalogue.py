"""`gnomon catalogue`: which entry matches, and what a file would change."""

import json
from pathlib import Path

import pytest

from appliance import cli

COMING = "remove: [phind]\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "own.yaml").write_text("")
    (tmp_path / "coming.yaml").write_text(COMING)
    config = tmp_path / "gnomon.yaml"
    config.write_text("catalogue:\n  override: own.yaml\n")
    return config


def test_show_says_which_entry_and_why(capsys):
    assert cli.main(["catalogue", "show", "eu.api.openai.com"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("eu.api.openai.com: OpenAI API (openai), catalogue ")
    for word in (".api.openai.com", "model_api.json:", "OpenAI (US)", "30 days", "https://", "litellm", "openai_web"):
        assert word in told
    assert cli.main(["catalogue", "show", "intranet.example"]) == 1
    assert "no AI service" in capsys.readouterr().out


def test_show_in_json_and_names_that_are_made_inert(capsys):
    assert cli.main(["catalogue", "show", "--json", "chatgpt.com"]) == 0
    assert json.loads(capsys.readouterr().out)["service"]["id"] == "chatgpt"
    assert cli.main(["catalogue", "show", "\x1b[31mred.example"]) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_update_tells_and_writes_only_when_asked(site: Path, capsys):
    words = ["catalogue", "update", str(site.parent / "coming.yaml"), "--config", str(site)]
    assert cli.main(words) == 0
    told = capsys.readouterr()
    assert "- phind: .phind.com" in told.out
    assert "nothing is written" in told.err
    assert (site.parent / "own.yaml").read_text() == ""
    assert cli.main([*words, "--apply", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["removed"][0]["id"] == "phind"
    assert "gnomon reload" in told.err
    assert "phind" in (site.parent / "own.yaml").read_text()
    assert cli.main(["catalogue", "show", "phind.com", "--config", str(site)]) == 1


def test_a_bad_file_is_refused_with_its_line(site: Path, capsys):
    (site.parent / "coming.yaml").write_text("remove: [phind, zzz]\n")
    assert cli.main(["catalogue", "update", str(site.parent / "coming.yaml"), "--apply", "--config", str(site)]) == 2
    assert "coming.yaml:1: remove.1: no service 'zzz'" in capsys.readouterr().err
    assert (site.parent / "own.yaml").read_text() == ""
