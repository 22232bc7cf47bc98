"""What the process that parses may say to the process that records: its only way out.

Owns: the form, big-endian: u32 length of the rest | msgpack of a `Report`. Rules: pure; the reader believes nothing: a
frame beyond the limit, another type, an address that is none or a text that is too long ends the conversation; the
writer cuts texts and the times that a file may claim, and never fails for what they hold.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from socket import AF_INET, AF_INET6, inet_pton
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from appliance.model.errors import PeerError
from appliance.model.observation import Observation

MAX_FRAME: Final = 1 << 20
GATHER: Final = 256 * 1024  # bytes of observations in one frame; one more always fits
MAX_TEXT: Final = 2048
MAX_LIST: Final = 64  # protocols, notes, names of a certificate
MAX_NAMES: Final = 128  # of counters
MAX_PORT: Final = 0xFFFF
LATEST: Final = float(1 << 33)  # a later second is no time of a packet
ODD_TIME: Final = "odd_time"  # noted where a capture file claims a time before 1970 or after LATEST
INTERFACE_DOWN: Final = "interface_down"  # counted beside what is weird on the wire: for a while nothing was seen
FOLLOWED_LOST: Final = "followed_lost"  # counted there, too: packets of the second ring that found no room
_LENGTH: Final = 4
_LISTED: Final = 256  # characters of what stands in a list
_TEXTS: Final = (
    *("server_name", "ja3", "ja4", "method", "host", "path", "user_agent", "tls_version", "cipher", "alert", "server"),
    *("content_type", "software", "model", "ended", "mac", "hostname", "front"),
)
_LISTS: Final = ("alpn", "notes", "names", "addresses", "aliases", "marks", "tools")
_NUMBERS: Final = ("ttl", "status", "bytes_up", "bytes_down", "seconds")
_LARGEST: Final = float(1 << 48)  # as discovery.flows tells at most; the store has 63 bits for sums

type Count = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
type Word = Annotated[str, Meta(max_length=64)]


class Tally(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Sums since the start. `missed`: packets that the kernel dropped; `held_back`: observations that found no room."""

    packets: Count = 0
    observations: Count = 0
    missed: Count = 0
    held_back: Count = 0
    weird: Annotated[dict[Word, Count], Meta(max_length=MAX_NAMES)] = {}


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One frame. `begun`: from now on packets are read; `ended`: no more will come; `refused`: this is no capture.

    `fault`: what went wrong in reading, in words; `barred`: system calls are filtered.
    """

    observations: tuple[Observation, ...] = ()
    tally: Tally | None = None
    begun: bool = False
    barred: bool = False
    ended: bool = False
    refused: Annotated[str, Meta(max_length=MAX_TEXT)] = ""
    fault: Annotated[str, Meta(max_length=MAX_TEXT)] = ""


class _Outgoing(msgspec.Struct, omit_defaults=True, kw_only=True):
    observations: list[msgspec.Raw] = []


_texts, _lists, _numbers = attrgetter(*_TEXTS), attrgetter(*_LISTS), attrgetter(*_NUMBERS)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Report).decode


def frame(report: Report) -> bytes:
    """The frame of a report without observations."""
    cut = msgspec.structs.replace(report, refused=_cut(report.refused), fault=_cut(report.fault))
    return _framed(_encode(cut))


def frames(observations: Iterable[Observation]) -> Iterator[bytes]:
    """Frames that hold these observations in order, texts cut; as few as the limit allows."""
    gathered: list[msgspec.Raw] = []
    size = 0
    for seen in observations:
        packed = _packed(seen)
        gathered.append(packed)
        size += len(packed)
        if size >= GATHER:
            yield _framed(_encode(_Outgoing(observations=gathered)))
            gathered, size = [], 0
    if gathered:
        yield _framed(_encode(_Outgoing(observations=gathered)))


def _framed(payload: bytes) -> bytes:
    return len(payload).to_bytes(_LENGTH) + payload


def _packed(seen: Observation) -> msgspec.Raw:
    if not 0 <= seen.ts <= LATEST:
        seen = msgspec.structs.replace(seen, ts=min(max(0.0, seen.ts), LATEST), notes=(*seen.notes, ODD_TIME))
    if seen.seconds is not None and not 0 <= seen.seconds <= LATEST:
        seen = msgspec.structs.replace(seen, seconds=min(max(0.0, seen.seconds), LATEST))
    for values in _lists(seen):
        if values and (len(values) > MAX_LIST or max(map(len, values)) > _LISTED):
            seen = msgspec.structs.replace(seen, **{name: _few(getattr(seen, name)) for name in _LISTS})
            break
    try:
        packed = _encode(seen)
        if len(packed) > MAX_TEXT:  # else no text in it is longer
            long = {name: text[:MAX_TEXT] for name in _TEXTS if (text := getattr(seen, name)) and len(text) > MAX_TEXT}
            packed = _encode(msgspec.structs.replace(seen, **long)) if long else packed
        return msgspec.Raw(packed)
    except UnicodeEncodeError:  # lone surrogates out of undecodable bytes
        plain = {name: _valid(text) for name in _TEXTS if (text := getattr(seen, name))}
        lists = {name: tuple(map(_valid, getattr(seen, name))) for name in _LISTS}
        return msgspec.Raw(_encode(msgspec.structs.replace(seen, **plain, **lists)))


def _few(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(value[:_LISTED] for value in values[:MAX_LIST])


def _valid(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()[:MAX_TEXT]


def _cut(text: str) -> str:
    return _valid(text[:MAX_TEXT])


def length_of(head: bytes) -> int:
    """Bytes that follow the first four; PeerError beyond the limit."""
    length = int.from_bytes(head)
    if not 0 < length <= MAX_FRAME:
        raise PeerError(f"a frame of {length} bytes")
    return length


def read(payload: bytes) -> Report:
    """What stands behind a frame's length. PeerError: it is not a report, or one that no parser of ours can make."""
    try:
        report = _decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PeerError(f"not a report: {str(error)[:200]}") from None
    for seen in report.observations:
        check(seen)
    return report


def check(seen: Observation) -> None:
    """PeerError for an observation that cannot have been seen on a wire, or that is larger than allowed."""
    if not (math.isfinite(seen.ts) and 0 <= seen.ts <= LATEST):
        raise PeerError("an observation at no time")
    if not (0 <= seen.sport <= MAX_PORT and 0 <= seen.dport <= MAX_PORT):
        raise PeerError("an observation with no port")
    for address in (seen.src, seen.dst):
        _check_address(address)
    _check_sizes(seen)
    for address in seen.addresses:
        _check_address(address)


def _check_sizes(seen: Observation) -> None:
    """PeerError for a text, a list or a number that no parser of ours makes."""
    if any(text is not None and len(text) > MAX_TEXT for text in _texts(seen)):
        raise PeerError("an observation with a text that is too long")
    for values in _lists(seen):
        if values and (len(values) > MAX_LIST or any(len(value) > MAX_TEXT for value in values)):
            raise PeerError("an observation with a list that is too long")
    if any(number is not None and not 0 <= number <= _LARGEST for number in _numbers(seen)):
        raise PeerError("an observation with a number that counts nothing")


def _check_address(text: str) -> None:
    try:
        inet_pton(AF_INET6 if ":" in text else AF_INET, text)
    except (OSError, ValueError):
        raise PeerError("an observation without an address") from None


def sums(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """What has grown between two countings, by name."""
    return {name: count - before.get(name, 0) for name, count in sorted(after.items()) if count > before.get(name, 0)}
