"""Pieces of text with a tone, and the one gate through which foreign text becomes such a piece.

Rules: `foreign` is the only way for text from network or store into a `Span`; a tone is a word, what it looks like is
the theme's affair; nothing here is markup. A run of combining marks is cut, because any number of them stack into one
cell and paint over the lines around it.
"""

from __future__ import annotations

import unicodedata
from typing import Final, NamedTuple

from appliance.sanitise import one_line

CELL: Final = 120  # characters of foreign text in a table cell
LONG: Final = 500  # characters of foreign text on a line of its own
MARKS: Final = 3  # combining marks kept on one base character: more than any living script stacks


class Span(NamedTuple):
    """Text that is safe to show, and its tone (see tui/tones.py)."""

    text: str
    tone: str = ""


type Line = tuple[Span, ...]


def foreign(text: str, limit: int = CELL) -> str:
    """`text` as one inert line of at most `limit` characters."""
    shown = one_line(text, limit)
    return shown if shown.isascii() else _few_marks(shown)


def _few_marks(text: str) -> str:
    kept: list[str] = []
    run = 0
    for char in text:
        run = run + 1 if unicodedata.category(char) in {"Mn", "Me"} else 0
        if run <= MARKS:
            kept.append(char)
    return "".join(kept)


def line(*parts: str | Span) -> Line:
    """Spans of our own words and of what `foreign` has passed."""
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts)


def plain(lines: list[Line]) -> str:
    """The text alone, for tests and copies."""
    return "\n".join("".join(span.text for span in each) for each in lines)
