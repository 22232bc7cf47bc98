"""The ClientHello of DTLS 1.0 to 1.3 (RFC 6347 section 4.2, RFC 9147 section 5), whole or in fragments.

Rules: fragments of one message are joined by their own offsets, in any order, within bounds; what a datagram holds
behind its hello is not read. The same hello on the same ports is one row, for clients repeat what nobody answered; the
second hello, which brings the server's cookie, is another.
"""

from discovery.held import Held, Recent
from discovery.hello import CLIENT_HELLO, HANDSHAKE, ClientHello, parse
from discovery.limits import Limits, Tally, Weird
from discovery.streams import Stream

_RECORD, _HEADER = 13, 12  # bytes of a record's and of a handshake message's header
_MAJOR = 0xFE
_MAX_HELLO = 16_384
_MAX_RECORDS = 16  # of one datagram


class Dtls:
    """`take` a datagram that begins like a handshake record."""

    def __init__(self, limits: Limits, tally: Tally) -> None:
        self._limits, self._tally = limits, tally
        self._open: Held[bytes, Stream] = Held(
            tally,
            entries=limits.datagrams,
            total=limits.datagram_held_bytes,
            seconds=limits.datagram_seconds,
            full=Weird.STREAMS_EVICTED,
            late=Weird.STREAM_EXPIRED,
        )
        self._last: Recent[int] = Recent(limits.finished, limits.finished_seconds)  # a digest of the last hello

    def take(self, key: bytes, now: float, datagram: bytes) -> list[ClientHello | Weird]:
        """The hello that this datagram completes; `key` tells the ports and addresses."""
        at = 0
        for _ in range(_MAX_RECORDS):
            size = int.from_bytes(datagram[at + 11 : at + _RECORD])
            if len(datagram) < at + _RECORD + _HEADER or datagram[at] != HANDSHAKE or datagram[at + 1] != _MAJOR:
                break
            body = self._record(key, now, datagram[at + _RECORD : at + _RECORD + size])
            if body is not None:
                return self._hello(key, now, body)
            at += _RECORD + size
        return []

    def expire(self, now: float) -> None:
        """Let go what is too old."""
        self._open.expire(now)
        self._last.expire(now)

    def _record(self, key: bytes, now: float, record: bytes) -> bytes | None:
        """The hello's body, whole, or b"" where what is there is none; None: it goes on, or this is none of one."""
        if len(record) < _HEADER or record[0] != CLIENT_HELLO:
            return None
        size, offset = int.from_bytes(record[1:4]), int.from_bytes(record[6:9])
        length, piece = int.from_bytes(record[9:12]), record[_HEADER:]
        if length > len(piece) or offset + length > size or size > _MAX_HELLO:
            return b""
        if length == size:
            return piece[:size]
        return self._fragment(key + record[1:6], now, offset, piece[:length], size) if length else None

    def _fragment(self, key: bytes, now: float, offset: int, piece: bytes, size: int) -> bytes | None:
        """The whole body with the fragment that completes it."""
        self._open.expire(now)
        message = self._open.get(key)
        if message is None:
            message = Stream(now, 0, None)
            self._open.put(key, message)
        self._open.grown(message.add(offset, piece, self._tally))
        if message.segments >= self._limits.datagram_pieces:
            self._tally[Weird.STREAM_TOO_LONG] += 1
            self._open.drop(key)
        if len(message.buffer) < size:
            return None
        self._open.drop(key)
        return message.buffer[:size]

    def _hello(self, key: bytes, now: float, body: bytes) -> list[ClientHello | Weird]:
        digest = hash(body)
        before = self._last.recall(key, now)
        self._last.note(key, now, digest)
        return [] if before == digest else [parse(body, cookie=True) or Weird.BAD_HELLO]
