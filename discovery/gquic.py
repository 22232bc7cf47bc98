"""Google's QUIC before the IETF's (versions Q035 to Q050): the client hello of its own crypto handshake, `CHLO`.

Sources: "QUIC Wire Layout Specification" and "QUIC Crypto" (Chromium project), quiche's quic_framer.cc for Q046.
Rules: up to Q046 the hello stands in clear in the first datagram, behind a header of fixed shape; a hello that goes on
in another is read as far as it goes. Q050 seals it as QUIC does, so `discovery.quic` opens it and asks `parse`.
"""

from struct import Struct

import msgspec

from discovery.limits import Weird
from discovery.text import AGENT_CHARS, NAME_CHARS, printable

CHLO, VERSION = b"CHLO", b"Q0"
_HASH = 12
_MAX_TAGS = 128
_TAG = Struct("<4sI").unpack_from  # tag, where its value ends, counted from the first value
_LONG, _LONG_BYTES = 0x80, 26
_VERSIONS = {b"Q%03d" % number for number in (*range(35, 40), *range(41, 45), 46)}
_WITH_VERSION, _WITH_ID, _NONCE = 0x01, 0x08, 0x20


class GoogleHello(msgspec.Struct, frozen=True, gc=False):
    """The server's name, and the client's program as it calls itself (`UAID`)."""

    server_name: str | None
    user_agent: str | None = None


def looks_like(datagram: bytes) -> bool:
    """Whether a header of these versions stands here."""
    if datagram[:1] and datagram[0] & _LONG:
        return datagram[1:5] in _VERSIONS
    return datagram[9:13] in _VERSIONS and datagram[0] & (_WITH_VERSION | _WITH_ID) == _WITH_VERSION | _WITH_ID


def read(datagram: bytes) -> GoogleHello | Weird | None:
    """The hello of a client's first datagram; None where none begins in it."""
    if datagram[0] & _LONG:  # Q046: flags, version, both lengths, the server's id, packet number
        at = 6 + 8 + (datagram[0] & 3) + 1 if datagram[5:6] == b"\x50" else 0
    else:
        sizes = (1, 2, 4, 6)
        at = 13 + (32 if datagram[0] & _NONCE and datagram[0] & 0x04 else 0) + sizes[datagram[0] >> 4 & 3]
    found = _stream(datagram, at + _HASH) if at else None
    return None if found is None else parse(found)


def _stream(datagram: bytes, at: int) -> bytes | None:
    """What the first STREAM frame holds of a hello; its fields are of the sizes that its type tells."""
    while at < len(datagram) and not datagram[at]:
        at += 1  # PADDING
    if at >= len(datagram) or not datagram[at] & 0x80:
        return None
    kind = datagram[at]
    offset = (kind >> 2) & 7
    at += 2 + (kind & 3) + (offset + 1 if offset else 0) + (2 if kind & 0x20 else 0)
    return datagram[at:] if datagram.startswith(CHLO, at) else None


def parse(message: bytes) -> GoogleHello | Weird:
    """The hello of `message`, from its own tag on."""
    count = int.from_bytes(message[4:6], "little")
    values = 8 + 8 * count
    if count > _MAX_TAGS or values > len(message):
        return Weird.BAD_HELLO
    texts: dict[bytes, bytes] = {}
    start = 0
    for index in range(count):
        tag, end = _TAG(message, 8 + 8 * index)
        if end < start:
            return Weird.BAD_HELLO
        if values + end <= len(message):
            texts[tag] = message[values + start : values + end]
        start = end
    name, agent = texts.get(b"SNI\0"), texts.get(b"UAID")
    return GoogleHello(
        printable(name, NAME_CHARS) if name else None,
        printable(agent, AGENT_CHARS) if agent else None,
    )


def size(message: bytes) -> int:
    """Bytes of a whole hello, by its tags; more than there are while they are not all there."""
    count = min(int.from_bytes(message[4:6], "little"), _MAX_TAGS)
    values = 8 + 8 * count
    if len(message) < values or not count:
        return max(values, len(message) + 1)
    return values + int(_TAG(message, values - 8)[1])
