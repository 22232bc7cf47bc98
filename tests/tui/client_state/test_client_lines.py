"""Rows and pages as spans: nothing that the store holds can act on a terminal, and nothing is too wide."""

import subprocess
import sys
import unicodedata

import msgspec
import pytest
from fake_store import NOW, FakeStore, finding, party
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.model.decision import Decision, Scope
from appliance.model.names import DecisionKind, FindingKind, Severity
from appliance.store import finding_pages as fp
from appliance.store.pages import DecisionSummary
from appliance.store.people_pages import AccountUse, SignalSeen
from tui.client_state import decision_lines, finding_lines, overview_lines
from tui.client_state.names import Names
from tui.client_state.spans import CELL, MARKS, foreign, plain
from tui.client_state.standing import Standing

HOSTILE = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="\x1b[]31mJ\x07\x9b\u202e\u200b\u0301\u0489[red]/\\\r\n\t\x00\u4e2d\U0001f600", max_size=60),
    st.sampled_from(("[/]", "[red]x", "\x1b]0;title\x07", "\x1b[2J", "x" * 10_000, "\u0301" * 10_000, "\ud800")),
)


def inert(text: str) -> bool:
    acting = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return not any(unicodedata.category(char) in acting for char in text)


def spans(cells):
    return [span for line in cells for span in line]


@given(HOSTILE)
def test_foreign_text_is_inert_short_and_does_not_stack(text):
    shown = foreign(text)
    assert inert(shown)
    assert len(shown) <= CELL
    run = 0
    for char in shown:
        run = run + 1 if unicodedata.category(char) in {"Mn", "Me"} else 0
        assert run <= MARKS


@given(HOSTILE)
@settings(max_examples=60)
def test_findings_are_inert(text):
    hostile = finding(1, name=text, owner=text, category=text, subject=text or "s", kind=FindingKind.NAME_DISAGREEMENT)
    assert all(inert(span.text) for span in spans(finding_lines.row(hostile, NOW)))
    detail = fp.FindingDetail(
        hostile,
        (party(text, "person"),),
        (party(text, "host"),),
        (fp.Evidence(1, NOW, text, text, text, text),),
        (fp.StateChange(NOW, text, hostile.state, hostile.state, 1, text),),
        (1, 2),
        accounts=(AccountUse(text, text, text, 1, 1, NOW),),
        signals=(SignalSeen(NOW, text, text, text, text, text),),
    )
    assert all(inert(span.text) for span in spans(finding_lines.page(detail, Names(), NOW)))


def test_a_finding_says_who_stands_out_and_whose_accounts_were_used():
    detail = fp.FindingDetail(finding(1), (), (), (), (), (1, 2))
    assert "SIGNALS" not in plain(finding_lines.page(detail, Names(), NOW))
    told = "prompts: 900 distinct requests of one caller in an hour; usual here are at most 40, told above 120"
    detail = msgspec.structs.replace(
        detail,
        accounts=(AccountUse("openai", "api", "personal", 4, 2, NOW), AccountUse("openai", "api", "", 9, 3, NOW)),
        signals=(SignalSeen(NOW, "f", FindingKind.EXTRACTION.value, "openai", told, "p_1"),),
    )
    shown = plain(finding_lines.page(detail, Names(), NOW))
    assert all(
        words in shown for words in ("SIGNALS (1)", "p_1", told, "personal  4 exchanges by 2 people", "not told")
    )


@given(HOSTILE)
@settings(max_examples=60)
def test_decisions_and_the_overview_are_inert(text):
    decision = Decision(
        number=1, ts=NOW, author=text, role=text, decision=DecisionKind.BLOCK, service=text, route=text, reason=text,
        scope=Scope(groups=(text,), principals=(text,)),
    )  # fmt: skip
    each = decision_lines.Entry(decision, undone=False, snapshot=1)
    cells = decision_lines.row(each, Names(), NOW)
    assert all(inert(span.text) for span in spans([*cells, *decision_lines.question(decision, Names())]))
    standing = Standing()
    standing.learn(
        fp.ApplianceState(
            phase=text,
            stage=text,
            proxy=text,
            gateway=text,
            problems=(text,),
            sensors=(
                fp.SensorState(text, text, text, text, text, 9, 8, 7),
                fp.SensorState(text, text, text, text, text),
            ),
            workers=(fp.WorkerState(text, ready=True),),
        )
    )
    top = (fp.TopService(text, text, 1, 2, 3),)
    implausible = (fp.Implausible(1, text, text, text, 2, 3, 4),)
    overview = fp.Overview({text: 1}, {text: 2}, 1, 2, 3, 4, 5, 6, 7, top, 8, 0.5, {text: 9}, implausible)
    assert all(inert(span.text) for span in spans(overview_lines.lines(overview, standing)))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ((), "capturing"),
        (("ring in 1 process",), "capturing  by ring in 1 process, nothing lost"),
        (("libpcap in 1 process", 12_345, NOW, 700), "12,345 packets lost in a minute, worst 700 at "),
        (("", 1, NOW, 1), "capturing  1 packet lost in a minute, worst 1 at "),
    ],
)
def test_how_a_sensor_captures_is_one_line(told, expected):
    standing = Standing()
    standing.learn(fp.ApplianceState(sensors=(fp.SensorState("s0", "eth0", "capturing", "", *told),)))
    shown = ["".join(span.text for span in each) for each in overview_lines.lines(None, standing)]
    (row,) = [each for each in shown if "sensor s0 on eth0" in each]
    assert expected in row
    assert row.endswith(expected) or told[1:]


@pytest.mark.parametrize(
    ("counts", "word"),
    [((3, 2, 0, 9), "moved"), ((3, 2, 1, 9), "not moved"), ((0, 0, 0, 9), "not seen since")],
)
def test_a_finding_says_whether_its_traffic_has_moved(counts, word):
    detail = fp.FindingDetail(finding(1), (), (), (), (), (1, 2))
    told = "\n".join("".join(span.text for span in each) for each in finding_lines.page(detail, Names(), NOW))
    assert "since the decision" not in told
    detail = msgspec.structs.replace(detail, moved=fp.Moved(NOW, *counts))
    told = "\n".join("".join(span.text for span in each) for each in finding_lines.page(detail, Names(), NOW))
    assert f"since the decision {word}: {counts[0] + counts[1]} sign" in told
    assert f"{counts[2]} past it, 9 past it before" in told


def test_severity_is_a_letter_before_it_is_a_colour():
    letters = [finding_lines.severity(each).text[0] for each in Severity]
    assert len(set(letters)) == len(letters)
    assert finding_lines.severity(Severity.CRITICAL).text == "C critical"


def test_a_row_has_a_cell_for_every_column():
    decision = Decision(number=1, ts=NOW, author="ann", role="analyst", decision=DecisionKind.BLOCK, service="s")
    each = decision_lines.Entry(decision, undone=False, snapshot=1)
    assert len(finding_lines.row(finding(1), NOW)) == len(finding_lines.COLUMNS)
    assert len(decision_lines.row(each, Names(), NOW)) == len(decision_lines.COLUMNS)


@pytest.mark.parametrize(
    ("changes", "undone", "stands"),
    [
        ({}, False, "in force"),
        ({}, True, "undone"),
        ({"expires": NOW - 1}, False, "expired"),
        ({"expires": NOW + 7_201}, False, "2 hours"),
    ],
)
def test_how_a_decision_stands(changes, undone, stands):
    decision = Decision(number=1, ts=NOW, author="a", role="r", decision=DecisionKind.BLOCK, service="s", **changes)
    cells = decision_lines.row(decision_lines.Entry(decision, undone, 1), Names(), NOW)
    assert plain(cells).splitlines()[8] == stands


def test_an_undo_names_the_old_one_and_changes_nothing_else():
    old = Decision(
        number=4, ts=NOW, author="a", role="r", decision=DecisionKind.BLOCK, service="s", scope=Scope(groups=("g",))
    )
    made = decision_lines.undo(old)
    assert (made.decision, made.service, made.scope, made.undoes) == (DecisionKind.DISMISS, "s", old.scope, 4)
    assert decision_lines.may_undo(decision_lines.Entry(old, undone=True, snapshot=1))
    summary = DecisionSummary(4, msgspec.Raw(msgspec.json.encode(old)), 9, undone=False)
    assert decision_lines.entry(summary) == decision_lines.Entry(old, undone=False, snapshot=9)


async def test_the_overview_tells_what_there_is(tmp_path):
    store = FakeStore(tmp_path)
    standing = Standing()
    standing.learn(msgspec.structs.replace(store.state, problems=("the disk is slow",)))
    told = plain(overview_lines.lines(store._overview(None).head, standing))
    for text in (
        "C critical 1",
        "52 exchanges, 1 refused",
        "13 past the appliance",
        "1 alarm",
        "OpenAI",
        "eth1",
        "the disk is slow",
    ):
        assert text in told
    assert "TOP SERVICES" not in plain(overview_lines.lines(None, standing))


def test_view_models_load_no_textual():
    names = (
        "rows",
        "filters",
        "moments",
        "form",
        "standing",
        "names",
        "spans",
        "finding_lines",
        "decision_lines",
        "overview_lines",
    )
    program = (
        f"import sys\nfor n in {names!r}: __import__('tui.client_state.' + n)\nassert 'textual' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ((), ""),
        (((9, 5),), "\u2588"),
        (((9, 1), (10, 8), (13, 4)), "\u2581\u2588\u00b7\u00b7\u2584"),
        (((1, 1), (1000, 1)), "\u00b7" * 59 + "\u2588"),
    ],
)
def test_losses_by_the_second_are_bars(seconds, expected):
    assert overview_lines.spark(seconds) == expected
    standing = Standing()
    told = fp.SensorState("s0", "eth0", "capturing", "", "ring", 1, 1, 1, seconds)
    standing.learn(fp.ApplianceState(sensors=(told,)))
    shown = ["".join(span.text for span in each) for each in overview_lines.lines(None, standing)]
    assert [each for each in shown if "by the second" in each] == (
        [f"    lost by the second  {expected}"] if seconds else []
    )


@pytest.mark.parametrize(
    ("why", "words"), [("more_bytes", "more than such prompts take"), ("more_tokens", "fewer than that takes")]
)
def test_hours_in_which_tokens_and_bytes_do_not_fit_are_a_hint(why, words):
    one = fp.Implausible(int(NOW), "a_1", "openai", why, 3, 120, 5_000_000)
    overview = fp.Overview({}, {}, 0, 0, 0, 0, 0, 0, 0, (), 0, implausible=(one,))
    told = plain(overview_lines.lines(overview, Standing()))
    assert f"120 tokens asked, 5.0M bytes up, {words}  by a_1" in told
    assert "bytes up" not in plain(overview_lines.lines(msgspec.structs.replace(overview, implausible=()), Standing()))
