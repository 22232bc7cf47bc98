"""Which of many words a text holds, in one pass: context words, before anybody splits the text around a match.

Owns: the database of the words. Rules: built at first use, some tens of milliseconds; a word is found wherever its
letters stand, inside others too, exactly where `word in text` says so.
"""

from collections.abc import Iterable
from functools import cached_property

from appliance.inspect.detect.hyperscan import LITERAL, Database, Expression, compile_expressions


class Spelling:
    """Words in lower case."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = sorted(set(words))

    @cached_property
    def _database(self) -> Database:
        return Database(compile_expressions([Expression(_escaped(word), LITERAL) for word in self._words]))

    def __call__(self, text: str) -> frozenset[str]:
        """Those that stand in `text`."""
        return frozenset([self._words[number] for number in self._database.hits(text)]) if self._words else frozenset()


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())
