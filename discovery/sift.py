"""Packets of a plain capture file that begin nothing and belong to nothing open, left aside where they stand.

Owns: the one walk over the records of a file that both finds a packet's end and sees whether anybody wants it: most
packets are never cut out of the buffer. Rules: what is left aside here, `Engine.feed` would leave aside as well; every
other packet goes through it in its place, so that what is open is known before the next packet is looked at; whatever
is not plain (Ethernet, IPv4 without options, TCP) goes through it, too. Source: draft-ietf-opsawg-pcap-05.
"""

from collections.abc import Sequence
from struct import Struct
from typing import TYPE_CHECKING, Final

from discovery.beginnings import DNS_PORT, FIRST_BYTES
from discovery.decode import ETHERNET, TCP
from discovery.engine import SEALED, Engine
from discovery.files import Frame
from discovery.flows import TELLING

if TYPE_CHECKING:
    from appliance.model.observation import Observation

HEAD: Final = 16  # bytes of a record's head
_PLAIN: Final = 54  # Ethernet, IPv4 and TCP without options
# Bytes kept; EtherType, version and length, total length, fragment, protocol, port, data offset and flags: all of them
# little-endian, as the file is, so those of the network stand turned.
_RECORD: Final = Struct("<8xI4x12xHBxBB2xHxB12xH8xBB")
_TIME: Final = Struct("<II").unpack_from
_IPV4, _NO_OPTIONS, _FRAGMENT, _DNS = 0x0008, 0x45, 0xFF3F, int.from_bytes(DNS_PORT.to_bytes(2), "little")


class Sift:
    """Of one engine and one file. `found`: rows, each with the number of its packet, from 1; its reader clears it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.packets = 0
        self.found: list[tuple[int, Sequence[Observation]]] = []

    def take(self, buffer: bytes, at: int, unit: float) -> int:
        """Every whole record of `buffer` from `at` on; where it stopped. `unit`: seconds of a fraction."""
        engine, unpack, feed, least, begins = self._engine, _RECORD.unpack_from, self._engine.feed, _PLAIN, FIRST_BYTES
        opened, expected = engine.waited_for
        left = number = 0
        whole = len(buffer)
        last = whole - _RECORD.size  # short ones at the end are left to the reader of files
        while at <= last:
            size, kind, head, high, low, fragment, protocol, port, offset, flags = unpack(buffer, at)
            start, after = at + HEAD, at + HEAD + size
            if after > whole:
                break
            number += 1
            asked = kind != _IPV4 or head != _NO_OPTIONS or protocol != TCP or flags & TELLING or fragment & _FRAGMENT
            if not asked:
                end = start + 14 + (high << 8 | low)
                if start + least <= end <= after:
                    payload = start + 34 + ((offset >> 4) << 2)
                    if payload >= end:
                        left, at = left + 1, after
                        continue
                    if not (buffer[payload] in begins or port == _DNS or end - payload == SEALED):
                        key = buffer[start + 26 : start + 38]
                        if key not in expected and key not in opened:
                            left, at = left + 1, after
                            continue
            seconds, fraction = _TIME(buffer, at)
            if rows := feed(seconds + fraction * unit, ETHERNET, buffer[start:after]):
                self.found.append((self.packets + number, rows))
            at = after
        self.packets += number
        engine.left_aside(left)
        return at

    def feed(self, batch: Sequence[Frame]) -> None:
        """Packets that were cut out, next in the file."""
        feed = self._engine.feed
        for number, (ts, linktype, frame) in enumerate(batch, self.packets + 1):
            if rows := feed(ts, linktype, frame):
                self.found.append((number, rows))
        self.packets += len(batch)
