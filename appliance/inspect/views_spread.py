"""What is spread out or joined so that no pattern sees it: `s k - p r o j`, a key over two lines, `maria at x dot org`.

Rules: pure; every expression is linear, its repeats bounded or over one class; what stands between single letters is
the same throughout; where a reading may be chance, only what is sure counts in it.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator

from appliance.inspect.views_forms import Forms
from appliance.inspect.views_places import Piece, picked, rewritten

MAX_PIECES = 2000
_NEAR = 96  # characters of a word beside a line end
_CUT = 24  # characters on both sides of a line end within which a key that it cuts has digits
_LINES = 16  # over which one token may run
_FEW, _SHORT = 4, 12  # digits and letters of a token that is worth joining
_SPACED = re.compile(r"(?<!\S)\S(?:[ \t]{1,4}\S(?!\S)){7,}+")
_ONE = "(?!(?P=by){3})[A-Za-z0-9@._-]"
_ROW = re.compile(rf"(?<![A-Za-z0-9])[A-Za-z0-9@](?P<by> ?[._|*/~-] ?){_ONE}(?:(?P=by){_ONE}){{5,}}+")
_DIGIT = re.compile("[0-9]")
_WORD = re.compile(r"\S+")
_BLANKS = re.compile(r"[ \t]+")
_MAIL_JOINED = re.compile(r"@[A-Za-z0-9.-]{1,128}\.[A-Za-z]{2,24}(?=_)")
_BEFORE = re.compile(r"[\w.+-]{1,64}\Z")
_AT = r"(?:[\[({<] ?(?:at|AT|At|@) ?[\])}>]|\s(?:at|AT|At|@)\s)"
_DOT = r"(?:[\[({<] ?(?:dot|DOT|Dot|\.) ?[\])}>]|\s(?:dot|DOT|Dot|\.)\s)"
_SPELLED = re.compile(
    rf"(?<![\w.+-])[\w+-]{{1,64}}+(?:(?:\.|\s?{_DOT}\s?)[\w+-]{{1,64}}+){{0,3}}\s?(?:{_AT}|@)\s?"
    rf"[A-Za-z0-9-]{{1,63}}+(?:(?:\.|\s?{_DOT}\s?)[A-Za-z0-9-]{{2,63}}+){{1,4}}(?![\w-])"
)
_BYTES = re.compile(rf"(?<![\w.])[0-9]{{1,3}}(?:\s?{_DOT}\s?[0-9]{{1,3}}){{3}}(?![\w.])")
_AT_WORD = re.compile(_AT)
_WRITTEN = re.compile(rf"\s?{_AT}\s?|\s?{_DOT}\s?")
_BRACKETED = re.compile(r"[\[({<] ?(?:at|@|dot|\.) ?[\])}>]", re.IGNORECASE)
_ARTICLES = re.compile(
    r"[.@](?:the|a|an|this|that|these|those|its|his|her|our|my|your|their|each|every|one|first|last)[.@]", re.IGNORECASE
)


def spaced(text: str) -> Iterator[Piece]:
    """Rows of single characters as words; blanks that are wider than most part words."""
    for run in _SPACED.finditer(text):
        start, end = run.span()
        blanks = [blank.span() for blank in _BLANKS.finditer(text, start, end)]
        ((narrow, _),) = Counter([last - first for first, last in blanks]).most_common(1)
        edits = [(first, last, "" if last - first <= narrow else " ") for first, last in blanks]
        said, places = rewritten(text, edits, start, end)
        yield Piece(said, places.place)
    for run in _ROW.finditer(text):
        start, end = run.span()
        yield picked(text, range(start, end, 1 + len(run["by"])))


def joined(text: str) -> Iterator[Piece]:
    """Mail addresses with an underscore behind them."""
    for run in _MAIL_JOINED.finditer(text):
        if before := _BEFORE.search(text, max(0, run.start() - 64), run.start()):
            yield picked(text, range(before.start(), run.end()))


def spelled(text: str) -> Iterator[Piece]:
    """Addresses of mail and of machines with their signs in words or brackets."""
    for run in _BYTES.finditer(text):
        edits = [(*mark.span(), ".") for mark in _WRITTEN.finditer(text, *run.span())]
        said, places = rewritten(text, edits, *run.span())
        yield Piece(said, places.place)
    for run in _SPELLED.finditer(text):
        start, end = run.span()
        if not _is_spelled(run[0]):
            continue
        marks = _WRITTEN.finditer(text, start, end)
        edits = [(*mark.span(), "@" if _AT_WORD.search(mark[0]) else ".") for mark in marks]
        said, places = rewritten(text, edits, start, end)
        if said.count("@") == 1 and _ARTICLES.search(said) is None:
            yield Piece(said, places.place)


def _is_spelled(said: str) -> bool:
    """Signs in brackets are plain; `at` alone is a word like others, unless `dot` is one too."""
    return _BRACKETED.search(said) is not None or " dot " in said.lower()


def broken(forms: Forms) -> Iterator[Piece]:
    """Tokens that line ends cut: those in which digits or the sign of a mail address stand."""
    digits, data = forms.digits, forms.data
    mail = b"@" in data
    at, after = digits.find(b"n"), 0
    while at >= 0:
        cut = b"0" in digits[max(0, at - _CUT) : at] and b"0" in digits[at : at + _CUT]
        if at >= after and (cut or (mail and b"@" in data[max(0, at - _NEAR) : at + _NEAR])):
            places, after = _across(forms.text, at)
            token = "".join([forms.text[one] for one in places])
            if token and _is_worth(
                token, token[: bisect_left(places, at)], _WORD.findall(forms.text, at + 1, at + _NEAR)[0]
            ):
                yield picked(forms.text, places)
        at = digits.find(b"n", at + 1)


def _across(text: str, end: int) -> tuple[list[int], int]:
    """Places of the token over the line end at `end`, and where its last line begins."""
    stop = end - 1 if text[end - 1 : end] == "\r" else end
    start = stop
    while start > 0 and stop - start < _NEAR and not text[start - 1].isspace():
        start -= 1
    places, last = list(range(start, stop)), end + 1
    for _ in range(_LINES if places else 0):
        at = last = end + 1
        while at < len(text) and at - last < _NEAR and not text[at].isspace():
            at += 1
        if at == last:
            break
        places += range(last, at)
        end = at + 1 if text[at : at + 2] == "\r\n" else at
        if text[end : end + 1] != "\n":
            break
    return (places if len(places) > stop - start else []), last


def _is_worth(token: str, before: str, behind: str) -> bool:
    """Whether a token may be a key, a number or a mail address that a line end cuts in `before` and `behind`."""
    if "@" in before or "@" in behind:
        return "." in token
    if len(token) < _SHORT or _DIGIT.search(before) is None or _DIGIT.search(behind) is None:
        return False
    return len(_DIGIT.findall(token)) >= _FEW
