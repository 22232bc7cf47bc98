"""The weights of the injection model: how they lie in their file, and reading them.

Format, version 1: `GNIM`, a byte of version, then zlib over msgpack: an array of the fields of `Written`. Words are
numbered from 1 in the order of `words`; `singles` holds a weight for each of them; `pairs` holds pairs of numbers
(first, second; 16 bits each, one 32-bit word) in ascending order and `pair_weights` a weight for each. Weights are
16-bit integers, little-endian, in units of `unit`. No pickle: nothing in the file is executed.

Rules: pure; what is not exactly as described raises ValueError; sizes are bounded before anything is unpacked.
"""

import hashlib
import sys
import zlib
from array import array
from collections.abc import Iterable
from itertools import batched
from typing import NamedTuple

import msgspec

MAGIC = b"GNIM\x01"
MAX_FILE = 2 << 20
MAX_UNPACKED = 16 << 20
MAX_WINDOW = 1024
MAX_WORDS = (1 << 16) - 1
_DIGEST = 16


class Reading(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Words of a window and from one to the next; a margin times `slope` plus `offset` are the log odds of an attack.

    `threshold`: the probability from which a text is told.
    """

    window: int
    step: int
    slope: float
    offset: float
    threshold: float


class Written(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What stands in the file. `reads`: how own words are read, and foreign ones."""

    shift: float
    bias: float
    unit: float
    reads: tuple[Reading, Reading]
    words: tuple[str, ...]
    singles: bytes
    pairs: bytes
    pair_weights: bytes


class Weights(NamedTuple):
    """Ready for scoring: numbers of words, their weights (0 for an unknown word), pairs by first << 16 | second."""

    version: str
    shape: Written
    numbers: dict[str, int]
    singles: list[int]
    pairs: dict[int, int]


def pack(written: Written) -> bytes:
    """The file."""
    return MAGIC + zlib.compress(msgspec.msgpack.encode(written), 9)


def read(data: bytes) -> Weights:
    """The weights in a file; ValueError: it is damaged, of another version, or too large."""
    if len(data) > MAX_FILE or not data.startswith(MAGIC):
        raise ValueError("no weights of this version")
    unpacking = zlib.decompressobj()
    try:
        plain = unpacking.decompress(data[len(MAGIC) :], MAX_UNPACKED)
        written = msgspec.msgpack.decode(plain, type=Written)
    except (zlib.error, msgspec.DecodeError) as error:
        raise ValueError("the weights are damaged") from error
    if not unpacking.eof or not _sound(written):
        raise ValueError("the weights are damaged")
    numbers = {sys.intern(word): number for number, word in enumerate(written.words, 1)}
    pairs = dict(zip(_integers(written.pairs, 4), _signed(written.pair_weights), strict=True))
    digest = hashlib.sha256(data).hexdigest()[:_DIGEST]
    return Weights(digest, _light(written), numbers, [0, *_signed(written.singles)], pairs)


def _sound(written: Written) -> bool:
    words, pairs = len(written.words), len(written.pairs) // 4
    sizes = (len(written.singles), len(written.pairs), len(written.pair_weights)) == (2 * words, 4 * pairs, 2 * pairs)
    windows = all(0 < one.step <= one.window <= MAX_WINDOW for one in written.reads)
    return sizes and windows and written.shift > 0 and words <= MAX_WORDS


def _light(written: Written) -> Written:
    return msgspec.structs.replace(written, words=(), singles=b"", pairs=b"", pair_weights=b"")


def _integers(data: bytes, size: int) -> Iterable[int]:
    return (int.from_bytes(bytes(piece), "little") for piece in batched(data, size, strict=True))


def _signed(data: bytes) -> list[int]:
    made = array("h", data)
    if sys.byteorder == "big":
        made.byteswap()
    return made.tolist()
