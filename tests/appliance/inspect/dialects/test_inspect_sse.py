"""Server-sent events come out the same however their bytes are cut, and no event can fill the memory."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.dialects.sse import SseEvent, SseSplitter

STREAM = (
    b"\xef\xbb\xbfdata: zero\n\n: hello\n\ndata: one\n\nevent: x\r\ndata:two\r\ndata:  three\r\n\r\n"
    b"id: 4\rdata: four\r\rdata\n\nretry: 1\n\n"
)
EVENTS = [
    SseEvent("", b"zero"),
    SseEvent("", b"one"),
    SseEvent("x", b"two\n three"),
    SseEvent("", b"four"),
    SseEvent("", b""),
]


def feed_all(splitter, pieces):
    return [event for piece in pieces for event in splitter.feed(piece)]


def test_lines_fields_and_comments():
    assert feed_all(SseSplitter(), [STREAM]) == EVENTS


@given(st.sets(st.integers(0, len(STREAM))))
def test_cuts_change_nothing(cuts):
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in pairwise(edges)]
    assert feed_all(SseSplitter(), pieces) == EVENTS


@given(st.lists(st.sampled_from([b"data:x", b"\r", b"\n", b"\r\n", b"event:e", b":", b"\xef\xbb\xbf", b"\xff"])))
def test_any_line_ends_are_the_same_in_one_piece_and_bytewise(parts):
    data = b"".join(parts)
    whole, bytewise = SseSplitter(), SseSplitter()
    assert whole.feed(data) == feed_all(bytewise, [bytes([byte]) for byte in data])
    assert whole.at_boundary == bytewise.at_boundary
    assert whole.close() == bytewise.close()


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_an_event_over_the_bound_is_skipped_and_counted(size):
    stream = b"data: ok\n\ndata: " + b"x" * 500 + b"\ndata: rest\n\ndata: next\n\n"
    splitter = SseSplitter(max_event=100)
    events = feed_all(splitter, [stream[at : at + size] for at in range(0, len(stream), size)])
    assert [event.data for event in events] == [b"ok", b"next"]
    assert splitter.dropped == 1
    assert splitter.at_boundary


def test_many_lines_of_one_event_are_bounded_together():
    splitter = SseSplitter(max_event=100)
    assert feed_all(splitter, [b"data: 1234\n"] * 50 + [b"\n"]) == []
    assert splitter.dropped == 1


def test_the_boundary_and_the_last_event():
    splitter = SseSplitter()
    splitter.feed(b"data: one\n\n")
    assert splitter.at_boundary
    splitter.feed(b"data: tw")
    assert not splitter.at_boundary
    splitter.feed(b"o\n")
    assert not splitter.at_boundary
    assert splitter.close() == [SseEvent("", b"two")]
    assert splitter.close() == []
