"""Questions of DNS, multicast DNS and LLMNR (RFC 1035 section 4, RFC 6762, RFC 4795): the names that were asked for.

Rules: queries only, never answers; a message with one question that cannot be read gives none of them. Pointers may
only lead backwards and are followed a bounded number of times. dpkt is not used here: it makes objects of whole
messages, and a name's odd bytes stand unescaped in what it returns.
"""

import base64
from functools import lru_cache
from struct import Struct

import msgspec

from discovery.text import label

PORT = 53
PORTS = {PORT: "dns", 5353: "mdns", 5355: "llmnr"}
MOST = {PORT: 16, 5353: 128, 5355: 16}  # names read of one message; resolvers take one, on a link some ask for many
ROOT = "."
ANSWER = 0x8000  # the flag of a message that is one
_HEADER = Struct(">xxHH").unpack_from  # flags, number of questions
HEADER_SIZE = 12
_MAX_QUESTIONS = 512  # of mDNS, a jumbo frame holds more than a hundred
_MAX_LABELS = 2_048  # of all questions of a message together: pointers make many of few bytes
_MAX_NAME = 255  # RFC 1035 section 2.3.4
_MAX_POINTERS = 16
_POINTER = 0xC0


class Question(msgspec.Struct, frozen=True, gc=False):
    """One name that was asked for."""

    name: str
    notes: tuple[str, ...] = ()


def questions(message: bytes, most: int = _MAX_QUESTIONS) -> list[str] | None:
    """The first names that `message` asks for; empty for an answer or another opcode; None: it cannot be read."""
    if len(message) < HEADER_SIZE:
        return None
    flags, count = _HEADER(message, 0)
    if flags & 0xF800:  # an answer, or an opcode other than QUERY
        return []
    if count > _MAX_QUESTIONS:
        return None
    names, at, left = [], HEADER_SIZE, _MAX_LABELS
    for _ in range(min(count, most)):
        read = name_at(message, at)
        if read is None or read[1] + 4 > len(message) or read[2] > left:
            return None
        names.append(read[0])
        at, left = read[1] + 4, left - read[2]
    return names


def asks_more(message: bytes, most: int) -> bool:
    """Whether a message that was read asks for more names than `most`."""
    return bool(_HEADER(message, 0)[1] > most)


def in_path(path: str) -> list[Question]:
    """The names that a request of DNS over HTTP asks for in its path (RFC 8484 section 4.1.1); empty: it is none."""
    _, found, coded = path.partition("/dns-query?dns=")
    if not found:
        return []
    coded = coded.partition("&")[0].rstrip("=")
    try:
        message = base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_")
    except ValueError:
        return []
    return [Question(name, ("doh",)) for name in questions(message) or []]


def name_at(message: bytes, at: int) -> tuple[str, int, int] | None:
    """The name at `at`, where the rest goes on, and how many labels that took."""
    end = message.find(b"\0", at, at + _MAX_NAME) + 1
    plain = _plain(message[at:end]) if end else None
    return _name(message, at) if plain is None else (plain[0], end, plain[1])


@lru_cache(maxsize=4_096)  # a name is asked for, answered, and asked for again
def _plain(raw: bytes) -> tuple[str, int] | None:
    """A name that holds no pointer and fills `raw`, and its number of labels."""
    read = _name(raw, 0)
    return (read[0], read[2]) if read is not None and read[1] == len(raw) and max(raw) < _POINTER else None


def _name(message: bytes, at: int) -> tuple[str, int, int] | None:
    labels: list[str] = []
    after, length, lowest, pointers = 0, 0, at, 0
    while at < len(message):
        size = message[at]
        if not size:
            return ".".join(labels) or ROOT, after or at + 1, len(labels)
        if size >= _POINTER:
            if at + 1 >= len(message) or pointers == _MAX_POINTERS:
                return None
            after = after or at + 2
            at = (size & 0x3F) << 8 | message[at + 1]
            if at >= lowest:
                return None
            lowest, pointers = at, pointers + 1
            continue
        length += size + 1
        if size > 63 or length >= _MAX_NAME or at + 1 + size > len(message):  # noqa: PLR2004 - 01 and 10 are not used
            return None
        labels.append(label(message[at + 1 : at + 1 + size]))
        at += 1 + size
    return None


def plausible(segment: bytes, answer: int = 0) -> bool:
    """Whether `segment` may begin a message over TCP: a length, then a header that says so (RFC 1035 section 4.2.2).

    `answer`: 0 for a query, 0x8000 for what answers one.
    """
    if len(segment) < 2 + HEADER_SIZE:
        return len(segment) == 1 or segment[0] << 8 | segment[1] > HEADER_SIZE
    flags, count = _HEADER(segment, 2)
    size = segment[0] << 8 | segment[1]
    return size > HEADER_SIZE and flags & 0xF800 == answer and 0 < count <= _MAX_QUESTIONS
