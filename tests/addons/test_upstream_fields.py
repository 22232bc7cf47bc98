"""Fields of a head: whatever is asked, mitmproxy's own Headers would have said the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.http import Headers

from addons.upstream.fields import Fields, found_fast

NAMES = st.sampled_from([b"Accept", b"accept", b"ACCEPT", b"X-\xff", b"x-\xc3\xa9", b"Set-Cookie", b""])
ASKED = st.one_of(st.sampled_from(["Accept", "accept", "x-\udcff", "X-é", "set-cookie", "", "none"]), NAMES)
FIELDS = st.lists(st.tuples(NAMES, st.binary(max_size=4)), max_size=6).map(tuple)


def asked(headers, name):
    try:
        item = headers[name]
    except KeyError as error:
        item = ("absent", error.args)
    return item, headers.get(name), headers.get(name, "else"), name in headers, headers.get_all(name)


@given(FIELDS, ASKED)
def test_every_question_has_the_same_answer(fields, name):
    assert asked(Fields(fields), name) == asked(Headers(fields), name)


@given(FIELDS, ASKED, st.sampled_from(["set", "pop", "delete", "copy"]))
def test_every_change_has_the_same_result(fields, name, change):
    both = [found_fast(Headers(fields)), Headers(fields)]
    results = []
    for headers in both:
        if change == "set":
            headers[name] = "new"
        elif change == "pop":
            results.append(headers.pop(name, "else"))
        elif change == "delete" and name in headers:
            del headers[name]
        results.append((headers.copy() if change == "copy" else headers).fields)
    assert results[: len(results) // 2] == results[len(results) // 2 :]
    assert both[0] == both[1]
    assert bytes(both[0]) == bytes(both[1])
    assert list(both[0].items(multi=True)) == list(both[1].items(multi=True))


def test_what_is_no_name_is_refused_alike():
    for kind in (Fields, Headers):
        with pytest.raises((TypeError, AttributeError)):
            kind(((b"a", b"b"),)).get_all(5)
