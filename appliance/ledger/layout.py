"""The counter file's format. Pure: bytes in, records out, and back.

Format 2, little-endian, one file of fixed size::

    0      header   magic "GNOMONLG", version u32, slots u32, workers u32, notes u32, hash key 16, boot id 16, crc32 u32
    128    busy     u8: 1 while the log below must be applied
    4096   log      count u32, then per write: offset u64, length u32, bytes
    8192   slots    32 bytes each: tag 16 (15 bytes of keyed BLAKE2b, window code u8), start i64, used i64
    ...    notes    per worker: `notes` x 1344 bytes: count u32, reserved u32, number u64, then 40 bytes per item:
                    slot u32, reserved u32, tag 16, start i64, amount i64

Rules: a slot with a zero tag is empty; a note with count 0 is free. Of a count over a window `start` is when it began,
epoch seconds; of a rate `start` is the moment to which it is taken and an item's the one at which it was taken, and
amounts are nanoseconds (see windows.py); of what runs it is 0. Format 1 had no rates, no months, and days of UTC.
"""

import struct
import zlib
from collections.abc import Buffer

import msgspec

MAGIC = b"GNOMONLG"
VERSION = 2
BUSY_AT = 128
LOG_AT = 4096
LOG_SIZE = 4096
SLOTS_AT = LOG_AT + LOG_SIZE
MAX_KEYS = 32  # counters in one note; a reservation of more has several

_HEADER = struct.Struct("<8sIIII16s16s")
_CRC = struct.Struct("<I")
SLOT = struct.Struct("<16sqq")
NOTE_HEAD = struct.Struct("<IIQ")
ITEM = struct.Struct("<II16sqq")
NOTE_SIZE = 1344
LOG_COUNT = struct.Struct("<I")
LOG_WRITE = struct.Struct("<QI")
EMPTY = bytes(16)


class Item(msgspec.Struct, frozen=True):
    """One counter of a reservation: where it is, whose it was then, and how much was added, as the slot counts."""

    slot: int
    tag: bytes
    start: int
    amount: int


class Header(msgspec.Struct, frozen=True):
    """Sizes of a file and its hash key; `boot` is the boot id of the machine life that wrote the counters."""

    slots: int
    workers: int
    notes: int
    key: bytes
    boot: bytes

    @property
    def notes_at(self) -> int:
        """Byte where the notes begin."""
        return SLOTS_AT + self.slots * SLOT.size

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self.notes_at + self.workers * self.notes * NOTE_SIZE

    def note_at(self, worker: int, note: int) -> int:
        """Byte where a worker's note begins."""
        return self.notes_at + (worker * self.notes + note) * NOTE_SIZE


class Outdated(ValueError):  # noqa: N818 - a state, in the words of its readers
    """A counter file of an earlier format: what it counted is told by the store."""


def encode_header(header: Header) -> bytes:
    """The first bytes of a file."""
    fixed = _HEADER.pack(MAGIC, VERSION, header.slots, header.workers, header.notes, header.key, header.boot)
    return fixed + _CRC.pack(zlib.crc32(fixed))


HEADER_SIZE = _HEADER.size + _CRC.size


def decode_header(data: bytes, size: int) -> Header:
    """`data`: the first HEADER_SIZE bytes of a file of `size`. Raises ValueError saying what is wrong."""
    if len(data) < HEADER_SIZE or not data.startswith(MAGIC):
        raise ValueError("not a counter file")
    _, version, slots, workers, notes, key, boot = _HEADER.unpack_from(data)
    if version < VERSION:
        raise Outdated(f"a counter file of version {version}; this program makes version {VERSION} from the store")
    if version != VERSION:
        raise ValueError(f"a counter file of version {version}; this program reads version {VERSION}")
    if _CRC.unpack_from(data, _HEADER.size)[0] != zlib.crc32(data[: _HEADER.size]):
        raise ValueError("damaged header")
    header = Header(slots, workers, notes, key, boot)
    if size != header.size:
        raise ValueError(f"{size} bytes long instead of {header.size}")
    return header


def encode_note(number: int, items: tuple[Item, ...]) -> bytes:
    """A note in use; shorter than NOTE_SIZE unless it has MAX_KEYS items."""
    head = NOTE_HEAD.pack(len(items), 0, number)
    return head + b"".join([ITEM.pack(item.slot, 0, item.tag, item.start, item.amount) for item in items])


def decode_note(buffer: Buffer, at: int) -> tuple[int, tuple[Item, ...]]:
    """Number and items of the note at byte `at`; (0, ()) if it is free."""
    count, _, number = NOTE_HEAD.unpack_from(buffer, at)
    if not count:
        return 0, ()
    items = (ITEM.unpack_from(buffer, at + NOTE_HEAD.size + i * ITEM.size) for i in range(min(count, MAX_KEYS)))
    return number, tuple(Item(slot, tag, start, amount) for slot, _, tag, start, amount in items)


FREE_NOTE = NOTE_HEAD.pack(0, 0, 0)

type Write = tuple[int, bytes]
"""Byte offset and what to put there."""


def encode_log(writes: list[Write]) -> bytes:
    """The log of one transaction. ValueError if it does not fit (never within MAX_KEYS)."""
    parts = [LOG_COUNT.pack(len(writes))]
    for offset, data in writes:
        parts.append(LOG_WRITE.pack(offset, len(data)))
        parts.append(data)
    log = b"".join(parts)
    if len(log) > LOG_SIZE:
        raise ValueError(f"a transaction of {len(log)} bytes")
    return log


def decode_log(log: bytes) -> list[Write]:
    """The writes of a log."""
    (count,) = LOG_COUNT.unpack_from(log)
    writes, at = [], LOG_COUNT.size
    for _ in range(count):
        offset, length = LOG_WRITE.unpack_from(log, at)
        at += LOG_WRITE.size
        writes.append((offset, log[at : at + length]))
        at += length
    return writes
