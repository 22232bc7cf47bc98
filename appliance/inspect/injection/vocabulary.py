"""The words that the injection model knows, and readings that need them: scrambled words, and words run together.

Theory: a person, and a model, reads a word whose first and last letters stand where they should, and words without
blanks between them. So a word that nobody knows stands for the known one with the same ends and the same letters
between them, where several such words stand together; and a run of letters is cut into the fewest known words.

Rules: pure; both readings are bounded; one scrambled word is a slip of the pen and stays as it is.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from itertools import pairwise

from appliance.inspect.injection.weights import read
from appliance.inspect.views_places import Edits, rewritten

SHORTEST = 4
"""Letters of a word that can be scrambled."""
TOGETHER = 2
"""Scrambled words that are no slip of the pen."""
_APART = 6  # known words from one scrambled word to the next
_SHARE = 0.4  # of the words of a place, without the short ones, that are scrambled
MAX_RUN = 6_000
"""Letters of a text that are cut into words."""
_LONGEST = 18
_WORD = re.compile(r"[a-z]{4,}")
_RUN = re.compile(r"[a-z]{4,}")
_STRANGE, _LETTER = 3.0, 0.9  # costs of a word that nobody knows, and of each of its letters
_USUAL = 1.1  # of a word that every text has
_COSTS = (0.0, 9.0, 6.0, 4.0, 2.4, *[1.8] * 3, *[1.5] * (_LONGEST - 7))  # of any other known word, by its letters
_COMMON = frozenset(
    re.findall(
        "[a-z]+",
        """a i the and you your all any that this with from have for are not what will they them then than when who how
        why can must tell give show say write word text words only every before after about out into over now new here
        there do does its it is in on of or to me my we us our be been as at an by if so no yes up just also more most
        some was were had has his her him she he their these those which where while because but per via may might
        should would could shall did done get got go make made take use used using like one two first last each both
        same such very own other another again still even never always ever step steps way people person time day name
        list line part file code data end start begin begins ask asks answer let need want know help please ok see rule
        rules act play said am nor yet off down between without within until under above below back through against""",
    )
)


@cache
def known() -> frozenset[str]:
    """Words of letters alone, in lower case: those of the weights that are shipped, and some that everybody uses."""
    weights = read((resources.files(__package__) / "model.bin").read_bytes())
    spoken = (word for word in weights.numbers if word.isascii() and word.isalpha() and len(word) > 1)
    return _COMMON.union(spoken)


@cache
def _keyed() -> Mapping[str, str]:
    """Ends and sorted letters between them, to the word."""
    return {_key(word): word for word in sorted(known()) if len(word) >= SHORTEST}


def _key(word: str) -> str:
    return word[0] + word[-1] + "".join(sorted(word[1:-1]))


def unscrambled(lowered: str) -> str | None:
    """`lowered`, which is in lower case, with scrambled words set right, each in its place; None: there are none."""
    words, table = known(), _keyed()
    met = [(found.start(), found[0]) for found in _WORD.finditer(lowered)]
    strange = [number for number, (_, word) in enumerate(met) if word not in words]
    meant = {number: word for number in strange if (word := table.get(_key(met[number][1])))}
    if len(meant) < TOGETHER:
        return None
    told, at = list[str](), 0
    for group in _groups(list(meant)):
        if len(group) >= max(TOGETHER, _SHARE * (group[-1] - group[0] + 1)):
            for number in group:
                start, word = met[number]
                told += (lowered[at:start], meant[number])
                at = start + len(word)
    return "".join([*told, lowered[at:]]) if told else None


def _groups(numbers: Sequence[int]) -> Iterator[list[int]]:
    """Numbers in order, cut where more than `_APART` lie between."""
    group = list(numbers[:1])
    for before, number in pairwise(numbers):
        if number - before > _APART:
            yield group
            group = []
        group.append(number)
    if group:
        yield group


def cut(text: str) -> tuple[str, Edits] | None:
    """`text` with blanks between words that were run together, and its places; None: there are none.

    At most `MAX_RUN` letters are looked at.
    """
    lowered = text.lower()
    if len(lowered) != len(text):
        return None
    edits: list[tuple[int, int, str]] = []
    room = MAX_RUN
    for run in _RUN.finditer(lowered):
        room -= run.end() - run.start()
        if room < 0:
            break
        edits += ((run.start() + at, run.start() + at, " ") for at in _cuts(run[0]))
    return rewritten(text, edits) if edits else None


def _cuts(run: str) -> list[int]:
    """Where words begin, but for the first: the cheapest way to read a run of letters."""
    words = known()
    costs, back = [0.0], [0]
    for end in range(1, len(run) + 1):
        best, start = math.inf, 0
        for begin in range(max(0, end - _LONGEST), end):
            cost = costs[begin] + _cost(run[begin:end], words)
            if cost <= best:
                best, start = cost, begin
        costs.append(best)
        back.append(start)
    cuts: list[int] = []
    at = len(run)
    while at > 0:
        at = back[at]
        cuts.append(at)
    return [at for at in reversed(cuts) if at > 0]


def _cost(word: str, words: frozenset[str]) -> float:
    if word in _COMMON:
        return _USUAL
    return _COSTS[len(word)] if word in words else _STRANGE + _LETTER * len(word)
