"""The page for people: nothing from outside acts in it, and it tells what was not seen."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.export.html import page
from appliance.export.markup import share, size, text, when
from appliance.store.budget_pages import BudgetState, Standing
from appliance.store.export_wire import (
    AccountLine,
    BudgetLine,
    CountLine,
    CoverageLine,
    DecisionLine,
    ExportInfo,
    ExportSummary,
    FindingLine,
    KeyLine,
    MovedLine,
    ReasonLine,
    SensorLine,
    SpendLine,
    UsageLine,
)
from appliance.store.finding_pages import ApplianceState, SensorState

NOW = 1_763_700_000.0
HOSTILE = (
    "</td></table><script>alert(1)</script><img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>'><a href='javascript:alert(1)'>",
    "--><!--<style>*{display:none}</style>]]>&lt;b&gt;&#60;i&#62;",
    "\x1b[31m\u202egnp.exe\u0000\ud800\u2028" + "A" * 10_000,
)
ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "section", "h1", "h2", "p", "dl", "div", "dt",
    "dd", "table", "caption", "thead", "tbody", "tr", "th", "td", "ul", "li", "span", "svg", "rect",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "scope", "width", "height", "aria-hidden",
}  # fmt: skip


class Reader(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.elements, self.attributes, self.open, self.text, self.faults = set(), set(), [], [], []

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in {"meta", "rect"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            self.faults.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_comment(self, data):
        self.faults.append(data)

    def handle_data(self, data):
        self.text.append(data)


def read(document):
    reader = Reader()
    reader.feed(document)
    reader.close()
    assert reader.faults == []
    assert reader.open == []
    return reader


def summary(word="openai", *, pseudonymised=False):
    info = ExportInfo(
        gnomon_version="1", schema_version=2, made=NOW, since=NOW - 86_400, until=NOW, pseudonymised=pseudonymised,
        author=word, role=word, rows={"v_findings": 120, "v_exchanges": 7, "v_decisions": 1},
    )  # fmt: skip
    return ExportSummary(
        info=info,
        stages=(CountLine(word, None, 7), CountLine("observe", None, 2)),
        findings=(
            FindingLine(word, word, word, word, word, word, word, "high", word, word, 0.9, NOW, NOW, 1, 2, 3, 4, 5),
            FindingLine(word, word, word, word, word, word, word, word, word, word, 0.9, NOW, 1e300, 1, 2, 3, 4, 5),
        ),
        findings_by_state=(CountLine(word, word, 2),),
        decisions=(DecisionLine(1, NOW, word, word, word, word, word, word, word, NOW, None, False, 2, 0, 1),),
        moved=(MovedLine(1, word, word, word, NOW, 21, 22, 23, 24),),
        outcomes=(CountLine(word, None, 7),),
        usage=(UsageLine(word, 7, 2, 1024, 2048, 5, 6), UsageLine(None, 0, 0, 0, 0, 0, 0)),
        coverage=(CoverageLine(word, 7, 1, 1000, 300, 600, 60, 40),),
        reasons=(ReasonLine("unscanned", word, 1, 60), ReasonLine("opaque", "image", 1, 40)),
        refusals=(CountLine(word, None, 3),),
        notices=(CountLine(word, word, 1),),
        sensors=(SensorLine(word, word, NOW, NOW, 9, 4),),
        tunnels=12,
        tunnel_bytes=4096,
        spend=(SpendLine(word, word, 7, 2, 5, 6, 2_500_000, 500_000, 3, 1, 4), SpendLine(None, None, *[0] * 9)),
        departments=(SpendLine(word, None, *[0] * 9),),
        budgets=(BudgetLine(word, "budget_nearly_used", 3, NOW), BudgetLine(None, word, 1, NOW)),
        keys=(KeyLine(word, word, word, 1, 2, word, word, word, 9, NOW, NOW),),
        accounts=(AccountLine(word, "personal", 3, 2), AccountLine(None, None, 1, 1)),
    )


def budgets(word="team"):
    fullest = Standing(word, 12, 0, full=True, warns=True, over=2)
    given = {"what": "requests", "window": "day", "per": "user", "limit": 10, "warn": 8, "matches": (word,)}
    rest = {"refuses_unpriced": True, "resets": None, "counters": 1, "near": 0, "full": 1}
    return tuple(BudgetState(name=word, fullest=each, **given, **rest) for each in (fullest, None))


def state(word="eth0"):
    return ApplianceState(phase="up", stage=word, sensors=(SensorState(word, word, word, word),), problems=(word,))


@pytest.mark.parametrize("word", HOSTILE)
def test_nothing_from_outside_becomes_markup(word):
    document = page(summary(word), state(word), budgets(word))
    reader = read(document)
    assert reader.elements <= ELEMENTS
    assert reader.attributes <= ATTRIBUTES
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\ud800-\udfff]", document)
    assert len(document) < 100_000
    document.encode()


@given(word=st.text(max_size=300))
def test_any_text_is_only_text(word):
    reader = read(page(summary(word), state(word)))
    assert reader.elements <= ELEMENTS
    assert reader.attributes <= ATTRIBUTES


def test_it_asks_for_nothing_and_runs_nothing():
    document = page(summary(), state())
    style = re.search(r"<style>(.*)</style>", document, re.DOTALL)[1]
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', document)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-{digest}'"
    assert not re.search(r"https?:|url\(|@import|<script|<link|href=|src=", document)


def test_what_was_not_seen_is_told():
    told = " ".join(read(page(summary(), None)).text)
    for words in (
        "stood when this was made is not known",
        "Text not scanned",
        "image",
        "90.0 %",
        "passed the proxy unread",
    ):
        assert words in told
    assert "No sensor was watching" in " ".join(read(page(summary(), ApplianceState())).text)


def test_cost_budgets_keys_and_accounts_are_told():
    told = " ".join(read(page(summary(), None, budgets())).text)
    for words in (
        "About $2.50",
        "$0.50 of it beyond",
        "3 exchanges have no known price",
        "nearly used",
        "each user",
        "Over by",
        "not known",
        "personal",
        "the appliance (openai)",
    ):
        assert words in told
    assert "How budgets stood when this was made is not known" in " ".join(read(page(summary())).text)


def test_what_was_turned_away_at_a_limit_is_told_beside_what_was_ended_there():
    refusals = (CountLine("quota", None, 4321), CountLine("smuggling", None, 9))
    assert "4,321 requests were turned away at a limit" in page(msgspec.structs.replace(summary(), refusals=refusals))


def test_keys_that_are_not_told_are_counted():
    told = "1,234 exchanges were recorded by an older version"
    assert told not in page(summary())
    assert page(msgspec.structs.replace(summary(), keyless=1234)).count(told) == 2


def test_a_pseudonymised_page_names_no_budget():
    told = " ".join(read(page(summary("acme", pseudonymised=True), None, budgets("payroll"))).text)
    assert "payroll" not in told
    assert "(left out)" in told


def test_a_cut_list_says_so():
    told = " ".join(read(page(summary(), state())).text)
    assert "The first 2 of 120 findings" in told
    assert "1 decisions, newest first" in told
    assert "2 people, 1 host" in told
    assert "1 hosts" not in told


@pytest.mark.parametrize(
    ("expires", "undone", "told"),
    [
        (None, False, "stands"),
        (NOW + 1, False, f"until {when(NOW + 1)}"),
        (NOW, False, f"ended {when(NOW)}"),
        (NOW - 9, True, "undone"),
    ],
)
def test_a_decision_tells_whether_it_holds(expires, undone, told):
    decision = msgspec.structs.replace(summary().decisions[0], expires=expires, undone=undone)
    document = page(msgspec.structs.replace(summary(), decisions=(decision,)))
    assert f"<td>{told}</td></tr>" in document


def test_an_empty_summary_has_no_empty_tables():
    info = summary().info
    document = page(ExportSummary(info=info))
    assert "nothing in this period" in document
    assert "<tbody></tbody>" not in document


def test_a_pseudonymised_page_leaves_out_what_the_appliance_says_now():
    document = page(summary(pseudonymised=True), state("adas-laptop"))
    stage_and_state = document.count("adas-laptop")
    assert stage_and_state == 2  # its stage, and how the sensor stands: words of ours
    assert "Pseudonymised" in document


@pytest.mark.parametrize(("part", "whole", "told"), [(1, 3, "33.3 %"), (999_999, 1_000_000, "99.9 %"), (0, 0, "")])
def test_a_share_is_never_rounded_up(part, whole, told):
    assert share(part, whole) == told


def test_small_things():
    assert [size(0), size(1023), size(1536), size(1 << 50)] == ["0 B", "1023 B", "1.5 KiB", "1024.0 TiB"]
    assert [when(None), when(0.0), when(1e300)] == ["", "1970-01-01 00:00", "unknown"]
    assert text("a<b>&\"'\n") == "a&lt;b&gt;&amp;&quot;&#x27;\\x0a"
