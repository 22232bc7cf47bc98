"""The worker's reader of names: pieces of text to a process that holds the model, and what it said remembered.

Theory of operation. Texts are cut into pieces; what a piece holds is remembered under a keyed digest, so that of a
conversation only what is new is read. What is left becomes small jobs in one queue: those for which a request waits go
first, so that neither a long document nor findings that may come late hold up a short prompt. One task takes jobs from
the queue; a job that takes too long ends the process. Rules: what could not be read raises, so that the guard closes
(stage enforce) or counts and passes (observe); what waits is bounded in characters, what is remembered in entries and
bytes; the memory holds detections, never text, and its key dies with the process.
"""

import asyncio
import hashlib
import heapq
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from addons.beside import AnalysisError, Beside
from appliance.analyse.names_jobs import ONE_THREAD, Failed, answered, asking
from appliance.analyse.names_pieces import OVERLAP, SIZE, joined, pieces_of
from appliance.model.detection import Detection
from appliance.model.errors import PeerError

MODULE: Final = "appliance.analyse.names_process"
JOB_CHARS: Final = 2 * SIZE + 2 * OVERLAP  # some 50 ms: the longest that a new request waits behind another's
JOB_S: Final = 10.0
LATE_S: Final = 60.0  # what only findings wait for
WAITING_CHARS: Final = 8_000_000
ENTRIES, BYTES = 8192, 8 << 20
_PER_ENTRY, _PER_DETECTION = 200, 150  # bytes, roughly

type Found = tuple[Detection, ...]


class _Job:
    """Pieces that are read together. `order`: 0 for a request that waits, 1 for one that does not; then by age."""

    __slots__ = ("done", "keys", "order", "pieces")

    def __init__(self, order: tuple[int, int]) -> None:
        self.order = order
        self.keys: list[bytes] = []
        self.pieces: list[str] = []
        self.done: asyncio.Future[tuple[Found, ...]] = asyncio.get_running_loop().create_future()

    def __lt__(self, other: "_Job") -> bool:
        return self.order < other.order


class NamesReader:
    """One process, one queue, one memory. `deadline_s`: for all texts of a request that waits.

    `beside`, `what`: another process that answers the same questions, and what faults call it.
    """

    def __init__(
        self,
        user: tuple[int, int] | None,
        deadline_s: float,
        beside: Beside | None = None,
        what: str = "the reader of names",
    ) -> None:
        self._what = what
        self._beside = beside or Beside(MODULE, user, environment=ONE_THREAD)
        self._deadline_s = deadline_s
        self._queue: list[_Job] = []
        self._more = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._number = self._waiting = 0
        self._memory = _Memory()
        self.warm = self._beside.warm

    async def read(self, texts: Sequence[str], *, late: bool = False) -> list[Found]:
        """What stands in each text. `late`: nobody waits for it. AnalysisError: not in time, or it failed."""
        cut = [list(pieces_of(text)) for text in texts]
        keys = [[self._memory.key(piece.text) for piece in pieces] for pieces in cut]
        known: dict[bytes, Found] = {}
        new: dict[bytes, str] = {}
        for pieces, named in zip(cut, keys, strict=True):
            for piece, key in zip(pieces, named, strict=True):
                found = self._memory.get(key)
                if found is None:
                    new[key] = piece.text
                else:
                    known[key] = found
        if new:
            known |= await self._read(new, late=late)
        return [joined(pieces, [known[key] for key in named]) for pieces, named in zip(cut, keys, strict=True)]

    def close(self) -> None:
        """End the process for good; whoever waits is told so."""
        if self._worker is not None:
            self._worker.cancel()
        for job in self._queue:
            _fail(job, AnalysisError(f"{self._what} has been closed"))
        self._beside.close()

    async def _read(self, new: dict[bytes, str], *, late: bool) -> dict[bytes, Found]:
        size = sum(map(len, new.values()))
        if self._waiting + size > WAITING_CHARS:
            raise AnalysisError(f"too much waits for {self._what}")
        self._waiting += size
        jobs: list[_Job] = []
        try:
            await self._there()
            jobs += self._queued(new, late=late)
            async with asyncio.timeout(LATE_S if late else self._deadline_s):
                return {key: found for job in jobs for key, found in zip(job.keys, await job.done, strict=True)}
        except TimeoutError:
            raise AnalysisError(f"{self._what} did not finish in time") from None
        finally:
            self._waiting -= size
            for job in jobs:
                job.done.cancel()

    async def _there(self) -> None:
        """It runs: its start is no part of anybody's deadline."""
        try:
            await self._beside.there()
        except (TimeoutError, OSError, EOFError, PeerError) as error:
            self._beside.again()
            raise AnalysisError(f"{self._what} could not begin ({type(error).__name__})") from None

    def _queued(self, new: dict[bytes, str], *, late: bool) -> list[_Job]:
        jobs: list[_Job] = []
        room = 0
        for key, text in new.items():
            if len(text) > room:
                self._number += 1
                jobs.append(_Job((int(late), self._number)))
                room = JOB_CHARS
            jobs[-1].keys.append(key)
            jobs[-1].pieces.append(text)
            room -= len(text)
        for job in jobs:
            heapq.heappush(self._queue, job)
        self._more.set()
        if self._worker is None or self._worker.done():
            self._worker = asyncio.ensure_future(self._work())
        return jobs

    async def _work(self) -> None:
        """Job after job, until the end of the worker."""
        while True:
            while not self._queue:
                self._more.clear()
                await self._more.wait()
            job = heapq.heappop(self._queue)
            if not job.done.done():  # nobody waits for it any more
                await self._one(job)

    async def _one(self, job: _Job) -> None:
        try:
            await self._beside.there()
            async with asyncio.timeout(JOB_S):
                told = answered(await self._beside.exchange(asking(job.pieces)))
        except (TimeoutError, OSError, EOFError, PeerError, AnalysisError) as error:
            if not isinstance(error, AnalysisError):
                self._beside.again()
            _fail(job, AnalysisError(f"{self._what} gave no answer ({type(error).__name__})"))
            return
        if isinstance(told, Failed) or len(told.found) != len(job.keys):
            word = told.word if isinstance(told, Failed) else "another number of answers"
            _fail(job, AnalysisError(f"{self._what} failed ({word})"))
            return
        for key, found in zip(job.keys, told.found, strict=True):
            self._memory.put(key, found)
        if not job.done.done():
            job.done.set_result(told.found)


def _fail(job: _Job, error: AnalysisError) -> None:
    if not job.done.done():
        job.done.set_exception(error)
        job.done.exception()  # whoever waited may have left


class _Memory:
    """Least recently used first out."""

    def __init__(self) -> None:
        self._held: OrderedDict[bytes, Found] = OrderedDict()
        self._secret = secrets.token_bytes(32)
        self._used = 0

    def key(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=self._secret).digest()

    def get(self, key: bytes) -> Found | None:
        found = self._held.get(key)
        if found is not None:
            self._held.move_to_end(key)
        return found

    def put(self, key: bytes, found: Found) -> None:
        if key in self._held:
            return
        self._held[key] = found
        self._used += _weight(found)
        while len(self._held) > ENTRIES or self._used > BYTES:
            self._used -= _weight(self._held.popitem(last=False)[1])


def _weight(found: Found) -> int:
    return _PER_ENTRY + _PER_DETECTION * len(found)
