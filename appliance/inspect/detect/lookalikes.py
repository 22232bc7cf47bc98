"""Weak findings that are something else: a piece of a name, a number with decimals, a moment, an address of a machine.

Owns: which findings are dropped: digits that only count, however they score, and weak findings of whole texts. Rules:
pure; only weak findings that no word beside them supports are judged, and only by the characters around them;
`claude-sonnet-4-5-20250929` is one name to people, however much its end looks like a phone number. What a watch over a
growing text finds is left alone: it cannot see the rest.
"""

import re
from collections.abc import Iterable, Sequence

from appliance.inspect.identifiers import is_count
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind

SURE = 0.5
# What these score without a word beside them is less than this: presidio's patterns, lifted to at least 0.4 by one.
_JUDGED = {"PHONE_NUMBER": SURE, **dict.fromkeys(("US_DRIVER_LICENSE", "US_BANK_NUMBER", "US_PASSPORT", "US_SSN"), 0.4)}
_FAR = 64
_NAME_BEFORE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,40}(?:[-.:/@=%][A-Za-z0-9_]{0,40}){0,8}[-._:/@%]?\Z")
_NAME_BEHIND = re.compile(r"[-._:/@%]?[A-Za-z_]|[-.:/%][0-9a-f]{1,12}[-.:/%]?[A-Za-z_]")
_SAYS_PHONE = re.compile(r"(?:tel|phone|fax|call|mobile|cell|ph|callto|sms|wa\.me)[ :./=-]{0,3}\Z", re.IGNORECASE)
_EXTENSION = re.compile(r" ?(?:x|ext)\.?[ :]?[0-9]", re.IGNORECASE)
_DECIMAL = re.compile(r"[-+]?[0-9]+\.[0-9]+\Z")
_EPOCH = range(1_100_000_000, 2_000_000_000)  # seconds since 1970, 2004 to 2033; no area code begins with 1
_FEWEST_DIGITS = 5
_BY_THEMSELVES = frozenset({"CRYPTO", "UUID", "PRIVATE_KEY", "JSON_WEB_TOKEN"})
_HEX, _DIGEST = frozenset("0123456789abcdefABCDEF"), 32
_BASE64, _LINE, _PEM_LINES = re.compile(r"[A-Za-z0-9+/]+"), 200, frozenset({64, 76})
_COUNTING = "01234567890123456789"


def told_apart(text: str, found: Iterable[Detection]) -> list[Detection]:
    """What remains of the findings in `text`."""
    every = [one for one in found if not (_is_filler(text, one) or is_count(text[one.start : one.end]))]
    weak = [one for one in every if one.score < _JUDGED.get(one.entity, 0)]
    if not weak:
        return every
    machines = [(one.start, one.end) for one in every if one.entity in {"IP_ADDRESS", "UUID"} and one.score >= SURE]
    dropped = {id(one) for one in weak if _is_other(text, one, machines)}
    return [one for one in every if id(one) not in dropped]


def _is_filler(text: str, one: Detection) -> bool:
    """Whether it stands in a digest, or in a line of a certificate: there everything is by chance."""
    if one.entity in _BY_THEMSELVES or one.end - one.start >= _LINE:
        return False
    start, end = one.start, one.end
    if one.kind is DetectionKind.PII:
        if not _HEX.issuperset(text[start:end]):
            return False
        while start > 0 and one.start - start < _FAR and text[start - 1] in _HEX:
            start -= 1
        while end < len(text) and end - one.end < _FAR and text[end] in _HEX:
            end += 1
        return end - start >= _DIGEST and _HEX.issuperset(text[start:end])
    first, last = text.rfind("\n", max(0, start - _FAR - 20), start) + 1, text.find("\n", end, end + _FAR + 20)
    line = text[first : last if last >= 0 else len(text)].strip()
    return first > 0 and len(line) in _PEM_LINES and _BASE64.fullmatch(line) is not None and line != text[start:end]


def _is_other(text: str, one: Detection, machines: Sequence[tuple[int, int]]) -> bool:
    word = text[one.start : one.end]
    if _SAYS_PHONE.search(text[max(0, one.start - _FAR) : one.start]):
        return False
    if any(start <= one.start < end for start, end in machines) or _in_name(text, one):
        return True
    return one.entity == "PHONE_NUMBER" and _is_number(text, one, word)


def _in_name(text: str, one: Detection) -> bool:
    """Whether letters are joined to it: then it is a piece of an identifier."""
    if text[one.start] in "+(":
        return False
    before = text[max(0, one.start - _FAR) : one.start]
    if _NAME_BEFORE.search(before):
        return True
    behind = text[one.end : one.end + _FAR]
    return bool(_NAME_BEHIND.match(behind)) and not _EXTENSION.match(behind)


def _is_number(text: str, one: Detection, word: str) -> bool:
    """Whether it is too short, a decimal, a moment, or digits counted up."""
    digits = "".join(filter(str.isdecimal, word))
    if len(digits) < _FEWEST_DIGITS or digits in _COUNTING:
        return True
    if word.isdecimal() and int(word) in _EPOCH:
        return True
    around = text[max(0, one.start - 1) : one.start], text[one.end : one.end + 2]
    decimals_go_on = around[1][:1] == "." and around[1][1:].isdecimal()
    return bool(_DECIMAL.match(word)) or (word.isdecimal() and (around[0] == "." or decimals_go_on))
