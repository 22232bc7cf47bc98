"""How an answer reaches stdout: text for people, or one line of JSON.

Rules: text from outside is made inert before it gets here or here; a table is plain columns, so that it can be cut
and grepped.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from appliance.sanitise import one_line

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable, Sequence

_CELL = 60
_BEYOND = re.compile(r"[^\x00-\x7e]")


def json_option(parser: ArgumentParser) -> None:
    """`--json`, wherever a person would read a table."""
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of text")


def say(text: str) -> None:
    """A piece of the answer."""
    sys.stdout.write(text + "\n")


def say_json(record: Any) -> None:
    """A record as one line; what could act on a terminal is escaped as JSON has it."""
    text = msgspec.json.encode(record).decode()
    say(text if text.isascii() and "\x7f" not in text else _BEYOND.sub(_escaped, text))


def _escaped(found: re.Match[str]) -> str:
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1]


def abandon_stdout() -> None:
    """Whoever read our answer has gone; keep the interpreter's own flush at exit from complaining."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def hint(text: str) -> None:
    """Something for a person beside the answer."""
    sys.stderr.write(text + "\n")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Aligned columns; cells are made inert and cut at 60 characters; None is shown as `-`."""
    cells = [list(head), *([one_line("-" if cell is None else str(cell), _CELL) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in padded)
