"""Exit codes and last words of a demo whose story is ours to choose."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from appliance.demo import run as demo
from appliance.demo.report import Unexpected
from appliance.demo.run import Wish, run


def good(_stage):
    return "seen"


def bad(_stage):
    raise Unexpected("noon", "midnight")


@pytest.fixture
def story(monkeypatch):
    """`story(step, ...)`: what is told, on a stage with nothing on it; yields whether the scene was left."""
    left = []

    @contextmanager
    def empty(_capture):
        try:
            yield SimpleNamespace(stage=None, appliance=SimpleNamespace(last_words=lambda _: ["its last words"]))
        finally:
            left.append(True)

    monkeypatch.setattr(demo, "scene", empty)
    monkeypatch.setattr(demo, "check_programs", lambda: None)
    yield lambda *steps: monkeypatch.setattr(demo, "STEPS", tuple((step.__name__, step) for step in steps))
    assert left == [True]


def told(tmp_path) -> tuple[int, str]:
    said = []
    code = run(Wish(headless=True, out=None, capture=tmp_path), said.append)
    return code, "\n".join(said)


def test_all_as_expected_is_zero(story, tmp_path):
    story(good, good)
    code, said = told(tmp_path)
    assert code == 0
    assert "2 of 2 steps went as expected" in said
    assert "last words" not in said


def test_one_that_was_not_as_expected_is_one_and_says_so(story, tmp_path):
    story(good, bad, good)
    code, said = told(tmp_path)
    assert code == 1
    assert "expected: noon" in said
    assert "came:     midnight" in said
    assert "its last words" in said
    assert "2 of 3 steps went as expected, 1 did not" in said


def test_a_story_that_was_not_told_to_its_end_is_one(story, tmp_path, monkeypatch):
    monkeypatch.setattr("appliance.demo.telling.LIMIT_S", -1.0)
    story(good, good)
    code, said = told(tmp_path)
    assert code == 1
    assert "0 of 2 steps went as expected, 2 not reached" in said


def test_an_export_that_fails_is_one(story, tmp_path, monkeypatch):
    def fails(_stage, _out):
        raise Unexpected("files", "none")

    monkeypatch.setattr(demo, "_exported", fails)
    story(good)
    said = []
    assert run(Wish(headless=True, out=tmp_path / "new", capture=tmp_path), said.append) == 1
    assert "1 of 2 steps went as expected, 1 did not" in said[-1]
