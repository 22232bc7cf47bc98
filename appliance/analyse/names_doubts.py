"""What a model of names says, looked at again: trimmed, named otherwise, or dropped.

Rules: pure; the model's word stands unless the letters or the words around it speak against it; nothing becomes longer
here than the line it stands in.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from appliance.analyse.names_code import is_identifier
from appliance.analyse.names_lists import (
    NO_NAMES,
    ORGANISATION_ENDS,
    PRODUCTS,
    STREET_ENDS,
    STREET_STARTS,
    TITLES,
    Lists,
)
from appliance.analyse.names_rules import LOCATION, ORGANIZATION, PERSON
from appliance.analyse.names_words import Span, Word, is_name_word, words_of

_NOT_PROSE: Final = re.compile(r"[@_\\/<>{}=#|~^`$%&+]|::|\w\.\w{2,}\b(?!\.)")
_LINE: Final = re.compile(r"[\r\n\t]")
_PERSONS: Final = re.compile(r"[\r\n\t]|[ ](?:and|or|to|&)[ ]")
_DIGIT: Final = re.compile(r"\d")
_NUMBER_BEFORE: Final = re.compile(r"(?:^|\s)\d{1,6}[a-z]?,?[ \t]+$", re.IGNORECASE)
_PLACE_BEFORE: Final = re.compile(
    r"\b(?:in|near|around|outside|inside|throughout|across|(?:moved?|moving|relocat\w+|travel\w*|flew|fly(?:ing)?|drove"
    r"|went|go(?:ing)?|trip|visit\w*|liv\w+|flights?|back)(?: here| back| over)? (?:from|to|into)"
    r"|(?:am|are|is|was|were|'m|'re|come|comes|came|originally) from)[ \t]+(?:the )?$",
    re.IGNORECASE,
)
_COMPANY_BEFORE: Final = re.compile(
    r"\b(?:at|joined|joining|acquired by|acquires|employed by|works? for|worked for)[ \t]+$"
)
# What is said of persons alone, right behind a name and right before one.
_PERSON_AFTER: Final = re.compile(
    r" ?(?:['\u2019] ?s (?:wife|husband|mother|father|mom|dad|son|daughter|brother|sister|friend|girlfriend)\b"
    r"| (?:said|says|told|tells|asked|asks|shouted|replied|answered|whispered|thinks|thought|felt|feels|smiled|laughed"
    r"|cried|loves|loved|hates|hated|married|spent|had given|was born|himself|herself|and I)\b)"
)
_PERSON_BEFORE: Final = re.compile(
    r"\b(?:starring|directed by|written by|sung by|played by|portrayed by|actor|actress|singer|author|friends?|wife"
    r"|husband|son|daughter|brother|sister|mother|father|mom|dad|cousin|uncle|aunt|colleague|boss|fan of|gender of|poor"
    r"|meet|met|thanks|sorry|said|says|asked|replied|shouted at|yelled at|married(?: to)?|interview with)[ \t]+$",
    re.IGNORECASE,
)
_BACK: Final = 40
_FULL_NAME: Final = 3  # words
_MAIL_WORDS: Final = frozenset(["box", "psc", "apo", "fpo", "dpo", "unit", "apt", "suite"])


def looked_over(text: str, found: Iterable[Span], lists: Lists, *, recased: bool) -> Iterator[Span]:
    """The model's spans as they are to stand. `recased`: the capitals are ours, and tell little."""
    for span in _looked_over(text, found, lists):
        if not recased or _stands_alone(text, span, lists):
            yield span


def _stands_alone(text: str, span: Span, lists: Lists) -> bool:
    """Without capitals: a person with a given name or two names, a place that is known, a company that says so."""
    inside = text[span.start : span.end]
    words = inside.lower().split()
    if span.entity == PERSON:
        return len(words) > 1 or lists.is_given(words[0])
    return inside in lists.places or (span.entity == ORGANIZATION and len(words) > 1 and words[-1] in ORGANISATION_ENDS)


def _looked_over(text: str, found: Iterable[Span], lists: Lists) -> Iterator[Span]:
    for span in found:
        for part in _lines(text, span):
            words = words_of(text[part.start : part.end])
            trimmed = _trimmed(part, words)
            if trimmed is not None:
                judged = _judged(text, trimmed[0], trimmed[1], lists)
                if judged is not None:
                    yield judged


def _lines(text: str, span: Span) -> Iterator[Span]:
    """A name stands in one line; what the model joined over lines is several."""
    start = span.start
    parts = _PERSONS if span.entity == PERSON else _LINE
    for match in parts.finditer(text, span.start, span.end):
        yield span._replace(start=start, end=match.start())
        start = match.end()
    yield span._replace(start=start)


def _trimmed(span: Span, words: Sequence[Word]) -> tuple[Span, list[Word]] | None:
    """Without articles, marks and words of no name at either end; None: nothing remains."""
    kept = list(words)
    if span.entity != ORGANIZATION:
        while kept and kept[0].lower in NO_NAMES and kept[0].lower not in TITLES:
            kept.pop(0)
        while kept and kept[-1].lower in NO_NAMES:
            kept.pop()
    if not kept:
        return None
    start = span.start + kept[0].start
    end = span.start + kept[-1].end
    closes = span.end == end + 1 and span.entity != PERSON  # `Inc.`, `St.`
    return span._replace(start=start, end=end + 1 if closes else end), kept


def _judged(text: str, span: Span, words: Sequence[Word], lists: Lists) -> Span | None:
    inside = text[span.start : span.end]
    lowers = [word.lower for word in words]
    if all(lower in PRODUCTS or lower in NO_NAMES for lower in lowers):
        return None
    if inside in lists.places and not (span.entity == PERSON and lists.is_given(lowers[0])):
        return span._replace(entity=LOCATION)
    if span.entity == PERSON:
        return _person(text, span, words, lists)
    if inside not in lists.places and _is_rather_a_person(text, span, words, lists):
        return _person(text, span._replace(entity=PERSON), words, lists)
    if span.entity == LOCATION:
        return _location(inside, span, lowers, lists)
    return _organisation(inside, span, words, lists)


def _person(text: str, span: Span, words: Sequence[Word], lists: Lists) -> Span | None:
    lowers = [word.lower for word in words]
    if _is_no_person(text, span, words, lists) or _in_address(text, span, lowers):
        return None
    if lowers[-1] in ORGANISATION_ENDS:
        return span._replace(entity=ORGANIZATION)
    before = text[max(0, span.start - _BACK) : span.start]
    if lists.is_given(lowers[0]) or lowers[0] in TITLES:
        return span
    if _PLACE_BEFORE.search(before):
        return span._replace(entity=LOCATION)
    company = len(words) == 1 and _COMPANY_BEFORE.search(before)
    return span._replace(entity=ORGANIZATION) if company else span


def _is_rather_a_person(text: str, span: Span, words: Sequence[Word], lists: Lists) -> bool:
    """A family name, an initial inside a name, or what is said around it."""
    if not all(is_name_word(word) or word.initial for word in words) or len(words) > _FULL_NAME:
        return False
    if text[span.start : span.end].isupper() or words[-1].lower in ORGANISATION_ENDS:
        return False
    before = text[max(0, span.start - _BACK) : span.start]
    if _PLACE_BEFORE.search(before) or _COMPANY_BEFORE.search(before):
        return False
    if lists.is_surname(words[-1].lower) or any(word.initial for word in words[1:-1]):
        return True
    alone = len(words) == 1 and _PERSON_AFTER.match(text, span.end) is not None
    return alone or _PERSON_BEFORE.search(before) is not None


def _is_no_person(text: str, span: Span, words: Sequence[Word], lists: Lists) -> bool:
    """An identifier, a piece of something longer, or words without a capital that no list knows."""
    if _NOT_PROSE.search(text[span.start : span.end]) or _cut_out(text, span):
        return True
    if any(is_identifier(word.text) for word in words):
        return True
    return not lists.is_given(words[0].lower) and not any(word.capital for word in words)


def _in_address(text: str, span: Span, lowers: Sequence[str]) -> bool:
    """Of a street, which has its own recognisers."""
    after = words_of(text[span.end : span.end + 20])
    street = bool(after) and after[0].gap == " " and after[0].lower in STREET_ENDS
    if street or lowers[-1] in STREET_ENDS or lowers[0] in STREET_STARTS or _DIGIT.search(text[span.start : span.end]):
        return True
    return _NUMBER_BEFORE.search(text[max(0, span.start - _BACK) : span.start]) is not None


def _location(inside: str, span: Span, lowers: Sequence[str], lists: Lists) -> Span | None:
    if _NOT_PROSE.search(inside):
        return None
    if lowers[-1] in ORGANISATION_ENDS and len(lowers) > 1:
        return span._replace(entity=ORGANIZATION)
    if lists.is_given(lowers[0]) and not any(lower in STREET_ENDS for lower in lowers):
        return span._replace(entity=PERSON)
    return span


def _organisation(inside: str, span: Span, words: Sequence[Word], lists: Lists) -> Span | None:
    lowers = [word.lower for word in words]
    if _NOT_PROSE.search(inside.replace("&", "").replace("/", "")) or _MAIL_WORDS.intersection(lowers):
        return None
    if not any(word.capital for word in words) or any(lower in STREET_ENDS for lower in lowers[1:]):
        return None
    if len(words) == 1 and (lowers[0] in ORGANISATION_ENDS or len(inside) == 1):
        return None
    named = lists.is_given(lowers[0]) and not inside.isupper() and lowers[-1] not in ORGANISATION_ENDS
    if named and len(words) < 4 and all(word.capital for word in words):  # noqa: PLR2004 - a person has few names
        return span._replace(entity=PERSON)
    return span


def _cut_out(text: str, span: Span) -> bool:
    """It is a piece of something longer: an address of mail or web, an identifier."""
    before, after = text[span.start - 1 : span.start], text[span.end : span.end + 1]
    if text[span.end : span.end + 1] == "." and text[span.end + 1 : span.end + 2].isalnum():
        return True
    return before in {"@", "_", "/", ".", "$", "#", "\\"} or after in {"@", "_", "/", "(", "=", "\\"}
