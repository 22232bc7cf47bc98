import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_store import closed, opened

from appliance.journal.record import (
    MAX_LINE,
    decode_body,
    decode_line,
    encode_line,
    genesis,
    verify_lines,
)
from appliance.model.errors import EvidenceError
from appliance.model.event import Notice

START = genesis("w0", 7)


def chain(*events):
    lines, mark = [], START
    for event in events:
        line, mark = encode_line(mark, event, {"p_1": "alice"})
        lines.append(line)
    return lines, mark


LINES, END = chain(opened("x1"), opened("x2"), closed("x1"), opened("x3"))
DATA = b"".join(LINES)


def split(data):
    return data.splitlines(keepends=True)


def test_a_line_is_what_the_format_says():
    line = json.loads(LINES[0])
    assert list(line) == ["digest", "body", "persons"]
    assert list(line["body"]) == ["producer", "epoch", "seq", "prev", "event"]
    assert line["persons"] == {"p_1": "alice"}
    body = LINES[0].split(b'"body":', 1)[1].rsplit(b',"persons":', 1)[0]
    assert hashlib.sha256(body).hexdigest() == line["digest"]
    assert line["body"]["prev"] == START.digest
    assert json.loads(LINES[1])["body"]["prev"] == line["digest"]


def test_a_line_gives_its_event_back():
    entry = decode_line(LINES[2])
    assert (entry.producer, entry.epoch, entry.seq, entry.event.kind, entry.event.exchange) == (
        "w0",
        7,
        3,
        "close",
        "x1",
    )
    assert decode_body(entry.body).event == closed("x1")


def test_a_whole_chain_verifies_and_tells_what_is_open():
    found = verify_lines(LINES, START)
    assert found.mark == END
    assert found.length == len(DATA)
    assert found.opened == ("x2", "x3")
    assert found.fault is None


def test_erasing_a_person_leaves_the_chain_whole():
    erased = DATA.replace(b'{"p_1":"alice"}', b"{}")
    assert erased != DATA
    assert verify_lines(split(erased), START).mark == END


def test_every_cut_is_told_as_a_torn_tail():
    ends = [sum(map(len, LINES[: n + 1])) for n in range(len(LINES))]
    for cut in range(len(DATA)):
        found = verify_lines(split(DATA[:cut]), START)
        whole = sum(end <= cut for end in ends)
        assert found.mark.seq == whole
        assert found.length == ([0, *ends])[whole]
        assert (found.fault is None) == (cut in {0, *ends})
        assert found.fault is None or found.fault.torn


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, len(DATA) - len(LINES[3]) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_outside_persons_is_found_as_damage(at, bit):
    data = bytearray(DATA)
    if b'"persons"' in DATA[max(0, at - 25) : at + 25]:
        return  # names are outside the hash, on purpose
    data[at] ^= 1 << bit
    found = verify_lines(split(bytes(data)), START)
    assert found.fault is not None
    assert not found.fault.torn
    assert found.fault.offset <= at < found.fault.offset + len(LINES[found.mark.seq])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([LINES[0], LINES[2], LINES[3]], "seq 3 stands where 2 should"),
        ([LINES[0], LINES[0], LINES[3]], "seq 1 stands where 2 should"),
        ([LINES[0], b"{}\n", LINES[3]], "not a journal line"),
        ([LINES[0], b"\xff\xfe\n", LINES[3]], "not a journal line"),
        ([LINES[0], b"x" * MAX_LINE + b"\n", LINES[3]], "longer"),
        ([LINES[0], LINES[1].replace(b'{"digest"', b'{ "digest"'), LINES[3]], "not in their places"),
    ],
)
def test_lines_missing_doubled_or_foreign_are_damage(lines, said):
    found = verify_lines(lines, START)
    assert found.fault
    assert said in found.fault.reason
    assert (found.fault.seq, found.fault.torn) == (2, False)


def test_another_lifes_chain_does_not_verify():
    assert "belongs to w0-7" in verify_lines(LINES, genesis("w0", 8)).fault.reason
    other, _ = encode_line(genesis("w0", 7).__class__("w0", 7, 0, "0" * 64), opened("x"), {})
    assert "prev" in verify_lines([other], START).fault.reason


@given(text=st.text(st.characters(exclude_categories=()), max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_text_makes_one_line_that_verifies(text):
    line, mark = encode_line(START, Notice(1.0, "w0", "info", "n", text), {text: text})
    assert line.count(b"\n") == 1
    assert verify_lines([line], START).mark == mark


def test_a_line_above_the_limit_is_refused():
    with pytest.raises(EvidenceError, match="is the limit"):
        encode_line(START, Notice(1.0, "w0", "info", "n", "x" * MAX_LINE), {})
