"""Names of persons, places and organisations in requests: read before the verdict, or beside the exchange.

Owns: which texts of a request are read for names, and when; and that the operator's classifier is asked along. Rules:
policy says whether a request waits (`then.names`); what waits and cannot be read is a fault, so that the guard closes
or counts; what is read late is told with the close record and decides nothing; `scanned_by` tells `names` only where
every such text has been read.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from addons.analysing import WARM_AFTER_S
from addons.names_beside import NamesReader
from addons.ongoing import LATE, WAIT, Exchange, How
from addons.worker import Worker
from appliance.analyse.names_spacy import version
from appliance.inspect.identifiers import names_model
from appliance.inspect.inspection import Inspection
from appliance.inspect.scanning import labels_of, merged
from appliance.model.detection import Detection, Label, Segment
from appliance.model.facts import Facts

if TYPE_CHECKING:
    from addons.classifying import Classifying

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
        self.classifying: Classifying | None = None  # the operator's transformer; None: there is none

    @property
    def wanted(self) -> bool:
        """All texts of a request may have to be read elsewhere."""
        return self.wants_names or self.classifying is not None

    @property
    def wants_names(self) -> bool:
        """Some request may have to be read for names."""
        return self._always or self._worker.policy.reads_names

    def how(self, inspection: Inspection, facts: Callable[[], Facts]) -> How:
        """Who reads this request, and whether it waits for that."""
        return How(self._how(inspection, facts), self.classifying.how(inspection) if self.classifying else "")

    def _how(self, inspection: Inspection, facts: Callable[[], Facts]) -> str:
        if not self.wants_names or not any(_is_read(segment, inspection.model) for segment in inspection.segments):
            return ""
        policy = self._worker.policy
        asked = policy.names(facts(), self._worker.telemetry.clock()) if policy.reads_names else None
        return asked or (LATE if self._always else "")

    async def named(self, inspection: Inspection, how: How) -> Inspection:
        """With what it waits for. AnalysisError: that could not be read."""
        if how.names == WAIT:
            inspection = inspection.of_names(await self._found(inspection, late=False), self._version)
        if how.classifier == WAIT and self.classifying is not None:
            inspection = await self.classifying.judged(inspection)
        return inspection

    def later(self, exchange: Exchange, inspection: Inspection, how: How) -> None:
        """Read beside the exchange what nobody waits for; see `late_labels`."""
        if how.names == LATE:
            self._beside(exchange, self._labels(inspection), "names_missed")
        if how.classifier == LATE and self.classifying is not None:
            self._beside(exchange, self.classifying.labels(inspection), "classifier_missed")

    def _beside(self, exchange: Exchange, reading: Coroutine[object, object, tuple[Label, ...]], missed: str) -> None:
        def counted(task: "asyncio.Task[tuple[Label, ...]]") -> None:
            if task.cancelled() or task.exception() is not None:
                counts = self._worker.telemetry.counts
                counts[missed] = counts.get(missed, 0) + 1

        task = asyncio.ensure_future(reading)
        task.add_done_callback(counted)
        exchange.late = (*exchange.late, task)

    async def _labels(self, inspection: Inspection) -> tuple[Label, ...]:
        return labels_of(await self._found(inspection, late=True))

    async def _found(self, inspection: Inspection, *, late: bool) -> tuple[tuple[Detection, ...], ...]:
        """Along the segments."""
        reads = [_is_read(segment, inspection.model) for segment in inspection.segments]
        texts = [segment.text for segment, read in zip(inspection.segments, reads, strict=True) if read]
        found = iter(await self._reader.read(texts, late=late))
        return tuple(next(found) if read else () for read in reads)


def read_late(worker: Worker, exchange: Exchange, facts: Facts, inspection: Inspection) -> None:
    """Begin to read beside the exchange what nobody waits for: its request has been judged, and goes."""
    if worker.naming and LATE in exchange.beside:
        worker.naming.later(exchange, inspection, exchange.beside)
    asyncio.get_running_loop().call_soon(_odd, worker, exchange, facts, inspection)


def _odd(worker: Worker, exchange: Exchange, facts: Facts, inspection: Inspection) -> None:
    exchange.odd = worker.habit_later(facts, inspection)


def late_labels(exchange: Exchange) -> tuple[Label, ...] | None:
    """What was found late; None: nothing was read late, or not by now."""
    over = [task for task in exchange.late if task.done() and not task.cancelled() and task.exception() is None]
    return merged(exchange.odd, *(task.result() for task in over)) if over or exchange.odd else None


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
        if self._naming.wants_names:
            self._reader.warm()


def _is_read(segment: Segment, model: str | None) -> bool:
    return segment.channel in _READ and not names_model(segment, model) and any(map(str.isalpha, segment.text))
