"""What is done to a well-formed body: bytes are turned, cut, doubled and spliced; values of JSON become others."""

import gzip
import json
import random
import re
from collections.abc import Callable
from typing import Any

MOST = 192 * 1024
"""Bytes of a case at most."""
_NUMBER = re.compile(rb"-?[0-9][0-9.eE+-]*")
_STRANGE: list[Any] = [
    None,
    True,
    0,
    -1,
    2**70,
    -(2**63),
    1e308,
    0.5,
    "",
    "x",
    "\ud83d",
    "\udc00x",
    "\0",
    "é\U0001f600",
    '{"a":"b\\nc"}',
    '["',
    "data:image/png;base64," + "iVBORw0KGgoA" * 9,
    "data:application/pdf;base64,JVBERi0xLjQ=",
    "A" * 5000,
    "AAAA" * 40,
    "/~0~1/" * 40,
    [],
    {},
    [[]],
    [None, "a", 1],
    {"": ""},
    {"type": "text", "text": "t"},
    {"role": "user", "content": [{"type": "text", "text": "t"}]},
    ["a"] * 40,
    list(range(40)),
    4111111111111111,
]
_PIECES = [
    b'"',
    b"\\",
    b"\\u",
    b"\\ud83d",
    b"\\ud83d\\ude00",
    b"\xff\xfe",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\r",
    b"\n\n",
    b"\r\n\r\n",
    b"data: ",
    b"event: error\n",
    b"[DONE]",
    b"\x00",
    b"}",
    b"]",
    b"{",
    b"[",
    b",",
    b":",
    b"null",
    b'{"error":{"message":"m"}}',
    b"--gnomon-boundary",
    b"Content-Type: multipart/mixed; boundary=x\r\n",
    b"\x1f\x8b\x08\x00",
    b"%PDF-1.7\n",
    b"PK\x03\x04",
    b"\x00\x00\x00\x00\x05",
    b"\x02\x00\x00\x00\x02{}",
]
_HUGE = [b"1" * 400, b"1e999", b"-0", b"1.0e-400", b"9" * 19, b"00", b"NaN", b"4111111111111111", b"-"]


def mutated(rng: random.Random, body: bytes, other: bytes) -> bytes:
    """`body` after one to four changes; `other`: something to splice from."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        body = rng.choice(_CHANGES)(rng, body, other)[:MOST]
    return body


def _place(rng: random.Random, body: bytes) -> tuple[int, int]:
    start = rng.randint(0, len(body))
    return start, min(len(body), start + rng.choice((0, 1, 2, 4, 16, 64, 1000)))


def _flip(rng: random.Random, body: bytes, other: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(rng.randint(1, 8) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(rng: random.Random, body: bytes, other: bytes) -> bytes:
    start, end = _place(rng, body)
    return rng.choice((body[:start], body[start:], body[:start] + body[end:]))


def _splice(rng: random.Random, body: bytes, other: bytes) -> bytes:
    start, end = _place(rng, body)
    first, last = _place(rng, other)
    return body[:start] + other[first:last] + body[end:]


def _double(rng: random.Random, body: bytes, other: bytes) -> bytes:
    start, end = _place(rng, body)
    return body[:end] + body[start:end] * rng.choice((1, 2, 10, 200)) + body[end:]


def _insert(rng: random.Random, body: bytes, other: bytes) -> bytes:
    start, end = _place(rng, body)
    return body[:start] + rng.choice(_PIECES) * rng.choice((1, 1, 2, 30)) + body[rng.choice((start, end)) :]


def _explode(rng: random.Random, body: bytes, other: bytes) -> bytes:
    """A number that is too long or none, or a nesting that is too deep."""
    numbers = list(_NUMBER.finditer(body[:20_000]))
    if numbers and rng.random() < 0.5:
        start, end = rng.choice(numbers).span()
        return body[:start] + rng.choice(_HUGE) + body[end:]
    start, end = _place(rng, body)
    depth = rng.choice((10, 100, 600, 3000))
    return body[:start] + rng.choice((b"[", b'{"a":', b'[{"content":', b'"')) * depth + body[start:]


def _encode(rng: random.Random, body: bytes, other: bytes) -> bytes:
    text = body.decode("utf-8", "replace")
    coding = rng.choice(("utf-16", "utf-16-le", "latin-1", "gzip", "escapes"))
    if coding == "gzip":
        return gzip.compress(body, 1)
    if coding == "escapes":
        return json.dumps(text).encode()
    return text.encode(coding, "replace")


def _revalue(rng: random.Random, body: bytes, other: bytes) -> bytes:
    """One value of a JSON document, or of one of its lines or events, becomes another; or a key does."""
    head, rows, tail = b"", body, b""
    lines = [line for line in body.split(b"\n") if b"{" in line]
    if len(lines) > 1:
        line = rng.choice(lines)
        at = body.index(line) + line.index(b"{")
        rows = line[line.index(b"{") :]
        head, tail = body[:at], body[at + len(rows) :]
    try:
        value = json.loads(rows)
    except (ValueError, RecursionError):
        return _insert(rng, body, other)
    value = _changed(rng, value)
    return head + json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "replace") + tail


def _changed(rng: random.Random, value: Any) -> Any:
    """`value` with something below it replaced, found by going down at random."""
    holder, key, here = None, None, value
    while isinstance(here, dict | list) and here and (holder is None or rng.random() < 0.8):
        holder = here
        key = rng.choice(list(here)) if isinstance(here, dict) else rng.randrange(len(here))
        here = here[key]
    strange = rng.choice(_STRANGE)
    if holder is None:
        return strange
    if isinstance(holder, dict) and rng.random() < 0.2:
        holder[rng.choice(("", "type", "text", "content", "\ud800", "parts", "error", "index"))] = holder.pop(key)
    elif rng.random() < 0.2:
        holder[key] = [here, strange]
    else:
        holder[key] = strange
    return value


Change = Callable[[random.Random, bytes, bytes], bytes]
_CHANGES: list[Change] = [
    _flip,
    _cut,
    _splice,
    _double,
    _insert,
    _explode,
    _encode,
    _revalue,
    _revalue,
    _revalue,
    _revalue,
]
