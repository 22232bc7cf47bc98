"""The worker's own analyser: large bodies and documents are read in another process, under a deadline.

Theory of operation. A body that would hold up the loop, or that needs a parser nobody should run beside keys, goes to
`appliance.analyse.process`. One job runs at a time; when its deadline passes the process is killed and another one
started. Rules: what could not be read raises, so that the guard closes (stage enforce) or counts and passes (observe);
what waits is bounded in bytes and in time.
"""

import asyncio
from pathlib import Path
from typing import Final

from addons.beside import AnalysisError, Beside
from addons.worker import Worker
from appliance.analyse.jobs import Failed, Found, Job, Settings, answered, frame, whole
from appliance.inspect.content import decode_body
from appliance.inspect.detect.statistics import Statistics
from appliance.inspect.dialects import Call
from appliance.inspect.inspection import Inspection, Limits
from appliance.inspect.walker import needs_process
from appliance.model.detection import DetectorCount, Selector
from appliance.model.errors import PeerError

__all__ = ["Analyser", "AnalysingAddon", "AnalysisError", "wants"]

LARGE_BYTES: Final = 256 * 1024
WAITING_BYTES: Final = 256 * 1024 * 1024
WARM_AFTER_S: Final = 2.0  # a worker serves first


def wants(content_type: str, content_encoding: str | None, body: bytes) -> bool:
    """Whether a body is to be read beside the worker: it is large, or may hold what only document parsers can read."""
    if len(body) > LARGE_BYTES or (content_encoding or "identity").strip().lower() != "identity":
        return True  # what a compressed body holds is not seen from here
    return "multipart/" in content_type.lower() or needs_process(body)


class Analyser:
    """One process at a time; `deadline_s` counts from a job's turn."""

    def __init__(
        self,
        tables: Path | None,
        limits: Limits,
        user: tuple[int, int] | None,
        deadline_s: float,
        run_dir: Path | None = None,
    ) -> None:
        """`run_dir`: where the process learns of the operator's own patterns and values; None: there are none."""
        told = (("--tables", tables), ("--run-dir", run_dir))
        more = tuple(text for name, path in told if path is not None for text in (name, str(path)))
        self._beside = Beside("appliance.analyse.process", user, more, first=frame(Settings(limits)))
        self._limits, self._deadline_s = limits, deadline_s
        self._turn = asyncio.Lock()
        self._counts = Statistics()
        self._waiting = 0
        self.start, self.warm, self.close = self._beside.start, self._beside.warm, self._beside.close

    async def request(
        self,
        call: Call,
        content_encoding: str | None,
        raw: bytes,
        dialect: str | None,
        *,
        texts: bool = False,
        enough: tuple[Selector, ...] = (),
    ) -> Inspection:
        """`Inspector.request`, elsewhere. `texts`: with every text, also those without findings.

        AnalysisError: not in time, or it failed.
        """
        if self._waiting + len(raw) > WAITING_BYTES:
            raise AnalysisError("too much waits for the analyser")
        self._waiting += len(raw)
        try:
            async with self._turn:
                return await self._one(Job(call, content_encoding, dialect, texts, enough), raw)
        finally:
            self._waiting -= len(raw)

    @property
    def counted(self) -> tuple[DetectorCount, ...]:
        """What the detectors of all its processes have cost and found."""
        return self._counts.told()

    async def _one(self, job: Job, raw: bytes) -> Inspection:
        try:
            await self._beside.there()
            async with asyncio.timeout(self._deadline_s):
                told = await self._exchange(job, raw)
        except (TimeoutError, OSError, EOFError, PeerError) as error:
            self._beside.again()
            raise AnalysisError(f"the analyser gave no answer ({type(error).__name__})") from None
        except asyncio.CancelledError:
            self._beside.again()  # its answer would be taken for the next job's
            raise
        self._counts.add(told.counts)
        if isinstance(told, Failed):
            raise AnalysisError(f"the analyser failed ({told.word})")
        inspection = told.inspection
        plain = not (inspection.encodings or any(inspection.detections) or job.texts)
        if plain or inspection.problem:
            return whole(told, raw, raw)  # it is its own decoded form, or nothing in it will be edited
        return whole(told, raw, await asyncio.to_thread(self._decoded, raw, job.content_encoding))

    async def _exchange(self, job: Job, raw: bytes) -> Found | Failed:
        return answered(await self._beside.exchange(frame(job, len(raw)), raw))

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
