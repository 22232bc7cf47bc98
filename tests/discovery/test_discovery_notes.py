"""Notes are words of a closed vocabulary: nothing of the wire becomes one."""

import ast
from pathlib import Path

import pytest

from discovery.notes import MOST, VOCABULARY, known

ROOT = Path(__file__).parents[2] / "discovery"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ((), ()),
        (("h2", "again"), ("h2", "again")),
        (("a secret of the wire", "h2", "H2", "h2 "), ("h2",)),
        (("cadence of 40 records, 25 ms apart",), ("cadence of 40 records, 25 ms apart",)),
        (("cadence of 40 records, 25 ms apart: sk-proj-x", "cadence of x records, 1 ms apart"), ()),
        (("cadence of ٤٠ records, 25 ms apart",), ()),
        (("h2",) * 20, ("h2",) * MOST),
    ],
)
def test_only_words_of_ours_are_kept(said, kept):
    assert known(said) == kept


def test_every_note_that_a_reader_makes_is_in_the_vocabulary():
    made = {word for path in ROOT.glob("*.py") for word in _made(ast.parse(path.read_text(encoding="utf-8")))}
    assert {"websocket", "no_sni", "two_hosts"} <= made
    assert made <= VOCABULARY


def _made(tree):
    """Texts that stand in a tuple which is noted: `notes=(...)`, `notes = (...)`, `x.notes += (...)`."""
    for node in ast.walk(tree):
        target = getattr(node, "target", None) or next(iter(getattr(node, "targets", ())), None)
        noted = isinstance(node, ast.keyword) and node.arg == "notes"
        noted = noted or getattr(target, "attr", None) == "notes" or getattr(target, "id", None) == "notes"
        if noted and node.value is not None:
            yield from (
                one.value
                for pair in ast.walk(node.value)
                if isinstance(pair, ast.Tuple)
                for one in pair.elts
                if isinstance(one, ast.Constant) and isinstance(one.value, str)
            )
