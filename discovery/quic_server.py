"""What a server's Initial packets say: the ServerHello inside QUIC, with the cipher and the version that it chose.

Rules: they are sealed with keys that come from the connection id of the client's Initial (RFC 9001 section 5.2), so
only what answers a client's hello can be read; what these keys do not open is left alone, for anybody can send it. The
hello may lie in several packets; after a HelloRetryRequest another follows under the same keys. Bounded by `Limits` and
in packets. All else that a server says is under keys that nobody else has.
"""

from typing import Final

from discovery import server_hello
from discovery.held import Recent
from discovery.limits import Limits, Tally, Weird
from discovery.quic_frames import crypto_frames
from discovery.quic_packets import SERVER, Keys, packets, unseal
from discovery.server_hello import SERVER_HELLO, ServerHello
from discovery.streams import Stream

MAX_PACKETS: Final = 8  # of one answer; a hello with a large key share lies in two
MAX_HELLO: Final = 8_192  # bytes; the largest key shares take less than two thousand

type Said = ServerHello | Weird


class _Answer(Stream):
    """CRYPTO frames of a server whose hello is not whole. `asked`: what the client's were sealed with."""

    __slots__ = ("asked", "keys", "packets")

    def __init__(self, since: float, asked: Keys) -> None:
        super().__init__(since, 0, None)
        self.asked, self.packets = asked, 0
        self.keys: Keys | None = None


class Answers:
    """The answers that are still to come, by the client's end: `await_from` a hello on, then `take`."""

    def __init__(self, limits: Limits, tally: Tally) -> None:
        self._tally = tally
        self._open: Recent[_Answer] = Recent(limits.quic_kept, limits.stream_seconds)

    def await_from(self, key: bytes, now: float, asked: Keys) -> None:
        """A client's hello is whole, sealed with `asked`."""
        self._open.note(key, now, _Answer(now, asked))

    def take(self, key: bytes, now: float, datagram: bytes) -> list[Said]:
        """The hello that this datagram to the client completes. `key` is the client's."""
        answer = self._open.recall(key, now)
        if answer is None:
            return []
        for packet in packets(datagram):
            if answer.keys is None:
                answer.keys = Keys(*answer.asked.of, SERVER)
            frames = unseal(answer.keys, packet)
            if frames is not None and not self._crypto(answer, frames):
                del self._open[key]
                return []
        return self._hello(key, answer)

    def expire(self, now: float) -> None:
        """Let go what is too old."""
        self._open.expire(now)

    def _crypto(self, answer: _Answer, frames: bytes) -> bool:
        """Take the CRYPTO frames in; False where they are too many, or make no sense."""
        answer.packets += 1
        pieces = crypto_frames(frames)
        if pieces is None or answer.packets > MAX_PACKETS:
            return False
        for offset, piece in pieces:
            behind = max(0, answer.base - offset)
            if offset + len(piece) > MAX_HELLO:
                return False
            if len(piece) > behind:
                answer.add(offset + behind - answer.base, piece[behind:], self._tally)
        return True

    def _hello(self, key: bytes, answer: _Answer) -> list[Said]:
        buffer = answer.buffer
        size = 4 + int.from_bytes(buffer[1:4])
        if len(buffer) < size or len(buffer) < 4:  # noqa: PLR2004 - the handshake header
            return []
        hello = server_hello.parse(buffer[4:size]) if buffer[0] == SERVER_HELLO else None
        if hello is not None and hello.retry and not answer.base:
            answer.base, answer.buffer, answer.size = size, buffer[size:], 0
            answer.ahead = {}
        else:
            del self._open[key]
        return [hello or Weird.BAD_HELLO]
