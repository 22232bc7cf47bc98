"""Bytes that are text, and how sure that is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.plaintext import Plain, is_text, plain_text, revealed


@pytest.mark.parametrize(
    ("data", "charset", "expected"),
    [
        (b"plain", "utf-8", Plain("plain")),
        ("Grüße".encode(), "utf-8", Plain("Grüße")),
        (b"\xef\xbb\xbfplain", "utf-8", Plain("plain", start=3)),
        ("\ufeffGrüße".encode("utf-16-le"), "utf-8", Plain("Grüße", utf8=False)),
        ("\ufeffGrüße".encode("utf-16-be"), "utf-16", Plain("Grüße", utf8=False)),
        ("Grüße €".encode("cp1252"), "windows-1252", Plain("Grüße €", utf8=False)),
        ("Grüße".encode("cp1252"), "utf-8", Plain("Grüße", utf8=False, reason="charset")),
        (b"plain", "iso-8859-1", Plain("plain")),
        ("Grüße".encode(), "iso-8859-1", Plain("Grüße", reason="charset")),
        (b"+AGI-ob", "utf-7", Plain("+AGI-ob", reason="charset")),
        (b"nul\0", "utf-8", None),
        (b"\xff\xfea\0\0\0", "utf-8", None),
        (b"\xff\xfea", "utf-8", None),
    ],
)
def test_text_and_how_sure_it_is(data, charset, expected):
    assert plain_text(data, charset) == expected


@given(st.binary(max_size=60), st.sampled_from(["utf-8", "latin1", "utf-16", "nonsense"]))
def test_any_bytes_are_text_or_not(data, charset):
    plain = plain_text(data, charset)
    assert is_text(data) is (plain is not None and plain.utf8) or data[:2] in {b"\xff\xfe", b"\xfe\xff"}


def test_escapes_are_opened_once():
    text = json.dumps({"a": "x\ny", "b": "plain"})
    assert revealed(text) == f"{text}\nx\ny"
    for same in ("plain \\n", '["plain"]', '["a\\n"', '["\ud800\\n"]'):
        assert revealed(same) == same
