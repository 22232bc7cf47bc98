"""The one thread that writes, so that the event loop stays free and transactions never conflict.

Owns: the queue of frames and jobs, and how frames are gathered into one transaction. Rules: under load (the last
transaction already held several frames) a frame waits a few milliseconds for company; a job (decision, erasure,
deletion) runs alone, in order; the queue is bounded, callers wait. What follows from stored frames (`Follower`) is done
at once after a rest, then ten times a second. When the database itself fails, nothing more is written: waiting callers
get an EvidenceError, nothing is acknowledged, and `on_fatal` ends the process so that it is started anew on what is on
disk.
"""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, Protocol

from appliance.model.errors import EvidenceError, OperatorError, PeerError
from appliance.store.ingest import Ingest, Outcome
from appliance.store.wire import Append, Appended

LINGER_S: Final = 0.004
FOLLOW_S: Final = 0.1  # from one piece of what follows to the next
MAX_BATCH_BYTES: Final = 8 << 20
MAX_QUEUE: Final = 256
_TOLD: Final = (EvidenceError, OperatorError, PeerError)  # answers to a caller, not failures of the database


class _Frame:
    def __init__(self, append: Append, data: bytes) -> None:
        self.append, self.data = append, data
        self.done: Future[Appended] = Future()


class _Job:
    def __init__(self, run: Callable[[], Any]) -> None:
        self.run = run
        self.done: Future[Any] = Future()


class Follower(Protocol):
    """Work that stored frames leave behind (appliance.store.findings)."""

    @property
    def pending(self) -> bool:
        """There is some."""

    def fold(self) -> None:
        """Do a piece of it."""


class Writer:
    """Runs `ingest`, jobs and what follows on a thread of its own."""

    def __init__(
        self, ingest: Ingest, on_fatal: Callable[[BaseException], None], follower: Follower | None = None
    ) -> None:
        self._ingest = ingest
        self._follower = follower
        self._followed = 0.0
        self._on_fatal = on_fatal
        self._queue: queue.Queue[_Frame | _Job | None] = queue.Queue()
        self._room = asyncio.Semaphore(MAX_QUEUE)
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._broken: BaseException | None = None
        self.last_commit_ms = 0.0

    @property
    def waiting(self) -> int:
        """Frames and jobs in the queue."""
        return self._queue.qsize()

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    async def append(self, append: Append, data: bytes) -> Appended:
        """Take a frame in; returns after COMMIT."""
        item = _Frame(append, data)
        return await self._submit(item, item.done)

    async def call[T](self, run: Callable[[], T]) -> T:
        """Run a job on the writing thread, outside any transaction."""
        item = _Job(run)
        done: Future[T] = item.done
        return await self._submit(item, done)

    async def close(self) -> None:
        """Write what is queued, then end the thread."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    async def _submit[T](self, item: _Frame | _Job, done: Future[T]) -> T:
        async with self._room:
            self._queue.put(item)
            return await asyncio.shield(asyncio.wrap_future(done))

    def _run(self) -> None:
        item: _Frame | _Job | None = None
        crowded = False
        while True:
            item = item or self._next()
            if item is None:
                return
            if isinstance(item, _Job):
                self._do(item)
                item = None
                continue
            frames, item, ending = self._gather(item, LINGER_S if crowded else 0.0)
            crowded = len(frames) > 1
            self._commit(frames)
            if ending:
                return
            if self._rest() <= 0:
                self._follow()

    def _next(self) -> _Frame | _Job | None:
        """The next item; what follows the former ones is done while none comes."""
        while self._follower is not None and self._follower.pending and self._broken is None:
            with contextlib.suppress(queue.Empty):
                return self._queue.get(timeout=max(0.0, self._rest()))
            self._follow()
        return self._queue.get()

    def _rest(self) -> float:
        """Seconds until the next piece of what follows is due."""
        return self._followed + FOLLOW_S - time.monotonic()

    def _follow(self) -> None:
        """Do a piece of what stored frames left behind."""
        if self._follower is None or self._broken is not None or not self._follower.pending:
            return
        try:
            self._follower.fold()
        except BaseException as error:  # noqa: BLE001 - not even an alarm could be stored
            self._fatal(error)
        self._followed = time.monotonic()

    def _gather(self, first: _Frame, linger: float) -> tuple[list[_Frame], _Job | None, bool]:
        """Frames for one transaction, the job that ended the gathering, and whether the queue has been closed."""
        frames, size, deadline = [first], len(first.data), time.monotonic() + linger
        while size < MAX_BATCH_BYTES:
            try:
                item = (
                    self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
                    if linger
                    else self._queue.get_nowait()
                )
            except queue.Empty:
                break
            if not isinstance(item, _Frame):
                return frames, item, item is None
            frames.append(item)
            size += len(item.data)
        return frames, None, False

    def _commit(self, frames: list[_Frame]) -> None:
        began = time.monotonic()
        outcomes: list[Outcome]
        try:
            self._refuse_if_broken()
            outcomes = self._ingest.commit([(frame.append, frame.data) for frame in frames])
        except BaseException as error:  # noqa: BLE001 - every waiting caller must be answered
            fault = self._fatal(error)
            outcomes = [fault] * len(frames)
        self.last_commit_ms = (time.monotonic() - began) * 1000
        for frame, outcome in zip(frames, outcomes, strict=True):
            if isinstance(outcome, Exception):
                frame.done.set_exception(outcome)
            else:
                frame.done.set_result(outcome)

    def _do(self, job: _Job) -> None:
        try:
            self._refuse_if_broken()
            job.done.set_result(job.run())
        except _TOLD as error:
            job.done.set_exception(error)
        except BaseException as error:  # noqa: BLE001 - the caller must be answered
            job.done.set_exception(self._fatal(error))

    def _refuse_if_broken(self) -> None:
        if self._broken is not None:
            raise EvidenceError(f"the store has stopped writing: {self._broken}")

    def _fatal(self, error: BaseException) -> EvidenceError:
        told = error if isinstance(error, EvidenceError) else EvidenceError(f"the store cannot write: {error}")
        if self._broken is None:
            self._broken = error
            self._on_fatal(error)
        return told
