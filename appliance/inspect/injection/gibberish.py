r"""A command that ends in gibberish: the suffixes that a search over tokens appends until a model obeys.

Theory: greedy search over tokens (Zou and others, "Universal and Transferable Adversarial Attacks on Aligned Language
Models", 2023) makes a tail of code marks, halves of words and brackets that nobody opened or closed, behind a plain
sentence and on the same line. Prose has no such marks, and code closes its brackets.

Rules: pure; only texts of one line are looked at; linear in the text.
"""

import re

MAX_CHARS = 1200
LEAST_WORDS, HEAD, TAIL = 10, 6, 24
"""Words of a text that is looked at, of the sentence that it must begin with, and of its end that is judged."""
LEAST_ODD, LEAST = 2.0, 4.0
"""Odd words, and odd words with brackets and quotation marks that have no partner, from which an end is gibberish."""
_MARK = re.compile(r"[{}\[\]()<>\\^$#`|~\"=*@%/;:]")
_TOGETHER = re.compile(r"[^\w\s.,!?'-]{2}")
_HALVES = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]")
_USUAL = re.compile(r"://|\]\(|</?[a-z]|/>|^`[^`]+`[.,;:]?$|\w\(\)")
_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"))
_PLAIN = 5  # words of the head that are letters alone
_FEW, _MANY = 2, 3  # kinds of marks in a word that is odd: where two stand together, and anywhere


def suffix(text: str) -> tuple[int, int] | None:
    """Where the judged end of `text` stands, if it is gibberish."""
    if len(text) > MAX_CHARS or "\n" in text:
        return None
    words = text.split()
    if len(words) < LEAST_WORDS or sum(word.strip(".,\"'").isalpha() for word in words[:HEAD]) < _PLAIN:
        return None
    tail = words[-TAIL:]
    odd = sum(map(_oddness, tail))
    if odd < LEAST_ODD:
        return None
    said = " ".join(tail)
    alone = sum([abs(said.count(first) - said.count(last)) for first, last in _PAIRS])
    alone += said.count('"') % 2 + said.count("`") % 2
    if not alone or odd + alone < LEAST:
        return None
    return max(0, len(text.rstrip()) - len(said)), len(text.rstrip())


def _oddness(word: str) -> float:
    if _USUAL.search(word):
        return -1.0
    kinds = len(set(_MARK.findall(word)))
    marked = kinds >= _MANY or (kinds >= _FEW and _TOGETHER.search(word) is not None)
    return marked + (0.5 if _HALVES.search(word) else 0.0)
