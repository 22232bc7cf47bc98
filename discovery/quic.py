"""The ClientHello inside QUIC Initial packets (RFC 9000, RFC 9001 section 5, RFC 9369), wherever its pieces lie.

Rules: Initial packets are sealed with keys that everyone can derive from the connection id of the client's first one,
so nothing secret is opened here. A packet whose seal does not open is counted, unless it answers a client that we
follow. The same hello on the same ports is one row: after a Retry it comes once more, under other keys. The second
hello after a HelloRetryRequest goes on where the first ended, under the same keys, which are kept for a while. Bounded
by `Limits`.
"""

from discovery import gquic
from discovery.held import Held, Recent
from discovery.hello import CLIENT_HELLO, ClientHello, parse
from discovery.limits import Limits, Tally, Weird
from discovery.quic_frames import MAX_FRAMES, begins, crypto_frames, joined
from discovery.quic_packets import Keys, Packet, packets, unseal
from discovery.quic_server import Answers, Said
from discovery.streams import Stream

type Hello = ClientHello | gquic.GoogleHello | Said | Weird


class _Connection(Stream):
    """CRYPTO frames of a client whose hello is not whole; `base` is where it begins, beyond 0 after a first one."""

    __slots__ = ("keys", "packets")

    def __init__(self, since: float, keys: Keys) -> None:
        super().__init__(since, 0, None)
        self.keys = keys
        self.packets = 0


class Quic:
    """`take` a datagram that `looks_like` it."""

    def __init__(self, limits: Limits, tally: Tally) -> None:
        self._limits, self._tally = limits, tally
        self._open: Held[bytes, _Connection] = Held(
            tally,
            entries=limits.streams,
            total=limits.held_bytes,
            seconds=limits.stream_seconds,
            full=Weird.STREAMS_EVICTED,
            late=Weird.STREAM_EXPIRED,
        )
        self._finished: Recent[int] = Recent(limits.finished, limits.finished_seconds)  # a digest of the hello
        self._kept: Recent[_Connection] = Recent(limits.quic_kept, limits.stream_seconds)  # for a second hello
        self._answers = Answers(limits, tally)

    def take(self, key: bytes, back: bytes, now: float, datagram: bytes) -> list[Hello]:
        """The hello that this datagram completes. `key` and `back` are the ports and addresses, there and back."""
        if back in self._open or self._finished.recall(back, now) is not None:
            return [*self._answers.take(back, now, datagram)]
        connection = None
        for packet in packets(datagram):
            opened = self._opened(key, now, packet)
            if opened is None:
                return [] if self._finished.recall(key, now) is not None else [Weird.BAD_QUIC]
            connection, frames = opened
            if not self._crypto(key, connection, frames):
                self._open.drop(key)
                return [Weird.BAD_QUIC]
        return self._hello(key, now, connection) if connection is not None else []

    def expire(self, now: float) -> None:
        """Let go what is too old."""
        self._open.expire(now)
        self._finished.expire(now)
        self._kept.expire(now)
        self._answers.expire(now)

    def old(self, key: bytes, now: float, datagram: bytes) -> list[Hello]:
        """The hello in a datagram that looks like one of Google's versions, unless it is the last once more."""
        hello = gquic.read(datagram) if gquic.looks_like(datagram) else None
        if hello is None:
            return []
        return [hello] if self._is_new(key, now, hash(hello)) else []

    def _is_new(self, key: bytes, now: float, digest: int) -> bool:
        before = self._finished.recall(key, now)
        self._finished.note(key, now, digest)
        return before != digest

    def _opened(self, key: bytes, now: float, packet: Packet) -> tuple[_Connection, bytes] | None:
        """The connection and the frames: by the keys of its first packet, else by those of this one."""
        known = self._open.get(key)
        frames = None if known is None else unseal(known.keys, packet)
        if known is not None and frames is not None:
            return known, frames
        kept = self._kept.recall(key, now) if known is None else None
        frames = None if kept is None else unseal(kept.keys, packet)
        if kept is not None and frames is not None and not begins(frames):
            return kept, frames
        same = kept is not None and kept.keys.of == (packet.version, packet.connection_id)
        fresh = _Connection(now, kept.keys if same and kept else Keys(packet.version, packet.connection_id))
        frames = unseal(fresh.keys, packet)
        if frames is None:
            return None
        self._open.expire(now)
        self._open.put(key, fresh)
        return fresh, frames

    def _crypto(self, key: bytes, connection: _Connection, frames: bytes) -> bool:
        """Take the CRYPTO frames in; False where they make no sense or are too many."""
        pieces = crypto_frames(frames)
        if pieces is None:
            return False
        if len(pieces) > 1 and not connection.size and not connection.base:
            pieces = joined(pieces)
        for offset, piece in pieces:
            if offset + len(piece) > self._limits.stream_bytes:
                return False
            behind = max(0, connection.base - offset)
            if len(piece) > behind:
                if key not in self._open:  # a second hello begins
                    self._open.put(key, connection)
                grown = connection.add(offset + behind - connection.base, piece[behind:], self._tally)
                self._open.grown(grown)
        connection.packets += 1
        few = connection.packets <= self._limits.quic_packets and connection.segments < MAX_FRAMES
        return few and (key in self._open or connection.base > 0)

    def _hello(self, key: bytes, now: float, connection: _Connection) -> list[Hello]:
        buffer = connection.buffer
        google = buffer.startswith(gquic.CHLO)
        if len(buffer) < 4:  # noqa: PLR2004 - the handshake header
            return []
        size = gquic.size(buffer) if google else 4 + int.from_bytes(buffer[1:4])
        if len(buffer) < size:
            return []
        self._open.drop(key)
        self._kept.pop(key, None)
        second = connection.base > 0
        if not second:
            self._keep(key, now, size, connection.keys)
        if not self._is_new(key, now, hash(buffer[:size])):
            return []
        if google:
            return [gquic.parse(buffer[:size])]
        hello = parse(buffer[4:size]) if buffer[0] == CLIENT_HELLO else None
        if hello is not None and second:
            hello.notes += ("hello_retry",)
        return [hello or Weird.BAD_HELLO]

    def _keep(self, key: bytes, now: float, size: int, keys: Keys) -> None:
        kept = _Connection(now, keys)
        kept.base = size
        self._kept.note(key, now, kept)
        self._answers.await_from(key, now, keys)
