"""The filter language: what is understood, and where a wrong one is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.names import FindingKind, FindingState, Governance, Severity, Surface
from appliance.store.finding_pages import FindingsRequest
from tui.client_state.filters import LONGEST, FilterError, parse, unfinished

NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", {}),
        ("   ", {}),
        ("sev>=high", {"severity": Severity.HIGH}),
        ("sev>=LOW", {"severity": Severity.LOW}),
        ("state:new,triaged", {"states": (FindingState.NEW, FindingState.TRIAGED)}),
        ("way:bypass", {"governance": Governance.BYPASS}),
        ("surface:WEB", {"surface": Surface.WEB}),
        ("kind:name_disagreement", {"kinds": (FindingKind.NAME_DISAGREEMENT,)}),
        ("last:24h", {"since": NOW - 86_400}),
        ("last:90m", {"since": NOW - 5_400}),
        ("svc:openai", {"text": "openai"}),
        ("open  router", {"text": "open router"}),
        ("sev>=high deep seek", {"severity": Severity.HIGH, "text": "deep seek"}),
        ("100% [red]", {"text": "100% [red]"}),
    ],
)
def test_understood(text, fields):
    assert parse(text, NOW) == FindingsRequest(**fields)


@pytest.mark.parametrize(
    ("text", "start", "end", "words"),
    [
        ("sev:high", 3, 4, "sev>=high"),
        ("sev>high", 3, 4, "sev>=high"),
        ("sev>=hig", 5, 8, "one of info"),
        ("sev>=", 5, 5, "needs a value"),
        ("state=new", 5, 6, "state:"),
        ("state:new,old", 10, 13, "one of new"),
        ("abc way:side", 8, 12, "governed"),
        ("colour:red", 0, 6, "no such key"),
        ("last:0h", 5, 7, "24h"),
        ("last:99999999d", 5, 14, "24h"),
        ("way:bypass way:governed", 11, 23, "twice"),
        ("svc:openai more", 11, 15, "one text"),
        ("x" * (LONGEST + 1), LONGEST, LONGEST + 1, "at most"),
    ],
)
def test_refused_with_its_place(text, start, end, words):
    with pytest.raises(FilterError, match=words) as caught:
        parse(text, NOW)
    assert (caught.value.start, caught.value.end) == (start, end)


@given(st.text(max_size=60) | st.text(alphabet="sevtawyurkindlsc:>=<, 0123hd", max_size=40))
def test_any_text_is_understood_or_refused_within_it(text):
    try:
        parse(text, NOW)
    except FilterError as error:
        place = (error.start, error.end)
    else:
        place = (0, 0)
    assert 0 <= place[0] <= place[1] <= max(len(text), LONGEST)


@pytest.mark.parametrize(
    ("text", "wait"), [("", False), ("s", True), ("way:bypass st", True), ("deep", False), ("sev>=high", False)]
)
def test_what_may_become_a_key_is_waited_for(text, wait):
    assert unfinished(text) is wait
