import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.stream.unescaped import Unescaped


def viewed(pieces):
    view = Unescaped()
    return "".join([*map(view.feed, pieces), view.close()]), view


@pytest.mark.parametrize(
    ("source", "view"),
    [
        (r'{"a":"b\u0041\n\"c"}', '{"a":"bA\n"c"}'),
        (r'"\ud83d\ude00 \ud83dx \ude00"', '"\U0001f600 \ud83dx \ude00"'),
        (r'"\q \u12 \u"', r'"\q \u12 \u"'),
        (r'\n "\\" \n', '\\n "\\" \\n'),  # outside strings nothing is an escape
        ('"\\', '"\\'),
        ('"\\u00', '"\\u00'),
        ("", ""),
    ],
)
def test_one_level_inside_strings(source, view):
    assert viewed([source])[0] == view
    assert viewed(source)[0] == view


@given(st.lists(st.sampled_from(['"', "\\", "u", "d83d", "de00", "0041", "\\u", "\\ud8", "x", "n", "é", "\\n"])))
def test_pieces_make_no_difference(parts):
    assert viewed(parts)[0] == viewed("".join(parts))[0] == viewed(["".join(parts)])[0]


@given(st.text(max_size=20), st.booleans())
def test_places_lead_back(text, ascii_only):
    source = json.dumps(text.encode("utf-8", "replace").decode(), ensure_ascii=ascii_only)
    value, view = viewed(source)
    assert value[1:-1] == json.loads(source)
    places = [view.source(place) for place in range(len(value) + 1)]
    assert places[-1] == len(source)
    for character, start, end in zip(value[1:-1], places[1:], places[2:], strict=False):
        assert json.loads(f'"{source[start:end]}"') == character
