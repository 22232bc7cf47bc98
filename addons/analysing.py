"""The worker's own analyser: large bodies and documents are read in another process, under a deadline.

Theory of operation. A body that would hold up the loop, or that needs a parser nobody should run beside keys, goes over
a socket pair to `appliance.analyse.process`. One job runs at a time; when its deadline passes the process is killed
and another one started. Rules: what could not be read raises, so that the guard closes (stage enforce) or counts and
passes (observe); what waits is bounded in bytes and in time; nothing of the worker's is inherited but the socket.
"""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

from addons.worker import Worker
from appliance.analyse.jobs import LENGTHS, Failed, Found, Head, Job, Settings, answered, frame, lengths, whole
from appliance.analyse.process import READY
from appliance.inspect.content import decode_body
from appliance.inspect.dialects import Call
from appliance.inspect.inspection import Inspection, Limits
from appliance.inspect.walker import needs_process
from appliance.model.errors import PeerError

LARGE_BYTES: Final = 256 * 1024
WAITING_BYTES: Final = 256 * 1024 * 1024
START_S: Final = 60.0
WARM_AFTER_S: Final = 2.0  # a worker serves first


class AnalysisError(Exception):
    """A body could not be read in time, or its reader failed. The text names no content."""


def wants(content_type: str, content_encoding: str | None, body: bytes) -> bool:
    """Whether a body is to be read beside the worker: it is large, or may hold what only document parsers can read."""
    if len(body) > LARGE_BYTES or (content_encoding or "identity").strip().lower() != "identity":
        return True  # what a compressed body holds is not seen from here
    return "multipart/" in content_type.lower() or needs_process(body)


class Analyser:
    """One process at a time; `deadline_s` counts from a job's turn."""

    def __init__(self, tables: Path | None, limits: Limits, user: tuple[int, int] | None, deadline_s: float) -> None:
        self._command = _command(tables, user)
        self._limits, self._deadline_s = limits, deadline_s
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._over = False
        self._process: subprocess.Popen[bytes] | None = None
        self._ready: asyncio.Task[None] | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    def start(self) -> None:
        """Start the process; the first job waits until it is warm. AnalysisError: the worker is at its end."""
        if self._over:
            raise AnalysisError("the analyser has been closed")
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [*self._command, "--fd", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={"PATH": os.environ.get("PATH", os.defpath)},
                cwd="/",
                start_new_session=True,
            )
        self._ready = asyncio.get_running_loop().create_task(self._greet(ours))

    async def request(self, call: Call, content_encoding: str | None, raw: bytes, dialect: str | None) -> Inspection:
        """`Inspector.request`, elsewhere. AnalysisError: not in time, or it failed."""
        if self._waiting + len(raw) > WAITING_BYTES:
            raise AnalysisError("too much waits for the analyser")
        self._waiting += len(raw)
        try:
            async with self._turn:
                return await self._one(Job(call, content_encoding, dialect), raw)
        finally:
            self._waiting -= len(raw)

    def warm(self) -> None:
        """Start the process unless it runs, or has been closed for good."""
        if self._process is None and not self._over:
            self.start()

    def close(self) -> None:
        """End the process for good."""
        self._over = True
        self._end()

    def _end(self) -> None:
        if self._ready is not None:
            self._ready.cancel()
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._ready = self._reader = self._writer = None

    async def _greet(self, sock: socket.socket) -> None:
        self._reader, self._writer = await asyncio.open_unix_connection(sock=sock)
        if await self._reader.readexactly(len(READY)) != READY:
            raise PeerError("the analyser does not speak")
        self._writer.write(frame(Settings(self._limits)))

    async def _one(self, job: Job, raw: bytes) -> Inspection:
        try:
            async with asyncio.timeout(START_S):
                await self._there()
            async with asyncio.timeout(self._deadline_s):
                told = await self._exchange(job, raw)
        except (TimeoutError, OSError, EOFError, PeerError) as error:
            self._again()
            raise AnalysisError(f"the analyser gave no answer ({type(error).__name__})") from None
        except asyncio.CancelledError:
            self._again()  # its answer would be taken for the next job's
            raise
        if isinstance(told, Failed):
            raise AnalysisError(f"the analyser failed ({told.word})")
        if not any(told.inspection.detections) or told.inspection.problem:
            return whole(told, raw, raw)  # nothing in it will be edited
        return whole(told, raw, await asyncio.to_thread(self._decoded, raw, job.content_encoding))

    def _again(self) -> None:
        """Another process instead of this one."""
        self._end()
        self.warm()

    async def _there(self) -> None:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self.start()
        assert self._ready  # noqa: S101 - it has just been started
        await asyncio.shield(self._ready)

    async def _exchange(self, job: Head, raw: bytes) -> Found | Failed:
        assert self._reader  # noqa: S101 - it has greeted
        assert self._writer  # noqa: S101 - the same
        self._writer.write(frame(job, len(raw)))
        self._writer.write(raw)
        await self._writer.drain()
        head, _ = lengths(await self._reader.readexactly(LENGTHS.size))
        return answered(await self._reader.readexactly(head))

    def _decoded(self, raw: bytes, content_encoding: str | None) -> bytes:
        """The body as the segments' places count it."""
        limits = self._limits
        return decode_body(raw, content_encoding, max_bytes=limits.max_body, max_ratio=limits.max_ratio).data


class AnalysingAddon:
    """Gives the worker its analyser, and takes it away at the end."""

    def __init__(self, worker: Worker, analyser: Analyser) -> None:
        self._analyser = analyser
        worker.analyse = analyser.request

    def running(self) -> None:
        """Have it warm before the first large body comes; one that comes sooner starts it itself."""
        asyncio.get_running_loop().call_later(WARM_AFTER_S, self._analyser.warm)

    def done(self) -> None:
        """End it."""
        self._analyser.close()


def _command(tables: Path | None, user: tuple[int, int] | None) -> list[str]:
    command = [sys.executable, "-m", "appliance.analyse.process"]
    if tables is not None:
        command += ["--tables", str(tables)]
    if user is not None:
        command += ["--uid", str(user[0]), "--gid", str(user[1])]
    return command
