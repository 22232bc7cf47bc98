"""Pieces of a page: escaped text, tables, bars. Pure; strings in, HTML out.

Rules: every text goes through `text`, which makes it one inert line and then escapes it, so nothing from the network
can become an element, an attribute or a control character; markup is only what stands in this package.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from appliance.sanitise import one_line

MAX_CELL: Final = 200
_BAR: Final = 120  # widest bar, CSS pixels


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


type Cell = str | int | float | Html | None


def text(value: str, limit: int = MAX_CELL) -> str:
    """Foreign text as one escaped line."""
    return escape(one_line(value, limit), quote=True)


def cell(value: Cell) -> str:
    """A table's cell: `-` for None, thousands set apart."""
    if isinstance(value, Html):
        return value
    if value is None or value == "":
        return "&ndash;"
    return text(value) if isinstance(value, str) else f"{value:,}"


def when(ts: float | None) -> str:
    """A moment in UTC, to the minute."""
    if ts is None:
        return ""
    try:
        return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return "unknown"


def size(count: int) -> str:
    """Bytes for people."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:  # noqa: PLR2004 - binary units
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def share(part: int, whole: int) -> str:
    """A percentage; never rounded up to a whole that is not reached."""
    if whole <= 0:
        return ""
    return f"{int(part * 1000 / whole) / 10:.1f} %"


def bar(value: int, largest: int) -> Html:
    """A bar beside its number, for eyes only: the number says the same."""
    width = max(1, round(_BAR * value / largest)) if largest > 0 else 0
    return Html(
        f'<svg class="bar" width="{_BAR}" height="10" aria-hidden="true"><rect width="{width}" height="10"/></svg>'
    )


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[Cell]], numbers: frozenset[int]) -> str:
    """A table whose columns in `numbers` stand to the right; a sentence where there are no rows."""
    lines = [
        "<tr>" + "".join(_data(value, at in numbers, first=at == 0) for at, value in enumerate(row)) + "</tr>"
        for row in rows
    ]
    if not lines:
        return f'<p class="none">{text(caption)}: nothing in this period.</p>'
    names = "".join(f'<th scope="col"{_class(at in numbers)}>{text(name)}</th>' for at, name in enumerate(head))
    return (
        f'<div class="wide"><table><caption>{text(caption)}</caption><thead><tr>{names}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def facts(pairs: Iterable[tuple[str, Cell]]) -> str:
    """Names with their values."""
    return (
        "<dl>" + "".join(f"<div><dt>{text(name)}</dt><dd>{cell(value)}</dd></div>" for name, value in pairs) + "</dl>"
    )


def section(title: str, *parts: str) -> str:
    """A part of the page under a heading."""
    return f"<section><h2>{text(title)}</h2>{''.join(parts)}</section>"


def note(sentence: str) -> str:
    """A paragraph of ours."""
    return f"<p>{text(sentence, 1000)}</p>"


def items(sentences: Iterable[str]) -> str:
    """A list of sentences."""
    return "<ul>" + "".join(f"<li>{text(sentence, 1000)}</li>" for sentence in sentences) + "</ul>"


def _class(number: bool) -> str:
    return ' class="n"' if number else ""


def _data(value: Cell, number: bool, *, first: bool) -> str:
    return f'<th scope="row">{cell(value)}</th>' if first else f"<td{_class(number)}>{cell(value)}</td>"
