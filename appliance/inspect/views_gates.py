r"""What a text must hold for each way of reading it: one pass tells which of them are worth trying.

Theory: each expression matches wherever its reader would find something, and often where it would not; so a closed gate
proves that there is nothing, and an open one costs a search. `appliance.inspect.detect.gates` looks for all of them at
once; who has no such engine takes `EVERY`.

Rules: pure; expressions are over ASCII, in Hyperscan's syntax, with `.` for line ends too; a test compares what is read
with all gates open.
"""

from collections.abc import Callable

TOKENS = "tokens"
HEX = "hex"
SPACED = "spaced"
ESCAPES = "escapes"
SIGNS = "signs"
NUMBERS = "numbers"
LINES = "lines"
MAIL = "mail"

# Two groups, because all in one take three times as long to compile.
EXPRESSIONS: tuple[tuple[tuple[str, str], ...], ...] = (
    (
        (TOKENS, "[A-Za-z0-9+/_-]{18}"),
        (HEX, "(?:[0-9a-fA-F]{2}[ ,:-]{1,2}(?:0x)?){5}"),
        (SPACED, r"(?:[ \t]{1,4}\S){4}\s"),
        (SPACED, "[A-Za-z0-9@](?: ?[._|*/~-] ?[A-Za-z0-9@._-]){4}"),
    ),
    (
        (ESCAPES, r"%[0-9a-fA-F]{2}|=(?:40|5F|2E|2D|3D)|=\r?\n|\\'[2-7]"),
        (SIGNS, r"\s[dD][oO][tT]\s"),
        (SIGNS, r"[\[({<] ?(?:at|AT|At|dot|DOT|Dot|@|\.) ?[\])}>]"),
        (NUMBERS, "[0-9]{4}"),
        (LINES, r"[0-9]\S*\r?\n\S*[0-9]"),
        (LINES, r"@\S*\r?\n\S"),
        (LINES, r"\S\r?\n\S*@"),
        (MAIL, "@"),
    ),
)

EVERY: frozenset[str] = frozenset(name for group in EXPRESSIONS for name, _ in group)
type Gates = Callable[[str], frozenset[str]]


def all_open(text: str) -> frozenset[str]:
    """Every gate, whatever the text."""
    del text
    return EVERY
