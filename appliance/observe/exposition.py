"""Prometheus' text format, as a page: pure.

Rules: version 0.0.4 of the format (https://prometheus.io/docs/instrumenting/exposition_formats/): a family's lines
stand together, counters end in `_total`, buckets are cumulative and end in `+Inf`; label values are escaped, so
nothing in one can begin another line. Written here because it is a page of text and nothing else: a client library
would bring a global registry, default series of the process and a server of its own.
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
MAX_LABEL: Final = 256

type Labels = tuple[tuple[str, str], ...]


class Sample(msgspec.Struct, frozen=True):
    """One value."""

    labels: Labels
    value: float


class Buckets(msgspec.Struct, frozen=True):
    """One histogram. `counts`: at or below each of `bounds` but above the one before, then beyond the last."""

    labels: Labels
    bounds: Sequence[float]
    counts: Sequence[int]
    sum: float


class Metric(msgspec.Struct, frozen=True):
    """A family: its name without suffix, its words, and its values."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    words: str
    samples: tuple[Sample | Buckets, ...]


def page(metrics: Iterable[Metric]) -> str:
    """The whole text. ValueError: a name that the format does not know, or two families of one name."""
    lines: list[str] = []
    seen: set[str] = set()
    for metric in metrics:
        name = f"{metric.name}_total" if metric.kind == "counter" else metric.name
        if not _NAME.match(name) or name in seen:
            raise ValueError(f"metric {name!r}: not a name, or given twice")
        seen.add(name)
        lines += (f"# HELP {name} {_help(metric.words)}", f"# TYPE {name} {metric.kind}")
        for sample in metric.samples:
            if isinstance(sample, Buckets):
                lines += _buckets(name, sample)
            else:
                lines.append(_line(name, sample.labels, sample.value))
    return "\n".join(lines) + "\n"


def _buckets(name: str, sample: Buckets) -> list[str]:
    total, lines = 0, []
    for bound, count in zip((*sample.bounds, math.inf), sample.counts, strict=True):
        total += count
        lines.append(_line(f"{name}_bucket", (*sample.labels, ("le", number(bound))), total))
    return [*lines, _line(f"{name}_sum", sample.labels, sample.sum), _line(f"{name}_count", sample.labels, total)]


def _line(name: str, labels: Labels, value: float) -> str:
    pairs = []
    for label, text in labels:
        if not _NAME.match(label):
            raise ValueError(f"label {label!r}: not a name")
        pairs.append(f'{label}="{_escaped(text[:MAX_LABEL])}"')
    shown = "{" + ",".join(pairs) + "}" if pairs else ""
    return f"{name}{shown} {number(value)}"


def number(value: float) -> str:
    """As Go reads it: whole numbers without a point, `+Inf`."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value != value:  # noqa: PLR0124 - NaN
        return "NaN"
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))


def _escaped(text: str) -> str:
    told = text.encode("utf-8", "replace").decode()
    return told.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "")


def _help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")
