"""Compressed fields of HTTP/2 heads (RFC 7541), read at a cost that grows with their bytes, whoever wrote them.

Owns: one direction's table. Rules: pure; what the RFC forbids, what is longer than the bounds and what an encoder may
not do raises `Unreadable`, and nothing behind it can be read. hpack's own decoder copies the rest of a block at every
field and logs each: a few kilobytes of indexed fields cost it milliseconds. Its static table and its Huffman code are
used here, and a test holds this reader against it.
"""

from functools import lru_cache
from typing import Final

from hpack.exceptions import HPACKError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

MAX_FIELDS: Final = 256  # of one head
MAX_BYTES: Final = 65_536  # of a head as it is read, each field with 32 more (RFC 9113 section 10.5.1)
MAX_TABLE: Final = 65_536  # bytes, as browsers allow it to servers; a peer that uses more cannot be read
EACH_BYTE: Final = 4  # bytes of memory for one that a table counts, where its entries are short
_TABLE: Final = 4_096  # bytes, unless an encoder says otherwise (RFC 9113 section 6.5.2)
_EACH: Final = 32  # what an entry counts beside its bytes (RFC 7541 section 4.1)
_STATIC: Final = ((b"", b""), *((bytes(name), bytes(value)) for name, value in HeaderTable.STATIC_TABLE))
_KNOWN: Final = len(_STATIC)
_MAX_SHIFT: Final = 28  # of an integer's last byte: five bytes, as hpack has it
_SHORT: Final = 256  # bytes of a text that is worth remembering

type Field = tuple[bytes, bytes]


class Unreadable(Exception):  # noqa: N818 - a condition of the input, caught where blocks are read
    """The block cannot be read, and none after it."""


class Fields:
    """Reader of one direction of one connection: give it its blocks in order."""

    __slots__ = ("_dynamic", "_limit", "_size")

    def __init__(self) -> None:
        self._dynamic: list[Field] = []  # the newest last
        self._limit, self._size = _TABLE, 0

    @property
    def size(self) -> int:
        """Bytes of the table, as RFC 7541 counts them."""
        return self._size

    def decode(self, block: bytes) -> list[Field]:
        """The fields of a head in their order. Unreadable."""
        try:
            return self._decode(block)
        except (IndexError, HPACKError):
            raise Unreadable from None

    def _decode(self, block: bytes) -> list[Field]:
        found: list[Field] = []
        at, end, room = 0, len(block), MAX_BYTES
        while at < end:
            first = block[at]
            if 0x80 < first < 0x80 + _KNOWN:  # noqa: PLR2004 - an index of the static table, in one byte
                field, at = _STATIC[first & 0x7F], at + 1
            elif first & 0x80:
                index, at = _integer(block, at, 0x7F)
                field = self._entry(index)
            elif first & 0x60 == 0x20:  # noqa: PLR2004 - the table's size is to change
                if found:
                    raise Unreadable
                limit, at = _integer(block, at, 0x1F)
                self._resize(limit)
                continue
            else:
                field, at = self._literal(block, at, kept=first & 0x40 != 0)
            found.append(field)
            room -= len(field[0]) + len(field[1]) + _EACH
            if room < 0 or len(found) > MAX_FIELDS:
                raise Unreadable
        return found

    def _entry(self, index: int) -> Field:
        if 0 < index < _KNOWN:
            return _STATIC[index]
        back = index - _KNOWN + 1
        if not 0 < back <= len(self._dynamic):
            raise Unreadable
        return self._dynamic[-back]

    def _literal(self, block: bytes, at: int, *, kept: bool) -> tuple[Field, int]:
        index, at = _integer(block, at, 0x3F if kept else 0x0F)
        name, at = (self._entry(index)[0], at) if index else _text(block, at)
        value, at = _text(block, at)
        if kept:
            self._dynamic.append((name, value))
            self._size += len(name) + len(value) + _EACH
            self._shrink()
        return (name, value), at

    def _resize(self, limit: int) -> None:
        if limit > MAX_TABLE:
            raise Unreadable
        self._limit = limit
        self._shrink()

    def _shrink(self) -> None:
        """The oldest go where there is no room (RFC 7541 section 4.4)."""
        gone = 0
        while self._size > self._limit:
            name, value = self._dynamic[gone]
            self._size -= len(name) + len(value) + _EACH
            gone += 1
        if gone:
            del self._dynamic[:gone]


def _integer(block: bytes, at: int, prefix: int) -> tuple[int, int]:
    """RFC 7541 section 5.1: the number, and where the next thing begins. IndexError: the block ends before it."""
    number = block[at] & prefix
    at += 1
    if number < prefix:
        return number, at
    shift = 0
    while shift <= _MAX_SHIFT:
        byte = block[at]
        at += 1
        number += (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the last
            return number, at
        shift += 7
    raise Unreadable


def _text(block: bytes, at: int) -> tuple[bytes, int]:
    """RFC 7541 section 5.2: the text, and where the next thing begins."""
    huffman = block[at] & 0x80
    size, at = _integer(block, at, 0x7F)
    raw = block[at : at + size]
    if len(raw) < size:
        raise Unreadable
    if huffman:
        raw = _short(raw) if size <= _SHORT else decode_huffman(raw)
    return raw, at + size


_short = lru_cache(maxsize=2_048)(decode_huffman)
