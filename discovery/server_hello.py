"""What a TLS server says in clear: its ServerHello, the certificate before TLS 1.3, and alerts of either side.

Sources: RFC 8446 sections 4.1.3, 4.1.4 and 6, RFC 5246 section 7.4.2, RFC 5246 appendix A.3 (alerts).
Rules: as for the ClientHello: lengths that contradict each other make it unreadable; nothing is verified, a certificate
is read for its names only. `Server` is the reader of one stream: it tells the hello as soon as it is whole, and once
more, with names, when a certificate that came in further segments is.
"""

from struct import Struct

import msgspec

from discovery import certificates
from discovery.limits import Weird

HANDSHAKE, ALERT, CHANGE_CIPHER_SPEC, DATA = 0x16, 0x15, 0x14, 0x17
SERVER_HELLO, CERTIFICATE = 2, 11
TLS_1_3 = 0x0304
_MAX_RECORDS = 640
_MAX_MESSAGE = 65_536
_U16 = Struct(">H").unpack_from
_ALPN, _VERSIONS = 16, 43
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")  # RFC 8446 section 4.1.3
_ALERT_BYTES = 7
_SEALED_ALERT = b"\x17\x03\x03\x00\x13"  # of 19 bytes: two of alert, one of type, a seal of 16
_CHANGE = b"\x14\x03\x03\x00\x01\x01"
_WORDS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    40: "handshake_failure",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
    121: "ech_required",
}


class ServerHello(msgspec.Struct, gc=False):
    """Numbers as on the wire; `version` is the one chosen, also where an extension tells it. `alpn` is the chosen."""

    version: int
    cipher: int
    alpn: bytes = b""
    retry: bool = False  # a HelloRetryRequest: the client has to send another hello
    names: tuple[str, ...] = ()  # of the certificate


class Alert(msgspec.Struct, frozen=True, gc=False):
    """`word` as RFC 8446 section 6 has it; None: it is sealed, and told by its size alone."""

    word: str | None


type Said = ServerHello | Alert | Weird


def alert(segment: bytes) -> Alert | None:
    """The alert in clear that begins this segment; None where there is none that the RFC knows."""
    if len(segment) < _ALERT_BYTES or segment[0] != ALERT or segment[1] != 3 or segment[3:5] != b"\0\x02":  # noqa: PLR2004 - every version since SSL 3.0
        return None
    word = _WORDS.get(segment[6]) if segment[5] in {1, 2} else None
    return Alert(word) if word else None


def refusal(segment: bytes) -> Alert | None:
    """The alert of a client whose hello was the last that it sent: in clear, or under TLS 1.3 sealed.

    A handshake message under a seal is longer, so that nothing else of that size can come first but early data.
    """
    rest = segment.removeprefix(_CHANGE)
    return Alert(None) if rest.startswith(_SEALED_ALERT) else alert(rest)


class Server:
    """Reader of what a server sends from its first record on."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told = False

    def __call__(self, buffer: bytes) -> tuple[list[Said], int, int]:
        """What is new, 0, and how many bytes another look is worth; 0: that was all."""
        joined, last, missing = _handshake(buffer)
        hello, certificate, more = _messages(joined)
        if hello is None:
            said = alert(buffer)
            if said is not None:
                return [said], 0, 0
            return [], 0, len(buffer) + max(missing, more) if missing and more else 0
        if isinstance(hello, Weird):
            return [hello], 0, 0
        over = not more or last != HANDSHAKE
        items: list[Said] = []
        if certificate:
            hello.names = certificates.names(certificate)
        if certificate or not self._told:
            items.append(hello)
            self._told = True
        return items, 0, 0 if over or certificate else len(buffer) + max(missing, more)


def _handshake(buffer: bytes) -> tuple[bytes, int, int]:
    """Handshake bytes of the records at the front, the type of the last record, and what is missing of it at least."""
    joined: list[bytes] = []
    at = 0
    for _ in range(_MAX_RECORDS):
        if len(buffer) < at + 5:
            return b"".join(joined), HANDSHAKE, at + 5 - len(buffer)
        if buffer[at] != HANDSHAKE or buffer[at + 1] != 3:  # noqa: PLR2004 - every version since SSL 3.0
            return b"".join(joined), buffer[at], 0
        size = _U16(buffer, at + 3)[0]
        joined.append(buffer[at + 5 : at + 5 + size])
        at += 5 + size
        if at > len(buffer):
            break
    else:
        return b"".join(joined), 0, 0
    return b"".join(joined), HANDSHAKE, 1


def _messages(joined: bytes) -> tuple[ServerHello | Weird | None, bytes, int]:
    """The hello and the first certificate, as far as they are whole, and the bytes missing of what comes next."""
    if len(joined) < 4:  # noqa: PLR2004 - the handshake header
        return None, b"", 4 - len(joined) if joined[:1] in {b"", b"\x02"} else 0
    size = 4 + int.from_bytes(joined[1:4])
    if joined[0] != SERVER_HELLO or size > _MAX_MESSAGE:
        return None, b"", 0
    if size > len(joined):
        return None, b"", size - len(joined)
    hello = parse(joined[4:size])
    if hello is None:
        return Weird.BAD_HELLO, b"", 0
    if hello.version >= TLS_1_3 and hello.version >> 8 == 3:  # noqa: PLR2004 - all that follows is sealed
        return hello, b"", 0
    certificate, more = _certificate(joined, size)
    return hello, certificate, more


def _certificate(joined: bytes, at: int) -> tuple[bytes, int]:
    """The server's own certificate, which is the first, and the bytes missing of it; (b"", 0): none follows."""
    if len(joined) < at + 10:
        return b"", at + 10 - len(joined) if joined[at : at + 1] in {b"", b"\x0b"} else 0
    if joined[at] != CERTIFICATE:
        return b"", 0
    size = int.from_bytes(joined[at + 7 : at + 10])
    if size > int.from_bytes(joined[at + 1 : at + 4]) or size > _MAX_MESSAGE:
        return b"", 0
    end = at + 10 + size
    return (joined[at + 10 : end], 0) if end <= len(joined) else (b"", end - len(joined))


def parse(body: bytes) -> ServerHello | None:
    """The hello in `body` (after the handshake header); None: it cannot be read."""
    size = len(body)
    if size < 38 or 38 + body[34] > size:  # noqa: PLR2004 - version, random, lengths, cipher, compression
        return None
    at = 35 + body[34]
    hello = ServerHello(_U16(body, 0)[0], _U16(body, at)[0], retry=body[2:34] == _RETRY)
    at += 3
    if at == size:
        return hello  # no extensions at all
    if at + 2 > size or at + 2 + _U16(body, at)[0] != size:
        return None
    return hello if _extensions(hello, body, at + 2) else None


def _extensions(hello: ServerHello, body: bytes, at: int) -> bool:
    """Read them into `hello`; False where one reaches beyond the end."""
    while at + 4 <= len(body):
        kind, size = _U16(body, at)[0], _U16(body, at + 2)[0]
        at += 4
        if at + size > len(body):
            return False
        if kind == _VERSIONS and size == 2:  # noqa: PLR2004 - the one chosen
            hello.version = _U16(body, at)[0]
        elif kind == _ALPN and size > 3 and body[at + 2] == size - 3:  # noqa: PLR2004 - a list of one
            hello.alpn = body[at + 3 : at + size]
        at += size
    return at == len(body)
