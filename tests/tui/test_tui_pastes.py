"""Pastes: nothing in them acts, whatever pieces they come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual._xterm_parser import XTermParser

from tui.pastes import BEGIN, END, LONGEST, Pastes

PIECES = st.lists(st.sampled_from([BEGIN, END, "\x1b", "[", "2", "0", "1", "~", "\x1b[31m", "a", "\r", "\x07"]))


def in_pieces(text, cuts):
    pastes, at, told = Pastes(), 0, ""
    for cut in [*sorted(cuts), len(text)]:
        if cut > at:
            told, at = told + pastes.feed(text[at:cut]), cut
    return told


@given(PIECES.map("".join), st.sets(st.integers(0, 80)))
def test_the_pieces_it_comes_in_change_nothing(text, cuts):
    whole = Pastes().feed(text)
    told = in_pieces(text, {cut for cut in cuts if cut < len(text)})
    assert told == whole


@given(PIECES.map("".join))
def test_what_is_outside_of_pastes_stays(text):
    plain = text.replace(BEGIN, "")
    assert BEGIN in plain or Pastes().feed(plain) == plain


@pytest.mark.parametrize("pasted", ["b\r\x1b[31m a\r", "\x1bOP\x1b[A", "x\x9b31m", "\x1b[200~"])
def test_a_paste_is_one_event_and_presses_no_keys(pasted):
    parser = XTermParser()
    found = [*parser.feed(Pastes().feed(f"{BEGIN}{pasted}{END}q"))]
    assert [type(event) for event in found] == [events.Paste, events.Key]


def test_a_paste_is_bounded():
    told = Pastes().feed(BEGIN + "a" * 3_000_000 + END + "q")
    assert told == BEGIN + "a" * LONGEST + END + "q"
