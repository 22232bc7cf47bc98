"""The notation in which the rule file writes shapes of keys, and texts of such shapes.

Owns: the notation. Rules: what it can write is linear to match: literals, choices of literals, and bounded repeats of
one class. `aio_<word:28>` is the literal `aio_` and 28 letters or digits; `<url:20-40>` 20 to 40 of a class; `<pt|sk>`
a choice of literals; `<uuid>` a UUID; all else is literal. Texts are made from a seed: the same one, the same text.
"""

import hashlib
import re
from collections.abc import Iterator

from appliance.inspect.detect.alphabet import PARSER

CLASSES = {
    "digit": "0-9",
    "hex": "0-9a-f",
    "HEX": "0-9A-F",
    "Hex": "0-9A-Fa-f",
    "lower": "a-z",
    "lowdig": "a-z0-9",
    "updig": "A-Z0-9",
    "word": "A-Za-z0-9",
    "word_": "A-Za-z0-9_",
    "url": "A-Za-z0-9_-",
    "b64": "A-Za-z0-9+/",
    "B64": "A-Za-z0-9+/=",
    "dot": "A-Za-z0-9_.=-",
    "base32": "A-Z2-7",
    "low32": "a-z2-7",
    "base58": "1-9A-HJ-NP-Za-km-z",
    "bech32": "02-9AC-HJ-NP-Z",
    "print": "!-&(-~",
}
_UUID = "<hex:8>-<hex:4>-<hex:4>-<hex:4>-<hex:12>"
_PIECE = re.compile(r"<([^<>]{1,200})>|([^<>]+)")
_REPEAT = re.compile(r"([A-Za-z0-9_]{1,8}):([0-9]{1,4})(?:-([0-9]{1,4}))?")
_SHORTER = 3


def expression(shape: str) -> str:
    """The regular expression of a shape. ValueError where it is not written in the notation."""
    made = []
    for literal, choice, repeat in _pieces(shape):
        if repeat:
            name, least, most = repeat
            count = f"{{{least}}}" if least == most else f"{{{least},{most}}}"
            made.append(f"[{CLASSES[name]}]{count if (least, most) != (1, 1) else ''}")
        elif choice:
            made.append(f"(?:{'|'.join(map(_escaped, choice))})")
        else:
            made.append(_escaped(literal))
    return "".join(made)


def sample(shape: str, seed: str) -> str:
    """A text of the shape, each repeat at its least; no real key: it is made from `seed`."""
    return "".join(_filled(piece, f"{seed}.{number}", 1) for number, piece in enumerate(_pieces(shape)))


def cut_short(shape: str, seed: str) -> str:
    """Close to the shape, but no text of it: the longest repeat has a third of what it needs."""
    pieces = list(_pieces(shape))
    longest = max((repeat[1] for _, _, repeat in pieces if repeat), default=0)
    return "".join(
        _filled(piece, f"{seed}.{number}", _SHORTER if piece[2] and piece[2][1] == longest else 1)
        for number, piece in enumerate(pieces)
    )


type Repeat = tuple[str, int, int]


def _pieces(shape: str) -> Iterator[tuple[str, list[str], Repeat | None]]:
    """Literal, choice or repeat; one of them each."""
    shape = shape.replace("<uuid>", _UUID)
    place = 0
    while place < len(shape):
        piece = _PIECE.match(shape, place)
        if piece is None:
            raise ValueError(f"the shape cannot be read from character {place + 1} on")
        place = piece.end()
        inside, literal = piece.groups()
        if literal:
            yield literal, [], None
        elif repeat := _REPEAT.fullmatch(inside):
            if repeat[1] not in CLASSES:
                raise ValueError(f"the shape names an unknown class: {repeat[1]}")
            yield "", [], (repeat[1], int(repeat[2]), int(repeat[3] or repeat[2]))
        else:
            yield "", inside.split("|"), None


def _filled(piece: tuple[str, list[str], Repeat | None], seed: str, divisor: int) -> str:
    literal, choice, repeat = piece
    if repeat:
        return letters(repeat[0], repeat[1] // divisor, seed)
    return choice[0] if choice else literal


def letters(name: str, count: int, seed: str) -> str:
    """So many characters of a class."""
    members = _members(CLASSES[name])
    made = ""
    while len(made) < count:
        digest = hashlib.blake2b(f"{seed}.{len(made)}".encode()).digest()
        made += "".join(members[byte % len(members)] for byte in digest)
    return made[:count]


def _members(inside: str) -> str:
    return "".join(filter(re.compile(f"[{inside}]").match, map(chr, range(33, 127))))


def _escaped(literal: str) -> str:
    """`re.escape` marks blanks and hyphens too, which nothing needs outside a class."""
    return "".join(f"\\{one}" if one in PARSER.SPECIAL_CHARS else one for one in literal)
