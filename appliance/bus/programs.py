"""Which programs the appliance has met, by TLS handshake and user agent: a table that workers write and sensors read.

Owns: RUN/programs.map (0600): a header, then `REGIONS` regions of `SLOTS` slots; a slot holds a JA4, a program, the AI
service that it used last, how often it was met with an AI service and with anything else, and a digest of all that.
Rules: no client and no name of a host stands here; each worker writes into a region of its own; a slot that is being
written does not fit its digest and is passed over; a full region loses its oldest slot; what was met more than `TTL_S`
ago counts no more. Nothing here may fail a worker. What is learned is a hint for sensors, never a verdict.
"""

from __future__ import annotations

import contextlib
import struct
import threading
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.bus import mapped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME: Final = "programs.map"
TTL_S: Final = 7 * 86_400.0
REGIONS: Final = 16
SLOTS: Final = 256  # per region: pairs of a handshake and a program that one worker has met
MAX_PROGRAM: Final = 40  # bytes
_MOST: Final = 2**32 - 1
_MAGIC: Final = b"GNMPROG1"
_HEADER: Final = 64
_SLOT: Final = struct.Struct("<8s40s40s64sIId")  # digest, JA4, program, service, AI, other, last met
SIZE: Final = _HEADER + REGIONS * SLOTS * _SLOT.size
_FORM: Final = mapped.Form(_MAGIC, SIZE, "the table of programs")


class Program(NamedTuple):
    """One slot. `ja4` empty: it came in clear; `program` empty: of no request, only handshakes are counted."""

    ja4: str
    program: str
    service: str
    ai: int
    other: int
    last: float


def create(run_dir: Path) -> Path:
    """The file, made or found sound; OperatorError when it cannot be had."""
    return mapped.create(run_dir / NAME, _FORM)


class Programs:
    """The mapped table. Writers give the number of their region."""

    def __init__(self, path: Path, region: int = 0, *, write: bool = False) -> None:
        """OperatorError: there is no sound file at `path`."""
        self._map = mapped.opened(path, _FORM, write=write)
        self._region, self._lock = region % REGIONS, threading.Lock()
        self._held: dict[tuple[str, str], tuple[int, Program]] = {}
        if write:
            self._held = {(one.ja4, one.program): (at, one) for at, one in self._slots(self._region)}

    def met(self, ja4: str, program: str, service: str, *, ai: bool, now: float) -> None:
        """It was met once more, with an AI service or with anything else."""
        with self._lock:
            at, known = self._held.get((ja4, program)) or (self._free(), Program(ja4, program, "", 0, 0, now))
            one = known._replace(
                service=service or known.service,
                ai=min(known.ai + ai, _MOST),
                other=min(known.other + (not ai), _MOST),
                last=now,
            )
            self._held[ja4, program] = at, one
            self._map[at : at + _SLOT.size] = _packed(one)

    def _free(self) -> int:
        """Where the next one goes: a slot that nobody holds, else that of the one that was met longest ago."""
        begin = _HEADER + self._region * SLOTS * _SLOT.size
        if len(self._held) < SLOTS:
            taken = {at for at, _ in self._held.values()}
            return next(at for at in range(begin, begin + SLOTS * _SLOT.size, _SLOT.size) if at not in taken)
        oldest = min(self._held, key=lambda key: self._held[key][1].last)
        return self._held.pop(oldest)[0]

    def all(self, now: float) -> list[Program]:
        """What all workers have met within `TTL_S`, once for each region."""
        return [one for region in range(REGIONS) for _, one in self._slots(region) if now - one.last <= TTL_S]

    def _slots(self, region: int) -> Iterator[tuple[int, Program]]:
        begin = _HEADER + region * SLOTS * _SLOT.size
        for number in range(SLOTS):
            at = begin + number * _SLOT.size
            if (one := _unpacked(self._map[at : at + _SLOT.size])) is not None:
                yield at, one

    def close(self) -> None:
        """Give the mapping back."""
        self._map.close()


def _packed(one: Program) -> bytes:
    texts = (_cut(one.ja4, 40), _cut(one.program, MAX_PROGRAM), _cut(one.service, 64))
    body = _SLOT.pack(b"", *texts, one.ai, one.other, one.last)[8:]
    return _digest(body) + body


def _unpacked(slot: bytes) -> Program | None:
    """None: it is empty, or being written."""
    if not slot[0:8].strip(b"\0") or _digest(slot[8:]) != slot[:8]:
        return None
    _, ja4, program, service, ai, other, last = _SLOT.unpack(slot)
    return Program(_text(ja4), _text(program), _text(service), ai, other, last)


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode("utf-8", "replace")


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=8, person=b"gnomon-programs").digest()


def _cut(text: str, size: int) -> bytes:
    data = text.encode("utf-8", "replace")[:size]
    with contextlib.suppress(UnicodeDecodeError):
        data.decode()
        return data
    return data.decode("utf-8", "ignore").encode()  # not through the middle of a character
