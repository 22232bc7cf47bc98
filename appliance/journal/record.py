"""The journal's line format and its hash chain. Pure: bytes and records in, bytes and records out.

One line is one JSON object and a newline::

    {"digest":"<64 hex>","body":{"producer","epoch","seq","prev","event"},"persons":{"p_...":"clear name"}}

Rules: `digest` is SHA-256 over exactly the bytes of `body` as they stand in the line, so nobody ever has to serialise
again to verify; `prev` is the digest of the line before, or `genesis(...)` for seq 1; `seq` rises by one. `persons`
stands outside the hash: erasing a person changes no digest. A line ends with its only newline (JSON escapes others).
"""

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from appliance.model.errors import EvidenceError
from appliance.model.event import Event

MAX_LINE = 1 << 20  # bytes, newline included; also the size of a shipped batch, so that one line always fits

_BEGIN = b'{"digest":"'
_DIGEST_AT = len(_BEGIN)
_BODY_AT = len(b'{"digest":"","body":') + 64


class Mark(msgspec.Struct, frozen=True):
    """A place in one producer's chain: after line `seq` (0: before the first), whose digest is `digest` (hex)."""

    producer: str
    epoch: int
    seq: int
    digest: str


class Body(msgspec.Struct, frozen=True):
    """The hashed part of a line, with its event."""

    producer: str
    epoch: int
    seq: int
    prev: str
    event: Event


class EventHead(msgspec.Struct, frozen=True):
    """What the chain has to know of an event of any version: its kind and, if it has one, its exchange."""

    kind: str
    exchange: str = ""


class Entry(msgspec.Struct, frozen=True):
    """A line whose own digest is right. `body` is the exact hashed bytes."""

    digest: str
    producer: str
    epoch: int
    seq: int
    prev: str
    event: EventHead
    body: bytes
    persons: dict[str, str]


class Fault(msgspec.Struct, frozen=True):
    """The first line that cannot be trusted: byte `offset` of its start, the `seq` it should have, and why.

    `torn`: it is the very last line, as a write cut short leaves it; otherwise lines follow it and this is damage.
    """

    offset: int
    seq: int
    reason: str
    torn: bool


class Chain(msgspec.Struct, frozen=True):
    """How far a run of lines verifies: place reached, bytes of the valid prefix, exchanges left open, first fault."""

    mark: Mark
    length: int
    opened: tuple[str, ...]
    fault: Fault | None = None


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    digest: str
    body: msgspec.Raw
    persons: dict[str, str]


class _Head(msgspec.Struct):
    producer: str
    epoch: int
    seq: int
    prev: str
    event: EventHead


_encode = msgspec.json.Encoder().encode
_decode_line = msgspec.json.Decoder(_Line).decode
_decode_head = msgspec.json.Decoder(_Head).decode
_decode_body = msgspec.json.Decoder(Body).decode


def genesis(producer: str, epoch: int) -> Mark:
    """The place before the first line; its digest binds the chain to its producer and life."""
    seed = f"gnomon journal 1\n{producer}\n{epoch}\n".encode()
    return Mark(producer, epoch, 0, hashlib.sha256(seed).hexdigest())


def encode_line(mark: Mark, event: Event, persons: Mapping[str, str]) -> tuple[bytes, Mark]:
    """The line that follows `mark`, newline included, and the place after it.

    Text that is no valid Unicode (lone surrogates out of undecodable network bytes) is written with backslash escapes:
    a hostile path must not cost the record. Raises EvidenceError for a line above `MAX_LINE`.
    """
    seq = mark.seq + 1
    try:
        body = _encode(Body(mark.producer, mark.epoch, seq, mark.digest, event))
        people = _encode(persons)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(Body(mark.producer, mark.epoch, seq, mark.digest, event))
        body, people = _encode(_valid_text(plain)), _encode(_valid_text(dict(persons)))
    digest = hashlib.sha256(body).hexdigest()
    line = b'{"digest":"%b","body":%b,"persons":%b}\n' % (digest.encode(), body, people)
    if len(line) > MAX_LINE:
        raise EvidenceError(
            f"journal line {seq} of {mark.producer} would have {len(line)} bytes; {MAX_LINE} is the limit"
        )
    return line, Mark(mark.producer, mark.epoch, seq, digest)


def _valid_text(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_valid_text(key): _valid_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_valid_text(item) for item in value]
    return value


def decode_line(line: bytes) -> Entry:
    """One line, newline included. Raises EvidenceError (with the reason only) unless format and digest are right."""
    if not line.endswith(b"\n"):
        raise EvidenceError("the line has no end")
    if len(line) > MAX_LINE:
        raise EvidenceError(f"the line is longer than {MAX_LINE} bytes")
    try:
        raw = _decode_line(line)
        body = bytes(raw.body)
        head = _decode_head(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EvidenceError(f"not a journal line: {error}") from None
    if not line.startswith(body, _BODY_AT) or line[_DIGEST_AT : _DIGEST_AT + 64] != raw.digest.encode():
        raise EvidenceError("not written by a journal: its parts are not in their places")
    if hashlib.sha256(body).hexdigest() != raw.digest:
        raise EvidenceError("the digest does not match the body")
    return Entry(raw.digest, head.producer, head.epoch, head.seq, head.prev, head.event, body, raw.persons)


def decode_body(body: bytes) -> Body:
    """The whole event of an entry. Raises EvidenceError if this version cannot read it."""
    try:
        return _decode_body(body)
    except msgspec.DecodeError as error:
        raise EvidenceError(f"a journal body that this version cannot read: {error}") from None


def follow(mark: Mark, entry: Entry) -> Mark:
    """The place after `entry`. Raises EvidenceError unless it is the line that follows `mark`."""
    if (entry.producer, entry.epoch) != (mark.producer, mark.epoch):
        raise EvidenceError(f"the line belongs to {entry.producer}-{entry.epoch}, not to {mark.producer}-{mark.epoch}")
    if entry.seq != mark.seq + 1:
        raise EvidenceError(f"seq {entry.seq} stands where {mark.seq + 1} should")
    if entry.prev != mark.digest:
        raise EvidenceError("prev is not the digest of the line before")
    return Mark(mark.producer, mark.epoch, entry.seq, entry.digest)


def note_exchange(opened: dict[str, None], kind: str, exchange: str) -> None:
    """Keep `opened`, the exchanges without a close in order of opening, after one more event."""
    if kind == "open":
        opened[exchange] = None
    elif kind == "close":
        opened.pop(exchange, None)


def verify_lines(lines: Iterable[bytes], start: Mark, opened: Iterable[str] = ()) -> Chain:
    """Follow the chain over `lines` (newlines included) from `start` up to the end or the first fault."""
    mark, length, still_open = start, 0, dict.fromkeys(opened)
    remaining = iter(lines)
    for line in remaining:
        try:
            entry = decode_line(line)
            mark = follow(mark, entry)
        except EvidenceError as error:
            glued = line.find(_BEGIN, 1) > 0  # a lost newline between two lines; inside a string quotes are escaped
            torn = not glued and next(remaining, None) is None
            return Chain(mark, length, tuple(still_open), Fault(length, mark.seq + 1, str(error), torn))
        note_exchange(still_open, entry.event.kind, entry.event.exchange)
        length += len(line)
    return Chain(mark, length, tuple(still_open))
