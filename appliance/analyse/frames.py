"""The frames in which a worker and the processes beside it speak.

Rules: pure; each is `u32 length of the head | u32 length of the body | head | body`, big-endian; lengths are judged
before anything is read.
"""

import struct
from typing import Final

from appliance.model.errors import PeerError

LENGTHS: Final = struct.Struct("!II")
MAX_HEAD: Final = 64 * 1024 * 1024
MAX_BODY: Final = 1024 * 1024 * 1024
READY: Final = b"ready"  # what a process says first, once it can serve


def framed(head: bytes, size: int = 0) -> bytes:
    """Everything of a frame before its body of `size` bytes."""
    return LENGTHS.pack(len(head), size) + head


def lengths(data: bytes) -> tuple[int, int]:
    """Length of head and body; PeerError beyond the bounds."""
    head, body = LENGTHS.unpack(data)
    if head > MAX_HEAD or body > MAX_BODY:
        raise PeerError("a frame between worker and analyser is too large")
    return head, body
