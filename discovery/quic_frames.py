"""Frames inside QUIC's Initial packets (RFC 9000 sections 12.4, 16 and 19).

Rules: pure; a number of frames that no client sends, or a frame that none may send in an Initial, makes all unreadable.
"""

import struct
from struct import Struct

_U32, _U64 = Struct(">I").unpack_from, Struct(">Q").unpack_from
MAX_FRAMES = 256


def crypto_frames(frames: bytes) -> list[tuple[int, bytes]] | None:
    """Offset and data of each CRYPTO frame; None where a frame is none of an Initial's (RFC 9000 section 17.2.2)."""
    pieces: list[tuple[int, bytes]] = []
    at, last = 0, len(frames)
    try:
        for _ in range(MAX_FRAMES):
            if at < last and not frames[at]:
                at = last - len(frames[at:].lstrip(b"\x00"))  # PADDING, in one step
            if at >= last:
                return pieces
            kind = frames[at]
            if kind < 0x40:  # noqa: PLR2004 - a number of one byte, as all of them are
                at += 1
            else:
                kind, at = varint(frames, at)
            if kind == 6:  # noqa: PLR2004 - CRYPTO
                offset, at = varint(frames, at)
                size, at = varint(frames, at)
                pieces.append((offset, frames[at : at + size]))
                at += size
            elif kind in {2, 3}:
                at = _after_ack(frames, at, with_counts=kind == 3)  # noqa: PLR2004 - ACK with ECN counts
            elif kind == 0x1C:  # noqa: PLR2004 - CONNECTION_CLOSE ends what matters
                return pieces
            elif kind != 1:  # PING
                return None
    except (IndexError, struct.error):
        return None
    return None


def joined(pieces: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """The same bytes in fewer pieces; as they are where two overlap, for then the order decides.

    Some clients cut their hello into dozens of frames and mix them.
    """
    runs: list[tuple[int, list[bytes]]] = []
    end = -1
    for offset, piece in sorted(pieces):
        if offset < end:
            return pieces
        if offset == end:
            runs[-1][1].append(piece)
        else:
            runs.append((offset, [piece]))
        end = offset + len(piece)
    return [(offset, b"".join(parts)) for offset, parts in runs]


def begins(frames: bytes) -> bool:
    """Whether a hello's first byte is among them."""
    return any(piece and not offset for offset, piece in crypto_frames(frames) or ())


def _after_ack(frames: bytes, at: int, *, with_counts: bool) -> int:
    """Where the frame after an ACK begins (RFC 9000 section 19.3)."""
    for _ in range(2):
        _, at = varint(frames, at)
    ranges, at = varint(frames, at)
    for _ in range(1 + 2 * min(ranges, MAX_FRAMES) + (3 if with_counts else 0)):
        _, at = varint(frames, at)
    return at


def varint(data: bytes, at: int) -> tuple[int, int]:
    """RFC 9000 section 16: the number, and where the next thing begins."""
    first = data[at]
    size = 1 << (first >> 6)
    if size == 1:
        return first, at + 1
    if size == 2:  # noqa: PLR2004 - bytes
        return (first & 0x3F) << 8 | data[at + 1], at + 2
    if size == 4:  # noqa: PLR2004 - bytes
        return _U32(data, at)[0] & 0x3FFF_FFFF, at + 4
    return _U64(data, at)[0] & 0x3FFF_FFFF_FFFF_FFFF, at + 8
