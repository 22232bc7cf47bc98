"""Initial packets of QUIC (RFC 9000 section 17.2.2, RFC 9001 section 5, RFC 9369): where they lie, and what seals them.

Rules: pure; everyone can derive these keys from the connection id of the client's first packet, so nothing secret is
opened here. What is cut short is left out, and what the keys do not open is None.
"""

import hashlib
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from discovery.quic_frames import varint

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


CLIENT, SERVER = _label(b"client in", 32), _label(b"server in", 32)


class Version:
    """Salt, also as a key, prefix of the key labels and the labels, and the bits that tell an Initial."""

    __slots__ = ("extract", "header", "initial", "key", "label", "salt", "vector")

    def __init__(self, salt: bytes, label: bytes = b"quic", initial: int = 0) -> None:
        self.salt, self.label, self.initial = salt, label, initial
        self.extract = _mac_key(salt)
        self.key, self.vector, self.header = (
            _label(label + b" " + name, size) for name, size in ((b"key", 16), (b"iv", 12), (b"hp", 16))
        )


VERSIONS: dict[bytes, Version] = {
    b"\x00\x00\x00\x01": Version(_V1),
    b"\x6b\x33\x43\xcf": Version(_V2, b"quicv2", 1),
    **{b"\xff\x00\x00" + bytes((draft,)): Version(_V1) for draft in (33, 34)},
    **{b"\xff\x00\x00" + bytes((draft,)): Version(_D29) for draft in range(29, 33)},
    **{b"\xff\x00\x00" + bytes((draft,)): Version(_D23) for draft in range(23, 29)},
    b"Q050": Version(_Q050),
    b"T050": Version(_T050),
    b"T051": Version(_T051),
    b"\xfa\xce\xb0\x02": Version(_D23),
    b"\xfa\xce\xb0\x0e": Version(_D23),
}
_MAX_ID = 20
_MAX_PACKETS = 4  # in one datagram
_TAG = 16


class Keys:
    """What seals a client's Initial packets, or with `SERVER` those that answer them."""

    __slots__ = ("aead", "iv", "mask", "of")

    def __init__(self, version: Version, connection_id: bytes, side: bytes = CLIENT) -> None:
        self.of = version, connection_id
        secret = _mac_key(_mac(_mac_key(_mac(version.extract, connection_id)), side))
        self.aead = AESGCM(_mac(secret, version.key)[:16])
        self.iv = int.from_bytes(_mac(secret, version.vector)[:12])
        self.mask = Cipher(algorithms.AES(_mac(secret, version.header)[:16]), _ECB).encryptor().update


_ECB = modes.ECB()  # noqa: S305 - what RFC 9001 section 5.4.3 prescribes for the mask of one header


class Packet:
    """An Initial as it stands in its datagram; `number` is where its packet number is."""

    __slots__ = ("connection_id", "data", "end", "number", "start", "version")

    def __init__(self, data: bytes, start: int, version: Version, connection_id: bytes, number: int, end: int) -> None:
        self.data, self.start, self.version = data, start, version
        self.connection_id, self.number, self.end = connection_id, number, end


def packets(datagram: bytes) -> list[Packet]:
    """The Initial packets at the front of a datagram; what is cut short is left out."""
    found: list[Packet] = []
    at = 0
    try:
        while len(found) < _MAX_PACKETS and at < len(datagram):
            version = VERSIONS.get(datagram[at + 1 : at + 5])
            if version is None or datagram[at] & 0xF0 != 0xC0 | version.initial << 4:
                break
            packet = _packet(datagram, at, version)
            if packet is None:
                break
            found.append(packet)
            at = packet.end
    except (IndexError, struct.error):
        pass
    return found


def _packet(data: bytes, start: int, version: Version) -> Packet | None:
    """RFC 9000 section 17.2.2; None where it does not fit into the datagram."""
    at = start + 6
    connection_id = data[at : at + data[at - 1]]
    at += data[at - 1]
    at += 1 + data[at]  # the source connection id
    token, at = varint(data, at)
    size, at = varint(data, at + token)
    if len(connection_id) > _MAX_ID or size < 4 + _TAG or at + size > len(data):
        return None
    return Packet(data, start, version, connection_id, at, at + size)


def unseal(keys: Keys, packet: Packet) -> bytes | None:
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
