"""No text from outside can act on a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.sanitise import block, one_line

_HOSTILE = st.text(st.one_of(st.characters(), st.sampled_from("\x1b\x9b\r\n\u202e\u200b\u2028\U000e0041\ud800\u3164")))


@given(_HOSTILE, st.integers(0, 80))
def test_one_line_is_bounded_and_inert(text, limit):
    shown = one_line(text, limit)
    assert len(shown) <= limit
    assert all(unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for char in shown)
    shown.encode()


@given(_HOSTILE, st.integers(1, 80), st.integers(1, 5))
def test_a_block_is_bounded_and_inert(text, limit, lines):
    shown = block(text, limit, lines)
    assert len(shown) <= limit
    assert shown.count("\n") < lines
    assert shown.replace("\n", "") == one_line(shown.replace("\n", ""), limit)


@given(st.text(st.characters(categories=["L", "N", "P"], codec="utf-8"), max_size=60))
def test_what_is_shown_once_stays_as_it_is(text):
    assert one_line(one_line(text)) == one_line(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("Grüße, 日本語, مرحبا, 😀", "Grüße, 日本語, مرحبا, 😀"),
        ("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("a\nb\tc\x7f\x85", "a\\x0ab\\x09c\\x7f\\x85"),
        ("user\u202egnp.exe", "user\\u202egnp.exe"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("no\u00a0break", "no break"),
        ("lone\ud800", "lone\\ud800"),
    ],
)
def test_examples(text, shown):
    assert one_line(text) == shown


def test_cuts_are_marked():
    assert one_line("abcdef", 4) == "abc…"
    assert one_line("abcd", 4) == "abcd"
    assert block("a\r\nb\nc", lines=2) == "a\nb…"
    assert len(one_line("\x00" * 10_000_000)) == 500
