"""Tokens that are turned round or shifted by thirteen letters: keys, mail addresses, cards and accounts.

Rules: pure; only tokens that could be one are turned, which words, numbers and digests are not; a mail address is told
by its top-level domain.
"""

import re
from collections.abc import Iterator

from appliance.inspect.views_forms import Forms
from appliance.inspect.views_numbers import backward_numbers, is_account
from appliance.inspect.views_places import Piece, picked

LONG = 18
"""Characters of a token that may be a key."""
MAX_PIECES = 2000
_TOKEN = re.compile(rb"w" * LONG + rb"w{0,494}+")
_UNLIKE_KEYS = re.compile(r"[0-9a-f-]+|[0-9A-F-]+|[A-Za-z_/+-]+|[A-Za-z/_-]+[0-9]{1,4}")
_SLASHES = 3  # more of them are a path
_MAIL_REACH = 128
_MAIL_BACK = re.compile(
    r"(?<![\w.+-])(?:moc|ten|gro|ude|vog|ofni|oi|ia|ue|ku|ed|rf|hc|ta|ti|se|ln)\.[\w.-]{2,110}\Z", re.IGNORECASE
)
_BEHIND = re.compile(r"[\w.+-]{1,64}")
_MAIL_13 = re.compile(r"[\w.-]{2,110}\.(?:pbz|arg|bet|rqh|tbi|vasb|vb|nv|rh|hx|qr|se|pu|ng|vg|rf|ay)\b", re.IGNORECASE)
_BEFORE = re.compile(r"[\w.+-]{1,64}\Z")
_IBAN_13 = re.compile(rb"aa00[0a]{11,30}(?![0a])")
ROT13 = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "NOPQRSTUVWXYZABCDEFGHIJKLMnopqrstuvwxyzabcdefghijklm"
)


def turned(forms: Forms) -> Iterator[Piece]:
    """What is written from right to left."""
    for start, end in _tokens(forms):
        yield picked(forms.text, range(end - 1, start - 1, -1))
    for at in _ats(forms):
        before = _MAIL_BACK.search(forms.text, max(0, at - _MAIL_REACH), at)
        behind = _BEHIND.match(forms.text, at + 1)
        if before and behind:
            yield picked(forms.text, range(behind.end() - 1, before.start() - 1, -1))
    yield from backward_numbers(forms)


def shifted(forms: Forms) -> Iterator[Piece]:
    """What is shifted by thirteen letters."""
    text = forms.text
    for start, end in _tokens(forms):
        yield _shifted(text, start, end)
    for at in _ats(forms):
        before = _BEFORE.search(text, max(0, at - _MAIL_REACH), at)
        behind = _MAIL_13.match(text, at + 1)
        if before and behind:
            yield _shifted(text, before.start(), behind.end())
    if b"aa00" in forms.digits:
        for run in _IBAN_13.finditer(forms.digits):
            if b"0000" in run[0] and is_account(text[run.start() : run.end()].translate(ROT13)):
                yield _shifted(text, *run.span())


def _shifted(text: str, start: int, end: int) -> Piece:
    return Piece(text[start:end].translate(ROT13), lambda first, last: (start + first, start + last))


def _tokens(forms: Forms) -> Iterator[tuple[int, int]]:
    """What may be a key: digits and letters in one, but no digest, word or path."""
    if b"w" * LONG not in forms.code:
        return
    for count, run in enumerate(_TOKEN.finditer(forms.code)):
        if count == MAX_PIECES:
            forms.cut = True
            return
        start, end = run.span()
        token = forms.text[start:end]
        if token.count("/") <= _SLASHES and b"0" in forms.digits[start:end] and not _UNLIKE_KEYS.fullmatch(token):
            yield start, end


def _ats(forms: Forms) -> Iterator[int]:
    at = forms.text.find("@")
    for _ in range(MAX_PIECES):
        if at < 0:
            return
        yield at
        at = forms.text.find("@", at + 1)
    forms.cut = forms.cut or at >= 0
