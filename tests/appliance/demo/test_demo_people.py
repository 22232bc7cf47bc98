"""What the demo's people run: said plainly when it is missing, and no key in a process list."""

import json
from pathlib import Path

import pytest

from appliance.demo import people
from appliance.demo.people import CLIENT_KEY, Jonas, Told, check_programs
from appliance.demo.places import Places
from appliance.model.errors import OperatorError

CURL = """#!/bin/sh
printf '%s\\n' "$@" > {folder}/argv
cat > {folder}/stdin
printf 'a page\\nof two lines\\n403\\ttext/html; charset=utf-8\\tapproved'
"""


@pytest.mark.parametrize(
    ("missing", "told"), [("openai", "pip install openai"), ("httpx", "pip install openai"), ("curl", "package curl")]
)
def test_what_is_missing_is_named_with_what_to_install(monkeypatch, missing, told):
    monkeypatch.setattr(people, "find_spec", lambda name: None if name == missing else object())
    monkeypatch.setattr(people.shutil, "which", lambda name: None if name == missing else "/usr/bin/x")
    with pytest.raises(OperatorError, match=told):
        check_programs()


def test_nothing_is_missing(monkeypatch):
    monkeypatch.setattr(people, "find_spec", lambda _: object())
    monkeypatch.setattr(people.shutil, "which", lambda _: "/usr/bin/curl")
    check_programs()


@pytest.fixture
def jonas(tmp_path, monkeypatch):
    program = tmp_path / "curl"
    program.write_text(CURL.format(folder=tmp_path))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return Jonas(Places(tmp_path, 1, 2, "sk-held", Path("x.pcap")))


def test_the_key_is_not_in_the_process_list(jonas, tmp_path):
    jonas.chat("openai", 'say "ü" \\ and\nmore')
    given = (tmp_path / "stdin").read_text()
    assert CLIENT_KEY in given
    assert CLIENT_KEY not in (tmp_path / "argv").read_text()
    line = next(line for line in given.splitlines() if line.startswith("data = "))
    body = json.loads(json.loads(line.removeprefix("data = ")))
    assert body["messages"][0]["content"] == 'say "ü" \\ and\nmore'


def test_what_came_is_told(jonas):
    told = jonas.browse("https://chat.deepseek.com/")
    assert told == Told(403, "a page\nof two lines", "approved", None, content_type="text/html; charset=utf-8")
