"""What a worker asks of its reader of names, and the bytes in which both say it.

Rules: pure; a job is a few pieces of text, an answer what stands in each, in their order; pieces travel as UTF-8 with
surrogates passed, because JSON strings may hold halves of a pair.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from appliance.analyse.frames import framed
from appliance.model.detection import Detection
from appliance.model.errors import PeerError

# The process has one thread, because privileges belong to threads: libraries of numbers start more unless told.
ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
MOST_CHARS: Final = 16_384  # of one job; the process refuses more


class Texts(msgspec.Struct, frozen=True, tag="texts"):
    """Pieces of text to be read."""

    pieces: tuple[bytes, ...]


class Names(msgspec.Struct, frozen=True, tag="names"):
    """What stands in each of them."""

    found: tuple[tuple[Detection, ...], ...]


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """They could not be read. `word`: the type of the fault, never its text."""

    word: str


_encoder = msgspec.msgpack.Encoder()
_asked: msgspec.msgpack.Decoder[Texts] = msgspec.msgpack.Decoder(Texts)
_answered: msgspec.msgpack.Decoder[Names | Failed] = msgspec.msgpack.Decoder(Names | Failed)


def asking(pieces: Sequence[str]) -> bytes:
    """The frame of a job."""
    return framed(_encoder.encode(Texts(tuple(piece.encode("utf-8", "surrogatepass") for piece in pieces))))


def asked(head: bytes) -> tuple[str, ...]:
    """The pieces of a job. PeerError: no job of ours, or too large."""
    try:
        pieces = tuple(piece.decode("utf-8", "surrogatepass") for piece in _asked.decode(head).pieces)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PeerError("no job for a reader of names") from error
    if sum(map(len, pieces)) > MOST_CHARS:
        raise PeerError("a job for the reader of names is too large")
    return pieces


def answering(answer: Names | Failed) -> bytes:
    """The frame of an answer."""
    return framed(_encoder.encode(answer))


def answered(head: bytes) -> Names | Failed:
    """What the process says. PeerError: nothing of ours."""
    try:
        return _answered.decode(head)
    except msgspec.MsgspecError as error:
        raise PeerError("no answer of a reader of names") from error
