"""What a set of detectors does in time, out of time, and what it tells of that."""

import pytest

from appliance.inspect.detect import Detectors, order
from appliance.inspect.detect.failure import DetectorFailure, OutOfTime
from appliance.inspect.detect.statistics import Statistics
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind, Source


class Look:
    """Finds the first letter; `does`: what else happens."""

    detector_class = "topic"
    version = "1"
    sources = frozenset({Source.USER})  # the first text of all, which warms up, is nobody's

    def __init__(self, name, does=float):
        self.name = name
        self._does = does

    def find(self, looked, deadline):
        del looked
        self._does(deadline)
        yield Detection(0, 1, self.name.upper(), DetectionKind.TOPIC, 1.0, self.name)


@pytest.fixture
def made(tables, monkeypatch):
    def make(*detectors):
        monkeypatch.setattr(order, "detectors", lambda _: detectors)
        monkeypatch.setattr(order, "views", lambda _: ())
        return Detectors.load(tables)

    return make


def late(deadline):
    del deadline
    raise DetectorFailure("too long")


def clocked(made, monkeypatch, *moments):
    """Detectors for which the clock shows `moments`, the last for ever."""
    times = [*moments]
    clock = type("Clock", (), {"monotonic": staticmethod(lambda: times.pop(0) if len(times) > 1 else times[0])})
    monkeypatch.setattr("appliance.inspect.detect.detectors.time", clock)
    return made


def test_what_finished_in_time_is_kept_and_what_lacks_is_named(made, monkeypatch):
    detectors = made(Look("first"), Look("second", late), Look("third"))
    # the deadline, the start, then the end of each stage: patterns, views, first, second (its failure, its end), third
    clocked(detectors, monkeypatch, 0.0, 0.0, 0.0, 0.0, 0.0, 9.0)
    with pytest.raises(OutOfTime) as short:
        detectors.scan("a", Source.USER)
    assert [one.rule for one in short.value.found] == ["first"]
    assert short.value.lacking == ("topic",)
    told = {one.name: one for one in detectors.statistics.told()}
    assert (told["second"].late, told["third"].late, told["first"].late) == (1, 1, 0)


def test_what_takes_long_over_persons_costs_no_key(made, monkeypatch):
    detectors = made(Look("first"))
    clocked(detectors, monkeypatch, 0.0, 0.0, 9.0)
    monkeypatch.setattr(detectors._pii, "scan", lambda *_: late(0.0))
    with pytest.raises(OutOfTime) as short:
        detectors.scan("mail a@example.com, key AKIAZ7Q2MN4KD6VXR5TB", Source.USER)
    assert [one.entity for one in short.value.found] == ["AWS_ACCESS_KEY_ID"]
    assert {"pii", "secret"} <= set(short.value.lacking)


def test_an_answer_that_lacks_something_is_not_remembered(made, monkeypatch):
    detectors = made(Look("first"))
    with monkeypatch.context() as patch:
        patch.setattr(detectors, "time_limit_s", -1.0)
        with pytest.raises(OutOfTime):
            detectors.scan("a", Source.USER)
    assert [one.rule for one in detectors.scan("a", Source.USER)] == ["first"]


def test_a_failure_before_the_deadline_is_one(made):
    detectors = made(Look("first", late))
    with pytest.raises(DetectorFailure) as failed:
        detectors.scan("a", Source.USER)
    assert not isinstance(failed.value, OutOfTime)
    assert {one.name: one.failed for one in detectors.statistics.told()}["first"] == 1


def test_each_detector_is_counted_and_the_cache_too(made):
    detectors = made(Look("first"))
    detectors.statistics = Statistics()
    for text in ("a", "b", "a"):
        detectors.scan(text, Source.USER)
    told = {one.name: one for one in detectors.statistics.told()}
    assert (told["first"].texts, told["first"].found) == (2, 2)
    assert list(told) == ["patterns", "views", "first"]
    assert (detectors.statistics.asked, detectors.statistics.remembered) == (3, 1)
    assert told["first"].seconds >= 0


def test_whose_words_they_are_is_part_of_the_key(made):
    detectors = made(Look("first"))
    key = detectors._cache.key
    assert len({key("a", source) for source in Source}) == len(Source)
    assert key("b", Source.USER) != key("a", Source.USER)
