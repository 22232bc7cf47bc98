"""Tokens in one measure: what stands beside is added, what cannot be is not believed, sums are bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.dialects.anthropic_events import read_usage as anthropic
from appliance.inspect.dialects.bedrock_calls import read_metrics, read_usage
from appliance.inspect.dialects.fields import MAX_COUNT
from appliance.inspect.dialects.openai_usage import read_timings
from appliance.inspect.dialects.openai_usage import read_usage as openai
from appliance.inspect.dialects.usage import Names, added, read
from appliance.model.event import Usage

NAMES = Names(("in", "old_in"), ("out",), ("in_details/cached",), ("written",), ("thought",), ("also",))
BESIDE = NAMES._replace(cache_beside=True, reasoning_beside=True)
TOLD = {"in": 10, "old_in": 99, "out": 5, "in_details": {"cached": 3}, "written": 2, "thought": 4, "also": 1}
HOSTILE = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(st.characters() | st.just("\ud83d"), max_size=3),
    lambda inner: st.dictionaries(st.sampled_from(["prompt_tokens", "cached_tokens", "\ud800", *TOLD]), inner),
)


@pytest.mark.parametrize(
    ("told", "names", "usage"),
    [
        (TOLD, NAMES, Usage(11, 5, 3, 2, 4)),
        (TOLD, BESIDE, Usage(16, 9, 3, 2, 4)),
        ({"old_in": 7}, NAMES, Usage(7)),
        ({"in": 0, "old_in": 7}, NAMES, Usage(0)),
        ({"in": -1, "out": 2.0, "in_details": [3]}, NAMES, Usage(0, 2)),
        ({"written": 2}, NAMES, None),
        ({"in": True, "out": "5"}, NAMES, None),
        (None, NAMES, None),
    ],
)
def test_each_kind_is_read_where_the_format_tells_it(told, names, usage):
    assert read(told, names) == usage


@given(HOSTILE)
def test_nothing_that_is_told_raises(told):
    for reader in (openai, read_timings, anthropic, read_usage, read_metrics):
        found = reader(told)
        assert found is None or 0 <= found.input_tokens <= 3 * MAX_COUNT
    read({"in": told, "in_details": told}, BESIDE)


def test_answers_of_one_connection_add_up():
    assert added(Usage(1, 2, 3, 4, 5), Usage(1, 1, 1, 1, 1)) == Usage(2, 3, 4, 5, 6)
    assert added(None, Usage(1)) == added(Usage(1), None) == Usage(1)
    assert added(Usage(MAX_COUNT), Usage(MAX_COUNT)) == Usage(MAX_COUNT)
