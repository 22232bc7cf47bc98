"""Phone numbers, as presidio finds them: by python-phonenumbers in each of presidio's regions.

Owns: what a text must hold before the matcher is worth running, and running it on one run. Rules: the matcher's own
pattern gives the alphabet; a run with fewer than five digits is skipped unless its digits hold one of the few numbers
of four digits or less that are valid in some region, which are enumerated when the tables are built.
"""

import re
import time
from typing import Any

import phonenumbers
from phonenumbers import phonenumbermatcher, phonenumberutil

from appliance.inspect.detect.alphabet import Alphabet, Reader, characters, derive

# PhoneNumberMatcher looks at three characters behind a candidate (a time's ":00") and at one before it.
_LOOKS_BEHIND_A_CANDIDATE = 4
ENOUGH_DIGITS = 5
_BEYOND_ASCII = 0x80
_DIGIT = re.compile(r"\d")
_SECOND_NUMBER: re.Pattern[str] = phonenumberutil._SECOND_NUMBER_START_PATTERN  # noqa: SLF001 - as the matcher trims
_MATCHER: re.Pattern[str] = phonenumbermatcher._PATTERN  # noqa: SLF001 - the pattern is the only source of the alphabet


def alphabet() -> Alphabet:
    """Characters that a candidate can hold."""
    found = derive(_MATCHER.pattern, _MATCHER.flags, Reader(re.finditer, int(re.IGNORECASE)))
    if found is None:
        message = "the phone matcher's pattern has changed: it may now match an empty text or a line end"
        raise ImportError(message)
    return Alphabet(found.members, max(found.margin, _LOOKS_BEHIND_A_CANDIDATE))


def short_numbers(regions: tuple[str, ...]) -> tuple[str, ...]:
    """Digit strings below five digits that are a valid number somewhere. About a second; meant for building only."""
    candidates = [str(number).zfill(length) for length in range(1, ENOUGH_DIGITS) for number in range(10**length)]
    found: set[str] = set()
    for region in regions:
        metadata: Any = phonenumbers.PhoneMetadata.metadata_for_region(region)
        if min(metadata.general_desc.possible_length) < ENOUGH_DIGITS:
            found.update(digits for digits in candidates if _is_valid(digits, region))
    found.update(digits for digits in candidates if _is_valid(f"+{digits}", None))
    return tuple(sorted(found))


def _is_valid(number: str, region: str | None) -> bool:
    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(number, region)))
    except phonenumbers.NumberParseException:
        return False


def expressions(members: str, short: tuple[str, ...]) -> tuple[str, ...]:
    """Hyperscan patterns for a run worth looking at: five digits in it, or the digits of a short number."""
    mask = characters(members)
    ascii_members = "".join(f"\\x{point:02x}" for point in range(_BEYOND_ASCII) if mask >> point & 1)
    filler = f"[{ascii_members}\\x{{80}}-\\x{{10ffff}}]*"  # beyond ASCII anything: cheap to compile, and no less
    enough = f"[0-9](?:{filler}[0-9]){{{ENOUGH_DIGITS - 1}}}"
    last_digits: dict[str, str] = {}
    for digits in short:
        last_digits[digits[:-1]] = last_digits.get(digits[:-1], "") + digits[-1]
    return (enough, *(filler.join([*first, f"[{last}]"]) for first, last in last_digits.items()))


class _Matcher(phonenumbers.PhoneNumberMatcher):
    """The library's matcher with a deadline on the monotonic clock; raises TimeoutError behind it.

    It begins at `start` and notes in `tried` what it went over.
    """

    def __init__(
        self,
        text: str,
        region: str,
        leniency: int,
        deadline: float,
        start: int = 0,
        tried: list[tuple[int, int]] | None = None,
    ) -> None:
        super().__init__(text, region, leniency=leniency)
        self._deadline = deadline
        self._search_index = start
        self._tried = tried

    def _extract_match(self, candidate: str, offset: int) -> Any:
        if time.monotonic() > self._deadline:
            raise TimeoutError
        match = super()._extract_match(candidate, offset)
        if self._tried is not None:
            self._tried.append((offset, offset + len(candidate) if match is None else match.end))
        return match


def find(text: str, start: int, end: int, how: tuple[tuple[str, ...], int], deadline: float) -> set[tuple[int, int]]:
    """Spans of the numbers in one run of `text`, which the matcher sees with its margins. `how`: regions, leniency."""
    left = max(0, start - _LOOKS_BEHIND_A_CANDIDATE)
    window = text[left : end + _LOOKS_BEHIND_A_CANDIDATE]
    regions, leniency = how
    only = _only_candidate(window, start - left, end - left)
    found = set()
    for region in regions:
        for match in _Matcher(window, region, leniency, deadline):
            if start <= left + match.start and left + match.end <= end:
                found.add((left + match.start, left + match.end))
            if (match.start, match.end) == only:
                return found  # what other regions could add lies inside, and would be dropped as a duplicate
    return found


def candidate() -> tuple[str, int, int]:
    """What a candidate looks like: expression, flags of `re`, how far behind it the matcher looks."""
    return _MATCHER.pattern, _MATCHER.flags, _LOOKS_BEHIND_A_CANDIDATE


def digits(text: str) -> str:
    """The digits of all scripts in it."""
    return "".join(_DIGIT.findall(text))


def candidates(text: str, start: int) -> list[tuple[int, int]]:
    """What the matcher would try from `start` on if nothing of it is a number."""
    found = []
    while match := _MATCHER.search(text, start):
        second = _SECOND_NUMBER.search(match.group())
        start = match.start() + second.start() if second else match.end()
        found.append((match.start(), start))
    return found


def find_from(
    text: str, start: int, how: tuple[tuple[str, ...], int], deadline: float
) -> tuple[set[tuple[int, int]], list[tuple[int, int]]]:
    """Spans of the numbers from `start` on, as if the text before were known to be done with; and what was tried.

    No attempt of the matcher in any region crosses a place that none of the attempts crosses.
    """
    regions, leniency = how
    only = _only_candidate(text, start, len(text))
    found: set[tuple[int, int]] = set()
    tried: list[tuple[int, int]] = []
    for region in regions:
        matcher = _Matcher(text, region, leniency, deadline, start, tried)
        found.update((match.start, match.end) for match in matcher)
        if only in found:
            break  # what other regions could add lies inside, and would be dropped as a duplicate
    return found, tried


def _only_candidate(window: str, start: int, end: int) -> tuple[int, int] | None:
    """The span that holds all that could be a number between `start` and `end`, if one candidate does."""
    candidate = _MATCHER.search(window, start, end)
    if candidate is None or _DIGIT.search(window, candidate.end(), end):
        return None
    return candidate.span()
