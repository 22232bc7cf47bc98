"""`gnomon eval DATASET`: precision, recall, false positives and F-scores of the detectors, with 95 % intervals.

Rules: the detectors run as a worker runs them, on texts that no cache has seen; texts are never printed.
`make eval` makes docs/DETECTION.md of this, and puts the notes of a data set below its tables: what remains, and why.
They are written by hand in docs/detection/injection.md, pii.md and secrets.md, each from a heading `###` on.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from appliance.cli.output import hint, json_option, say, say_json, table
from appliance.cli.progress import measured
from appliance.inspect.evaluation.rows import LONGEST_LINE, Task, read_row
from appliance.inspect.evaluation.scoring import KINDS, THRESHOLDS, Scoring
from appliance.inspect.evaluation.variants import DISGUISES, disguised, inside, unseen
from appliance.model.errors import OperatorError
from appliance.model.names import Source

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from appliance.inspect.detect.detectors import Detectors
    from appliance.inspect.evaluation.measures import Figure
    from appliance.inspect.evaluation.rows import Row
    from appliance.inspect.evaluation.scoring import Measured, Report
    from appliance.model.detection import Detection

_GROUPS = ("manner", "source", "kind", "entity", "rule")


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser = commands.add_parser("eval", parents=[common], help="measure the detectors on labelled texts")
    parser.add_argument("dataset", type=Path, metavar="DATASET", help='JSON lines: {"text", "label", "kind", "source"}')
    parser.add_argument("--task", type=Task, choices=tuple(Task), help="default: by the file's name")
    parser.add_argument("--threshold", type=float, metavar="SCORE", help="lowest score that counts")
    parser.add_argument("--sample", type=_count, default=1, metavar="N", help="only every Nth text")
    parser.add_argument("--source", action="append", metavar="NAME", help="only texts of this source; repeatable")
    parser.add_argument("--kind", action="append", metavar="NAME", help="only texts of this kind; repeatable")
    parser.add_argument("--role", type=Source, choices=tuple(Source), default=Source.USER, help="whose words they are")
    parser.add_argument("--unseen", action="store_true", help="only sources that no weights were learned from")
    changed = parser.add_mutually_exclusive_group()
    changed.add_argument("--inside", action="store_true", help="attempts inside the documents of the data set")
    changed.add_argument(
        "--disguise", choices=tuple(DISGUISES), metavar="NAME", help=f"found attempts, as: {', '.join(DISGUISES)}"
    )
    parser.add_argument("--names", action="store_true", help="with the model of names, as the process of names runs it")
    parser.add_argument("--by", choices=_GROUPS, action="append", help="groups to show; repeatable (default: source)")
    json_option(parser)
    parser.set_defaults(run=run)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def run(options: argparse.Namespace) -> int:
    """0: measured, however well."""
    from appliance.config.detection import detection_settings
    from appliance.config.load import load
    from appliance.config.tables import tables_folder
    from appliance.inspect.detect.detectors import Detectors

    task = options.task or _task_of(options.dataset)
    config = load(options.config)
    detectors = Detectors.load(tables_folder(Path(config.state_dir)), settings=detection_settings(config))
    look = looker(detectors, options.role)
    report = evaluate(options, task, with_names(look) if options.names else look)
    if options.json:
        say_json(report)
        return 0
    tell(report, tuple(options.by or (("manner", "entity", "source") if task is Task.PII else ("source",))))
    return 0


def _task_of(path: Path) -> Task:
    for task in Task:
        if path.name.startswith(task.value):
            return task
    raise OperatorError(f"{path}: the name does not tell what is to be found; say --task {'|'.join(Task)}")


def looker(detectors: Detectors, role: Source) -> Callable[[str], tuple[Detection, ...] | None]:
    """What is found in a text, however long; None where a detector gives up."""
    from appliance.inspect.detect.failure import DetectorFailure
    from appliance.inspect.windows import scan_whole

    def look(text: str) -> tuple[Detection, ...] | None:
        try:
            return scan_whole(detectors, text, role)
        except DetectorFailure:
            return None

    return look


def with_names(
    look: Callable[[str], tuple[Detection, ...] | None],
) -> Callable[[str], tuple[Detection, ...] | None]:
    """What `look` finds, and the names that the model finds."""
    from appliance.analyse.names import names_in
    from appliance.analyse.names_lists import lists
    from appliance.analyse.names_spacy import load as load_model

    model, known = load_model(), lists()

    def both(text: str) -> tuple[Detection, ...] | None:
        found = look(text)
        return None if found is None else (*found, *names_in(text, model, known))

    return both


def evaluate(options: argparse.Namespace, task: Task, look: Callable[[str], tuple[Detection, ...] | None]) -> Report:
    """Every wanted row of the file through `look`."""
    scoring = Scoring(task, THRESHOLDS[task] if options.threshold is None else options.threshold)
    with (
        _opened(options.dataset) as file,
        measured(f"evaluating {options.dataset.name}", options.dataset.stat().st_size) as advance,
    ):
        for row in _changed(_rows(file, options, advance), options, task, look):
            before = time.perf_counter()
            found = look(row.text)
            scoring.add(row, found, (time.perf_counter() - before) * 1000)
    return scoring.report()


def _changed(
    rows: Iterator[Row],
    options: argparse.Namespace,
    task: Task,
    look: Callable[[str], tuple[Detection, ...] | None],
) -> Iterator[Row]:
    """The rows as they are to be read."""
    threshold = THRESHOLDS[task] if options.threshold is None else options.threshold

    def is_found(row: Row) -> bool:
        return any(one.kind in KINDS[task] and one.score >= threshold for one in look(row.text) or ())

    if options.unseen:
        rows = unseen(rows)
    if options.disguise:
        return disguised(rows, options.disguise, is_found)
    return inside(list(rows)) if options.inside else rows


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}") from None


def _rows(file: IO[bytes], options: argparse.Namespace, advance: Callable[[int], None]) -> Iterator[Row]:
    number = wanted = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        advance(len(line))
        if not line.strip():
            continue
        row = read_row(line, f"{options.dataset}:{number}")
        if _is_meant(row, options):
            wanted += 1
            if (wanted - 1) % options.sample == 0:
                yield row


def _is_meant(row: Row, options: argparse.Namespace) -> bool:
    return (not options.source or row.source in options.source) and (not options.kind or row.kind in options.kind)


def tell(report: Report, groups: tuple[str, ...]) -> None:
    """For people."""
    for group in ("all", *groups):
        if group == "rule":
            rows = sorted(report.rules.items(), key=lambda item: -item[1][1])
            say(table(("ENTITY AND RULE", "RIGHT", "WRONG"), ((name, *sums) for name, sums in rows)) + "\n")
            continue
        lines = [one for one in report.measured if one.group == group]
        if lines:
            say(table((group.upper(), *_HEAD), map(_cells, lines)) + "\n")
    if report.recall_at_1_percent:
        at = report.threshold_at_1_percent
        say(f"recall at 1 % false positives: {_figure(report.recall_at_1_percent)} (threshold {at:.3g})")
    for name, (count, covered) in report.unclaimed.items():
        say(f"not claimed by any detector: {name}: {count} labelled, {covered} covered")
    say(
        f"{report.texts} texts, threshold {report.threshold:g}, {report.failed} given up; "
        f"ms per text p50 {report.ms_p50:.3f}, p95 {report.ms_p95:.3f}, most {report.ms_max:.1f}"
    )
    if report.failed:
        hint("texts that a detector gave up on count as not found")


_HEAD = ("HIT", "MISSED", "WRONG", "QUIET", "PRECISION", "RECALL", "FPR", "F1", "F2", "COVERED")


def _cells(one: Measured) -> tuple[object, ...]:
    figures = (one.precision, one.recall, one.false_positive_rate, one.f1, one.f2, one.covered)
    return (one.name, one.hit, one.missed, one.wrong, one.quiet, *map(_figure, figures))


def _figure(figure: Figure | None) -> str:
    return "-" if figure is None else f"{figure.value:.3f} [{figure.low:.3f}-{figure.high:.3f}]"
