"""How many tokens a text has, where nobody has told: without any model's vocabulary. Pure.

The weights were fitted (least squares) to the vocabularies o200k_base and cl100k_base over English prompts, documents
in Markdown, source code, JSON and sentences in 68 languages, on one half of them; on the other half the sums lie within
5 %. Single texts may lie 20 % off, in languages with few tokens of their own in those vocabularies far more.

Rules: additive, so that a text in pieces counts as the whole; a reservation takes `at_most`, which is meant to be too
high and is corrected when usage is told.
"""

from typing import Final

_LOWER: Final = b"abcdefghijklmnopqrstuvwxyz"
_UPPER: Final = _LOWER.upper()
_DIGITS: Final = b"0123456789"
_BLANK: Final = b" \t\r\n"
_ASCII: Final = bytes(range(128))
# Thousandths of a token for each: small letter, capital, digit, sign, word, character beyond ASCII, and each of its
# further bytes in UTF-8.
_WEIGHTS: Final = (109, 367, 855, 775, 500, 50, 310)
_BEYOND: Final = 700  # at most, for each byte of characters beyond ASCII
_SPARE: Final = 13  # tenths
SAMPLE: Final = 4096
"""Code points from which a long text is judged."""
PER_PART: Final = 8  # tokens that a message may cost beside its text
PER_IMAGE: Final = 2000
BYTES_PER_TOKEN: Final = 100  # of sound, documents and other files, at most


class Counting:
    """Counts a growing text."""

    def __init__(self) -> None:
        self._sum = 0
        self._in_word = False

    def feed(self, text: str) -> None:
        """The next piece."""
        if not text:
            return
        ascii_, beyond, _ = _parts(text)
        words = len(text.split())
        if self._in_word and not text[0].isspace() and words:
            words -= 1
        self._in_word = not text[-1].isspace()
        self._sum += ascii_ + beyond + words * _WEIGHTS[4]

    @property
    def thousandths(self) -> int:
        """So far, exactly."""
        return self._sum

    @property
    def tokens(self) -> int:
        """So far, rounded up."""
        return -(-self._sum // 1000)


def estimate(text: str) -> int:
    """The number that is expected."""
    counting = Counting()
    counting.feed(text)
    return counting.tokens


def by_sample(chars: int, sample: str) -> int:
    """The tokens of a text of so many code points, of which `sample` is a part; without one four of them each."""
    if not sample:
        return -(-chars // 4)
    counting = Counting()
    counting.feed(sample)
    return -(-counting.thousandths * chars // (len(sample) * 1000))


def at_most(text: str) -> int:
    """A number that is hardly ever passed."""
    ascii_, _, high = _parts(text)
    told = (ascii_ + len(text.split()) * _WEIGHTS[4]) * _SPARE // 10 + high * _BEYOND
    return min(-(-told // 1000), len(text.encode("utf-8", "surrogatepass"))) + PER_PART


def _parts(text: str) -> tuple[int, int, int]:
    """Thousandths of its characters of ASCII without words, and of all others; and how many bytes those take."""
    data = text.encode("utf-8", "surrogatepass")
    size = len(data)
    low, up, digits, blank = (size - len(data.translate(None, kind)) for kind in (_LOWER, _UPPER, _DIGITS, _BLANK))
    high = 0 if text.isascii() else len(data.translate(None, _ASCII))
    further = size - len(text)
    signs = size - high - low - up - digits - blank
    counts = zip((low, up, digits, signs), _WEIGHTS, strict=False)
    beyond = (high - further) * _WEIGHTS[5] + further * _WEIGHTS[6]
    return sum(count * weight for count, weight in counts), beyond, high
