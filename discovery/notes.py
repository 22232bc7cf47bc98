"""What an observation notes beside its facts: words of a closed vocabulary, so that no text of the wire is one.

Owns: the words, and what of a reader's notes is believed. Rules: pure; a note is a `Note`, or the one sentence on
cadence, whose only variable parts are numbers. Who records takes nothing else, whoever may have said it.
"""

import re
from enum import StrEnum
from typing import Final


class Note(StrEnum):
    """A sign that is worth keeping as evidence."""

    ECH_OFFERED = "ech_offered"  # the hello has the extension: an encrypted name, or random bytes in its place
    ECH = "ech"  # of a hello: what stands in it is a front; of an answer: it tells how to encrypt the name
    GREASE_ECH = "grease_ech"  # random bytes most likely: the client was not seen to be told how to encrypt
    NO_SNI = "no_sni"  # a hello without a name
    ODD_NAME = "odd_name"  # a name with characters that no host has
    BAD_EXTENSION = "bad_extension"  # an extension whose lengths do not add up
    HELLO_RETRY = "hello_retry"  # the server asks for another hello, or this is it
    SEALED_ALERT = "sealed_alert"  # under TLS 1.3: an alert, and nobody can read which
    LEFT_EARLY = "left_early"  # after its hello the client left without asking for anything
    GOES_ON = "goes_on"  # sizes of a connection that has not ended: later ones hold them, too
    GQUIC = "gquic"  # Google's QUIC before there was a standard
    H2 = "h2"  # HTTP/2 in clear
    AGAIN = "again"  # the same message, told once more because its body shows more
    TWO_HOSTS = "two_hosts"  # a request with Host lines that differ
    WEBSOCKET = "websocket"  # a request to go on with messages in both directions
    DOH = "doh"  # a question inside a request of DNS over HTTP
    MDNS = "mdns"  # an answer in the local link's multicast DNS
    LLMNR = "llmnr"  # an answer in Windows' local name resolution
    UNASKED = "unasked"  # an answer whose question was not seen: it says nothing of addresses
    ODD_TIME = "odd_time"  # a capture file claims a time that cannot be
    ETHERNET = "ethernet"  # of a host: the hardware address in a frame
    DHCP = "dhcp"  # of a host: in its own words, as the next three
    DHCP6 = "dhcp6"
    NETBIOS = "netbios"
    SSDP = "ssdp"


VOCABULARY: Final = frozenset(note.value for note in Note)
MOST: Final = 8  # notes of one observation
NEVER_ASKED: Final = frozenset({Note.UNASKED, Note.MDNS, Note.LLMNR})  # whoever likes may send such an answer
CADENCE: Final = "cadence"  # how the sentence on a rhythm begins
_CADENCE: Final = re.compile(rf"{CADENCE} of \d{{1,5}} records, \d{{1,5}} ms apart", re.ASCII)


def known(notes: tuple[str, ...]) -> tuple[str, ...]:
    """The notes that a reader of ours makes, the others left out."""
    return tuple(note for note in notes[:MOST] if note in VOCABULARY or _CADENCE.fullmatch(note))
