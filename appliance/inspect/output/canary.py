"""Tokens that tell where a system prompt has gone: made per application, known again by the site's key alone.

Owns: the form of a token, making and knowing it. Rules: nothing is stored: the token holds a digest of its application
and a check over that, both under the site's key (16 letters of base32, 80 bits); one application has one token, so that
the provider's prompt cache keeps hitting; a token that does not check is none.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator

SIGNAL = "gn-"
LENGTH = 19
_TOKEN = re.compile(r"(?<![A-Za-z0-9])gn-([a-z2-7]{10})([a-z2-7]{6})", re.IGNORECASE)
_MOST = 64  # looked at in one text


class Canaries:
    """Of one site. `key`: 32 bytes, derived from the site's key for this purpose."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def token(self, application: str) -> str:
        """What is put into the instructions of one application."""
        name = self._digest("application", application, 10)
        return f"{SIGNAL}{name}{self._digest('check', name, 6)}"

    def places(self, text: str) -> Iterator[tuple[int, int]]:
        """Where tokens of this site stand in a text; the first few that look like one are looked at."""
        if SIGNAL not in text and SIGNAL.upper() not in text:
            return
        for count, match in enumerate(_TOKEN.finditer(text)):
            if count == _MOST:
                return
            if hmac.compare_digest(match[2].lower(), self._digest("check", match[1].lower(), 6)):
                yield match.span()

    def count(self, texts: Iterable[str]) -> int:
        """How many stand in several texts."""
        return sum(1 for text in texts for _ in self.places(text))

    def _digest(self, purpose: str, word: str, letters: int) -> str:
        told = hashlib.blake2b(f"{purpose} {word}".encode("utf-8", "surrogatepass"), key=self._key, digest_size=10)
        return base64.b32encode(told.digest()).decode().lower()[:letters]
