"""The operator's transformer over requests: asked before the verdict, or beside the exchange.

Owns: which texts it reads, and what its failure means. Rules: only words of users, tools, documents and of nobody known
are read, never an application's own, a model's, or definitions of tools; what it finds are findings like any other;
where a request waits and it fails, `on_failure` decides: `close` is a fault where verdicts act, so that the guard
closes; otherwise the record carries the label CLASSIFIER_FAILED, and `scanned_by` does not name it.
"""

import asyncio
from typing import Final

import msgspec

from addons.analysing import WARM_AFTER_S
from addons.beside import AnalysisError, Beside
from addons.names_beside import NamesReader
from addons.naming import Reader
from addons.worker import Worker
from appliance.analyse.classifier import RULE, settings_of
from appliance.analyse.names_jobs import ONE_THREAD
from appliance.config.schema import ClassifierConfig
from appliance.inspect.identifiers import names_model
from appliance.inspect.injection.model import CLASSES
from appliance.inspect.inspection import Inspection
from appliance.inspect.looking import source_of
from appliance.inspect.scanning import labels_of, merged
from appliance.model.detection import Detection, Label, Segment
from appliance.model.names import DetectionKind, Stage

MODULE: Final = "appliance.analyse.classifier_process"
WHAT: Final = "the classifier"
FAILED: Final = "CLASSIFIER_FAILED"
_READ: Final = frozenset({"content", "reasoning"})


class Classifying:
    """One for the life of a worker."""

    def __init__(self, worker: Worker, reader: Reader, config: ClassifierConfig) -> None:
        self._worker, self._reader, self._config = worker, reader, config
        self._version = settings_of(config).version

    def how(self, inspection: Inspection) -> str:
        """`wait`, `late`, or empty: there is nothing to read."""
        model = inspection.model
        return self._config.when if any(_is_read(segment, model) for segment in inspection.segments) else ""

    async def judged(self, inspection: Inspection) -> Inspection:
        """With what it finds. AnalysisError: it failed, verdicts act, and it must not."""
        try:
            found = await self._found(inspection, late=False)
        except AnalysisError:
            if self._config.on_failure == "close" and self._worker.stage is Stage.ENFORCE:
                raise
            failed = Label(FAILED, DetectionKind.TOPIC, 1, 1.0)
            return msgspec.structs.replace(inspection, labels=merged(inspection.labels, (failed,)))
        return inspection.of_names(found, self._version, RULE)

    async def labels(self, inspection: Inspection) -> tuple[Label, ...]:
        """What it finds, for a record. AnalysisError: it failed."""
        return labels_of(await self._found(inspection, late=True))

    async def _found(self, inspection: Inspection, *, late: bool) -> tuple[tuple[Detection, ...], ...]:
        """Along the segments."""
        reads = [_is_read(segment, inspection.model) for segment in inspection.segments]
        texts = [segment.text for segment, read in zip(inspection.segments, reads, strict=True) if read]
        found = iter(await self._reader.read(texts, late=late))
        return tuple(next(found) if read else () for read in reads)


class ClassifyingAddon:
    """Gives the worker its classifier, and takes it away at the end."""

    def __init__(self, worker: Worker, reader: NamesReader, config: ClassifierConfig) -> None:
        self._reader = reader
        if worker.naming is not None:
            worker.naming.classifying = Classifying(worker, reader, config)

    def running(self) -> None:
        """Have it warm before the first request."""
        asyncio.get_running_loop().call_later(WARM_AFTER_S, self._reader.warm)

    def done(self) -> None:
        """End it."""
        self._reader.close()


def classifying(worker: Worker, user: tuple[int, int] | None) -> list[object]:
    """The addon, where a classifier is configured; stands behind that of names."""
    config = worker.config.inspect.classifier
    if config is None:
        return []
    process = Beside(MODULE, user, ("--run-dir", worker.config.run_dir), environment=ONE_THREAD)
    return [ClassifyingAddon(worker, NamesReader(user, config.deadline_s, process, WHAT), config)]


def _is_read(segment: Segment, model: str | None) -> bool:
    theirs = segment.channel in _READ and source_of(segment) in CLASSES
    return theirs and not names_model(segment, model) and any(map(str.isalpha, segment.text))
