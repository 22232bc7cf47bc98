"""The ClientHello of TLS and DTLS (RFC 8446 section 4.1.2, RFC 6066, RFC 7301): what a client offers, and to whom.

Rules: lengths that contradict each other in the hello's frame make it unreadable (None); inside an extension they cost
that extension only, and are noted. An odd length of the cipher list moves nothing that follows. Whether the record
layer is complete is told apart from whether it is TLS at all, so that a stream is kept only while it is worth it.
"""

from functools import lru_cache
from struct import Struct, unpack_from

import msgspec

from discovery.notes import Note
from discovery.text import NAME_CHARS, printable

HANDSHAKE, CHANGE_CIPHER_SPEC = 0x16, 0x14
CLIENT_HELLO = 1
MAX_HELLO = 65_536 - 16
_MAX_RECORDS = 640  # of one hello: some cut it into records of a byte or two, to pass unseen
_MAX_ALPN = 32
_HEADS = 9  # bytes of the heads of a record and of a message

_U16 = Struct(">H").unpack_from
_EXTENSION = Struct(">HH").unpack_from  # type, length
_SHORT = 128  # bytes of a list that is worth remembering: few libraries make most of the traffic
_SERVER_NAME, _GROUPS, _POINT_FORMATS, _SIGNATURES, _ALPN, _VERSIONS, _ECH = 0, 10, 11, 13, 16, 43, 0xFE0D


class ClientHello(msgspec.Struct, gc=False):
    """Numbers as on the wire, in their order, GREASE included; written once, while it is read."""

    version: int  # legacy_version
    ciphers: tuple[int, ...]
    extensions: tuple[int, ...] = ()
    server_name: str | None = None
    alpn: tuple[bytes, ...] = ()
    groups: tuple[int, ...] = ()
    point_formats: tuple[int, ...] = ()
    signatures: tuple[int, ...] = ()
    versions: tuple[int, ...] = ()  # supported_versions
    notes: tuple[str, ...] = ()


def complete(buffer: bytes) -> bytes | int:
    """The body of the ClientHello that `buffer`, the start of a TLS stream, holds whole.

    Else how many bytes are needed before it is worth another look; 0: this is no hello.
    """
    body = _alone(buffer) if len(buffer) > _HEADS else b""
    return body or _in_records(buffer)


def _in_records(buffer: bytes) -> bytes | int:
    """The same, however the hello is cut."""
    joined = b""
    at = 6 if buffer[0] == CHANGE_CIPHER_SPEC else 0  # in front of a second hello (RFC 8446 appendix D.4)
    for _ in range(_MAX_RECORDS):
        if len(buffer) < at + 5:
            return at + 5
        size = int.from_bytes(buffer[at + 3 : at + 5])
        if buffer[at] != HANDSHAKE or buffer[at + 1] != 3 or not size:  # noqa: PLR2004 - every version since SSL 3.0
            return 0
        joined += buffer[at + 5 : at + 5 + size]
        at += 5 + size
        whole = _message_size(joined, size)
        if not whole:
            return 0
        if whole <= len(joined):
            return joined[4:whole]
        if len(buffer) < at:
            return at
    return 0


def _alone(buffer: bytes) -> bytes:
    """The body of a hello in one record of its own, as most clients send it; empty: it is none."""
    whole = 4 + int.from_bytes(buffer[6:9])
    is_one = buffer[0] == HANDSHAKE and buffer[1] == 3 and buffer[5] == CLIENT_HELLO  # noqa: PLR2004 - as above
    fits = buffer[3] << 8 | buffer[4] == whole <= min(len(buffer) - 5, MAX_HELLO)
    return buffer[9 : 5 + whole] if is_one and fits else b""


def _message_size(joined: bytes, record: int) -> int:
    """Bytes of the handshake message that begins `joined`; 0 where it is no ClientHello that could be whole."""
    if joined[:1] not in {b"", b"\x01"}:
        return 0
    if len(joined) < 4:  # noqa: PLR2004 - the handshake header
        return 5
    whole = 4 + int.from_bytes(joined[1:4])
    return whole if min(record, len(joined)) <= whole <= MAX_HELLO else 0


def parse(body: bytes, *, cookie: bool = False) -> ClientHello | None:
    """The hello in `body` (after the handshake header); `cookie`: with DTLS's extra field. None: it cannot be read."""
    size = len(body)
    if size < 38:  # noqa: PLR2004 - version, random, two lengths
        return None
    at = 35 + body[34]
    if cookie and at < size:
        at += 1 + body[at]
    if at + 2 > size:
        return None
    length = _U16(body, at)[0]
    at += 2
    if at + length >= size:
        return None
    hello = ClientHello(_U16(body, 0)[0], unpack_from(f">{length >> 1}H", body, at))
    at += length
    at += 1 + body[at]  # compression methods
    if at == size:
        return hello  # no extensions at all: SSL 3.0 and TLS 1.0
    if at + 2 > size or at + 2 + _U16(body, at)[0] > size:
        return None
    return hello if _extensions(hello, body, at + 2, at + 2 + _U16(body, at)[0]) else None


def _extensions(hello: ClientHello, body: bytes, at: int, end: int) -> bool:
    """Read them into `hello`; False where one reaches beyond the end."""
    kinds = []
    while at + 4 <= end:
        kind, size = _EXTENSION(body, at)
        at += 4
        if at + size > end:
            return False
        kinds.append(kind)
        reader = _READERS.get(kind)
        if reader is not None and not reader(hello, body[at : at + size]):
            hello.notes += ("bad_extension",)
        at += size
    hello.extensions = tuple(kinds)
    return at == end


def _server_name(hello: ClientHello, value: bytes) -> bool:
    """RFC 6066 section 3: one name of type host_name; a name that cannot be one is kept, and noted."""
    if len(value) < 5 or value[2]:  # noqa: PLR2004 - list length, type, name length
        return not value  # empty: a client that resumes may send it so
    size = _U16(value, 3)[0]
    name = value[5 : 5 + size]
    if len(name) < size or not size:
        return False
    hello.server_name, plausible = _short_name(name) if size <= _SHORT else _name(name)
    if not plausible:
        hello.notes += ("odd_name",)
    return True


def _name(name: bytes) -> tuple[str, bool]:
    """As text, and whether it is written with the characters of a host name, within its length."""
    return printable(name, NAME_CHARS), len(name) <= NAME_CHARS - 2 and not name.translate(None, _NAME_BYTES)


_short_name = lru_cache(maxsize=4_096)(_name)
_NAME_BYTES = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:"  # `:` as some send a port


def _alpn(hello: ClientHello, value: bytes) -> bool:
    hello.alpn, whole = _short_protocols(value) if len(value) <= _SHORT else _protocols(value)
    return whole


def _protocols(value: bytes) -> tuple[tuple[bytes, ...], bool]:
    """Those that are whole and whether they are all; none where one is not."""
    at, offered = 2, list[bytes]()
    while at < len(value) and len(offered) < _MAX_ALPN:
        size = value[at]
        if not size or at + 1 + size > len(value):
            return (), False
        offered.append(value[at + 1 : at + 1 + size])
        at += 1 + size
    return tuple(offered), at == len(value)


_short_protocols = lru_cache(maxsize=256)(_protocols)


def _numbers(value: bytes, prefix: int) -> tuple[int, ...] | None:
    """A list of 16-bit numbers behind a length of `prefix` bytes; None: the length is not that of the list."""
    return _short_list(value, prefix) if len(value) <= _SHORT else _list(value, prefix)


def _list(value: bytes, prefix: int) -> tuple[int, ...] | None:
    size = int.from_bytes(value[:prefix])
    if len(value) < prefix or size > len(value) - prefix:
        return None
    return unpack_from(f">{size >> 1}H", value, prefix)


_short_list = lru_cache(maxsize=1_024)(_list)


def _groups(hello: ClientHello, value: bytes) -> bool:
    numbers = _numbers(value, 2)
    hello.groups = numbers or ()
    return numbers is not None


def _signatures(hello: ClientHello, value: bytes) -> bool:
    numbers = _numbers(value, 2)
    hello.signatures = numbers or ()
    return numbers is not None


def _versions(hello: ClientHello, value: bytes) -> bool:
    numbers = _numbers(value, 1)
    hello.versions = numbers or ()
    return numbers is not None


def _point_formats(hello: ClientHello, value: bytes) -> bool:
    hello.point_formats = tuple(value[1 : 1 + value[0]]) if value else ()
    return bool(value)


def _ech(hello: ClientHello, value: bytes) -> bool:
    """Encrypted ClientHello or its GREASE: the two look alike, so this is a sign and no proof."""
    hello.notes += (Note.ECH_OFFERED.value,)
    return bool(value)


_READERS = {
    _SERVER_NAME: _server_name,
    _GROUPS: _groups,
    _POINT_FORMATS: _point_formats,
    _SIGNATURES: _signatures,
    _ALPN: _alpn,
    _VERSIONS: _versions,
    _ECH: _ech,
}
