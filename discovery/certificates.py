"""The names in an X.509 certificate (RFC 5280): the host names of subjectAltName, else and besides the common name.

Rules: nothing is verified. DER is walked by its lengths without recursion; what does not add up ends the walk, and what
was found before it stands. The certificate's own structure leads to the names: bytes that only look like one are none.
"""

import codecs
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from discovery.text import NAME_CHARS, printable

MAX_NAMES: Final = 64
_USUAL: Final = 4_096  # bytes of a certificate that is worth remembering
_MAX_PARTS: Final = 256  # of one structure
_SEQUENCE, _EXTENSIONS, _DNS_NAME, _OCTETS = 0x30, 0xA3, 0x82, 0x04
_VERSION = 0xA0
_SAN: Final = b"\x06\x03\x55\x1d\x11"  # 2.5.29.17
_COMMON_NAME: Final = b"\x06\x03\x55\x04\x03"  # 2.5.4.3
_SUBJECT: Final = 4  # serial number, signature, issuer, validity stand before it
# BMPString, UniversalString; found now, for the process that reads packets opens no file later
_WIDE: Final = {0x1E: codecs.lookup("utf-16-be").decode, 0x1C: codecs.lookup("utf-32-be").decode}

type _Part = tuple[int, int, int]  # tag, start and end of what is in it


def names(der: bytes) -> tuple[str, ...]:
    """At most 64 names in the order of the certificate, without repetition; empty where none can be read."""
    return _known_names(der) if len(der) <= _USUAL else _names(der)


def _names(der: bytes) -> tuple[str, ...]:
    certificate = next(_parts(der, 0, len(der)), None)
    fields = next(_parts(der, *certificate[1:]), None) if certificate else None
    if fields is None:
        return ()
    parts = [part for part in _parts(der, *fields[1:]) if part[0] != _VERSION]
    found: dict[str, None] = {}
    for tag, start, end in parts[_SUBJECT + 1 :]:
        if tag == _EXTENSIONS:
            found |= dict.fromkeys(_alternative(der, start, end))
    if len(parts) > _SUBJECT:
        found |= dict.fromkeys(_common(der, *parts[_SUBJECT][1:]))
    return tuple(found)[:MAX_NAMES]


_known_names = lru_cache(maxsize=256)(_names)  # the same few servers answer most of the time


def _parts(der: bytes, at: int, end: int) -> Iterator[_Part]:
    """What stands one after the other between two places; ends where a length does not fit."""
    for _ in range(_MAX_PARTS):
        if at + 2 > end:
            return
        tag, size = der[at], der[at + 1]
        at += 2
        if size & 0x80:
            width = size & 0x7F
            if not 0 < width <= 3 or at + width > end:  # noqa: PLR2004 - 16 MiB; an indefinite length is no DER
                return
            size = int.from_bytes(der[at : at + width])
            at += width
        if at + size > end:
            return
        yield tag, at, at + size
        at += size


def _alternative(der: bytes, at: int, end: int) -> Iterator[str]:
    """The host names of subjectAltName among the extensions."""
    listed = next(_parts(der, at, end), None)
    for tag, start, stop in _parts(der, *listed[1:]) if listed else ():
        if tag != _SEQUENCE or not der.startswith(_SAN, start, stop):
            continue
        value = [part for part in _parts(der, start, stop) if part[0] == _OCTETS]
        general = next(_parts(der, *value[0][1:]), None) if value else None
        for kind, first, last in _parts(der, *general[1:]) if general else ():
            if kind == _DNS_NAME and last > first:
                yield printable(der[first:last], NAME_CHARS)


def _common(der: bytes, at: int, end: int) -> Iterator[str]:
    """The common names of the subject."""
    for _, first, last in _parts(der, at, end):  # a SET each
        for _, start, stop in _parts(der, first, last):
            if not der.startswith(_COMMON_NAME, start, stop):
                continue
            for tag, begin, over in _parts(der, start + len(_COMMON_NAME), stop):
                raw = der[begin:over]
                if tag in _WIDE:
                    raw = _WIDE[tag](raw, "replace")[0].encode()
                if raw:
                    yield printable(raw, NAME_CHARS)
