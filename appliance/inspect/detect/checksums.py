"""Check digits: whether a number could have been issued at all.

Owns: the algorithms. Rules: pure; each takes what was matched, separators and all, and answers for ASCII digits and
letters only; a check that one number in ten passes by chance proves nothing by itself, which is the caller's to know.
"""

import re
from collections.abc import Callable, Iterable, Sequence

type Test = Callable[[str], bool]

_NOT_PLAIN = re.compile(r"[^0-9A-Za-z]")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TEN = 10
_ELEVEN = 11
_VALUES = {character: value for value, character in enumerate(f"0123456789{_LETTERS}")}


def plain(text: str) -> str:
    """Letters and digits alone, in capitals."""
    return _NOT_PLAIN.sub("", text).upper()


def luhn(text: str) -> bool:
    """ISO/IEC 7812-1, annex B: cards, IMEI, Canadian SIN, Swedish personal numbers."""
    digits = _digits(text)
    doubled = [2 * digit - (9 if 2 * digit >= _TEN else 0) for digit in digits[-2::-2]]
    return len(digits) > 1 and any(digits) and (sum(digits[-1::-2]) + sum(doubled)) % _TEN == 0


def mod97(text: str) -> bool:
    """ISO 7064 MOD 97-10 with the check digits in front, as an IBAN has them (ISO 13616-1)."""
    code = plain(text)
    turned = code[4:] + code[:4]
    if len(code) <= len("DE00") or not all(character in _VALUES for character in turned):
        return False
    return int("".join(str(_VALUES[character]) for character in turned)) % 97 == 1


def mod11_10(text: str) -> bool:
    """ISO 7064 MOD 11,10: German tax numbers of persons."""
    digits = _digits(text)
    if not digits:
        return False
    product = _TEN
    for digit in digits[:-1]:
        product = 2 * ((digit + product) % _TEN or _TEN) % _ELEVEN
    return (_ELEVEN - product) % _TEN == digits[-1]


def mod11(text: str) -> bool:
    """Weights 2, 3, 4... from the right, the last digit checks (X is 10): the common form, as in ISBN-10."""
    code = plain(text)
    if len(code) < len("12") or not code[:-1].isdecimal() or code[-1] not in "0123456789X":
        return False
    total = sum(weight * int(digit) for weight, digit in enumerate(reversed(code[:-1]), 2)) + (
        10 if code[-1] == "X" else int(code[-1])
    )
    return total % _ELEVEN == 0


_DIHEDRAL = "0123456789123406789523401789563401289567401239567859876043216598710432765982104387659321049876543210"
_TURNS = "01234567891576283094580379614289160435279453126870428657390127938064157046913258"


def verhoeff(text: str) -> bool:
    """J. Verhoeff, Error Detecting Decimal Codes (1969): Indian Aadhaar numbers."""
    check = 0
    digits = _digits(text)
    for place, digit in enumerate(reversed(digits)):
        turned = int(_TURNS[place % 8 * _TEN + digit])
        check = int(_DIHEDRAL[check * _TEN + turned])
    return bool(digits) and check == 0


def weighed(text: str, weights: Sequence[int], modulus: int) -> bool:
    """Whether the sum of digits by weights is a multiple of `modulus`; False for another count of digits."""
    digits = _digits(text)
    return len(digits) == len(weights) and any(digits) and _sum(digits, weights) % modulus == 0


def german_card(text: str) -> bool:
    """ICAO 9303-3, 4.9: weights 7, 3, 1 over digits and letters (A is 10), the last digit checks."""
    code = plain(text)
    return code[-1:].isdecimal() and _sum((_VALUES[c] for c in code[:-1]), (7, 3, 1) * 9) % _TEN == int(code[-1])


def german_health(text: str) -> bool:
    """Krankenversichertennummer, SGB V section 290: letter as two digits, factors 1 and 2, cross-sums."""
    code = plain(text)
    digits = _digits(f"{_LETTERS.index(code[0]) + 1:02d}{code[1:]}") if code[:1].isalpha() else []
    products = [digit * (1 + place % 2) for place, digit in enumerate(digits[:-1])]
    return len(digits) == _ELEVEN and sum(p // _TEN + p % _TEN for p in products) % _TEN == digits[-1]


def german_tax(text: str) -> bool:
    """Steuer-ID, AO section 139b: MOD 11,10, and among ten digits one stands twice or three times, none more."""
    code = plain(text)
    counts = sorted(code[:10].count(digit) for digit in set(code[:10]))
    return len(code) == _ELEVEN and counts[-1] in {2, 3} and counts[-2] == 1 and mod11_10(code)


def french_nir(text: str) -> bool:
    """INSEE: 13 characters and 97 less their remainder by 97; Corsica's 2A and 2B count as 19 and 18."""
    code = plain(text).replace("2A", "19", 1).replace("2B", "18", 1)
    return len(code) == 15 and code.isdecimal() and 97 - int(code[:13]) % 97 == int(code[13:])  # noqa: PLR2004


def spanish(text: str) -> bool:
    """DNI and NIE: the letter is the remainder by 23 (Real Decreto 1553/2005; X, Y, Z in front are 0, 1, 2)."""
    code = plain(text)
    number = f"{'XYZ'.index(code[0])}{code[1:-1]}" if code[:1] in {"X", "Y", "Z"} else code[:-1]
    return number.isdecimal() and code[-1] == "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]


_ODD_PLACES = dict(
    zip(
        f"0123456789{_LETTERS}",
        (
            *(1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21),
            *(2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
        ),
        strict=True,
    )
)


def italian(text: str) -> bool:
    """Codice fiscale: the last letter is a sum by odd and even places (Decreto 23.12.1976, art. 7)."""
    code = plain(text)
    if len(code) != 16:  # noqa: PLR2004 - letters and digits of a code
        return False
    odd = sum(_ODD_PLACES[character] for character in code[:15:2])
    even = sum(_VALUES[c] if c.isdecimal() else _LETTERS.index(c) for c in code[1:15:2])
    return _LETTERS[(odd + even) % 26] == code[15]


def brazilian(text: str) -> bool:
    """CPF: two check digits, weights from 2 upwards, by 11 (Receita Federal)."""
    digits = _digits(text)
    if len(digits) != _ELEVEN or len(set(digits)) == 1:
        return False
    return all(10 * _sum(digits[:n], range(n + 1, 1, -1)) % _ELEVEN % _TEN == digits[n] for n in (9, 10))


_VIN_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", map(int, "12345678123457923456789"), strict=True))
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def vehicle(text: str) -> bool:
    """Vehicle identification number with a check digit, 49 CFR 565.15 (North America, China)."""
    code = plain(text)
    if len(code) != len(_VIN_WEIGHTS) or code.isdecimal() or code.isalpha():
        return False
    values = [_VIN_VALUES.get(character, _VALUES[character]) for character in code]
    return "0123456789X"[_sum(values, _VIN_WEIGHTS) % _ELEVEN] == code[8]


def npi(text: str) -> bool:
    """US National Provider Identifier: Luhn with 80840 in front (45 CFR 162.406)."""
    return luhn(f"80840{plain(text)}")


def birthday(text: str) -> bool:
    """Whether YYMMDD in front could be a day; 60 added to the day is a Swedish coordination number."""
    if not text[:6].isdecimal() or len(text) < len("YYMMDD"):
        return False
    month, day = int(text[2:4]), int(text[4:6])
    return 1 <= month <= 12 and 1 <= (day - 60 if day > 60 else day) <= 31  # noqa: PLR2004 - a calendar's


_CENTURIES = (80, 0, 20, 40, 60)


def polish(text: str) -> bool:
    """PESEL: a day with the century in the month, weights 1, 3, 7, 9 (Ustawa o ewidencji ludnosci)."""
    digits = plain(text)
    month = int(digits[2:4]) if digits[2:4].isdecimal() else 0
    real = next((month - shift for shift in _CENTURIES if 1 <= month - shift <= 12), 0)  # noqa: PLR2004
    return bool(real) and birthday(f"00{real:02d}{digits[4:6]}") and weighed(digits, (1, 3, 7, 9) * 2 + (1, 3, 1), 10)


def swedish(text: str) -> bool:
    """Personnummer: a day, and Luhn over the last ten digits (SKV 704)."""
    digits = plain(text)[-10:]
    return birthday(digits) and luhn(digits)


def dutch(text: str) -> bool:
    """BSN: weights 9 to 2 and -1, by 11 (Logisch Ontwerp BSN)."""
    return weighed(text, (9, 8, 7, 6, 5, 4, 3, 2, -1), 11)


def australian(text: str) -> bool:
    """TFN: weights 1, 4, 3, 7, 5, 8, 6, 9, 10, by 11 (Australian Taxation Office, tax file number validation)."""
    return weighed(text, (1, 4, 3, 7, 5, 8, 6, 9, 10), 11)


def swiss(text: str) -> bool:
    """AHV number: 756 (Switzerland, ISO 3166-1), and the check digit of EAN-13 (Verordnung 831.101, art. 133)."""
    return plain(text).startswith("756") and weighed(text, (1, 3) * 6 + (1,), 10)


def routing(text: str) -> bool:
    """US routing number: weights 3, 7, 1, by 10 (ABA Routing Number Policy); 00 to 12, 21 to 32, 61 to 72, 80."""
    code = plain(text)
    area = int(code[:2]) if code.isdecimal() else -1
    issued = 0 <= area <= 12 or 21 <= area <= 32 or 61 <= area <= 72 or area == 80  # noqa: PLR2004
    return issued and weighed(text, (3, 7, 1) * 3, 10)


def _digits(text: str) -> list[int]:
    """The ASCII digits of a number; nothing where it holds a letter."""
    code = plain(text)
    return [int(character) for character in code] if code.isdecimal() else []


def _sum(digits: Iterable[int], weights: Iterable[int]) -> int:
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=False))
