"""What a watch decides comes to the right places of the right events, and to no others."""

import pytest

from appliance.inspect.redact import apply
from appliance.inspect.stream.channels import Change, Channel, Entry, Piece, text_edits
from appliance.inspect.stream.events import Event, EventView, Text
from appliance.inspect.stream.frames import Frame
from appliance.inspect.stream.watch import Decided
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind


def found(start, end, rule="fake", entity="TOKEN"):
    return Detection(start, end, entity, DetectionKind.SECRET, 1.0, rule)


def channel_of(*texts):
    channel = Channel(None, "content")
    for text in texts:
        payload = text.encode()
        entry = Entry(Frame(payload, Event("", payload), 0, len(payload)), EventView())
        piece = Piece(entry, Text(0, len(payload), text, escaped=False, channel="0"), channel.fed)
        entry.waiting = 1
        channel.fed += len(text)
        channel.pieces.append(piece)
    return channel, list(channel.pieces)


def written(piece):
    return apply(piece.entry.payload, piece.edits(piece.until)).decode()


def test_detections_over_and_within_pieces():
    channel, pieces = channel_of("abcd", "", "efgh", "ijkl")
    assert channel.settle(Decided(12, (found(1, 2), found(3, 7), found(7, 9), found(10, 12)))) == 4
    assert [written(piece) for piece in pieces] == ["a<TOKEN>c<TOKEN>", "", "<TOKEN>", "j<TOKEN>"]
    assert [piece.entry.waiting for piece in pieces] == [0, 0, 0, 0]


def test_a_mask_that_goes_on_has_one_placeholder():
    channel, pieces = channel_of("abcd", "efgh")
    assert channel.settle(Decided(3, (found(1, 3, "ceiling", "UNDECIDED"),))) == 1
    assert channel.settle(Decided(6, (found(3, 6, "ceiling-continued", "UNDECIDED"),))) == 0
    assert pieces[0].entry.waiting == 0
    assert pieces[1].until == 2
    channel.settle(Decided(8))
    assert [written(piece) for piece in pieces] == ["a<UNDECIDED>", "gh"]


def test_nothing_leaves_from_where_the_answer_ends_nor_of_what_reaches_beyond():
    channel, pieces = channel_of("abcdefgh")
    channel.settle(Decided(8, (found(1, 2), found(4, 7)), 6))
    assert (channel.until, channel.ended, pieces[0].until, pieces[0].entry.waiting) == (4, True, 4, 1)
    assert written(pieces[0]) == "a<TOKEN>cd"


@pytest.mark.parametrize(
    "decided",
    [Decided(1), Decided(9), Decided(8, (found(1, 4),)), Decided(8, (found(4, 6), found(5, 7))), Decided(8, (), 1)],
)
def test_a_watch_that_contradicts_itself_is_not_believed(decided):
    channel, _ = channel_of("abcdefgh")
    channel.settle(Decided(2))
    with pytest.raises(ValueError, match="a watch"):
        channel.settle(decided)


@pytest.mark.parametrize(
    ("payload", "text", "escaped"),
    [
        ('"é😀-secret-é"', "é😀-secret-é", False),
        ('"\\u00e9\\ud83d\\ude00-secr\\u0065t-é"', "é😀-secret-é", True),
        ('"\\ud83d\\"-\\u0073ecret-\\ude00"', '\ud83d"-secret-\ude00', True),
    ],
)  # fmt: skip
def test_code_points_are_found_in_their_bytes(payload, text, escaped):
    data = payload.encode("utf-8", "surrogatepass")
    at = text.index("secret")
    (edit,) = text_edits(data, Text(1, len(data) - 1, text, escaped), [Change(at, at + 6, '<"X">')])
    before, after = payload.split("-")[0], payload.split("-")[2]
    assert apply(data, [edit]) == f'{before}-<\\"X\\">-{after}'.encode()


def test_stray_bytes_are_one_code_point_each():
    data = b"\xff\xc3\xa9secret\xfe"
    text = Text(0, len(data), data.decode("utf-8", "surrogateescape"), escaped=False)
    assert apply(data, text_edits(data, text, [Change(2, 8, "<X>")])) == b"\xff\xc3\xa9<X>\xfe"


@pytest.mark.parametrize("changes", [[Change(0, 3, ""), Change(2, 4, "")], [Change(0, 99, "")], [Change(3, 2, "")]])
def test_changes_that_overlap_or_leave_their_text_raise(changes):
    with pytest.raises(ValueError, match="overlap or leave"):
        text_edits(b"abcdef", Text(0, 6, "abcdef", escaped=False), changes)
