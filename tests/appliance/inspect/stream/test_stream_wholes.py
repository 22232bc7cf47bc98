"""What stands for itself is looked at once however often it comes, and a number otherwise than a text."""

import pytest
from real_detectors import detectors
from stream_fakes import HIDES, FakeWatcher

from appliance.inspect.stream.events import Text
from appliance.inspect.stream.tally import Tally
from appliance.inspect.stream.watching import Watching
from appliance.inspect.stream.wholes import Wholes
from appliance.model.detection import Segment, Selector


def test_a_text_that_recurs_is_looked_at_once_and_edited_each_time():
    watcher, tally = FakeWatcher(), Tally()
    wholes = Wholes(watcher, tally, HIDES, (), 1000)
    for at in (1, 5):
        written = b" " * at + b"secret-1;"
        edits, ends = wholes.text(written, Text(at, at + 9, "secret-1;", escaped=False), "content")
        assert (edits, ends) == ([(at, at + 9, b"<TOKEN>")], False)
    assert watcher.looked == ["secret-1;"]
    assert tally.redactions == 2


def test_long_texts_are_not_remembered():
    watcher = FakeWatcher()
    wholes = Wholes(watcher, Tally(), HIDES, (), 1000)
    for _ in range(2):
        assert wholes.text(b"x" * 300, Text(0, 300, "x" * 300, escaped=False), "content") == ([], False)
    assert len(watcher.looked) == 2


def test_the_same_digits_are_another_matter_in_a_number():
    watcher = FakeWatcher()
    wholes = Wholes(watcher, Tally(), HIDES, (), 1000)
    assert wholes.text(b"12345678", Text(0, 8, "12345678", escaped=False), "content") == ([], False)
    assert wholes.number(Segment("unknown", "number", "12345678", "", 0, 8)) == ([], False)
    assert watcher.looked == ["12345678", "12345678"]


@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        ("claude-sonnet-4-5-20250929", None),
        ("gpt-5.4-2026-08-01", None),
        ("card-4111111111111111", b"<CREDIT_CARD>"),
        ("ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8", b"<GITHUB_TOKEN>"),
        ("212-555-0100", b"<PHONE_NUMBER>"),
    ],
)
def test_a_model_is_no_telephone_number(said, hidden):
    everything, text = (Selector(kinds=("pii", "secret"), min_score=0.4),), Text(0, len(said), said, escaped=False)
    edits, _ = Wholes(Watching(detectors()), Tally(), everything, (), 1000).text(said.encode(), text, "metadata")
    _, ends = Wholes(Watching(detectors()), Tally(), (), everything, 1000).text(said.encode(), text, "metadata")
    assert bool(edits) is ends is (hidden is not None)
    assert hidden is None or edits[0][2] == hidden


@pytest.mark.parametrize(
    ("said", "is_found"), [("1795371005", False), ("9434765919", True), ("4111111111111111", True)]
)
def test_a_moment_is_no_number_of_a_person(said, is_found):
    everything, tally = (Selector(kinds=("pii", "secret")),), Tally()
    number = Segment("unknown", "number", said, "", 0, len(said))
    edits, _ = Wholes(Watching(detectors()), tally, everything, (), 1000).number(number)
    _, ends = Wholes(Watching(detectors()), Tally(), (), everything, 1000).number(number)
    assert bool(edits) is ends is bool(tally.redactions) is is_found
