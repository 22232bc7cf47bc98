"""A text as classes of its characters, in which runs are found fast.

Theory: a search for a fixed run of bytes costs a tenth of a search for a class, so the text is told twice in a few
letters and both are searched for runs. Forms have one byte for each character, so places are the same.

Rules: pure; made once for each text.
"""

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"


def _table(told: dict[str, str], rest: str) -> bytes:
    made = bytearray(rest.encode() * 256)
    for to, members in told.items():
        for member in members:
            made[ord(member)] = ord(to)
    return bytes(made)


_CODE = _table({"w": _LETTERS + _DIGITS + "+/_-", " ": " \t", "n": "\r\n"}, ".")
_DIGIT = _table({"0": _DIGITS, "a": _LETTERS, "n": "\n"}, ".")


class Forms:
    """`code`: `w` for what keys and base64 are made of, blanks, `n` for line ends; `digits`: `0`, `a`, `n`.

    `.` is everything else. `data`: the text in ASCII, with a question mark for what is not. `cut`: set by a reader that
    a bound kept from reading all of it.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.cut = False
        self.data = text.encode("ascii", "replace")
        self.code = self.data.translate(_CODE)
        self.digits = self.data.translate(_DIGIT)
