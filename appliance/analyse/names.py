"""Names of persons, places and organisations in one text: what a model says, corrected and completed by rules.

Rules: pure; the model is handed in; a text comes in pieces (`names_pieces`), which bound memory and time; what is
found are detections of kind pii at places of the text, in code points, one for each place.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from appliance.analyse.names_case import recased
from appliance.analyse.names_code import CodeLines
from appliance.analyse.names_doubts import looked_over
from appliance.analyse.names_lists import LOOSE_TITLES, TITLES, Lists
from appliance.analyse.names_rules import LOCATION, PERSON, RULES
from appliance.analyse.names_words import Span, Word, is_name_word, words_of
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind

ENTITIES: Final = (PERSON, LOCATION, "ORGANIZATION")
REVISION: Final = 2  # raised whenever the same model would find something else
_CERTAIN: Final = frozenset({"title", "introduced", "field"})
_SHORTEST_PART: Final = 3
_AGAIN_FROM: Final = 0.75

_QUOTED: Final = re.compile(r"^[ \t]*[>|*#•-][ \t>|*#•-]*", re.MULTILINE)  # marks of quotations and lists
_NAMED: Final = re.compile(r"name(?:'s|\u2019s| is)[ \t]*$", re.IGNORECASE)
_BACK: Final = 20
_HALF: Final = re.compile("[\ud800-\udfff]")  # of surrogate pairs: no UTF-8 holds them

type Model = Callable[[str], Sequence[tuple[int, int, str]]]
"""Text to (start, end, entity) of ENTITIES, places in code points."""


def names_in(text: str, model: Model, lists: Lists) -> tuple[Detection, ...]:
    """What stands in one piece of text."""
    words = words_of(text)
    if not words:
        return ()
    said = recased(text, words)
    read, seen = (text, words) if said is None else (said, words_of(said))
    shown = _QUOTED.sub(_blank, _HALF.sub("\ufffd", read))
    found = [Span(start, end, entity, "model", 0.85) for start, end, entity in model(shown)]
    code = CodeLines(text)
    spans = _settled(
        [
            [span for span in _rules(read, seen, lists) if said is None or _known(read, seen, span, lists)],
            list(looked_over(read, found, lists, recased=said is not None)),
            _places(read, seen, lists),
        ]
    )
    spans = [span for span in spans if not code.holds(span.start) or _sure_in_code(read, span, lists)]
    spans += [span for span in _again(seen, spans, lists) if not code.holds(span.start)]
    return tuple(_detection(span) for span in sorted(spans))


def _sure_in_code(text: str, span: Span, lists: Lists) -> bool:
    """In program and data: persons by a given name or beside their address, places that are known, no company."""
    inside = text[span.start : span.end]
    if span.rule == "mail":
        return True
    if span.entity == PERSON:
        first, *rest = inside.lower().split()
        return lists.is_given(first) and bool(rest)
    return span.entity == LOCATION and inside in lists.places


def _known(text: str, words: Sequence[Word], span: Span, lists: Lists) -> bool:
    """Where the capitals are ours, an introduction needs a known name: `my boss hates it`, `the officer came`."""
    inside = list(_inside(words, span))
    told = span.rule == "introduced" and not _NAMED.search(text, max(0, span.start - _BACK), span.start)
    if not told and not (span.rule == "title" and inside[0].lower in LOOSE_TITLES):
        return True
    return any(lists.is_given(word.lower) or lists.is_surname(word.lower) for word in inside)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match.group())


def _rules(text: str, words: Sequence[Word], lists: Lists) -> list[Span]:
    return [span for rule in RULES for span in rule(text, words, lists)]


def _places(text: str, words: Sequence[Word], lists: Lists) -> list[Span]:
    """Countries, states, large cities, wherever they stand with their capital."""
    found: list[Span] = []
    for at, word in enumerate(words):
        if not word.capital:
            continue
        last = next(
            (n for n in range(min(at + 4, len(words)), at, -1) if text[word.start : words[n - 1].end] in lists.places),
            0,
        )
        if last:
            found.append(Span(word.start, words[last - 1].end, LOCATION, "place", 0.6))
    return found


def _settled(groups: Iterable[Sequence[Span]]) -> list[Span]:
    """One span for each place: what is certain first, then the model, then what only the letters say."""
    rules, model, places = groups
    certain = [span for span in rules if span.rule in _CERTAIN]
    rest = [span for span in rules if span.rule not in _CERTAIN]
    kept: list[Span] = []
    for span in [*certain, *model, *rest, *places]:
        rivals = [one for one in kept if one.start < span.end and span.start < one.end]
        if not rivals:
            kept.append(span)
        elif all(one.entity == span.entity for one in rivals):
            for one in rivals:
                kept.remove(one)
            start, end = min(span.start, *(one.start for one in rivals)), max(span.end, *(one.end for one in rivals))
            best = max([*rivals, span], key=lambda one: one.score)
            kept.append(best._replace(start=start, end=end))
    return kept


def _again(words: Sequence[Word], spans: Sequence[Span], lists: Lists) -> list[Span]:
    """Parts of a person's full name that stand elsewhere by themselves."""
    persons = [
        span for span in spans if span.entity == PERSON and span.score >= _AGAIN_FROM and _is_full(words, span, lists)
    ]
    taken = sorted((span.start, span.end) for span in spans)
    parts = {
        word.text
        for span in persons
        for word in _inside(words, span)
        if is_name_word(word)
        and len(word.text) >= _SHORTEST_PART
        and word.lower not in lists.words
        and word.lower not in TITLES
    }
    free = (word for word in words if word.text in parts and not _covered(taken, word))
    return [Span(word.start, word.end, PERSON, "again", 0.7) for word in free]


def _is_full(words: Sequence[Word], span: Span, lists: Lists) -> bool:
    """Several words, or one that is known to be a name."""
    inside = list(_inside(words, span))
    return len(inside) > 1 or any(lists.is_given(word.lower) for word in inside)


def _inside(words: Sequence[Word], span: Span) -> Iterator[Word]:
    return (word for word in words if span.start <= word.start and word.end <= span.end)


def _covered(taken: Sequence[tuple[int, int]], word: Word) -> bool:
    return any(start < word.end and word.start < end for start, end in taken)


def _detection(span: Span) -> Detection:
    return Detection(span.start, span.end, span.entity, DetectionKind.PII, span.score, f"names.{span.rule}")
