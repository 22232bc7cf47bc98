"""Headers that speak of a body's bytes or repeat what stands in it, made true again after an edit.

Rules: pure, on header lists; a digest that can be computed again is, any other is left out, for a wrong one is refused
and a missing one is not; a header of MCP that repeats a value of the body gets the edited value. Sources: RFC 9530
(Content-Digest), RFC 1864 (Content-MD5), Amazon S3 and SigV4 (x-amz-content-sha256, x-amz-checksum-*), the Model
Context Protocol 2026-07-28 (Mcp-Name, Mcp-Param-*, `=?base64?...?=`).
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping

from appliance.route.credentials import Headers

_SHA256_HEX = re.compile(rb"[0-9a-fA-F]{64}")
_CHECKSUM = b"x-amz-checksum-"
_OTHERS = frozenset({b"digest", b"repr-digest", b"x-amz-sdk-checksum-algorithm"})
_MIRRORS = (b"mcp-param-", b"mcp-name")
_CODED = re.compile(r"=\?base64\?([A-Za-z0-9+/=]*)\?=")


def after_edit(headers: Headers, body: bytes) -> list[tuple[bytes, bytes]]:
    """The headers of a request whose body, as it goes on, is now `body`."""
    told = ((name, _told(name.lower(), value, body)) for name, value in headers)
    return [(name, value) for name, value in told if value is not None]


def mirrored(headers: Headers, became: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """The same with the values of MCP's mirror headers edited; `became`: texts of the body, and what they are now."""
    return [(name, _mirror(value, became) if name.lower().startswith(_MIRRORS) else value) for name, value in headers]


def _told(name: bytes, value: bytes, body: bytes) -> bytes | None:
    """What the header says of `body`; None: it is left out."""
    if name == b"content-md5":
        return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest())
    if name == b"content-digest":
        return b"sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()) + b":"
    if name == b"x-amz-content-sha256":
        return hashlib.sha256(body).hexdigest().encode() if _SHA256_HEX.fullmatch(value) else value
    return None if name in _OTHERS or name.startswith(_CHECKSUM) else value


def _mirror(value: bytes, became: Mapping[str, str]) -> bytes:
    text = value.decode("utf-8", "surrogateescape")
    coded = _CODED.fullmatch(text)
    plain = _uncoded(coded[1]) if coded else text
    edited = became.get(plain, plain)
    for old, new in became.items():  # a header may hold a part of a text, or more than one
        if old in edited and edited != new:
            edited = edited.replace(old, new)
    if edited == plain:
        return value
    if coded or not edited.isascii():
        return b"=?base64?" + base64.b64encode(edited.encode("utf-8", "surrogateescape")) + b"?="
    return edited.encode()


def _uncoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "surrogateescape")
    except binascii.Error:
        return text
