"""Names that grammar gives away where a model of words does not: after titles and introductions, in fields, lists.

Rules: pure; each rule takes the words of a text once, so that the whole is linear; a rule looks only at the words
around it, never at a list of known persons.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from appliance.analyse.names_lists import LOOSE_TITLES, NO_NAMES, ORGANISATION_ENDS, TITLES, Lists
from appliance.analyse.names_words import Span, Word, is_name_word, reach

PERSON, LOCATION, ORGANIZATION = "PERSON", "LOCATION", "ORGANIZATION"
type Rule = Callable[[str, Sequence[Word], Lists], Iterator[Span]]

_BEFORE: Final = re.compile(
    r"\b(?:my (?:full |first |last |sur|middle |real )?name(?:'s|\u2019s| is)"
    r"|(?:his|her|their|whose|the) name(?:'s|\u2019s| is)"
    r"|name is|name'?s|named|call(?:s|ed)? (?:me|him|her)|known as|nicknamed|i am|i'm|i\u2019m"
    r"|this is|it's|it\u2019s|meet"
    r"|my (?:friend|wife|husband|son|daughter|brother|sister|mother|father|mom|dad|boss|colleague|cousin|uncle|aunt"
    r"|girlfriend|boyfriend|roommate|neighbou?r)(?: is)?"
    r"|speaking with|talk(?:ing)? to|spoke (?:to|with)|regards,?\s|sincerely,?\s|cheers,?\s|signed(?: by)?:?"
    r"|dear|hi|hello|hey|attn:?|attention:)[ \t]*\n?[ \t]*$",
    re.IGNORECASE,
)
_SURE: Final = re.compile(
    r"name(?:'s|\u2019s| is)|call|regards|sincerely|attn|dear|nicknamed|named|^my ", re.IGNORECASE
)
_FIELD: Final = re.compile(
    r"(?:^|[\n\r|,;{(\[\"'>*])[ \t>*#-]*[\"'*]{0,2}(?:(?:full|first|last|sur|given|middle|maiden|family|employee"
    r"|customer|client|patient|user|contact|account|card|holder|cardholder|applicant|recipient|sender|buyer|seller"
    r"|owner|student|teacher|manager|author|billing|shipping|emergency|legal|display|beneficiary|payee)[ _-]?){0,3}"
    r"(?:name|contact|patient|customer|client|employee|author|manager|attendees?|recipient|sender|cardholder|doctor"
    r"|physician|applicant|signature|signed)[\"'*]{0,2}[ \t]{0,8}[:=][ \t*\"']{0,12}$",
    re.IGNORECASE,
)
_ADDRESSED: Final = re.compile(
    r"^[ \t>]{0,4}([^\W\d_]{2,20}(?: [^\W\d_]{2,20})?) ?, (?:can|could|would|will|please|do|did|are|have|thanks|thank"
    r"|what|how|when|where|you|i|let|here)\b",
    re.MULTILINE,
)
_BARE: Final = re.compile(
    r"(?:^|[^a-z _-])[ _-]*(?:name|author|client|manager|contact|account name)[\"'*]{0,2}[ \t]*[:=]", re.IGNORECASE
)
_LIVING: Final = re.compile(
    r"\b(?:(?:grew up|liv(?:e|es|ed|ing)|born|raised|based|located|situated|headquartered|resid(?:e|es|ed|ing)"
    r"|stay(?:s|ed|ing)?|settled|arrived|arriving|vacation(?:ed|ing)?|holidays?) in"
    r"|(?:mov(?:e|es|ed|ing)|relocat(?:e|es|ed|ing)|travel(?:s|led|ed|ling|ing)?|flew"
    r"|fly(?:ing)?|drove|commut(?:e|es|ed|ing))(?: here| back| over| down| up)? (?:to|from)|originally from"
    r"|(?:trip|flight|flights|tickets?) (?:to|from))[ \t]+(?:the )?$",
)
_MAILED: Final = re.compile(
    r"(?:^|[\s\"'(,;:])([^\W\d_][^\W\d_.'\u2019-]{1,20}(?: [^\W\d_][^\W\d_.'\u2019-]{0,20}\.?){1,2})"
    r"[\"']? ?<[^<>@\s]{1,64}@"
)
_LOOK_BACK: Final = 60
_FULL_NAME: Final = 3  # words


def titled(text: str, words: Sequence[Word], lists: Lists) -> Iterator[Span]:
    """`Dr. X`, `Mrs X`, `Herr X`: the title is part of what is found."""
    del text, lists
    for at, word in enumerate(words[:-1]):
        if word.lower not in TITLES:
            continue
        after = words[at + 1]
        loose = word.lower in LOOSE_TITLES and not (word.capital and after.gap in {" ", ". "} and after.capital)
        if loose or after.gap not in {" ", ". ", ".", " . "} or after.lower in NO_NAMES:
            continue
        end = reach(words, at + 1)
        if words[end - 1].lower in ORGANISATION_ENDS:
            continue
        if is_name_word(after) or (not word.capital and not after.capital):
            yield Span(word.start, words[end - 1].end, PERSON, "title", 0.85)


def introduced(text: str, words: Sequence[Word], lists: Lists) -> Iterator[Span]:
    """`My name is X`, `call me X`, `Dear X`, `I'm X`: the last only where X is a given name or has two words."""
    for at, word in enumerate(words):
        if not is_name_word(word):
            continue
        before = _BEFORE.search(text[max(0, word.start - _LOOK_BACK) : word.start])
        if before is None:
            continue
        end = reach(words, at)
        if _SURE.search(before.group()) or lists.is_given(word.lower) or (end - at > 1 and _all_words(words[at:end])):
            yield Span(word.start, words[end - 1].end, PERSON, "introduced", 0.8)


def addressed(text: str, words: Sequence[Word], lists: Lists) -> Iterator[Span]:
    """`X, can you ...`: at the beginning of a line, before a request or a question."""
    del lists
    for match in _ADDRESSED.finditer(text):
        at = bisect_left(words, match.start(1), key=lambda word: word.start)
        if at < len(words) and words[at].start == match.start(1) and is_name_word(words[at]):
            yield Span(match.start(1), match.end(1), PERSON, "introduced", 0.7)


def fielded(text: str, words: Sequence[Word], lists: Lists) -> Iterator[Span]:
    """`Name: X`, `"patient": "X"`: whatever its letters, to the end of the line or value."""
    for at, word in enumerate(words):
        if ":" not in word.gap and "=" not in word.gap:
            continue
        before = _FIELD.search(text[max(0, word.start - _LOOK_BACK) : word.start])
        if before is None or word.lower in NO_NAMES:
            continue
        end = reach(words, at) if word.capital else _low_reach(words, at)
        if _BARE.search(before.group()) and not (lists.is_given(word.lower) or _in_full(words[at:end], lists)):
            continue  # things have names, too
        if word.capital or end - at > 1:
            yield Span(word.start, words[end - 1].end, PERSON, "field", 0.8)


def given(text: str, words: Sequence[Word], lists: Lists) -> Iterator[Span]:
    """A given name with what follows it as a name does."""
    end = 0
    for at, word in enumerate(words):
        if at < end or not is_name_word(word) or not _is_given(word, lists):
            continue
        end = reach(words, at)
        if words[end - 1].lower in ORGANISATION_ENDS or _in_address(text, word):
            continue
        yield Span(word.start, words[end - 1].end, PERSON, "given", 0.75 if end - at > 1 else 0.6)


def surnamed(text: str, words: Sequence[Word], lists: Lists) -> Iterator[Span]:
    """A capitalised word with a family name behind it: `Bindi Irwin`, `Rudwell J. Johnson`."""
    end = 0
    for at, word in enumerate(words):
        if at < end or word.initial or not is_name_word(word):
            continue
        last = reach(words, at, _FULL_NAME)
        full = words[at:last]
        if _in_full(full, lists) and not (_all_loud(full) or _in_address(text, word)):
            end = last
            yield Span(word.start, full[-1].end, PERSON, "surname", 0.6)


def mailed(text: str, words: Sequence[Word], lists: Lists) -> Iterator[Span]:
    """`X Y <x@example.com>`, and `Y, X` in quotation marks or before an address, as in the heads of mails."""
    for match in _MAILED.finditer(text):
        at = bisect_left(words, match.start(1), key=lambda word: word.start)
        until = bisect_left(words, match.end(1), key=lambda word: word.start)
        named = words[at:until]
        if named and all(word.initial or is_name_word(word) for word in named) and not _of_many(named):
            yield Span(match.start(1), named[-1].end, PERSON, "mail", 0.75)
    for at, word in enumerate(words[1:], 1):
        first = words[at - 1]
        turned = word.gap in {", ", ","} and lists.is_given(word.lower) and is_name_word(first) and word.capital
        if turned and first.start and text[first.start - 1] in "\"'<(:;\n\t" and not lists.is_given(first.lower):
            yield Span(first.start, words[reach(words, at, 2) - 1].end, PERSON, "mail", 0.7)


def located(text: str, words: Sequence[Word], lists: Lists) -> Iterator[Span]:
    """`lives in X`, `grew up in X`, `moved from X`."""
    del lists
    end = 0
    for at, word in enumerate(words):
        if at < end or not is_name_word(word) or word.gap not in {" ", " the "}:
            continue
        if _LIVING.search(text[max(0, word.start - _LOOK_BACK) : word.start]):
            end = reach(words, at)
            yield Span(word.start, words[end - 1].end, LOCATION, "place", 0.6)


RULES: Final[tuple[Rule, ...]] = (titled, introduced, addressed, fielded, mailed, located, given, surnamed)


def _is_given(word: Word, lists: Lists) -> bool:
    lower = word.lower
    if lists.is_given(lower):
        return not word.text.isupper() or len(word.text) > 3  # noqa: PLR2004 - shorter ones are abbreviations
    head, hyphen, _ = lower.partition("-")
    return bool(hyphen) and lists.is_given(head)


def _in_address(text: str, word: Word) -> bool:
    """A number stands before it: `12 Thomas Avenue`."""
    return bool(re.search(r"\d[ \t]$", text[max(0, word.start - 2) : word.start]))


def _in_full(words: Sequence[Word], lists: Lists) -> bool:
    """A name of several words that ends with a family name, or has an initial inside."""
    if len(words) < 2 or len(words) > _FULL_NAME or not all(word.initial or is_name_word(word) for word in words):  # noqa: PLR2004
        return False
    return lists.is_surname(words[-1].lower) or any(word.initial for word in words[1:-1])


def _all_loud(words: Sequence[Word]) -> bool:
    return all(word.text.isupper() for word in words)


def _of_many(words: Sequence[Word]) -> bool:
    """A mailbox of a group or company."""
    return words[-1].lower in ORGANISATION_ENDS or _all_loud(words)


def _low_reach(words: Sequence[Word], first: int) -> int:
    """At most three words in lower case, in one line."""
    at = first + 1
    while at < len(words) and at - first < 3 and words[at].gap == " " and words[at].lower not in NO_NAMES:  # noqa: PLR2004
        at += 1
    return at


def _all_words(words: Sequence[Word]) -> bool:
    return all(is_name_word(word) or not word.capital for word in words)
