"""The operator's own recognisers: refused where they could harm, run like the shipped ones otherwise."""

import msgspec
import pytest

from appliance.inspect.detect import custom, tables
from appliance.inspect.detect.detectors import Detectors
from appliance.inspect.detect.settings import CustomRule, Settings
from appliance.inspect.stream.watching import Watching

GOOD = CustomRule(
    name="staff",
    entity="STAFF_NUMBER",
    patterns=(r"\bST-[0-9]{6}\b",),
    score=0.3,
    context=("staff",),
    examples=("my number is ST-123456",),
    counter_examples=("ST-12345",),
)
CARD = CustomRule(
    name="loyalty", entity="LOYALTY_CARD", patterns=(r"\b77[0-9]{8}\b",), checksum="luhn", examples=("7700000008",)
)


def told(**changes):
    return [(place, what) for place, what in custom.problems(msgspec.structs.replace(GOOD, **changes))]


def test_a_sound_one_has_no_problem():
    assert told() == []
    assert list(custom.problems(CARD)) == []


@pytest.mark.parametrize(
    ("changes", "place", "word"),
    [
        ({"name": "Staff Numbers"}, ("name",), "lower-case"),
        ({"entity": "staff"}, ("entity",), "capital"),
        ({"score": 1.5}, ("score",), "0"),
        ({"patterns": ()}, ("patterns",), "1 to"),
        ({"examples": ()}, ("examples",), "at least one"),
        ({"context": ("my staff",)}, ("context", 0), "one word"),
        ({"patterns": (r"ST-[0-9",)}, ("patterns", 0), "no regular expression"),
        ({"patterns": (r"ST-[0-9]+",)}, ("patterns", 0), "bound every repeat"),
        ({"patterns": (r"ST-[0-9]{1,900}",)}, ("patterns", 0), "bound every repeat"),
        ({"patterns": (r"[0-9]?",)}, ("patterns", 0), "everywhere"),
        ({"patterns": (r"(?:[a-z]{1,9}){1,9}ST-1",)}, ("patterns", 0), "repeats what may itself repeat"),
        ({"patterns": (r"([a-z])ST\1",)}, ("patterns", 0), "refers back"),
        ({"patterns": (r"ST-[0-9]{6}(?=abc)",)}, ("patterns", 0), "more than one character"),
        ({"examples": ("nothing here",)}, ("examples", 0), "nothing is found"),
        ({"counter_examples": ("ST-123456",)}, ("counter_examples", 0), "something is found"),
    ],
)
def test_what_could_harm_is_refused_with_its_key_and_reason(changes, place, word):
    assert [(where, word in what) for where, what in told(**changes)] == [(place, True)]


def test_what_is_slow_on_hostile_texts_is_refused(monkeypatch):
    monkeypatch.setattr(custom, "_TRIAL_S", 1e-9)
    monkeypatch.setattr(custom, "_TRIAL_CHARACTERS", 2_000_000)
    ((place, what),) = told(patterns=(r"(?:[a0 ]{1,400}|A{1,400})x9y",))
    assert place == ("patterns", 0)
    assert "slow" in what


@pytest.fixture(scope="module")
def detectors(tables):
    return Detectors.load(tables, settings=Settings(recognisers=(GOOD, CARD)))


def entities(detectors, text):
    return {(one.entity, round(one.score, 2)) for one in detectors.scan(text) if one.rule in {"staff", "loyalty"}}


def test_they_find_and_words_and_checksums_count(detectors):
    assert entities(detectors, "number ST-123456") == {("STAFF_NUMBER", 0.3)}
    assert entities(detectors, "staff ST-123456") == {("STAFF_NUMBER", 0.65)}
    assert entities(detectors, "card 7700000008 or 7700000009") == {("LOYALTY_CARD", 1.0)}
    assert entities(detectors, "\u0967 and ST-123456") == {("STAFF_NUMBER", 0.3)}
    assert entities(detectors, "nothing of the kind") == set()


def test_a_watch_over_growing_texts_knows_them(detectors):
    assert {"staff", "loyalty"} <= {family.name for family in detectors.families()}
    assert Watching(detectors) is not None


def test_tables_of_their_own_are_kept(tmp_path):
    made = custom.Custom((GOOD,), tmp_path, ())
    (path,) = tmp_path.glob("detect-custom-*.tables")
    assert custom.Custom((GOOD,), tmp_path, ()).scan("ST-123456", 1e12) == made.scan("ST-123456", 1e12) != []
    assert path.stat().st_mode & 0o777 == 0o600
    assert tables.obtain(tmp_path, path.stem.removeprefix("detect-"), lambda: pytest.fail("built again"))


def test_without_any_nothing_is_built(tmp_path):
    nothing = custom.Custom((), tmp_path, ())
    assert (nothing.scan("ST-123456", 1e12), nothing.families()) == ([], ())
    assert not list(tmp_path.iterdir())
