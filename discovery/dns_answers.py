"""Answers of DNS, multicast DNS and LLMNR: which addresses a name has, and which names stand behind it.

Sources: RFC 1035 section 4, RFC 3596 (AAAA), RFC 9460 (SVCB, HTTPS), RFC 9848 (ech), RFC 6763 (PTR of services).
Rules: the answer section alone; a message that cannot be read gives nothing. Bounded: 32 addresses, 16 other names, 128
records. An address is taken from whichever record of the section has one, for aliases lead from the name that was
asked to the one that has it.
"""

from socket import AF_INET, AF_INET6, inet_ntop
from struct import Struct, error

import msgspec

from discovery.dns import HEADER_SIZE, name_at
from discovery.limits import Weird
from discovery.notes import Note
from discovery.text import NAME_CHARS, printable

MAX_ADDRESSES, MAX_ALIASES = 32, 16
_MAX_RECORDS = 128
_MAX_QUESTIONS = 16
_MAX_LABELS = 2_048
_MAX_PARAMETERS = 32
_MAX_TTL = 0x7FFF_FFFF  # RFC 2181 section 8
_HEADER = Struct(">xxHHH").unpack_from  # flags, number of questions and of answers
_RECORD = Struct(">HHIH").unpack_from  # type, class, TTL, length
_A, _CNAME, _PTR, _AAAA, _SRV, _SVCB, _HTTPS = 1, 5, 12, 28, 33, 64, 65
_V4, _V6 = 4, 16
_ECH, _HINT4, _HINT6 = 5, 4, 6  # keys of RFC 9460 section 14.3.2
_ECH_VERSION = 0xFE0D  # RFC 9849
_U16 = Struct(">H").unpack_from


class Answer(msgspec.Struct, gc=False):
    """`name` as asked for, else that of the first record. `ttl`: the least, in seconds.

    `front`: the name that stands in clear in hellos to it, where its own is encrypted.
    """

    name: str
    addresses: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    ttl: int = 0
    notes: tuple[str, ...] = ()
    front: str | None = None


def is_answer(message: bytes) -> bool:
    """Whether the header says so."""
    return len(message) > 2 and message[2] & 0x80 != 0  # noqa: PLR2004 - the identifier stands first


def answer(message: bytes) -> Answer | Weird | None:
    """What the message answers; None: nothing that is kept here, `bad_dns`: it cannot be read."""
    if len(message) < HEADER_SIZE:
        return Weird.BAD_DNS
    flags, questions, count = _HEADER(message, 0)
    if flags & 0x780F or not count:  # another opcode, or an error
        return None
    found = _question(message, questions)
    if found is None:
        return Weird.BAD_DNS
    name, at, left = found
    reading = _Reading(message, name, left)
    for _ in range(min(count, _MAX_RECORDS)):
        at = reading.record(at)
        if not at:
            return reading.result() if flags & 0x0200 else Weird.BAD_DNS  # cut short, as the header says
    return reading.result()


def _question(message: bytes, count: int) -> tuple[str, int, int] | None:
    """The first name asked for, empty where there is none, where the answers begin, and labels still allowed."""
    name, at, left = "", HEADER_SIZE, _MAX_LABELS
    if count > _MAX_QUESTIONS:
        return None
    for _ in range(count):
        read = name_at(message, at)
        if read is None or read[1] + 4 > len(message):
            return None
        name, at, left = name or read[0], read[1] + 4, left - read[2]
    return name, at, left


def _after_name(message: bytes, at: int) -> int:
    """Where what follows a name begins, the name itself unread; beyond the message where that has no end."""
    while at < len(message) and message[at]:
        if message[at] >= 0xC0:  # noqa: PLR2004 - a pointer ends it
            return at + 2
        if message[at] > 63:  # noqa: PLR2004 - 01 and 10 are not used
            return len(message) + 1
        at += 1 + message[at]
    return at + 1


class _Reading:
    """What the records of one message come to."""

    __slots__ = ("addresses", "aliases", "ech", "first", "front", "labels", "message", "ttl")

    def __init__(self, message: bytes, first: str, labels: int) -> None:
        self.message, self.first, self.labels = message, first, labels
        self.addresses: list[str] = []
        self.aliases: list[str] = []
        self.ttl = _MAX_TTL
        self.ech = False
        self.front: str | None = None

    def record(self, at: int) -> int:
        """Where the record after the one at `at` begins; 0: it cannot be read."""
        message = self.message
        after, owner = at + 2, ""
        if at >= len(message):
            return 0
        if not self.first:
            read = name_at(message, at)
            if read is None:
                return 0
            owner, after = read[0], read[1]
            self.labels -= read[2]
        elif message[at] < 0xC0:  # noqa: PLR2004 - of later owners only the end matters
            after = _after_name(message, at)
        if after + 10 > len(message) or self.labels < 0:
            return 0
        kind, _, ttl, size = _RECORD(message, after)
        at = after + 10
        if at + size > len(message):
            return 0
        self.first = self.first or owner
        if self._value(kind, at, size):
            self.ttl = min(self.ttl, ttl if ttl <= _MAX_TTL else 0)
        return int(at + size)

    def _value(self, kind: int, at: int, size: int) -> bool:
        """Take what a record holds; whether it is of a kind that is kept."""
        if kind == _A and size == _V4:
            self._address(AF_INET, at, _V4)
        elif kind == _AAAA and size == _V6:
            self._address(AF_INET6, at, _V6)
        elif kind in {_CNAME, _PTR}:
            self._name(at, at + size)
        elif kind == _SRV and size > 6:  # noqa: PLR2004 - priority, weight, port
            self._name(at + 6, at + size)
        elif kind in {_HTTPS, _SVCB} and size > 2:  # noqa: PLR2004 - priority
            self._service(at, at + size)
        else:
            return False
        return True

    def _address(self, family: int, at: int, size: int) -> None:
        if len(self.addresses) < MAX_ADDRESSES:
            text = inet_ntop(family, self.message[at : at + size])
            if text not in self.addresses:
                self.addresses.append(text)

    def _name(self, at: int, end: int) -> int:
        """Where the name ends; beyond `end` where it cannot be read. One too many is not read."""
        if len(self.aliases) >= MAX_ALIASES:
            return _after_name(self.message, at)
        read = name_at(self.message, at)
        if read is None or read[1] > end:
            return end + 1
        self.labels -= read[2]
        if read[0] != "." and read[0] not in self.aliases:
            self.aliases.append(read[0])
        return read[1]

    def _service(self, at: int, end: int) -> None:
        """RFC 9460 section 2.2: another name, then keys in rising order."""
        at = self._name(at + 2, end)
        for _ in range(_MAX_PARAMETERS):
            if at + 4 > end:
                return
            key, size = _U16(self.message, at)[0], _U16(self.message, at + 2)[0]
            at += 4
            if at + size > end:
                return
            self._parameter(key, at, at + size)
            at += size

    def _parameter(self, key: int, at: int, end: int) -> None:
        if key == _ECH:
            self.ech = True
            self.front = self.front or front(self.message[at:end])
        elif key in {_HINT4, _HINT6}:
            family, size = (AF_INET, _V4) if key == _HINT4 else (AF_INET6, _V6)
            for place in range(at, min(end - size + 1, at + MAX_ADDRESSES * size), size):
                self._address(family, place, size)

    def result(self) -> Answer | None:
        """None where there is nothing to tell."""
        if not (self.addresses or self.aliases or self.ech):
            return None
        notes = (Note.ECH.value,) if self.ech else ()
        return Answer(self.first, tuple(self.addresses), tuple(self.aliases), self.ttl, notes, self.front)


def front(configs: bytes) -> str | None:
    """The public name of the first configuration in an ECHConfigList (RFC 9849 section 4); None: it cannot be read."""
    try:
        at = 2
        while at + 4 <= len(configs):
            version, size = _U16(configs, at)[0], _U16(configs, at + 2)[0]
            at += 4
            if version == _ECH_VERSION:
                return _public_name(configs[at : at + size])
            at += size
    except (IndexError, error):
        pass
    return None


def _public_name(config: bytes) -> str | None:
    at = 5 + _U16(config, 3)[0]  # id and KEM, then the public key
    at += 3 + _U16(config, at)[0]  # the ciphers, then the longest name
    name = config[at + 1 : at + 1 + config[at]]
    return printable(name, NAME_CHARS).lower() if name and len(name) == config[at] else None
