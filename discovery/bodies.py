"""The first bytes of an HTTP body as what was meant: out of their chunks, out of compression, out of their event.

Rules: pure, linear, bounded by the caller's `most`; what is damaged ends where the damage begins; nothing raises.
"""

import re
import zlib
from collections.abc import Mapping
from typing import Final

MAX_CHUNKS: Final = 64
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[^\r\n]{0,64}\r?\n")
_TITLE: Final = re.compile(rb"<title[^>]{0,128}>\s{0,64}", re.IGNORECASE)
_ZLIB: Final = {b"gzip": 31, b"x-gzip": 31, b"deflate": 47}


def plain(fields: Mapping[bytes, bytes], body: bytes, most: int) -> bytes:
    """At most `most` bytes of what the body holds; empty where its coding cannot be read here."""
    body = body[:most]
    if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
        body = _unchunked(body)
    coding = fields.get(b"content-encoding", b"identity").lower()
    if coding == b"identity":
        return body
    window = _ZLIB.get(coding)
    if window is None:
        return b""
    try:
        return zlib.decompressobj(window).decompress(body, most)
    except zlib.error:
        return b""


def _unchunked(body: bytes) -> bytes:
    """What the chunks hold; a body that begins with none was put together before."""
    if _SIZE.match(body) is None:
        return body
    pieces = []
    at = 0
    for _ in range(MAX_CHUNKS):
        size = _SIZE.match(body, at)
        if size is None or not (length := int(size[1], 16)):
            break
        pieces.append(body[size.end() : size.end() + length])
        at = size.end() + length
        at += 2 if body[at : at + 2] == b"\r\n" else 1
    return b"".join(pieces)


def documents(text: bytes) -> bytes:
    """JSON as it stands, or that of server-sent events, one document a line; empty: neither."""
    start = text.lstrip(b" \r\n\t\xef\xbb\xbf")[:8]
    if start[:1] in (b"{", b"["):
        return text
    if start.startswith((b"data:", b"event:", b"id:", b": ", b":\n", b":\r", b"retry:")):
        lines = (line[5:].lstrip() for line in text.split(b"\n") if line.startswith(b"data:"))
        return b"\n".join(line for line in lines if line.startswith(b"{"))
    return b""


def title(text: bytes) -> bytes:
    """How the title of an HTML page begins."""
    if text.lstrip()[:1] != b"<":
        return b""
    found = _TITLE.search(text)
    return text[found.end() : found.end() + 64] if found else b""


def has_metric(text: bytes, begin: bytes) -> bool:
    """Whether Prometheus text holds a metric of that beginning."""
    if not text.startswith(b"# "):
        return False
    return b"\n" + begin in text or b"# HELP " + begin in text or b"# TYPE " + begin in text
