"""Fingerprints of a ClientHello: JA3, and of the JA4 family the client's alone, whose licence lets products use it.

Sources: https://github.com/salesforce/ja3, https://github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md (BSD-3).
Rules: GREASE (RFC 8701) counts nowhere; a list that is empty gives zeros in JA4 and no hash of nothing. A fingerprint
tells the TLS library, never the service, and may be chosen by whoever sends it.
"""

import hashlib
from functools import lru_cache

from discovery.hello import ClientHello

_GREASE = frozenset(0x0A0A + 0x1010 * step for step in range(16))
_VERSION_NAMES = {
    0x0304: "13",
    0x0303: "12",
    0x0302: "11",
    0x0301: "10",
    0x0300: "s3",
    0x0002: "s2",
    0xFEFF: "d1",
    0xFEFD: "d2",
    0xFEFC: "d3",
}
_NOTHING = "0" * 12
_SERVER_NAME, _ALPN = 0, 16
_MOST = 99  # both counts have two digits


def ja3(hello: ClientHello) -> str:
    """The MD5, in hexadecimal."""
    fields = (hello.ciphers, hello.extensions, hello.groups)
    lists = ",".join("-".join(map(str, _plain(numbers))) for numbers in fields)
    formats = "-".join(map(str, hello.point_formats))
    return hashlib.md5(f"{hello.version},{lists},{formats}".encode(), usedforsecurity=False).hexdigest()


def ja4(hello: ClientHello, transport: str) -> str:
    """`transport`: `t` for TLS over TCP, `q` for QUIC, `d` for DTLS."""
    ciphers, cipher_hash = _ciphers(hello.ciphers)
    extensions = _plain(hello.extensions)
    versions = _plain(hello.versions)
    version = _VERSION_NAMES.get(max(versions) if versions else hello.version, "00")
    name = "d" if _SERVER_NAME in extensions else "i"
    counts = f"{min(ciphers, _MOST):02}{min(len(extensions), _MOST):02}"
    return f"{transport}{version}{name}{counts}{_protocol(hello.alpn)}_{cipher_hash}_{_rest(hello, extensions)}"


def _plain(numbers: tuple[int, ...]) -> list[int]:
    return [number for number in numbers if number not in _GREASE]


@lru_cache(maxsize=256)  # few libraries make most of the traffic
def _ciphers(numbers: tuple[int, ...]) -> tuple[int, str]:
    plain = _plain(numbers)
    return len(plain), _digest(_hexadecimal(sorted(plain))) if plain else _NOTHING


def _rest(hello: ClientHello, extensions: list[int]) -> str:
    named = sorted(number for number in extensions if number not in {_SERVER_NAME, _ALPN})
    if not named:
        return _NOTHING
    signatures = _plain(hello.signatures)
    return _digest(_hexadecimal(named) + ("_" + _hexadecimal(signatures) if signatures else ""))


def _protocol(offered: tuple[bytes, ...]) -> str:
    """The first and last character of the first ALPN, or of its hexadecimal form where one is not alphanumeric."""
    if not offered or not offered[0]:
        return "00"
    first, last = offered[0][:1], offered[0][-1:]
    if first.isalnum() and last.isalnum():
        return (first + last).decode("ascii")
    return first.hex()[0] + last.hex()[1]


def _hexadecimal(numbers: list[int]) -> str:
    return ",".join([f"{number:04x}" for number in numbers])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:12]
