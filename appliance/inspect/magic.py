"""What bytes are, by what they begin with, whatever they are called.

Rules: magic numbers name what is *not* readable text; whoever asks has tried to read text first, because `GIF89a` is
also how a sentence may begin. Sources: the IANA media type registry; file(1).
"""

import re

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"II*\x00", "image"),
    (b"MM\x00*", "image"),
    (b"\x00\x00\x01\x00", "image"),
    (b"ID3", "audio"),
    (b"OggS", "audio"),
    (b"fLaC", "audio"),
    (b"\x1aE\xdf\xa3", "video"),
    (b"\x00\x00\x01\xba", "video"),
    (b"FLV\x01", "video"),
    (b"PK\x03\x04", "archive"),
    (b"\x1f\x8b\x08", "archive"),
    (b"BZh", "archive"),
    (b"\xfd7zXZ\x00", "archive"),
    (b"(\xb5/\xfd", "archive"),
    (b"7z\xbc\xaf\x27\x1c", "archive"),
    (b"Rar!\x1a\x07", "archive"),
)
_BRANDS = {b"avif": "image", b"avis": "image", b"heic": "image", b"heix": "image", b"mif1": "image", b"M4A ": "audio"}
_RIFF = {b"WEBP": "image", b"WAVE": "audio", b"AVI ": "video"}
_KINDS = {"image": "image", "audio": "audio", "video": "video"}
_TWO_BYTES = (
    (re.compile(rb"BM"), "image"),
    (re.compile(rb"\xff[\xe2\xe3\xf1-\xf3\xf9-\xfb]"), "audio"),
)  # bitmaps, MPEG audio
HEAD = 64
"""Bytes that are looked at."""


def kind_of(data: bytes, *, sure: bool = False) -> str | None:
    """`image`, `audio`, `video` or `archive`; None for bytes that show nothing.

    `sure`: beginnings of two bytes do not count, which any token may have.
    """
    head = data[:HEAD]
    for beginning, kind in _BEGINNINGS:
        if head.startswith(beginning):
            return kind
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video")
    return next((kind for pattern, kind in _TWO_BYTES if not sure and pattern.match(head)), None)


def claimed_kind(media_type: str, otherwise: str = "binary") -> str:
    """The kind that a media type names: `image`, `audio`, `video`, else `otherwise`."""
    return _KINDS.get(media_type.partition("/")[0], otherwise)
