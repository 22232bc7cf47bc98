"""What a tone looks like, and lines of spans as Textual's content.

Rules: styles name colours of the theme, so that they follow it, the terminal's own colours included; no tone is told by
colour alone; content is assembled from spans and never read as markup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.content import Content

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tui.client_state.spans import Line

TONES: Final = {
    "": "",
    "dim": "dim",
    "title": "bold",
    "name": "bold",
    "good": "$success",
    "warning": "bold $warning",
    "bad": "bold $error",
    "critical": "bold reverse $error",
    "high": "bold $error",
    "medium": "$warning",
    "low": "$primary",
    "info": "dim",
    "new": "bold",
    "bars": "$primary",
    "observe": "bold reverse $primary",
    "enforce": "bold reverse $success",
    "unknown": "bold reverse $warning",
    "observe_note": "bold $primary",
    "heading": "bold underline",
    "cursor": "$block-cursor-foreground on $block-cursor-background",
}


def content(lines: Iterable[Line]) -> Content:
    """Lines, one below the other."""
    parts: list[str | tuple[str, str]] = []
    for at, line in enumerate(lines):
        if at:
            parts.append("\n")
        parts += [(span.text, TONES[span.tone]) if span.tone else span.text for span in line]
    return Content.assemble(*parts)
