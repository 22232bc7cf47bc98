"""Cards and accounts whose digits stand so that no pattern sees them: in other groups, between underscores, backwards.

Rules: pure; numbers count only by their issuer and checksum, because rows of digits are in every table; what stands
between groups is the same throughout. Sources: ISO/IEC 7812-1 (annex B: Luhn) and the networks' published ranges;
ISO 13616 (IBAN) with ISO 7064 (modulo 97).
"""

import re
from collections.abc import Iterator

from appliance.inspect.views_forms import Forms
from appliance.inspect.views_places import Piece, picked

# Over forms: digits are `0`, letters `a`, line ends `n`, all else `.`.
_GROUPED = tuple(
    re.compile(shape)
    for shape in (
        rb"0000(?P<by>[.n]{1,3})0000(?P=by)0000(?P=by)0000(?![0a])",
        rb"0000(?P<by>[.n]{1,3})000000(?P=by)0000(?:0?)(?![0a])",
        rb"00000(?P<by>[.n]{1,3})000000(?P=by)0000(?![0a])",
    )
)
_ALONE = re.compile(rb"0000000000000{1,6}(?!0)")
_IBAN = re.compile(rb"aa00(?:(?P<by>[.n]{1,3})[0a]{4}(?:(?P=by)[0a]{4}){1,6}(?:(?P=by)[0a]{1,4})?|[0a]{11,30})(?![0a])")
_IBAN_BACK = re.compile(rb"(?<![0a])[0a]{11,30}00aa(?![0a])")
_KNOWN = frozenset({" ", "-"})  # patterns see cards through these
_CARD = range(15, 17)  # digits that are looked at backwards; others are too often something else
_ISSUED = re.compile(
    r"(?:4[0-9]{15}|4[0-9]{18}|5[1-5][0-9]{14}|2(?:2[2-9]|[3-6][0-9]|7[01])[0-9]{13}|3[47][0-9]{13}"
    r"|6(?:011|5[0-9]{2}|4[4-9][0-9])[0-9]{12}|62[0-9]{14}|35[0-9]{14}|3(?:0[0-5]|[68][0-9])[0-9]{11})\Z"
)


def numbers(forms: Forms) -> Iterator[Piece]:
    """Cards and accounts in groups that no pattern knows, or with an underscore beside them."""
    text = forms.text
    for places in _cards(forms):
        if is_card(_at(text, places)):
            yield picked(text, places)
    for places in _accounts(forms):
        if is_account(_at(text, places)):
            yield picked(text, places)


def backward_numbers(forms: Forms) -> Iterator[Piece]:
    """Cards and accounts written from right to left."""
    text = forms.text
    for places in _cards(forms, alone=True):
        said = _at(text, places)
        if len(said) in _CARD and is_card(said[::-1]) and not is_card(said):
            yield picked(text, places[::-1])
    if b"00aa" in forms.digits:
        for run in _IBAN_BACK.finditer(forms.digits):
            if b"0000" in run[0] and is_account(text[run.start() : run.end()][::-1]):
                yield picked(text, range(run.end() - 1, run.start() - 1, -1))


def _cards(forms: Forms, *, alone: bool = False) -> Iterator[list[int]]:
    """Places of digits that may be a card's. `alone`: with nothing between and beside them, too."""
    digits, text = forms.digits, forms.text
    if b"0000" not in digits:
        return
    for shape in _GROUPED:
        for run in shape.finditer(digits):
            start, end = run.span()
            known = (
                text[run.start("by") : run.end("by")] in _KNOWN and not alone and not _is_underscored(text, start, end)
            )
            if not _follows(digits, start) and not known and _is_even(text, run):
                yield [at for at in range(start, end) if digits[at] == ord("0")]
    for run in _ALONE.finditer(digits):
        start, end = run.span()
        if not _follows(digits, start) and (alone or _is_underscored(text, start, end)):
            yield list(range(start, end))


def _accounts(forms: Forms) -> Iterator[list[int]]:
    digits, text = forms.digits, forms.text
    if b"aa00" not in digits:
        return
    for run in _IBAN.finditer(digits):
        start, end = run.span()
        counts = _is_underscored(text, start, end) if run["by"] is None else _is_even(text, run)
        if counts and not _follows(digits, start) and b"0000" in digits[start:end]:
            yield [at for at in range(start, end) if digits[at] in b"0a"]


def _follows(digits: bytes, start: int) -> bool:
    return start > 0 and digits[start - 1] in b"0a"


def _is_even(text: str, run: re.Match[bytes]) -> bool:
    """Whether the same stands between all groups."""
    parts = text[run.start() : run.end()].split(text[run.start("by") : run.end("by")])
    return all(part.isalnum() for part in parts)


def _is_underscored(text: str, start: int, end: int) -> bool:
    return "_" in {text[max(0, start - 1) : start], text[end : end + 1]}


def _at(text: str, places: list[int]) -> str:
    return "".join([text[at] for at in places])


def is_card(digits: str) -> bool:
    """Whether an issuer gives out such numbers, and the checksum holds."""
    return _ISSUED.match(digits) is not None and _luhn(digits) == 0


def _luhn(digits: str) -> int:
    odd = sum(map(int, digits[-1::-2]))
    return (odd + sum(sum(divmod(2 * int(one), 10)) for one in digits[-2::-2])) % 10


def is_account(letters: str) -> bool:
    """Whether the checksum of an IBAN holds."""
    if not (letters.isascii() and letters.isalnum() and letters[:2].isalpha()):
        return False
    return int("".join([str(int(one, 36)) for one in letters[4:] + letters[:4]])) % 97 == 1
