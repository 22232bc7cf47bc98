"""Names of persons, places and organisations in requests: read before the verdict, or beside the exchange.

Owns: which texts of a request are read for names, and when. Rules: policy says whether a request waits (`then.names`);
what waits and cannot be read is a fault, so that the guard closes or counts; what is read late is told with the close
record and decides nothing; `scanned_by` tells `names` only where every such text has been read.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from addons.analysing import WARM_AFTER_S
from addons.names_beside import NamesReader
from addons.ongoing import Exchange
from addons.worker import Worker
from appliance.analyse.names_spacy import version
from appliance.inspect.identifiers import names_model
from appliance.inspect.inspection import Inspection
from appliance.inspect.scanning import labels_of
from appliance.model.detection import Detection, Label, Segment
from appliance.model.facts import Facts

WAIT, LATE = "wait", "late"
_READ: Final = frozenset({"content", "arguments", "reasoning"})  # not names and descriptions of tools, nor metadata


class Reader(Protocol):
    """What this file needs of `NamesReader`."""

    async def read(self, texts: Sequence[str], *, late: bool = False) -> list[tuple[Detection, ...]]:
        """What stands in each text. AnalysisError: not in time, or it failed."""


class Naming:
    """Asks for names where policy or configuration want them; see `addons/worker.py`."""

    def __init__(self, worker: Worker, reader: Reader) -> None:
        self._worker, self._reader = worker, reader
        self._version = version()
        self._always = worker.config.inspect.names == LATE

    @property
    def wanted(self) -> bool:
        """Some request may have to be read for names."""
        return self._always or self._worker.policy.reads_names

    def how(self, inspection: Inspection, facts: Callable[[], Facts]) -> str:
        """`wait`, `late`, or empty: this request is not read for names."""
        if not self.wanted or not any(_is_read(segment, inspection.model) for segment in inspection.segments):
            return ""
        policy = self._worker.policy
        asked = policy.names(facts(), self._worker.telemetry.clock()) if policy.reads_names else None
        return asked or (LATE if self._always else "")

    async def named(self, inspection: Inspection) -> Inspection:
        """With names. AnalysisError: they could not be read."""
        return inspection.of_names(await self._found(inspection, late=False), self._version)

    def later(self, exchange: Exchange, inspection: Inspection) -> None:
        """Read names beside the exchange; see `late_labels`."""
        exchange.late = asyncio.ensure_future(self._labels(inspection))
        exchange.late.add_done_callback(self._counted)

    async def _labels(self, inspection: Inspection) -> tuple[Label, ...]:
        return labels_of(await self._found(inspection, late=True))

    async def _found(self, inspection: Inspection, *, late: bool) -> tuple[tuple[Detection, ...], ...]:
        """Along the segments."""
        reads = [_is_read(segment, inspection.model) for segment in inspection.segments]
        texts = [segment.text for segment, read in zip(inspection.segments, reads, strict=True) if read]
        found = iter(await self._reader.read(texts, late=late))
        return tuple(next(found) if read else () for read in reads)

    def _counted(self, task: "asyncio.Task[tuple[Label, ...]]") -> None:
        if task.cancelled() or task.exception() is not None:
            counts = self._worker.telemetry.counts
            counts["names_missed"] = counts.get("names_missed", 0) + 1


def late_labels(exchange: Exchange) -> tuple[Label, ...] | None:
    """What was found late; None: names were not read late, or not by now."""
    task = exchange.late
    if task is None or not task.done() or task.cancelled() or task.exception() is not None:
        return None
    return task.result()


class NamingAddon:
    """Gives the worker its reader of names, and takes it away at the end."""

    def __init__(self, worker: Worker, reader: NamesReader) -> None:
        self._reader = reader
        self._naming = worker.naming = Naming(worker, reader)
        worker.adopted = self._warm

    def running(self) -> None:
        """Have it warm before the first request, where any may have to be read."""
        asyncio.get_running_loop().call_later(WARM_AFTER_S, self._warm)

    def done(self) -> None:
        """End it."""
        self._reader.close()

    def _warm(self) -> None:
        if self._naming.wanted:
            self._reader.warm()


def _is_read(segment: Segment, model: str | None) -> bool:
    return segment.channel in _READ and not names_model(segment, model) and any(map(str.isalpha, segment.text))
