"""The ClientHello of DTLS 1.0 and 1.2 (RFC 6347 section 4.2), where one datagram holds it whole.

Rules: a hello in fragments is not read (it would need 1,200 bytes and more, which clients of DTLS do not send); the
caller tells repetitions from second hellos.
"""

from discovery.hello import CLIENT_HELLO, HANDSHAKE, ClientHello, parse
from discovery.limits import Weird

_RECORD, _HEADER = 13, 12  # bytes of a record's and of a handshake message's header
_MAJOR = 0xFE


def looks_like(datagram: bytes) -> bool:
    """Whether a ClientHello may stand here."""
    return len(datagram) > _RECORD + _HEADER and datagram[1] == _MAJOR and datagram[_RECORD] == CLIENT_HELLO


def read(datagram: bytes) -> ClientHello | Weird | None:
    """The hello; None where this is only a part of one."""
    if datagram[0] != HANDSHAKE or not looks_like(datagram):
        return None
    size = int.from_bytes(datagram[_RECORD + 1 : _RECORD + 4])
    offset, length = int.from_bytes(datagram[_RECORD + 6 : _RECORD + 9]), int.from_bytes(datagram[_RECORD + 9 : 25])
    if offset or length != size:
        return None
    body = datagram[_RECORD + _HEADER : _RECORD + _HEADER + size]
    return (parse(body, cookie=True) if len(body) == size else None) or Weird.BAD_HELLO
