r"""What a terminal sends, with pastes made harmless before anything reads keys from it.

Rules: pure; between the marks of a paste (`CSI 200 ~`, `CSI 201 ~`: bracketed paste of xterm) no control character
stays: Textual's parser takes an escape sequence in there for the end of the paste and what follows for key presses, and
some terminals and multiplexers send a clipboard as it is. A paste is bounded; marks may come in pieces; whatever is
outside of a paste passes unchanged and at once.
"""

from __future__ import annotations

import re
from typing import Final

BEGIN: Final = "\x1b[200~"
END: Final = "\x1b[201~"
LONGEST: Final = 65_536  # characters of one paste that are passed on
_ACTING: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class Pastes:
    """Feed it what was read; it gives what may be parsed."""

    def __init__(self) -> None:
        self._inside = False
        self._tail = ""  # outside: what was passed last, inside: what may begin the end mark
        self._room = LONGEST

    def feed(self, text: str) -> str:
        """`text` as it may be parsed."""
        told: list[str] = []
        while text:
            text = self._in(text, told) if self._inside else self._out(text, told)
        return "".join(told)

    def _out(self, text: str, told: list[str]) -> str:
        seen = self._tail + text
        found = seen.find(BEGIN)
        if found < 0:
            told.append(text)
            self._tail = seen[1 - len(BEGIN) :]
            return ""
        upto = found + len(BEGIN) - len(self._tail)
        told.append(text[:upto])
        self._inside, self._tail, self._room = True, "", LONGEST
        return text[upto:]

    def _in(self, text: str, told: list[str]) -> str:
        seen = self._tail + text
        found = seen.find(END)
        if found < 0:
            held = next((size for size in range(len(END) - 1, 0, -1) if seen.endswith(END[:size])), 0)
            self._pass(seen[: len(seen) - held], told)
            self._tail = seen[len(seen) - held :]
            return ""
        self._pass(seen[:found], told)
        told.append(END)
        self._inside, self._tail = False, ""
        return seen[found + len(END) :]

    def _pass(self, text: str, told: list[str]) -> None:
        kept = text[: self._room]
        self._room -= len(kept)
        told.append(_ACTING.sub("\N{REPLACEMENT CHARACTER}", kept))
