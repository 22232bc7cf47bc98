"""From a place in decoded text to the bytes that wrote it: JSON escapes, percent encoding, UTF-8.

Rules: pure; targets ascend; a target at code point n maps to the first byte of what wrote code point n, so that an edit
of [n, m) takes whole escapes and whole surrogate pairs, never a half.
"""

import json
import re
from collections.abc import Sequence
from urllib.parse import quote, unquote_to_bytes

_PERCENT = re.compile(rb"%[0-9a-fA-F]{2}")
# One escape of a JSON string; a high surrogate takes the low one that follows it along, as every reader joins them.
_JSON_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[^u]", re.DOTALL
)


def json_offsets(raw: str, targets: Sequence[int]) -> list[int]:
    """Code-point offsets of decoded text -> byte offsets into the UTF-8 of `raw`, the inside of a JSON string."""
    return plain_offsets(raw, raw_offsets(raw, targets))


def raw_offsets(raw: str, targets: Sequence[int]) -> list[int]:
    """Code-point offsets of decoded text -> code-point offsets of `raw`."""
    found: list[int] = []
    shift = 0  # raw position minus text position, behind the escapes passed so far
    escapes = _JSON_ESCAPE.finditer(raw)
    escape = next(escapes, None)
    for target in targets:
        while escape is not None and escape.start() - shift < target:
            shift += escape.end() - escape.start() - 1
            escape = next(escapes, None)
        found.append(target + shift)
    return found


def plain_offsets(text: str, targets: Sequence[int]) -> list[int]:
    """Code-point offsets -> byte offsets of the same text in UTF-8."""
    if text.isascii():
        return list(targets)
    found: list[int] = []
    at = size = 0
    for target in targets:
        size += len(text[at:target].encode())
        at = target
        found.append(size)
    return found


def form_text(raw: str) -> str:
    """Decoded text of one name or value of a form body; bytes that are not UTF-8 become lone surrogates, one each."""
    return unquote_to_bytes(raw.replace("+", " ")).decode("utf-8", "surrogateescape")


def form_offsets(raw: str, targets: Sequence[int]) -> list[int]:
    """Code-point offsets of `form_text(raw)` -> byte offsets into the UTF-8 of `raw`."""
    text = form_text(raw)
    data = raw.encode()
    found: list[int] = []
    at = size = shift = 0  # code points and decoded bytes so far; raw position minus decoded position
    escapes = _PERCENT.finditer(data)
    escape = next(escapes, None)
    for target in targets:
        size += len(text[at:target].encode("utf-8", "surrogateescape"))
        at = target
        while escape is not None and escape.start() - shift < size:
            shift += 2
            escape = next(escapes, None)
        found.append(size + shift)
    return found


def json_escaped(text: str) -> str:
    """`text` as the inside of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def form_escaped(text: str) -> str:
    """`text` as a name or value of a form body."""
    return quote(text, safe="")
