"""Frames come out the same however their bytes are cut, are the bytes that were fed, and fill no memory."""

import base64
import binascii
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_fakes import STREAMED, framed, header, pieces

from appliance.inspect.stream.array import ending_behind
from appliance.inspect.stream.aws import packed
from appliance.inspect.stream.connect import ConnectFramer
from appliance.inspect.stream.events import Event, Framing
from appliance.inspect.stream.frames import BROKEN, COMPRESSED, TOO_LARGE, UNFINISHED
from appliance.inspect.stream.framing import framer_of
from appliance.inspect.stream.lines import LineFramer
from appliance.inspect.stream.sse import SseFramer

SSE = (
    b"\xef\xbb\xbfdata: zero\n\n: hello\n\ndata: one\n\nevent: x\r\ndata:two\r\ndata:  three\r\n\r\n"
    b"id: 4\rdata: four\r\rdata\n\nretry: 1\n\n"
)
EVENTS = [Event("", b"zero"), Event("", b"one"), Event("x", b"two\n three"), Event("", b"four")]
ATOMS = [
    b"data:x", b"\r", b"\n", b"\r\n", b"event:e", b":", b"\xef\xbb\xbf", b"\xff", b"[", b"]", b",", b"{", b"}", b'"',
    b"\\", b"1", b" ", b"\x00\x00\x00\x00\x04", b"\x01", packed(b"", b"{}"), packed(header(b":event-type", b"c"), b"1"),
]  # fmt: skip


def run(framer, parts):
    return [frame for part in parts for frame in framer.feed(part)] + framer.close()


def events(frames):
    return [frame.event for frame in frames if frame.event is not None]


@given(st.sets(st.integers(0, len(SSE))))
def test_sse_lines_fields_and_comments_cut_anywhere(cuts):
    frames = run(SseFramer(), pieces(SSE, cuts))
    assert events(frames) == EVENTS
    assert b"".join(frame.raw for frame in frames) == SSE


@pytest.mark.parametrize("framing", list(Framing))
@given(parts=st.lists(st.sampled_from(ATOMS), max_size=12), most=st.sampled_from([8, 1000]))
def test_any_bytes_are_kept_and_cut_the_same_in_one_piece_and_bytewise(framing, parts, most):
    data = b"".join(parts)
    one, other = framer_of(framing, most), framer_of(framing, most)
    whole = one.feed(data) if data else []
    bytewise = [frame for byte in data for frame in other.feed(bytes([byte]))]
    if framing is not Framing.MESSAGE:
        assert one.at_boundary == other.at_boundary
    whole += one.close()
    bytewise += other.close()
    assert b"".join(frame.raw for frame in whole) == b"".join(frame.raw for frame in bytewise) == data
    if framing is not Framing.MESSAGE:
        assert events(whole) == events(bytewise)
        assert {frame.problem for frame in whole} == {frame.problem for frame in bytewise}
        assert [f for f in whole if f.event] == [f for f in bytewise if f.event]


@pytest.mark.parametrize("framing", list(Framing))
@given(data=st.binary(max_size=60), cuts=st.sets(st.integers(0, 60)))
def test_no_bytes_raise(framing, data, cuts):
    frames = run(framer_of(framing, 32), pieces(data, cuts))
    assert b"".join(frame.raw for frame in frames) == data


@pytest.mark.parametrize("framing", STREAMED)
def test_a_payload_can_be_put_back_and_changed(framing):
    payloads = [b'{"a": "one"}', b'{"b": ["two", "]"]}', b'{"c": "\\"}"}']
    frames = run(framer_of(framing), [framed(framing, payloads)])
    assert [event.payload for event in events(frames)] == payloads
    assert all(frame.rebuilt(frame.event.payload) == frame.raw for frame in frames if frame.event)
    changed = b"".join(frame.rebuilt(b'{"longer": "payload"}') if frame.event else frame.raw for frame in frames)
    assert changed == framed(framing, [b'{"longer": "payload"}'] * 3)
    doubled = b"".join(
        frame.copy(b"{}") + frame.rebuilt(frame.event.payload) if frame.event else frame.raw for frame in frames
    )
    found = [event.payload for event in events(run(framer_of(framing), [doubled]))]
    assert found == [b"{}", payloads[0], b"{}", payloads[1], b"{}", payloads[2]]


@pytest.mark.parametrize("framing", [one for one in STREAMED if not one.startswith("aws")])
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_an_event_over_the_bound_goes_by_in_pieces_and_the_next_is_read(framing, size):
    large = json.dumps("x" * 500).encode()
    data = framed(framing, [b"1", large, b"2"])
    framer = framer_of(framing, max_event=100)
    frames = run(framer, [data[at : at + size] for at in range(0, len(data), size)])
    assert [event.payload for event in events(frames)] == [b"1", b"2"]
    problems = [frame for frame in frames if frame.problem]
    assert {frame.problem for frame in problems} == {TOO_LARGE}
    assert problems[-1].whole
    assert sum(len(frame.raw) for frame in problems) >= 500
    assert framer.at_boundary


def test_held_bytes_are_bounded_whatever_comes():
    for framing, start in [
        (Framing.SSE, b"data: "), (Framing.NDJSON, b"{"), (Framing.JSON_ARRAY, b'["'), (Framing.JSON_ARRAY, b"[1"),
        (Framing.AWS, packed(b"", b"x" * 5000)[:12]), (Framing.CONNECT, b"\x00\xff\xff\xff\xff"),
    ]:  # fmt: skip
        framer = framer_of(framing, 1000)
        framer.feed(start)
        for _ in range(300):
            framer.feed(b"\\n" * 50)
            assert len(framer._held.data) <= 1100


def test_lines_of_an_sse_event_are_edited_one_by_one():
    raw = b": note\r\nevent: x\r\ndata: {\r\ndata:  1}\r\nother\r\n\r"
    (frame,) = SseFramer().feed(raw)
    assert frame.event == Event("x", b"{\n 1}")
    assert [raw[start:end] for start, end in frame.asides] == [b"note", b"x", b"other"]
    assert frame.rebuilt(b"{\n 22}") == raw.replace(b" 1}", b" 22}")
    assert frame.rebuilt(b"{}") == raw.replace(b"data: {", b"data: {}").replace(b"data:  1}", b"data: ")
    start, end = frame.asides[0]
    assert frame.copy(frame.event.payload, [(start, end, b"<X>")]) == raw.replace(b"note", b"<X>") + b"\n"


def test_the_boundary_and_the_last_event():
    framer = SseFramer()
    framer.feed(b"data: one\n\n")
    assert framer.at_boundary
    framer.feed(b"data: tw")
    assert not framer.at_boundary
    framer.feed(b"o\n")
    (last,) = framer.close()
    assert (last.event, last.problem, last.whole) == (Event("", b"two"), UNFINISHED, False)
    assert framer.close() == []


def test_aws_frames_as_the_public_vectors_have_them():
    empty = bytes.fromhex("000000100000000005c248eb7d98c8ff")
    plain = bytes.fromhex("0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936")
    assert packed(b"", b"") == empty
    assert packed(b"", b"{'foo':'bar'}") == plain
    assert [event.payload for event in events(run(framer_of(Framing.AWS), [empty + plain]))] == [b"{'foo':'bar'}"]


def test_aws_headers_of_every_type_and_its_names():
    rest = b"".join(
        bytes([1]) + b"h" + bytes([kind]) + value
        for kind, value in [
            (0, b""), (1, b""), (2, b"1"), (3, b"12"), (4, b"1234"), (5, b"12345678"), (6, b"\0\2ab"), (7, b"\0\2cd"),
            (8, b"12345678"), (9, b"x" * 16),
        ]
    )  # fmt: skip
    raw = packed(header(b":exception-type", b"throttling") + rest, b'{"message":"slow"}')
    (frame,) = framer_of(Framing.AWS).feed(raw)
    assert frame.event == Event("throttling", b'{"message":"slow"}')
    assert [raw[start:end] for start, end in frame.asides] == [b"ab", b"cd"]
    start, end = frame.asides[1]
    edited = frame.rebuilt(b"{}", [(start, end, b"<LONG>")])
    assert edited == packed(header(b":exception-type", b"throttling") + rest.replace(b"\0\2cd", b"\0\6<LONG>"), b"{}")


@pytest.mark.parametrize("place", [0, 5, 9, 14, 40, -1])
def test_a_damaged_aws_frame_ends_all_reading(place):
    good = packed(header(b":event-type", b"delta"), b'{"a":"b"}')
    bad = bytearray(good)
    bad[place] ^= 1
    frames = run(framer_of(Framing.AWS), [bytes(bad) + good])
    assert events(frames) == []
    assert {frame.problem for frame in frames} == {BROKEN}


def test_an_aws_frame_with_headers_beyond_reason_is_damaged():
    prelude = struct.pack(">II", 300_000, 200_000)
    frames = framer_of(Framing.AWS).feed(prelude + struct.pack(">I", binascii.crc32(prelude)))
    assert [frame.problem for frame in frames] == [BROKEN]


@pytest.mark.parametrize(
    "payload", [b'{"bytes":"e30=","x":"text"}', b'{"bytes":"?"}', b'{"bytes":["e30="]}', b"bytes", b'{"bytes":1}']
)
def test_what_is_no_chunk_may_be_one_to_others_and_is_broken(payload):
    raw = packed(header(b":event-type", b"chunk"), payload)
    good = packed(header(b":event-type", b"chunk"), b'{"bytes":"e30="}')
    broken, frame = framer_of(Framing.AWS_CHUNK).feed(raw + good)
    assert (broken.event, broken.problem, broken.raw) == (None, BROKEN, raw)
    assert frame.event == Event("chunk", b"{}")


def test_a_chunk_keeps_everything_around_its_base64():
    outer = b'{ "p" : "abc", "bytes" : "%s" }'
    raw = packed(header(b":event-type", b"chunk"), outer % base64.b64encode(b'{"a":"bb"}').replace(b"/", b"\\/"))
    (frame,) = framer_of(Framing.AWS_CHUNK).feed(raw)
    assert frame.event.payload == b'{"a":"bb"}'
    assert frame.rebuilt(b"{}") == packed(header(b":event-type", b"chunk"), outer % b"e30=")


def test_connect_flags():
    frames = run(ConnectFramer(), [b"\x01\0\0\0\1z\x02\0\0\0\2{}\0\0\0\0\0\0\0\0\0\5ab"])
    assert [frame.problem for frame in frames] == [COMPRESSED, None, None, UNFINISHED]
    assert events(frames) == [Event("end", b"{}")]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'[{"a":"]"},\n {"b":"\\"["} , "x" ,3]', [b'{"a":"]"}', b'{"b":"\\"["}', b'"x"', b"3"]),
        (b'  {"error":1}', [b'{"error":1}']),
        (b"[[1],[2,[3]]]", [b"[1]", b"[2,[3]]"]),
        (b"[]", []),
        (b"[1]{}", [b"1", b"{}"]),
    ],
)
def test_elements_of_an_array(data, found):
    for parts in ([data], [bytes([byte]) for byte in data]):
        assert [event.payload for event in events(run(framer_of(Framing.JSON_ARRAY), parts))] == found


@pytest.mark.parametrize(
    ("last", "ending", "fitted"),
    [
        (b"", b",{}]", b"[{}]"), (b"[", b",{}]", b"{}]"), (b",", b",{}]", b"{}]"), (b"}", b",{}]", b",{}]"),
        (b"}", b"]", b"]"), (b"}", b"{}]", b",{}]"),
    ],
)  # fmt: skip
def test_an_array_is_ended_where_it_stands(last, ending, fitted):
    assert ending_behind(ending, last) == fitted


def test_lines_end_with_lf_or_crlf_and_blank_ones_are_nothing():
    data = b'{"a":1}\r\n\n  {"b":2} \n{"c":3}'
    frames = run(LineFramer(), [data])
    assert [event.payload for event in events(frames)] == [b'{"a":1}', b'{"b":2}', b'{"c":3}']
    assert frames[2].rebuilt(b"{}") == b"  {} \n"
    assert [frame.problem for frame in frames] == [None, None, None, UNFINISHED]


@pytest.mark.parametrize("framing", [Framing.SSE, Framing.NDJSON])
@pytest.mark.parametrize("size", [1, 400])
def test_many_blank_lines_are_no_large_event(framing, size):
    data = b"\r\n" * 100 + framed(framing, [b"1"])
    framer = framer_of(framing, max_event=100)
    frames = run(framer, [data[at : at + size] for at in range(0, len(data), size)])
    assert events(frames) == [Event("", b"1")]
    assert {frame.problem for frame in frames} == {None}
