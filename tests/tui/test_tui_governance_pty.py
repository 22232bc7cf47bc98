"""Budgets, routes and people in a pseudo-terminal: hostile names act on nothing, and the terminal is left as it was."""

import subprocess
import sys
from pathlib import Path

import pytest
from pty_terminal import PtyTerminal

ROOT = Path(__file__).resolve().parents[2]
STORE = str(Path(__file__).with_name("governance_store.py"))


@pytest.fixture
def folder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, STORE, str(tmp_path), "3"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout.readline() == "ready\n"
    yield tmp_path
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


def test_the_pages_of_governance_in_a_real_terminal(folder):
    shown = PtyTerminal([sys.executable, "-I", "-m", "tui", "--run-dir", str(folder)], cwd=ROOT)
    try:
        shown.until_text("Service 2")
        for keys, *texts in (
            ("6", "over", "130%", "UNPRICED", "[red]evil[/red]"),
            ("\r", "COUNTERS", "carried on"),
            ("\x1b", "budgets 4"),
            ("7", "well on 1/2", "MIGRATION", "overdue since"),
            ("8", "people 2", "personal 3"),
            ("\r", "SIGNALS (1)", "900 distinct requests"),
        ):
            since = len(shown.seen)
            shown.type(keys)
            for text in texts:
                shown.until_text(text, since=since)
        shown.resize(6, 20)
        shown.resize(30, 120)
        shown.type("q")
        assert shown.wait() == 0
        assert shown.restored() == []
        assert b"Traceback" not in shown.seen
        assert b"\x1b]0;" not in shown.seen
        assert "\u202e".encode() not in shown.seen
    finally:
        shown.close()
