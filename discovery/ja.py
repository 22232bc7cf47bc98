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
_USUAL = 192  # numbers in the lists of a hello


def both(hello: ClientHello, transport: str) -> tuple[str, str]:
    """JA3 and JA4; `transport` as of `ja4`."""
    lists = (hello.ciphers, hello.extensions, hello.groups, hello.signatures, hello.versions)
    made = _known_both if sum(map(len, lists)) <= _USUAL else _both
    return made(hello.version, lists, hello.point_formats, hello.alpn[:1], transport)


def _both(
    version: int, lists: tuple[tuple[int, ...], ...], formats: tuple[int, ...], alpn: tuple[bytes, ...], transport: str
) -> tuple[str, str]:
    ciphers, extensions, groups, signatures, versions = lists
    hello = ClientHello(version, ciphers, extensions, None, alpn, groups, formats, signatures, versions)
    return ja3(hello), ja4(hello, transport)


def ja3(hello: ClientHello) -> str:
    """The MD5, in hexadecimal."""
    fields = (hello.ciphers, hello.extensions, hello.groups)
    made = _known_ja3 if sum(map(len, fields)) <= _USUAL else _ja3
    return made(hello.version, fields, hello.point_formats)


def _ja3(version: int, fields: tuple[tuple[int, ...], ...], point_formats: tuple[int, ...]) -> str:
    lists = ",".join("-".join(map(str, _plain(numbers))) for numbers in fields)
    formats = "-".join(map(str, point_formats))
    return hashlib.md5(f"{version},{lists},{formats}".encode(), usedforsecurity=False).hexdigest()


def ja4(hello: ClientHello, transport: str) -> str:
    """`transport`: `t` for TLS over TCP, `q` for QUIC, `d` for DTLS."""
    usual = len(hello.ciphers) + len(hello.extensions) + len(hello.signatures) <= _USUAL
    ciphers, cipher_hash = (_known_ciphers if usual else _ciphers)(hello.ciphers)
    extensions = _plain(hello.extensions)
    versions = _plain(hello.versions)
    version = _VERSION_NAMES.get(max(versions) if versions else hello.version, "00")
    name = "d" if _SERVER_NAME in extensions else "i"
    counts = f"{min(ciphers, _MOST):02}{min(len(extensions), _MOST):02}"
    rest = (_known_rest if usual else _rest)(tuple(sorted(extensions)), hello.signatures)
    return f"{transport}{version}{name}{counts}{_protocol(hello.alpn)}_{cipher_hash}_{rest}"


def _plain(numbers: tuple[int, ...]) -> list[int]:
    return [number for number in numbers if number not in _GREASE]


def _ciphers(numbers: tuple[int, ...]) -> tuple[int, str]:
    plain = _plain(numbers)
    return len(plain), _digest(_hexadecimal(sorted(plain))) if plain else _NOTHING


def _rest(extensions: tuple[int, ...], signatures: tuple[int, ...]) -> str:
    """Of extensions in rising order: browsers send them in another order each time."""
    named = [number for number in extensions if number not in {_SERVER_NAME, _ALPN}]
    if not named:
        return _NOTHING
    plain = _plain(signatures)
    return _digest(_hexadecimal(named) + ("_" + _hexadecimal(plain) if plain else ""))


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


# Few libraries make most of the traffic; what is longer than theirs is not remembered, for it would hold much.
_known_both = lru_cache(maxsize=1_024)(_both)
_known_ja3 = lru_cache(maxsize=1_024)(_ja3)
_known_ciphers = lru_cache(maxsize=256)(_ciphers)
_known_rest = lru_cache(maxsize=1_024)(_rest)
