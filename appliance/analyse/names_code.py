"""Which lines of a text are program or data rather than prose: there a model of names sees persons everywhere.

Rules: pure, linear; by marks and first words of a line alone, so that it holds for every language of programs.
"""

import re
from bisect import bisect_right
from typing import Final

_MARKS: Final = re.compile(r"[{}()\[\]<>;=|\\`_@$&*/+^~%]|::|->")
_FIRST: Final = re.compile(
    r"[ \t>+-]*(?:def|class|return|pub|fn|let|const|var|func|function|public|private|protected"
    r"|static|using|namespace|package|struct|enum|impl|use|mod|elif|else:|try:|except|raise|assert|async|await|yield|lambda"
    r"|#include|#define|SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|WITH|@\w)\b"
)
_IMPORTS: Final = re.compile(r"[ \t>+-]*(?:from [\w.]+ import|import [\w.]+(?: as \w+)?[;,\s]*$)")
_FEW: Final = 2
_SHARE: Final = 0.08  # marks for each other character; in prose with brackets and slashes some 0.02
_CAMEL: Final = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]")
_CAMEL_NAMES: Final = re.compile(r"(?:Mc|Mac|De|Di|Du|La|Le|Van|Von|Fitz|O['\u2019]?|D['\u2019])[A-Z]")


class CodeLines:
    """The lines of one text that are no prose."""

    def __init__(self, text: str) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        at = 0
        for line in text.splitlines(keepends=True):
            if is_code(line):
                self._starts.append(at)
                self._ends.append(at + len(line))
            at += len(line)

    def holds(self, place: int) -> bool:
        """Whether a place lies in one of them."""
        at = bisect_right(self._starts, place) - 1
        return at >= 0 and place < self._ends[at]


def is_code(line: str) -> bool:
    """Whether a line is program or data."""
    marks = sum(1 for _ in _MARKS.finditer(line))
    if marks > _FEW and marks > len(line) * _SHARE:
        return True
    if _IMPORTS.match(line):
        return True
    return bool(marks) and _FIRST.match(line) is not None


def is_identifier(word: str) -> bool:
    """Capitals inside a word, other than names have them."""
    return _CAMEL.search(_CAMEL_NAMES.sub("M", word)) is not None
