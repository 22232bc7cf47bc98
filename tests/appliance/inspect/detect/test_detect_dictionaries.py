"""Exact values, known by keyed digests alone."""

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.detect import dictionaries
from appliance.inspect.detect.detectors import Detectors
from appliance.inspect.detect.dictionaries import Dictionaries, made, problem
from appliance.inspect.detect.failure import DetectorFailure
from appliance.inspect.detect.settings import Settings
from appliance.inspect.looking import Looked, View
from appliance.model.names import DetectionKind, Source

KEY = bytes(range(32))
VALUES = ("Blue Falcon", "ACC-4711-0815", "Müller & Söhne GmbH", "Straße", "客户名", "zephyrine")


@pytest.fixture(scope="module")
def one():
    return made("projects", "PROJECT", DetectionKind.TOPIC, KEY, VALUES)


def found(dictionary, text, reader=lambda _: ()):
    looked = Looked(text, Source.USER, reader)
    return [(text[hit.start : hit.end], hit) for hit in Dictionaries([dictionary]).find(looked, time.monotonic() + 60)]


def texts(dictionary, text):
    return [word for word, _ in found(dictionary, text)]


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("the blue  falcon flies", ["blue  falcon"]),
        ("BLUE\nFALCON, BLUE_FALCON", ["BLUE\nFALCON", "BLUE_FALCON"]),
        ("acc 4711.0815!", ["acc 4711.0815"]),
        ("MÜLLER & SÖHNE GMBH", ["MÜLLER & SÖHNE GMBH"]),
        ("in der STRASSE und straße", ["STRASSE", "straße"]),
        ("ßß zephyrine", ["zephyrine"]),  # letters that become two do not move what stands behind them
        ("我们的客户名单", ["客户名"]),
        ("blue is a falcon", []),
        ("blue ------ falcon", []),
        ("zephyrines", []),
        ("blue", []),
        ("", []),
    ],
)
def test_values_are_found_as_people_write_them(one, text, hits):
    assert texts(one, text) == hits


def test_a_hit_tells_entity_class_and_dictionary(one):
    ((_, hit),) = found(one, "Zephyrine")
    assert (hit.entity, hit.kind, hit.score, hit.rule) == ("PROJECT", DetectionKind.TOPIC, 1.0, "dictionary-projects")


def test_every_reading_is_looked_at(one):
    def reader(text):
        return (View("reversed", text[::-1], lambda start, end: (len(text) - end, len(text) - start)),)

    assert [word for word, _ in found(one, "a eniryhpez b", reader)] == ["eniryhpez"]


@given(st.lists(st.text(max_size=12), max_size=6).map(" ".join), st.text(max_size=6), st.text(max_size=6))
def test_what_is_put_in_is_found(value, before, behind):
    if problem(value):
        return
    dictionary = made("x", "X", DetectionKind.PII, KEY, [value])
    text = f"{before} {value} {behind}"
    close = all(len(gap) <= dictionaries._WIDEST_GAP for gap in dictionaries._WORD.split(value.casefold())[1:-1])
    hits = found(dictionary, text)
    assert bool(hits) or not close
    assert all(0 <= hit.start < hit.end <= len(text) for _, hit in hits)


def test_no_value_and_no_key_is_held_in_clear_or_printed(one):
    told = msgspec.msgpack.encode(one).lower()
    assert not any(word.casefold().encode() in told for value in VALUES for word in value.split() if len(word) > 3)
    assert repr(KEY) not in repr(one)
    assert repr(Settings(dictionaries=(one,))).count("PROJECT") == 1
    held = Dictionaries([one])
    list(held.find(Looked("the blue falcon and words besides", Source.USER, lambda _: ()), time.monotonic() + 60))
    assert all(isinstance(known, int) for known in (*held._held[0]._idle, *held._held[0]._beginning))


def test_another_key_makes_other_digests(one):
    other = made("projects", "PROJECT", DetectionKind.TOPIC, bytes(32), VALUES)
    first, second = ({made_of.values[at : at + 8] for at in range(0, 48, 8)} for made_of in (one, other))
    assert first.isdisjoint(second)


@pytest.mark.parametrize("value", ["C++", "a", "", "one two three four five six seven eight nine", "x" * 500])
def test_what_would_be_found_everywhere_or_never_is_refused(value):
    assert problem(value)
    assert not any(word in problem(value) for word in value.split() if len(word) > 3)


def test_what_is_remembered_stays_bounded_and_changes_nothing(one, monkeypatch):
    monkeypatch.setattr(dictionaries, "_REMEMBERED", 10)
    held = Dictionaries([one])
    for turn in range(50):
        looked = Looked(f"word{turn} then{turn} blue falcon", Source.USER, lambda _: ())
        assert len(list(held.find(looked, time.monotonic() + 60))) == 1
    assert len(held._held[0]._idle) < 20


def test_it_stops_at_the_deadline_and_at_too_many(one, monkeypatch):
    looked = Looked("zephyrine " * 50, Source.USER, lambda _: ())
    with pytest.raises(DetectorFailure, match="time"):
        list(Dictionaries([one]).find(looked, time.monotonic() - 1))
    monkeypatch.setattr(dictionaries, "_MOST_FOUND", 20)
    with pytest.raises(DetectorFailure, match="too much"):
        list(Dictionaries([one]).find(looked, time.monotonic() + 60))


def test_it_runs_with_the_others(tables, one):
    detectors = Detectors.load(tables, settings=Settings(dictionaries=(one,)))
    assert "dictionary-projects" in {hit.rule for hit in detectors.scan("ask zephyrine")}
    assert detectors.version != Detectors.load(tables).version
