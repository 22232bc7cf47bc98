"""IP datagrams that come in pieces, put together within bounds.

Rules: the first byte seen at a place holds; what contradicts it is counted, for two readers of such a datagram see two
different things. Nothing is read from a datagram before it is whole.
"""

from discovery.held import Held
from discovery.limits import Limits, Tally, Weird

_MAX_DATAGRAM = 65_535


class _Datagram:
    """The pieces of one datagram, by offset."""

    __slots__ = ("pieces", "quiet", "since", "size", "total")

    def __init__(self, since: float) -> None:
        self.since = since
        self.size = 0
        self.quiet = False
        self.total: int | None = None  # known once the last piece was seen
        self.pieces: dict[int, bytes] = {}

    def whole(self, tally: Tally) -> bytes | None:
        """The datagram's payload, if no byte of it is missing."""
        if self.total is None or self.size < self.total:
            return None
        joined = bytearray()
        for offset in sorted(self.pieces):
            if offset > len(joined):
                return None
            piece = self.pieces[offset]
            overlap = joined[offset : offset + len(piece)]
            if overlap != piece[: len(overlap)]:
                tally[Weird.OVERLAP_DIFFERS] += 1
            joined += piece[len(overlap) :]
        return bytes(joined[: self.total]) if len(joined) >= self.total else None


class Fragments:
    """`add` a piece; the whole payload comes back with the piece that completes it."""

    def __init__(self, limits: Limits, tally: Tally) -> None:
        self._limits, self._tally = limits, tally
        self._open: Held[bytes, _Datagram] = Held(
            tally,
            entries=limits.datagrams,
            total=limits.datagram_held_bytes,
            seconds=limits.datagram_seconds,
            full=Weird.FRAGMENTS_LOST,
            late=Weird.FRAGMENTS_LOST,
        )

    def add(self, key: bytes, now: float, offset: int, piece: bytes, *, last: bool) -> bytes | None:
        """`key` tells the datagram, `offset` is in bytes; None while something is missing."""
        self._open.expire(now)
        datagram = self._open.get(key)
        if datagram is None:
            datagram = _Datagram(now)
            self._open.put(key, datagram)
        if len(datagram.pieces) >= self._limits.datagram_pieces or offset + len(piece) > _MAX_DATAGRAM:
            self._open.drop(key)
            self._tally[Weird.FRAGMENTS_LOST] += 1
            return None
        if last:
            datagram.total = offset + len(piece)
        if piece and len(piece) > len(datagram.pieces.get(offset, b"")):
            self._keep(datagram, offset, piece)
        whole = datagram.whole(self._tally)
        if whole is not None:
            self._open.drop(key)
        return whole

    def expire(self, now: float) -> None:
        """Let go what is too old."""
        self._open.expire(now)

    def _keep(self, datagram: _Datagram, offset: int, piece: bytes) -> None:
        before = datagram.pieces.get(offset, b"")
        if before != piece[: len(before)]:
            self._tally[Weird.OVERLAP_DIFFERS] += 1
        datagram.pieces[offset] = before + piece[len(before) :]
        datagram.size += len(piece) - len(before)
        self._open.grown(len(piece) - len(before))
