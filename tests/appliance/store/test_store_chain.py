"""Frames against marks: repeats, gaps, damage."""

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.journal.record import Mark, genesis
from appliance.model.errors import EvidenceError, PeerError
from appliance.model.event import Notice
from appliance.store.chain import MAX_PERSON_CHARS, MAX_PERSONS, Gap, read_frame


def notices(count):
    return [Notice(float(number), "w0", "info", f"n{number}") for number in range(count)]


START = genesis("w0", 7)


def test_a_whole_life_is_read(life):
    journal = life().add(*notices(3))
    frame = read_frame(*journal.frame(), START)
    assert [entry.seq for entry in frame.entries] == [1, 2, 3]
    assert [entry.event.note for entry in frame.entries] == ["n0", "n1", "n2"]
    assert frame.mark == journal.mark
    for entry in frame.entries:
        assert hashlib.sha256(entry.body).hexdigest() == entry.digest


@given(cuts=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), max_size=8))
def test_any_overlapping_frames_give_each_line_once(life, cuts):
    journal = life().add(*notices(12))
    mark, seen = START, []
    for first, last in [*cuts, (1, 12)]:
        if first > last or first > mark.seq + 1:
            continue
        frame = read_frame(*journal.frame(first, last), mark)
        seen += [entry.seq for entry in frame.entries]
        mark = frame.mark
    assert seen == list(range(1, 13))
    assert mark == journal.mark


def test_a_gap_tells_where_to_send_from(life):
    journal = life().add(*notices(5))
    with pytest.raises(Gap) as caught:
        read_frame(*journal.frame(4), START)
    assert caught.value.expected == 1


def test_a_gap_is_let_in_only_where_the_older_lines_are_gone(life):
    journal = life().add(*notices(5))
    frame = read_frame(*journal.frame(4, oldest=4), START)
    assert (frame.gap_from, [entry.seq for entry in frame.entries]) == (1, [4, 5])
    with pytest.raises(Gap):
        read_frame(*journal.frame(4, oldest=3), START)


@given(data=st.data())
def test_a_flipped_bit_anywhere_in_a_body_is_found(life, data):
    journal = life().add(*notices(3))
    append, lines = journal.frame()
    victim = data.draw(st.integers(0, 2))
    line = journal.lines[victim]
    start = sum(map(len, journal.lines[:victim])) + line.index(b'"body":') + len(b'"body":')
    place = data.draw(st.integers(start, start + line[line.index(b'"body":') :].index(b',"persons"') - 8))
    broken = bytearray(lines)
    broken[place] ^= 1 << data.draw(st.integers(0, 6))
    with pytest.raises((EvidenceError, PeerError)):
        read_frame(append, bytes(broken), START)


def test_a_repeat_that_differs_is_a_forged_history(life):
    real, forged = life().add(*notices(2)), life().add(notices(1)[0], Notice(9.0, "w0", "info", "other"))
    mark = read_frame(*real.frame(), START).mark
    with pytest.raises(EvidenceError, match="line 2: it differs"):
        read_frame(*forged.frame(), mark)


def test_a_chain_that_goes_on_from_elsewhere_is_refused(life):
    other = life().add(Notice(9.0, "w0", "info", "other"), *notices(2))
    mark = read_frame(*life().add(*notices(1)).frame(), START).mark
    with pytest.raises(EvidenceError, match="line 2: its predecessor"):
        read_frame(*other.frame(2), mark)


def test_a_line_of_another_life_is_refused(life):
    journal = life("w1").add(*notices(1))
    append = msgspec.structs.replace(journal.frame()[0], producer="w0")
    with pytest.raises(EvidenceError, match="'w1'"):
        read_frame(append, journal.frame()[1], START)


@pytest.mark.parametrize(("first", "last"), [(1, 1), (1, 3), (2, 1), (1, 10**6)])
def test_head_and_body_must_agree(life, first, last):
    journal = life().add(*notices(2))
    append = msgspec.structs.replace(journal.frame()[0], first_seq=first, last_seq=last)
    with pytest.raises(PeerError):
        read_frame(append, journal.frame()[1], START)


def test_a_line_cut_short_is_refused(life):
    append, lines = life().add(*notices(2)).frame()
    with pytest.raises(PeerError):
        read_frame(append, lines[:-1], START)


def test_an_unknown_kind_is_kept_whole(life):
    body = msgspec.json.encode(
        {"producer": "w0", "epoch": 7, "seq": 1, "prev": START.digest, "event": {"kind": "later", "x": 1}}
    )
    digest = hashlib.sha256(body).hexdigest()
    line = b'{"digest":"%b","body":%b,"persons":{}}\n' % (digest.encode(), body)
    append = life().add(*notices(1)).frame()[0]
    frame = read_frame(append, line, START)
    assert frame.entries[0].event is None
    assert frame.entries[0].body == body
    assert "unknown record" in frame.entries[0].fault
    assert frame.mark == Mark("w0", 7, 1, digest)


def test_persons_are_bounded(life):
    many = {f"p_{number}": "x" * 5000 for number in range(100)}
    entry = read_frame(*life().add(*notices(1), persons=many).frame(), START).entries[0]
    assert len(entry.persons) == MAX_PERSONS
    assert max(map(len, entry.persons.values())) == MAX_PERSON_CHARS
