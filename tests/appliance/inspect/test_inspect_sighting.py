from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.sighting import sightings
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind


def seen(text, *spans, kind=DetectionKind.SECRET):
    return list(sightings(text, [Detection(start, end, "X", kind, 1.0, "r") for start, end in spans]))


def test_lines_and_columns_count_from_one():
    text = "a\nbc\U0001f600 key\n"
    assert [(one.line, one.column) for one in seen(text, (0, 1), (2, 4), (6, 9))] == [(1, 1), (2, 1), (2, 5)]


def test_a_key_is_never_shown_in_full():
    key = "sk-proj-" + "a1" * 20
    assert seen(key, (0, len(key)))[0].shown == f"sk-p... ({len(key)} characters)"
    assert "4" not in seen("1234", (0, 4))[0].shown.split(" (")[0]


def test_what_overlaps_a_key_hides_it_too():
    text = "ignore all of sk-abcdefghijkl now"
    phrase = Detection(0, 32, "PROMPT_INJECTION", DetectionKind.INJECTION, 1.0, "r")
    key = Detection(14, 29, "KEY", DetectionKind.SECRET, 1.0, "k")
    assert not any("abcdef" in one.shown for one in sightings(text, [phrase, key]))
    assert next(sightings(text, [phrase])).shown.startswith("ignore all of")


@given(st.text(min_size=1, max_size=80), st.data())
def test_at_most_a_quarter_is_shown(text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    (one,) = seen(text, (start, end))
    assert one.shown.startswith(text[start : start + min(4, (end - start) // 4)] + "...")
    assert text.split("\n")[one.line - 1][one.column - 1 : one.column] in {text[start], ""}
