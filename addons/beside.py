"""A process beside the worker that reads what the worker should not: started, asked, ended, replaced.

Theory of operation. It is one of `appliance/analyse`, reached over a socket pair; it says READY once it has loaded all
and given up the rest. Frames go out and come back in turn; whoever asks keeps the deadline and calls `again` when it
has passed, which kills the process and starts another. Rules: nothing of the worker's is inherited but the socket; one
that ends before it was ready is not started again at once.
"""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final

from appliance.analyse.frames import LENGTHS, READY, lengths
from appliance.model.errors import PeerError

START_S: Final = 60.0
AGAIN_S: Final = 5.0  # after one that could not begin


class AnalysisError(Exception):
    """Something could not be read in time, or its reader failed. The text names no content."""


class Beside:
    """At most one process. `first`: a frame that each gets as soon as it is ready."""

    def __init__(
        self,
        module: str,
        user: tuple[int, int] | None,
        more: Sequence[str] = (),
        *,
        first: bytes = b"",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = [sys.executable, "-m", module, *more]
        if user is not None:
            self._command += ["--uid", str(user[0]), "--gid", str(user[1])]
        self._environment = {"PATH": os.environ.get("PATH", os.defpath), **(environment or {})}
        self._first = first
        self._over = False
        self._failed_at = -AGAIN_S
        self.process: subprocess.Popen[bytes] | None = None
        self.ready: asyncio.Task[None] | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    def start(self) -> None:
        """Start the process; who asks waits until it is warm. AnalysisError: the worker is at its end."""
        if self._over:
            raise AnalysisError("the analyser has been closed")
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [*self._command, "--fd", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=self._environment,
                cwd="/",
                start_new_session=True,
            )
        self.ready = asyncio.get_running_loop().create_task(self._greet(ours))

    def warm(self) -> None:
        """Start the process unless it runs, or has been closed for good."""
        if self.process is None and not self._over:
            self.start()

    def close(self) -> None:
        """End the process for good."""
        self._over = True
        self.end()

    def again(self) -> None:
        """Another process instead of this one; not at once where this one could not even begin."""
        if self.ready is None or not self.ready.done() or self.ready.cancelled() or self.ready.exception():
            self._failed_at = time.monotonic()
            self.end()
            return
        self.end()
        self.warm()

    async def there(self) -> None:
        """It runs and is ready. TimeoutError, OSError, EOFError, PeerError: it is not; AnalysisError: not again yet."""
        if self.process is None or self.process.poll() is not None:
            self.end()
            if time.monotonic() - self._failed_at < AGAIN_S:
                raise AnalysisError("the analyser could not begin")
            self.start()
        assert self.ready  # noqa: S101 - it has just been started
        async with asyncio.timeout(START_S):
            await asyncio.shield(self.ready)

    async def exchange(self, *frames: bytes) -> bytes:
        """Send what makes one job; the head of its answer."""
        assert self._reader  # noqa: S101 - it has greeted
        assert self._writer  # noqa: S101 - the same
        for one in frames:
            self._writer.write(one)
        await self._writer.drain()
        head, _ = lengths(await self._reader.readexactly(LENGTHS.size))
        return await self._reader.readexactly(head)

    def end(self) -> None:
        """Kill it, if it runs."""
        if self.ready is not None:
            self.ready.cancel()
        if self._writer is not None:
            self._writer.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = self.ready = self._reader = self._writer = None

    async def _greet(self, sock: socket.socket) -> None:
        self._reader, self._writer = await asyncio.open_unix_connection(sock=sock)
        if await self._reader.readexactly(len(READY)) != READY:
            raise PeerError("the analyser does not speak")
        if self._first:
            self._writer.write(self._first)
