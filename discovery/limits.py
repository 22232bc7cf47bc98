"""How much the parsers may hold, and the words for what they could not read.

Rules: every buffer and table of the parsers is bounded by one of these numbers, and what a bound cost is counted. The
vocabulary of `Weird` is closed: a counter whose name is not here does not exist.
"""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one engine; the defaults hold it below about 80 MiB in the worst case. Times are of the capture."""

    depth: int = 8  # headers below each other before IP: tags, labels, tunnels
    streams: int = 4_096  # TCP beginnings that are not complete
    stream_bytes: int = 65_536  # of one beginning; also the longest ClientHello, request head and DNS message
    stream_segments: int = 64  # looks at one beginning, and its pieces beyond a gap: what takes more is counted, let go
    stream_seconds: float = 30.0
    held_bytes: int = 16 * 1024 * 1024  # of all beginnings together
    expected: int = 16_384  # connections whose SYN was seen, but no payload yet
    finished: int = 32_768  # completed beginnings remembered, to know a retransmission
    finished_seconds: float = 120.0
    datagrams: int = 512  # fragmented IP datagrams that are not whole
    datagram_pieces: int = 64
    datagram_seconds: float = 30.0
    datagram_held_bytes: int = 4 * 1024 * 1024
    flows: int = 32_768  # TCP connections whose end is waited for, to tell their sizes
    flow_seconds: float = 4 * 3600.0  # without SYN, FIN or RST; then one is told as open
    written: int = 4_096  # connections whose cadence is looked at, where that is switched on
    quic_packets: int = 32  # Initial packets of one QUIC connection whose hello is not whole
    quic_kept: int = 1_024  # QUIC connections whose keys are kept for a second hello


class Weird(StrEnum):
    """What was seen on the wire and could not be read, or not whole."""

    UNKNOWN_LINK = "unknown_link"  # a link type that nobody reads here
    TRUNCATED = "truncated"  # the packet ends before its headers do
    BAD_IP = "bad_ip"  # a version or a length that cannot be
    TOO_DEEP = "too_deep"  # more tunnels, tags or extension headers than are followed
    FRAGMENTS_LOST = "fragments_lost"  # a fragmented datagram was let go before it was whole
    OVERLAP_DIFFERS = "overlap_differs"  # a byte was sent twice and not the same: one of the two readers is deceived
    STREAMS_EVICTED = "streams_evicted"  # an incomplete beginning was let go: the table was full
    STREAM_EXPIRED = "stream_expired"  # an incomplete beginning was let go: its time was over
    STREAM_TOO_LONG = "stream_too_long"  # a beginning of more bytes or segments than are held
    BAD_HELLO = "bad_hello"  # a hello whose lengths do not add up
    BAD_DNS = "bad_dns"  # a DNS message that cannot be read
    HEADS_UNREAD = "heads_unread"  # heads of HTTP/2 came faster than they are told, or read
    NAMES_UNREAD = "names_unread"  # a message asks for more names than are read
    UNASKED_ANSWER = "unasked_answer"  # a DNS answer whose question was not seen
    BAD_HTTP = "bad_http"  # a head of HTTP that cannot be read
    BAD_QUIC = "bad_quic"  # a QUIC Initial whose seal does not open, or whose frames make no sense
    PARSER_FAULT = "parser_fault"  # a fault of ours


class Tally(Counter[Weird]):
    """The count of each `Weird`."""


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine has done so far; `weird` by the values of `Weird`, without the zeros."""

    packets: int
    observations: int
    weird: Mapping[str, int]
