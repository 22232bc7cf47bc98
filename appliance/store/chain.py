"""A frame of journal lines, checked against what has been taken in: pure.

A line is `{"digest":"<hex>","body":{"producer","epoch","seq","prev","event"},"persons":{...}}`; `digest` is the sha256
of the exact bytes of `body`, `prev` the digest of the line before. Rules: lines at or below the mark are repeats and
are skipped (but the line at the mark must be the one that was taken in); a gap is refused with the number to send from;
damage is an EvidenceError that names producer, epoch and number, and nothing of the frame is taken in. `persons` stands
outside the digest, so it is bounded here and never trusted for more than a name.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

import msgspec

from appliance.journal.record import Mark
from appliance.model.errors import EvidenceError, PeerError
from appliance.model.event import Event
from appliance.store.wire import MAX_FRAME_LINES, Append

MAX_PERSONS: Final = 16
MAX_PERSON_CHARS: Final = 1024


class Gap(Exception):  # noqa: N818 - a state of the conversation, answered with a number
    """Lines are missing before this frame; `expected` is the number to send from."""

    def __init__(self, expected: int) -> None:
        super().__init__(f"expected line {expected}")
        self.expected = expected


class Entry(msgspec.Struct, frozen=True):
    """One new line. `event` is None when the record is sound but unknown here; `fault` then says why."""

    seq: int
    digest: str
    body: bytes
    event: Event | None
    persons: Mapping[str, str]
    fault: str = ""


class Frame(msgspec.Struct, frozen=True):
    """The new lines of a frame, the mark after them, and the number that was expected where a gap was let in."""

    append: Append
    entries: tuple[Entry, ...]
    mark: Mark
    gap_from: int | None = None


class _Line(msgspec.Struct):
    digest: str
    body: msgspec.Raw
    persons: dict[str, str] = {}


class _Head(msgspec.Struct):
    producer: str
    epoch: int
    seq: int
    prev: str


class _Body(_Head):
    event: Event


_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)  # lines may be a peer's
_line = msgspec.json.Decoder(_Line)
_body = msgspec.json.Decoder(_Body)
_head = msgspec.json.Decoder(_Head)


def read_frame(append: Append, data: bytes, mark: Mark) -> Frame:
    """The new lines of a frame. `mark` is what was taken in last, or the genesis of a life never seen.

    PeerError: head and body disagree. Gap: lines are missing. EvidenceError: damage.
    """
    lines = _split(append, data)
    expected = mark.seq + 1
    gap_from = None
    if append.first_seq > expected:
        if append.oldest != append.first_seq:
            raise Gap(expected)
        gap_from = expected
    prev = mark.digest if gap_from is None else None
    entries: list[Entry] = []
    for seq, line in enumerate(lines, append.first_seq):
        if seq < mark.seq:
            continue
        entry, told_prev = _read_line(append, seq, line)
        if seq == mark.seq:
            _same(append, seq, entry.digest, mark.digest)
            continue
        if prev is not None and not hmac.compare_digest(told_prev, prev):
            raise _damage(append, seq, "its predecessor is not the line that the store took in")
        prev = entry.digest
        entries.append(entry)
    last = entries[-1] if entries else mark
    after = Mark(append.producer, append.epoch, last.seq, last.digest)
    return Frame(append, tuple(entries), after, gap_from)


def _split(append: Append, data: bytes) -> list[bytes]:
    count = append.last_seq - append.first_seq + 1
    if not 1 <= count <= MAX_FRAME_LINES:
        raise PeerError(f"append: {count} lines in a frame; 1 to {MAX_FRAME_LINES} are taken")
    lines = data.split(b"\n")
    if lines.pop() or len(lines) != count:
        raise PeerError(f"append: the head tells of {count} whole lines, the body holds {len(lines)}")
    return lines


def _read_line(append: Append, seq: int, line: bytes) -> tuple[Entry, str]:
    """The line as an entry, and the digest it names as its predecessor."""
    try:
        parsed = _line.decode(line)
        body = bytes(parsed.body)
        body.decode()  # what is skipped has not been looked at, and the whole text becomes a column
    except _UNREADABLE:
        raise _damage(append, seq, "it is not a journal line") from None
    digest = hashlib.sha256(body).hexdigest()
    if not hmac.compare_digest(digest.encode(), parsed.digest.encode()):
        raise _damage(append, seq, "its digest does not match its body")
    persons = _bounded(parsed.persons) if parsed.persons else {}
    try:
        whole = _body.decode(body)
    except _UNREADABLE as error:
        head = _read_head(append, seq, body)
        return Entry(seq, digest, body, None, persons, f"unknown record: {error}"), head.prev
    _right_place(append, seq, whole)
    return Entry(seq, digest, body, whole.event, persons), whole.prev


def _read_head(append: Append, seq: int, body: bytes) -> _Head:
    try:
        head = _head.decode(body)
    except _UNREADABLE:
        raise _damage(append, seq, "its body has no readable head") from None
    _right_place(append, seq, head)
    return head


def _right_place(append: Append, seq: int, head: _Head) -> None:
    if (head.producer, head.epoch, head.seq) != (append.producer, append.epoch, seq):
        raise _damage(append, seq, f"it calls itself {head.producer[:80]!r}, epoch {head.epoch}, line {head.seq}")


def _same(append: Append, seq: int, digest: str, taken: str) -> None:
    if not hmac.compare_digest(digest.encode(), taken.encode()):
        raise _damage(append, seq, "it differs from the line of that number that the store took in")


def _damage(append: Append, seq: int, what: str) -> EvidenceError:
    return EvidenceError(
        f"journal {append.producer}-{append.epoch}, line {seq}: {what}; nothing of this frame was stored. "
        f"Check with `gnomon journal verify`, set damaged ones aside with `gnomon journal quarantine`"
    )


def _bounded(persons: dict[str, str]) -> dict[str, str]:
    kept = list(persons.items())[:MAX_PERSONS]
    return {digest[:MAX_PERSON_CHARS]: value[:MAX_PERSON_CHARS] for digest, value in kept}
