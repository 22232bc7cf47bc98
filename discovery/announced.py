"""What hosts announce of themselves in a local network: NetBIOS names and the software of SSDP.

Sources: RFC 1001 section 14.1 (first-level encoding), RFC 1002 sections 4.2.2 to 4.2.4 (registration and refresh), UPnP
Device Architecture 2.0 section 1.2.2 (NOTIFY with SERVER). Rules: pure; a message that cannot be read tells nothing.
"""

from struct import Struct

from discovery.text import printable

_HEADER = Struct(">xxHHHHH").unpack_from  # flags, then how many of each section
_RECORD = Struct(">HHIHH4s").unpack_from  # type, class, TTL, length, flags, address
_REGISTERS = frozenset({5, 8, 9})  # opcodes: registration, and refresh as two readings of RFC 1002 number it
_QUESTION = 12
_CODED, _NAME = 32, 15  # letters of a name, and the characters that they stand for, less its kind
_A = 0x41  # letter of a nibble that is 0
_UNIQUE_KINDS = frozenset({0x00, 0x20})  # workstation, file server
_GROUP = 0x8000
_NB, _IN = 0x20, 1
_MAX_SYSTEM = 128
_NOTIFY, _SERVER = b"NOTIFY ", b"\r\nserver:"


def netbios(message: bytes) -> tuple[str, bytes] | None:
    """The name that a host registers, and the address (four bytes) that it registers it for; None: it does not."""
    end = _QUESTION + _CODED + 2
    if len(message) < end + 4 or message[_QUESTION] != _CODED or message[end - 1]:
        return None
    flags, questions, _, _, more = _HEADER(message, 0)
    if flags & 0x8000 or (flags >> 11 & 15) not in _REGISTERS or (questions, more) != (1, 1):
        return None
    name = _decoded(message[_QUESTION + 1 : end - 1])
    at = end + 4 + 2  # behind type and class, and a pointer to the name
    if name is None or name[_NAME] not in _UNIQUE_KINDS or len(message) < at + 16:
        return None
    kind, family, _, size, told, address = _RECORD(message, at)
    if (kind, family, size) != (_NB, _IN, 6) or told & _GROUP:
        return None
    shown = printable(name[:_NAME].rstrip(b" \0"), _NAME * 4)
    return (shown, address) if shown else None


def _decoded(coded: bytes) -> bytes | None:
    """Two letters, A to P, for each byte."""
    nibbles = [letter - _A for letter in coded]
    if not all(0 <= nibble < 16 for nibble in nibbles):  # noqa: PLR2004 - four bits
        return None
    return bytes(nibbles[at] << 4 | nibbles[at + 1] for at in range(0, _CODED, 2))


def ssdp(message: bytes) -> str:
    """The software that a device announces; empty: it announces none."""
    if not message.startswith(_NOTIFY):
        return ""
    head = message[:2048]
    at = head.lower().find(_SERVER)
    if at < 0:
        return ""
    value = head[at + len(_SERVER) :].partition(b"\r\n")[0]
    return printable(value.strip(), _MAX_SYSTEM)
