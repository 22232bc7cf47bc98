"""The numbers of a stream balance, and a reader whose spans are wrong is not believed."""

import pytest

from appliance.inspect.stream.events import EventView, Text, Told
from appliance.inspect.stream.tally import Tally
from appliance.inspect.view import Opaque
from appliance.model.detection import Coverage, Label
from appliance.model.event import Usage
from appliance.model.names import DetectionKind


def text(start, end):
    return Text(start, end, "x" * (end - start), escaped=False)


def label(count, score=0.5, entity="TOKEN"):
    return Label(entity, DetectionKind.SECRET, count, score)


def report(tally, *growing):
    return tally.report(Told(), ("secret",), growing)


def test_every_byte_is_somewhere():
    tally = Tally()
    tally.length = 100
    tally.frame(40)
    tally.looked(3)
    view = EventView(texts=(text(20, 30), text(2, 7)), opaque=(Opaque(8, 12, "image"),), repeats=((13, 19),))
    tally.payload(30, view, removed=False)
    tally.blind(20, "event_too_large")
    assert report(tally).coverage == Coverage(
        100, 12, 18, {"repeats": 6}, {"image": 4, "event_too_large": 20, "not_read": 40}, ("secret",)
    )


@pytest.mark.parametrize(
    "view",
    [
        EventView(texts=(text(0, 5), text(4, 6))),
        EventView(texts=(text(0, 5),), opaque=(Opaque(2, 3, "image"),)),
        EventView(texts=(text(5, 11),)),
        EventView(repeats=((3, 2),)),
    ],
)
def test_spans_that_cannot_be_are_refused(view):
    with pytest.raises(ValueError, match="its reader is wrong"):
        Tally().payload(10, view, removed=False)


def test_an_entity_counts_as_often_as_the_streamed_or_the_whole_texts_hold_it():
    tally = Tally()
    tally.streamed([label(1)])
    for _ in range(3):
        tally.whole("content", "the same", (label(2, 0.9),))
    assert report(tally).labels == (label(2, 0.9),)
    assert report(tally, (label(2),), (label(1, entity="OTHER"),)).labels == (label(1, entity="OTHER"), label(3, 0.9))


def test_the_first_problem_is_told_and_the_median_held():
    tally = Tally()
    tally.troubled("event_too_large")
    tally.payload(3, EventView(malformed=True), removed=False)
    for size in (0, 0, 3, 5, 9):
        tally.holding(size)
    tally.length = 3
    tally.frame(3)
    told = report(tally)
    assert (told.problem, told.held_median, told.held_most) == ("event_too_large", 3, 9)


def test_what_was_told_goes_before_what_is_estimated():
    tally = Tally()
    tally.text_chars = 9
    assert report(tally).usage == Usage(output_tokens=3, estimated=True)
    told = Usage(output_tokens=7)
    assert tally.report(Told(usage=told), (), ()).usage == told
