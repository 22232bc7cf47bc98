"""Candidates read: where the value stands, and what is made of it.

Owns: the search for candidates. Rules: what is made of one depends on itself and on the `BEFORE` characters before it
in its line alone, so a growing text and a whole one judge alike; behind one that is refused the search goes on at its
value, behind one that is taken at its end. Everything is bounded.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from appliance.inspect.detect import judging
from appliance.inspect.detect.keyrules import KeyRule

BEFORE = 64
_QUOTED = ("double", "single", "tick")


class Candidate(NamedTuple):
    """What was found: `span` was consumed, refused or not; the rest is empty where it was refused."""

    span: tuple[int, int]
    secret: tuple[int, int] = (0, 0)
    entity: str = ""
    score: float = 0.0
    rule: str = ""


def candidates(rule: KeyRule, shape: re.Pattern[str], text: str, start: int, end: int) -> Iterator[Candidate]:
    """All of one rule in `text[start:end]`, what was refused included."""
    place = start
    while match := shape.search(text, place, end):
        group = _value_group(match)
        found = _judged(rule, match, group)
        yield found
        place = match.end() if found.score else max(match.start() + 1, match.start(group) - 1)


def _value_group(match: re.Match[str]) -> str:
    """The group of the value; the last resort is the one without quotes."""
    return next((one for one in _QUOTED if one in match.re.groupindex and match.start(one) >= 0), "bare")


def _judged(rule: KeyRule, match: re.Match[str], group: str) -> Candidate:
    begin, end = match.span(group)
    before = match.string[max(0, match.start() - BEFORE) : match.start()].rpartition("\n")[2]
    head = match.string[match.start() : begin]
    told = judging.JUDGES[rule.judge](judging.Seen(before, head, match[group], group != "bare"))
    if told is None:
        return Candidate(match.span())
    return Candidate(match.span(), (begin + told.skip, end - told.cut), told.entity, told.score, told.rule)
