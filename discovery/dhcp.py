"""What hosts tell of themselves when they ask for an address: DHCP and DHCPv6.

Sources: RFC 2131 section 2 (the message), RFC 2132 (options 12, 50, 53, 60), RFC 4702 (option 81), RFC 8415 sections
8, 21.2 and 11 (DHCPv6, client identifier, DUID), RFC 4704 (option 39). Rules: pure; reads over what it does not know;
a message that cannot be read tells nothing. Bounded: 64 options. An address that is only asked for counts once it is
requested of one server, or given. dpkt is not used here: it takes a message apart that names no option of it.
"""

from socket import AF_INET, AF_INET6, inet_ntop
from struct import Struct

import msgspec

from discovery.dns import name_at
from discovery.text import printable

_MAX_OPTIONS = 64
_MAX_NAME, _MAX_SYSTEM = 255, 128
_HEAD, _COOKIE = 240, b"\x63\x82\x53\x63"
_ETHERNET, _MAC = 1, 6
_CIADDR, _YIADDR, _CHADDR = 12, 16, 28
_PAD, _END = 0, 255
_HOSTNAME, _REQUESTED, _TYPE, _VENDOR, _FQDN = 12, 50, 53, 60, 81
_REQUEST, _ACK, _INFORM = b"\x03", b"\x05", b"\x08"
_NOWHERE = bytes(4)
_WIRE = 0x04  # RFC 4702 section 2.1: the name is as in DNS, not in ASCII
_CLIENT_ID6, _VENDOR6, _FQDN6 = 1, 16, 39
_TELLING6 = frozenset({1, 3, 5, 6, 11})  # solicit, request, renew, rebind, information-request
_OPTION6 = Struct(">HH").unpack_from
_DUID = {1: 8, 3: 4}  # RFC 8415 section 11: with or without a time, where the address of the interface begins


class Told(msgspec.Struct, frozen=True, gc=False):
    """Of which address (empty: the sender's), by which hardware address (six bytes), what name and what system."""

    address: str = ""
    mac: bytes = b""
    name: str = ""
    system: str = ""


def told4(message: bytes) -> Told | None:
    """What a message of DHCP tells; None: nothing of a host that has an address."""
    if len(message) <= _HEAD or message[236:_HEAD] != _COOKIE:
        return None
    options = _options(message)
    address = _address(message, options)
    if address == _NOWHERE:
        return None
    mac = message[_CHADDR : _CHADDR + _MAC] if message[1:3] == bytes((_ETHERNET, _MAC)) else b""
    name = _fqdn(options[_FQDN]) if _FQDN in options else ""
    return Told(
        inet_ntop(AF_INET, address),
        mac,
        name or printable(options.get(_HOSTNAME, b"").rstrip(b"\0"), _MAX_NAME),
        printable(options.get(_VENDOR, b"").rstrip(b"\0"), _MAX_SYSTEM),
    )


def _address(message: bytes, options: dict[int, bytes]) -> bytes:
    """Which address the client has, or asks one server for; zeros: none."""
    kind, own = options.get(_TYPE), message[_CIADDR : _CIADDR + 4]
    if kind == _ACK:
        given = message[_YIADDR : _YIADDR + 4]
        return own if given == _NOWHERE else given
    if kind == _REQUEST and own == _NOWHERE:
        asked = options.get(_REQUESTED, _NOWHERE)
        return asked if len(asked) == len(_NOWHERE) else _NOWHERE
    return own if kind in {_REQUEST, _INFORM} else _NOWHERE


def _options(message: bytes) -> dict[int, bytes]:
    """The first of each kind."""
    found: dict[int, bytes] = {}
    at = _HEAD
    for _ in range(_MAX_OPTIONS):
        while at < len(message) and message[at] == _PAD:
            at += 1
        if at + 2 > len(message) or message[at] == _END:
            break
        size = message[at + 1]
        if at + 2 + size > len(message):
            break
        found.setdefault(message[at], message[at + 2 : at + 2 + size])
        at += 2 + size
    return found


def _fqdn(value: bytes) -> str:
    """The name in option 81."""
    if len(value) <= 3:  # noqa: PLR2004 - flags and two results stand before it
        return ""
    if not value[0] & _WIRE:
        return printable(value[3:].rstrip(b"\0"), _MAX_NAME)
    read = name_at(value[3:] + b"\0", 0)  # a client that does not know its domain leaves the end out
    return "" if read is None else read[0].strip(".")


def told6(message: bytes) -> Told | None:
    """What a client's message of DHCPv6 tells of its sender; None: nothing."""
    if len(message) < 4 or message[0] not in _TELLING6:  # noqa: PLR2004 - type and transaction
        return None
    mac, name, system, at = b"", "", "", 4
    for _ in range(_MAX_OPTIONS):
        if at + 4 > len(message):
            break
        kind, size = _OPTION6(message, at)
        at += 4
        value = message[at : at + size]
        if len(value) < size:
            break
        if kind == _CLIENT_ID6:
            mac = _mac_of(value)
        elif kind == _FQDN6:
            read = name_at(value[1:] + b"\0", 0)
            name = read[0].strip(".") if read is not None else ""
        elif kind == _VENDOR6:
            system = printable(value[6:], _MAX_SYSTEM)  # behind an enterprise's number and a length
        at += size
    return Told("", mac, name, system) if mac or name else None


def _mac_of(duid: bytes) -> bytes:
    """The Ethernet address in a DUID; empty: it is made of something else."""
    if len(duid) < 4 or duid[2:4] != bytes((0, _ETHERNET)):  # noqa: PLR2004 - two numbers
        return b""
    start = _DUID.get(duid[0] << 8 | duid[1], len(duid))
    return duid[start:] if len(duid) == start + _MAC else b""


def address_text(raw: bytes) -> str:
    """Four or sixteen bytes as an address."""
    return inet_ntop(AF_INET if len(raw) == 4 else AF_INET6, raw)  # noqa: PLR2004 - IPv4
