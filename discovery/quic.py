"""The ClientHello inside QUIC Initial packets (RFC 9000, RFC 9001 section 5, RFC 9369), wherever its pieces lie.

Rules: Initial packets are sealed with keys that everyone can derive from the connection id of the client's first one,
so nothing secret is opened here. A packet whose seal does not open is counted, unless it answers a client that we
follow. The same hello on the same ports is one row: after a Retry it comes once more, under other keys. The second
hello after a HelloRetryRequest goes on where the first ended, under the same keys, which are kept for a while. Bounded
by `Limits`.
"""

import hashlib
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from discovery import gquic
from discovery.held import Held, Recent
from discovery.hello import CLIENT_HELLO, ClientHello, parse
from discovery.limits import Limits, Tally, Weird
from discovery.quic_frames import MAX_FRAMES, begins, crypto_frames, joined, varint
from discovery.streams import Stream

_V1 = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")  # RFC 9001 section 5.2
_V2 = bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9")  # RFC 9369 section 3.3.1
_D29 = bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899")  # draft-ietf-quic-tls-29 to -32
_D23 = bytes.fromhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502")  # -23 to -28, and mvfst of that time

_Q050 = bytes.fromhex("504574efd066fe2f9d945cfcdbd3a7f0d3b56b45")  # quiche, crypto_utils.cc
_T050 = bytes.fromhex("7ff579e5acd072915580304c43a2367c60488310")
_T051 = bytes.fromhex("7a4edef4e7ccee5fa4506c19124fc8ccda6e033d")


_BLOCK = 64  # bytes of SHA-256's
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))

type _Mac = tuple[bytes, bytes]  # a key of HMAC, as it goes before the message and before the digest of that


def _mac_key(key: bytes) -> _Mac:
    """RFC 2104; `key`: at most a block. Two digests of short texts take half the time of `hmac.digest`."""
    whole = key.ljust(_BLOCK, b"\0")
    return whole.translate(_INNER), whole.translate(_OUTER)


def _mac(key: _Mac, message: bytes) -> bytes:
    inner, outer = key
    return hashlib.sha256(outer + hashlib.sha256(inner + message).digest()).digest()


def _label(name: bytes, size: int) -> bytes:
    """HkdfLabel and counter for HKDF-Expand-Label of one block (RFC 8446 section 7.1)."""
    return size.to_bytes(2) + bytes((6 + len(name),)) + b"tls13 " + name + b"\x00\x01"


_CLIENT = _label(b"client in", 32)


class _Version:
    """Salt, also as a key, prefix of the key labels and the labels, and the bits that tell an Initial."""

    __slots__ = ("extract", "header", "initial", "key", "label", "salt", "vector")

    def __init__(self, salt: bytes, label: bytes = b"quic", initial: int = 0) -> None:
        self.salt, self.label, self.initial = salt, label, initial
        self.extract = _mac_key(salt)
        self.key, self.vector, self.header = (
            _label(label + b" " + name, size) for name, size in ((b"key", 16), (b"iv", 12), (b"hp", 16))
        )


VERSIONS: dict[bytes, _Version] = {
    b"\x00\x00\x00\x01": _Version(_V1),
    b"\x6b\x33\x43\xcf": _Version(_V2, b"quicv2", 1),
    **{b"\xff\x00\x00" + bytes((draft,)): _Version(_V1) for draft in (33, 34)},
    **{b"\xff\x00\x00" + bytes((draft,)): _Version(_D29) for draft in range(29, 33)},
    **{b"\xff\x00\x00" + bytes((draft,)): _Version(_D23) for draft in range(23, 29)},
    b"Q050": _Version(_Q050),
    b"T050": _Version(_T050),
    b"T051": _Version(_T051),
    b"\xfa\xce\xb0\x02": _Version(_D23),
    b"\xfa\xce\xb0\x0e": _Version(_D23),
}
_MAX_ID = 20
_MAX_PACKETS = 4  # in one datagram
_TAG = 16


class _Keys:
    """What seals a client's Initial packets."""

    __slots__ = ("aead", "iv", "mask", "of")

    def __init__(self, version: _Version, connection_id: bytes) -> None:
        self.of = version, connection_id
        secret = _mac_key(_mac(_mac_key(_mac(version.extract, connection_id)), _CLIENT))
        self.aead = AESGCM(_mac(secret, version.key)[:16])
        self.iv = int.from_bytes(_mac(secret, version.vector)[:12])
        self.mask = Cipher(algorithms.AES(_mac(secret, version.header)[:16]), _ECB).encryptor().update


_ECB = modes.ECB()  # noqa: S305 - what RFC 9001 section 5.4.3 prescribes for the mask of one header


type Hello = ClientHello | gquic.GoogleHello | Weird


class _Connection(Stream):
    """CRYPTO frames of a client whose hello is not whole; `base` is where it begins, beyond 0 after a first one."""

    __slots__ = ("keys", "packets")

    def __init__(self, since: float, keys: _Keys) -> None:
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

    def take(self, key: bytes, back: bytes, now: float, datagram: bytes) -> list[Hello]:
        """The hello that this datagram completes. `key` and `back` are the ports and addresses, there and back."""
        if back in self._open or self._finished.recall(back, now) is not None:  # the server's answer
            return []
        connection = None
        for packet in _packets(datagram):
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

    def _opened(self, key: bytes, now: float, packet: "_Packet") -> tuple[_Connection, bytes] | None:
        """The connection and the frames: by the keys of its first packet, else by those of this one."""
        known = self._open.get(key)
        frames = None if known is None else _unseal(known.keys, packet)
        if known is not None and frames is not None:
            return known, frames
        kept = self._kept.recall(key, now) if known is None else None
        frames = None if kept is None else _unseal(kept.keys, packet)
        if kept is not None and frames is not None and not begins(frames):
            return kept, frames
        same = kept is not None and kept.keys.of == (packet.version, packet.connection_id)
        fresh = _Connection(now, kept.keys if same and kept else _Keys(packet.version, packet.connection_id))
        frames = _unseal(fresh.keys, packet)
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

    def _keep(self, key: bytes, now: float, size: int, keys: _Keys) -> None:
        kept = _Connection(now, keys)
        kept.base = size
        self._kept.note(key, now, kept)


class _Packet:
    """An Initial as it stands in its datagram; `number` is where its packet number is."""

    __slots__ = ("connection_id", "data", "end", "number", "start", "version")

    def __init__(self, data: bytes, start: int, version: _Version, connection_id: bytes, number: int, end: int) -> None:
        self.data, self.start, self.version = data, start, version
        self.connection_id, self.number, self.end = connection_id, number, end


def _packets(datagram: bytes) -> list[_Packet]:
    """The Initial packets at the front of a datagram; what is cut short is left out."""
    packets: list[_Packet] = []
    at = 0
    try:
        while len(packets) < _MAX_PACKETS and at < len(datagram):
            version = VERSIONS.get(datagram[at + 1 : at + 5])
            if version is None or datagram[at] & 0xF0 != 0xC0 | version.initial << 4:
                break
            packet = _packet(datagram, at, version)
            if packet is None:
                break
            packets.append(packet)
            at = packet.end
    except (IndexError, struct.error):
        pass
    return packets


def _packet(data: bytes, start: int, version: _Version) -> _Packet | None:
    """RFC 9000 section 17.2.2; None where it does not fit into the datagram."""
    at = start + 6
    connection_id = data[at : at + data[at - 1]]
    at += data[at - 1]
    at += 1 + data[at]  # the source connection id
    token, at = varint(data, at)
    size, at = varint(data, at + token)
    if len(connection_id) > _MAX_ID or size < 4 + _TAG or at + size > len(data):
        return None
    return _Packet(data, start, version, connection_id, at, at + size)


def _unseal(keys: _Keys, packet: _Packet) -> bytes | None:
    """RFC 9001 sections 5.3 and 5.4; packet numbers of an Initial are small, so they stand in full."""
    data, at = packet.data, packet.number
    mask = keys.mask(data[at + 4 : at + 20])  # always a whole block, see `_packet`
    first = data[packet.start] ^ (mask[0] & 0x0F)
    size = (first & 3) + 1
    number = int.from_bytes(data[at : at + size]) ^ int.from_bytes(mask[1 : 1 + size])
    header = bytes((first,)) + data[packet.start + 1 : at] + number.to_bytes(size)
    nonce = (keys.iv ^ number).to_bytes(12)
    try:
        return keys.aead.decrypt(nonce, data[at + size : packet.end], header)
    except InvalidTag:
        return None
