"""The JA4 fingerprint of a TLS ClientHello, of the numbers that it holds.

Source: https://github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md (BSD-3). Rules: pure; GREASE (RFC 8701)
counts nowhere; a list that is empty gives zeros and no hash of nothing. A fingerprint tells a program's TLS library,
never a service, and may be chosen by whoever sends it. The sensor's own reading, made for speed, agrees with this one
(a test compares them over captures).
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

_GREASE: Final = frozenset(0x0A0A + 0x1010 * step for step in range(16))
_VERSIONS: Final = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2"}
_SERVER_NAME, _SIGNATURES, _ALPN, _SUPPORTED = 0, 13, 16, 43
_NOTHING: Final = "0" * 12
_MOST: Final = 99  # both counts have two digits
_MOST_NUMBERS: Final = 512  # of one hello; browsers send fewer than 50
_KNOWN: Final = 1_024


def of_hello(ciphers: Sequence[int], extensions: Sequence[tuple[int, bytes]], version: int = 0x0303) -> str | None:
    """JA4 of a hello over TCP. `extensions`: type and body, in any order; None: a hello like no program's."""
    if len(ciphers) + len(extensions) > _MOST_NUMBERS:
        return None
    bodies = dict(extensions)
    kinds = tuple(sorted(kind for kind, _ in extensions if kind not in _GREASE))
    return _ja4(
        max(_numbers(bodies.get(_SUPPORTED, b""), 1), default=version),
        tuple(sorted(number for number in ciphers if number not in _GREASE)),
        kinds,
        _numbers(bodies.get(_SIGNATURES, b""), 2),
        _first_protocol(bodies.get(_ALPN, b"")),
    )


@lru_cache(_KNOWN)
def _ja4(
    version: int, ciphers: tuple[int, ...], extensions: tuple[int, ...], signatures: tuple[int, ...], alpn: bytes
) -> str:
    counts = f"{min(len(ciphers), _MOST):02}{min(len(extensions), _MOST):02}"
    name = "d" if _SERVER_NAME in extensions else "i"
    named = [number for number in extensions if number not in {_SERVER_NAME, _ALPN}]
    rest = _hexadecimal(named) + ("_" + _hexadecimal(signatures) if signatures else "")
    hashes = f"{_digest(_hexadecimal(ciphers)) if ciphers else _NOTHING}_{_digest(rest) if named else _NOTHING}"
    return f"t{_VERSIONS.get(version, '00')}{name}{counts}{_ends(alpn)}_{hashes}"


def without_name(ja4: str) -> str:
    """The JA4 of the same program where it connects to an address without naming a host: no server_name extension."""
    counted = ja4[6:8]
    if ja4[3:4] != "d" or not counted.isdecimal() or int(counted) in (0, _MOST):
        return ja4
    return f"{ja4[:3]}i{ja4[4:6]}{int(counted) - 1:02}{ja4[8:]}"


def _numbers(body: bytes, prefix: int) -> tuple[int, ...]:
    """A list of 16-bit numbers behind a length of `prefix` bytes, GREASE left out; none where the length is odd."""
    size = int.from_bytes(body[:prefix])
    if len(body) < prefix or size > len(body) - prefix:
        return ()
    found = (int.from_bytes(body[at : at + 2]) for at in range(prefix, prefix + size - 1, 2))
    return tuple(number for number in found if number not in _GREASE)[:_MOST_NUMBERS]


def _first_protocol(body: bytes) -> bytes:
    return body[3 : 3 + body[2]] if len(body) > 3 else b""  # noqa: PLR2004 - length of the list, length of the first


def _ends(protocol: bytes) -> str:
    """The first and last character, or of its hexadecimal form where one is not alphanumeric."""
    if not protocol:
        return "00"
    first, last = protocol[:1], protocol[-1:]
    return (first + last).decode("ascii") if first.isalnum() and last.isalnum() else first.hex()[0] + last.hex()[1]


def _hexadecimal(numbers: Sequence[int]) -> str:
    return ",".join(f"{number:04x}" for number in numbers)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:12]
