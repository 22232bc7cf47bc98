"""Phone numbers, as presidio finds them: by python-phonenumbers in each of presidio's regions.

Owns: what a text must hold before the matcher is worth running, and running it on one run. Rules: the matcher's own
pattern gives the alphabet; a run with fewer than five digits is skipped unless its digits hold one of the few numbers
of four digits or less that are valid in some region, which are enumerated when the tables are built.
"""

import re
import time
from collections.abc import Iterator
from functools import cache
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
_LEAD: re.Pattern[str] = phonenumbermatcher._LEAD_PATTERN  # noqa: SLF001 - as the matcher looks beside a candidate
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


class _Plan:
    """A quick and certain no: digits that are a number of a region in no way in which the library may read them.

    Owns the argument: without a plus, letters or marks of an extension the library takes the digits as they are, or
    dialled abroad from the region (never refused here, unless a zero follows, with which no country's code begins), or
    behind the region's own code, and strips the national prefix at most twice; what is left must match a type of number
    of some region with that code. Where nothing at all is stripped the digits are the number, and one that is always
    written behind the national prefix lacks it.
    """

    def __init__(self, region: str) -> None:
        metadata = _metadata(region)
        regions = phonenumberutil.COUNTRY_CODE_TO_REGION_CODE[metadata.country_code]
        sharing = [_metadata(other) for other in regions if other.isalpha()]
        plans = (metadata, *(one for one in sharing if one.id == regions[0]))
        prefixes = sorted({one.national_prefix_for_parsing for one in plans if one.national_prefix_for_parsing})
        shapes = sorted({desc.national_number_pattern for one in sharing for desc in _types(one)} - {None})
        abroad = f"(?:{metadata.international_prefix})" if metadata.international_prefix else "(?!)"
        stripped = f"(?:{'|'.join(prefixes)}){{0,2}}" if prefixes else ""
        self.shape = f"{abroad}[1-9].*|(?:{metadata.country_code})?{stripped}(?:{'|'.join(shapes)})"
        self._shape = re.compile(self.shape)
        self._code = str(metadata.country_code)
        self._begun = re.compile("|".join([abroad, self._code, *prefixes]))
        self._formats = [_Format(one) for one in metadata.number_format] if metadata.id == regions[0] else []
        self._rewritten = [
            (re.compile(one.national_prefix_for_parsing), one.national_prefix_transform_rule)
            for one in plans
            if one.national_prefix_transform_rule
        ]
        begins = "|".join([prefix.pattern for prefix, _ in self._rewritten]) or "(?!)"
        self._rewritable = re.compile(f"(?:{self._code})?(?:{begins})")

    @property
    def rewrites(self) -> bool:
        """Whether a national prefix is more than left out, so that `shape` does not say everything."""
        return bool(self._rewritten)

    def refuses(self, digits: str) -> bool:
        """Whether no reading of ASCII digits is a number."""
        if self._shape.fullmatch(digits) is None and (not self._rewritten or self._refuses_rewritten(digits)):
            return True
        return self._lacks_prefix(digits)

    def _lacks_prefix(self, digits: str) -> bool:
        """As phonenumbermatcher._is_national_prefix_present_if_required, where the digits are all there is."""
        if self._begun.match(digits):
            return False
        chosen = next((one for one in self._formats if one.fits(digits)), None)
        return chosen is not None and chosen.needs_prefix

    def _refuses_rewritten(self, digits: str) -> bool:
        readings = {digits}
        if digits.startswith(self._code):
            readings.add(digits[len(self._code) :])
        elif not self._rewritable.match(digits):
            return True  # nothing to rewrite, and as it stands it is refused
        for _ in range(2):
            readings |= {one for reading in readings for one in self._rewrite(reading)}
        return not any(map(self._shape.fullmatch, readings))

    def _rewrite(self, digits: str) -> Iterator[str]:
        for prefix, rule in self._rewritten:
            if match := prefix.match(digits):
                yield digits[match.end() :]
                if match.lastindex:
                    yield prefix.sub(rule, digits, count=1)


class _Format:
    """One way in which a region writes numbers."""

    def __init__(self, written: Any) -> None:
        leading = written.leading_digits_pattern
        self._leads = re.compile(leading[-1]) if leading else None
        self._shape = re.compile(written.pattern)
        rule = written.national_prefix_formatting_rule
        self.needs_prefix = bool(
            rule
            and not written.national_prefix_optional_when_formatting
            and not phonenumberutil._formatting_rule_has_first_group_only(rule)  # noqa: SLF001 - as the matcher asks
        )

    def fits(self, digits: str) -> bool:
        """Whether the region writes a number so."""
        return (self._leads is None or self._leads.match(digits) is not None) and bool(self._shape.fullmatch(digits))


class _Plans:
    """The same for several regions at once."""

    def __init__(self, regions: tuple[str, ...]) -> None:
        made = [_plan(region) for region in regions]
        shapes = dict.fromkeys(one.shape for one in made)  # regions that share a code share it
        self._shape = re.compile("|".join(f"(?:{shape})" for shape in shapes))
        self._made = made
        self._rewriting = [one for one in made if one.rewrites]

    def refuse(self, digits: str) -> bool:
        """Whether all of them refuse ASCII digits."""
        asked = self._rewriting if self._shape.fullmatch(digits) is None else self._made
        return all(one.refuses(digits) for one in asked)


def _metadata(region: str) -> Any:
    return phonenumbers.PhoneMetadata.metadata_for_region(region)


def _types(metadata: Any) -> Iterator[Any]:
    """Every type of number that makes one valid (phonenumberutil._number_type_helper)."""
    names = ("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager")
    for name in (*names, "uan", "voicemail"):
        desc = getattr(metadata, name)
        if desc is not None:
            yield desc


@cache
def _plan(region: str) -> _Plan:
    return _Plan(region)


@cache
def _plans(regions: tuple[str, ...]) -> _Plans:
    return _Plans(regions)


_FEWEST = 2  # digits of a number, to the library (phonenumberutil._MIN_LENGTH_FOR_NSN)
_PLAIN = re.compile(r"[0-9 .()-]{2,250}")
_FREE = re.compile(r"(?<![0-9A-Za-z])[0-9]")
_BETWEEN_DIGITS = re.compile(r"[0-9].*[0-9]", re.DOTALL)
_GROUP = re.compile(r"[0-9]+")
_FEW_GROUPS = 5
_LONGEST_GROUP = 20  # digits that the matcher's pattern takes as one group
_NO_DIGIT = {ord(character): None for character in " .()-"}


class _Matcher(phonenumbers.PhoneNumberMatcher):
    """The library's matcher with a deadline on the monotonic clock; raises TimeoutError behind it.

    It begins at `start` and notes in `tried` what it went over, and in `asked` all that it took for a number, with its
    place. While nothing is one, what it asks does not depend on the region.
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
        self._plan = _plan(region)
        self._leniency_is_valid = leniency >= phonenumbers.Leniency.VALID
        self.asked: set[tuple[str, int]] = set()

    def _parse_and_verify(self, candidate: str, offset: int) -> Any:
        if len(candidate) < _FEWEST:
            return None
        if self._leniency_is_valid and self._touches_letters(candidate, offset):
            return None
        self.asked.add((candidate, offset))
        return self.read(candidate, offset)

    def _touches_letters(self, candidate: str, offset: int) -> bool:
        """What the library refuses in every region."""
        before = self.text[offset - 1] if offset and not _LEAD.match(candidate) else " "
        behind = self.text[offset + len(candidate) : offset + len(candidate) + 1] or " "
        return any(self._is_invalid_punctuation_symbol(one) or self._is_latin_letter(one) for one in (before, behind))

    def read(self, candidate: str, offset: int) -> Any:
        """The number that a candidate is in this region; None: it is none."""
        if _PLAIN.fullmatch(candidate) and self._plan.refuses(candidate.translate(_NO_DIGIT)):
            return None
        if time.monotonic() > self._deadline:
            raise TimeoutError
        return super()._parse_and_verify(candidate, offset)

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
    found: set[tuple[int, int]] = set()
    before = text[start - 1 : start] or " "
    if leniency >= phonenumbers.Leniency.VALID and _is_hopeless(before + text[start:end], regions):
        return found
    only = _only_candidate(window, start - left, end - left)
    asked: set[tuple[str, int]] | None = None  # what every region asks, where the first one read none of it
    for region in regions:
        if asked is not None and all(_all_refuse((region,), one) for one, _ in asked):
            continue
        matcher = _Matcher(window, region, leniency, deadline)
        if asked is not None and not any(matcher.read(*one) for one in asked):
            continue
        first = True
        for match in matcher:
            first = False
            if start <= left + match.start and left + match.end <= end:
                found.add((left + match.start, left + match.end))
            if (match.start, match.end) == only:
                return found  # what other regions could add lies inside, and would be dropped as a duplicate
        if first and region == regions[0]:
            asked = {one for one in matcher.asked if not _all_refuse(regions[1:], one[0])}
            if not asked:
                break
    return found


def _is_hopeless(run: str, regions: tuple[str, ...]) -> bool:
    """A quick and certain no: no region reads a number anywhere in a run, which comes with the character before it.

    Whatever the library tries begins and ends with a group of digits, and between them stand all groups of the run.
    """
    if not run.isascii() or "+" in run or "[" in run:
        return False
    if "(" not in run and not _FREE.search(run, 1):
        return True  # letters before every number: none begins there
    between = _BETWEEN_DIGITS.search(run)
    if between is None or not _PLAIN.fullmatch(between[0]):
        return False
    groups = _GROUP.findall(between[0])
    if len(groups) > _FEW_GROUPS or max(map(len, groups)) > _LONGEST_GROUP:
        return False
    sizes = range(len(groups), 0, -1)
    readings = ["".join(groups[first : first + size]) for size in sizes for first in range(len(groups) - size + 1)]
    return all(map(_plans(regions).refuse, dict.fromkeys(readings)))


def _all_refuse(regions: tuple[str, ...], candidate: str) -> bool:
    """Whether it is certain that none of them reads a number."""
    if not regions:
        return True
    return _PLAIN.fullmatch(candidate) is not None and _plans(regions).refuse(candidate.translate(_NO_DIGIT))


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
