"""A text with its source and its views, and the detectors beside the patterns."""

import pytest

from appliance.inspect.detect import order
from appliance.inspect.detect.detectors import Detectors
from appliance.inspect.detect.failure import DetectorFailure
from appliance.inspect.detect.settings import PLAIN, Settings
from appliance.inspect.looking import CANONICAL, RAW, Looked, View, source_of
from appliance.model.detection import Detection, Segment
from appliance.model.names import DetectionKind, Source


@pytest.mark.parametrize(
    ("role", "channel", "fixed", "source"),
    [
        ("user", "content", False, Source.USER),
        ("developer", "content", False, Source.SYSTEM),
        ("tool", "content", False, Source.TOOL),
        ("user", "content", True, Source.DOCUMENT),
        ("user", "description", False, Source.DEFINITION),
        ("assistant", "arguments", False, Source.ASSISTANT),
        ("user", "metadata", False, Source.UNKNOWN),
        ("nobody", "content", False, Source.UNKNOWN),
    ],
)
def test_whose_words_a_segment_is(role, channel, fixed, source):
    assert source_of(Segment(role, channel, "x", "/x", 0, 1, fixed=fixed)) is source


def test_views_are_made_once_and_the_canonical_one_stands_first():
    made = []

    def reader(text):
        made.append(text)
        return (View(CANONICAL, text.lower()), View("base64", "x", lambda _start, _end: (1, 3)))

    looked = Looked("ABC", Source.USER, reader)
    assert [view.name for view in looked.views] == [RAW, CANONICAL, "base64"]
    assert looked.canonical.text == "abc"
    assert looked.others[1].placed(0, 1) == (1, 3)
    assert made == ["ABC"]
    assert Looked("ABC", Source.USER, lambda _: ()).canonical == View(RAW, "ABC")


class Marks:
    """Finds exclamation marks in what users say."""

    name, detector_class, version = "marks", "topic", "1"
    sources = frozenset({Source.USER})

    def find(self, looked, deadline):
        assert deadline > 0
        for at, letter in enumerate(looked.text):
            if letter == "?":
                raise ValueError(looked.text)
            if letter == "!":
                yield Detection(at, at + 1, "MARK", DetectionKind.TOPIC, 0.5, self.name)


@pytest.fixture
def made(monkeypatch, tables):
    monkeypatch.setattr(order, "detectors", lambda settings: (Marks(),) if "marks" not in settings.off else ())
    return lambda settings=PLAIN: Detectors.load(tables, settings=settings)


def test_a_further_detector_runs_on_its_sources_alone(made):
    found = made()
    assert [one.rule for one in found.scan("a@example.com!", Source.USER)] == [
        "EmailRecognizer",
        "UrlRecognizer",
        "marks",
    ]
    assert "marks" not in {one.rule for one in found.scan("a@example.com!", Source.TOOL)}
    assert "marks" not in {one.rule for one in found.exact("!")}
    assert found.classes == ("pii", "secret", "topic")


def test_what_fails_in_a_detector_closes_without_the_text(made):
    with pytest.raises(DetectorFailure) as failed:
        made().scan("my words?", Source.USER)
    assert "my words" not in str(failed.value)


def test_settings_are_part_of_the_version(made):
    without = made(Settings(off=("marks",)))
    assert without.version != made().version
    assert not without.scan("!", Source.USER)


def test_what_a_view_shows_stands_where_it_stands_in_the_text(monkeypatch, tables):
    def views(text):
        return (View("reversed", text[::-1], lambda start, end: (len(text) - end, len(text) - start)),)

    monkeypatch.setattr(order, "views", views)
    text = "see moc.elpmaxe@a now"
    found = [one for one in Detectors.load(tables).scan(text) if one.entity == "EMAIL_ADDRESS"]
    assert [text[one.start : one.end] for one in found] == ["moc.elpmaxe@a"]
