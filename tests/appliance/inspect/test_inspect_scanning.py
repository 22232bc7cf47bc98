import pytest

from appliance.inspect.failure import DetectorFailure, OutOfTime
from appliance.inspect.scanning import Limits, scan_view
from appliance.inspect.view import RequestView, Syntax
from appliance.inspect.windows import scan_whole
from appliance.model.detection import Detection, Segment
from appliance.model.names import DetectionKind


class Slow:
    """Finds each `x`; out of time where a text holds `slow`, broken where it holds `broken`."""

    version = "1"
    classes = ("pii", "secret", "injection")
    max_chars = 16

    def scan(self, text, _source=None):
        found = tuple(
            Detection(at, at + 1, "X", DetectionKind.PII, 1.0, "x") for at, letter in enumerate(text) if letter == "x"
        )
        if "slow" in text:
            raise OutOfTime("late", found, ("injection",))
        if "broken" in text:
            raise DetectorFailure("broken")
        return found


def view_of(*texts):
    segments, at = [], 0
    for text in texts:
        segments.append(Segment("user", "content", text, "", at, at + len(text)))
        at += len(text)
    return RequestView(syntax=Syntax.TEXT, segments=tuple(segments)), "".join(texts).encode()


def scanned(*texts, **more):
    view, body = view_of(*texts)
    return scan_view(Slow(), Limits(), lambda: 0.0, view, body, **more)


def test_a_class_that_ran_out_of_time_leaves_its_text_unscanned_and_what_was_found():
    done = scanned("a x", "slow x", "b")
    assert [len(found) for found in done.detections] == [1, 1, 0]
    assert done.coverage.text_unscanned == {"out_of_time": 6}
    assert done.coverage.text_scanned == 4
    assert done.coverage.balanced
    assert done.coverage.scanned_by == Slow.classes


def test_a_failure_is_still_a_failure():
    with pytest.raises(DetectorFailure):
        scanned("broken")


def test_what_settles_the_body_ends_the_search_and_coverage_says_so():
    done = scanned("a", "x", "unseen x", enough=lambda found: found.entity == "X")
    assert [len(found) for found in done.detections] == [0, 1, 0]
    assert done.coverage.text_unscanned == {"decided": 8}
    assert done.coverage.balanced
    assert scanned("x", "x", enough=lambda _: False).coverage.complete


def test_a_late_window_ends_a_long_text():
    late = iter([False, True])
    with pytest.raises(OutOfTime) as short:
        scan_whole(Slow(), "x" + "." * 40 + "x", is_late=lambda: next(late))
    assert [one.start for one in short.value.found] == [0]
    assert short.value.lacking == Slow.classes


def test_a_window_that_runs_out_of_time_keeps_what_was_found_before():
    with pytest.raises(OutOfTime) as short:
        scan_whole(Slow(), "x" + "." * 20 + "slow x")
    assert [one.start for one in short.value.found] == [0, 26]
