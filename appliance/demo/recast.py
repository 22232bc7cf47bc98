"""A capture moved to the present, so that its findings are of today.

Rules: classic pcap only (libpcap's pcap-savefile(5): magic in either byte order, micro- or nanoseconds); every record
is moved by the same whole seconds, so that the last packet lies just before `now`; packets stay as they are.
"""

import struct
from typing import Final

from appliance.model.errors import OperatorError

_HEAD: Final = 24
_ORDERS: Final = {
    b"\xd4\xc3\xb2\xa1": "<",
    b"\xa1\xb2\xc3\xd4": ">",
    b"\x4d\x3c\xb2\xa1": "<",
    b"\xa1\xb2\x3c\x4d": ">",
}


def recast(capture: bytes, now: float, name: str) -> bytes:
    """The moved capture. OperatorError: `name` is no classic pcap, or cut short."""
    order = _ORDERS.get(capture[:4])
    if order is None or len(capture) < _HEAD:
        raise OperatorError(f"{name}: not a pcap file; give a capture in the classic pcap format")
    record = struct.Struct(f"{order}IIII")
    places, at = [], _HEAD
    while at + record.size <= len(capture):
        places.append(at)
        at += record.size + record.unpack_from(capture, at)[2]
    if not places or at != len(capture):
        raise OperatorError(f"{name}: the capture is empty or cut short at byte {places[-1] if places else _HEAD}")
    moved = bytearray(capture)
    seconds = [record.unpack_from(capture, place)[0] for place in places]
    by = int(now) - 1 - max(seconds)
    for place, second in zip(places, seconds, strict=True):
        struct.pack_into(f"{order}I", moved, place, max(second + by, 0))
    return bytes(moved)
