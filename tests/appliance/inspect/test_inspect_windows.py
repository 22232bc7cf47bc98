"""A text that is longer than the detectors' reach is scanned to its end."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.failure import OutOfTime
from appliance.inspect.windows import keys_in, scan_whole
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind


class Short:
    version = "0"
    classes = ("secret",)

    def __init__(self, max_chars):
        self.max_chars = max_chars
        self.seen = []

    def scan(self, text, _source=None):
        self.seen.append(text)
        seen = text[: self.max_chars]
        return tuple(
            Detection(*m.span(), "KEY", DetectionKind.SECRET, 1.0, "t") for m in re.finditer("k[0-9]{3}e", seen)
        )


@given(st.lists(st.sampled_from(["k123e", "xy", "z", " "]), max_size=60), st.integers(20, 90))
def test_all_is_found_once_where_it_stands(parts, reach):
    text = "".join(parts)
    scanner = Short(reach)
    found = scan_whole(scanner, text)
    assert [(one.start, one.end) for one in found] == [match.span() for match in re.finditer("k[0-9]{3}e", text)]
    assert all(len(window) <= reach for window in scanner.seen)


def test_a_short_text_is_scanned_as_it_is():
    scanner = Short(10)
    assert scan_whole(scanner, "0123456789") == ()
    assert scanner.seen == ["0123456789"]


class Quick(Short):
    """Runs out of time in its first window; keys alone it finds everywhere."""

    def keys(self, text):
        return super().scan(text)

    def scan(self, _text, _source=None):
        raise OutOfTime("late", (), self.classes)


def test_no_key_hides_behind_a_slow_text():
    text = "x" * 35 + "k123e" + "y" * 30 + "k456e"
    with pytest.raises(OutOfTime) as short:
        scan_whole(Quick(20), text)
    assert [(one.start, one.end) for one in short.value.found] == [(35, 40), (70, 75)]
    assert keys_in(Short(20), text) == (), "who has no quick way says nothing"
