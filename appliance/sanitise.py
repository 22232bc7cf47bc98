r"""Text from the network made safe for a terminal, a log line or a table cell.

Rules: pure; whatever could move the cursor, colour, hide, reorder or break a line comes out as a visible escape
(`\x1b`, `\u202e`), so nothing is lost to a reader and nothing acts on a terminal; the length is bounded. Printable
text in any script passes unchanged. Source of the invisible ones: Unicode 16, Default_Ignorable_Code_Point.
"""

import unicodedata
from typing import Final

_ELLIPSIS: Final = "\u2026"
_ACTING: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and marks that show nothing: fillers, joiners, variation selectors, the blank braille pattern.
_INVISIBLE: Final = frozenset(
    chr(code)
    for low, high in (
        (0x034F, 0x034F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x2800, 0x2800),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFFA0, 0xFFA0),
        (0xE0100, 0xE01EF),
    )
    for code in range(low, high + 1)
)


class _Table(dict[int, str]):
    """A translation table that judges each code point once."""

    def __missing__(self, code: int) -> str:
        shown = _shown(chr(code))
        if len(self) < 70_000:  # noqa: PLR2004 - every script in daily use, then no more memory
            self[code] = shown
        return shown


def _shown(char: str) -> str:
    category = unicodedata.category(char)
    if category not in _ACTING and char not in _INVISIBLE:
        return " " if category == "Zs" else char
    code = ord(char)
    if code <= 0xFF:  # noqa: PLR2004 - one byte
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - the basic plane


_table: Final = _Table()


def one_line(text: str, limit: int = 500) -> str:
    """`text` as one safe line of at most `limit` characters; a cut is marked by an ellipsis."""
    shown = text[: limit + 1].translate(_table)
    return shown if len(shown) <= limit else shown[: max(limit - 1, 0)] + _ELLIPSIS[:limit]


def block(text: str, limit: int = 20_000, lines: int = 500) -> str:
    """`text` as safe lines joined by newlines: at most `lines` of them and `limit` characters in all."""
    kept = text[: limit + 1].split("\n", lines)
    shown = "\n".join(line.removesuffix("\r").translate(_table) for line in kept[:lines])
    if len(kept) > lines or len(shown) > limit:
        return shown[: max(limit - 1, 0)] + _ELLIPSIS[:limit]
    return shown
