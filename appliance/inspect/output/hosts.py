"""Which hosts a URL in an answer names, and which of them may be named.

Owns: `hosts_of`, `Allowed`, `carries_data`. Rules: a URL is read as browsers and Markdown read it, and where these
differ every reading counts; what cannot be read names the host "", which nobody allows; a URL inside a URL is a host of
its own, because an allowed proxy fetches what it is told to (EchoLeak, CVE-2025-32711).
"""

import html
import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import unquote

from appliance.model.detection import Detection

MAX_HOSTS = 256
EXFILTRATION_IMAGE = "EXFILTRATION_IMAGE"
EXTERNAL_IMAGE = "EXTERNAL_IMAGE"
EXTERNAL_LINK = "EXTERNAL_LINK"
BY_HOST = frozenset({EXFILTRATION_IMAGE, EXTERNAL_IMAGE, EXTERNAL_LINK})
"""What is no finding where the host is allowed."""
_MAX_URL = 4096
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")  # CommonMark 2.4: a backslash before ASCII punctuation
_ABSOLUTE = re.compile(r"(?i)(?:(?:https?|ftp|wss?):[/\\]{0,4}|[/\\]{2,4})([^/\\?#]*)")
_NESTED = re.compile(r"(?i)https?:[/\\]{1,4}([^/\\?#&\s\"'<>]{1,253})")
_NAMED = re.compile(r"(?i)\bhttps?://([^\s/\\?#\"'<>()\[\]]{1,253})|\b((?:[a-z0-9-]{1,63}\.){1,6}[a-z]{2,24})\b")
_DOTS = str.maketrans("\u3002\uff61\uff0e", "...")  # full stops that browsers take for dots
_LONG_VALUE, _LONG_QUERY, _LONG_SEGMENT, _LONG_FILE, _LONG_LABEL = 16, 64, 32, 48, 25
_SPELT = re.compile(r"%20|%40|@|\+[A-Za-z]")
_OPAQUE = re.compile(r"[A-Za-z0-9_=-]+\Z")


class Allowed:
    """Hosts by exact name, `.suffix` for a whole domain, or with `*` for any letters, dots too."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        wanted = [name.strip().lower() for name in names]
        self._exact = frozenset(name for name in wanted if "*" not in name and not name.startswith("."))
        self._suffixes = tuple(name for name in wanted if "*" not in name and name.startswith("."))
        globs = ["[a-z0-9.-]*".join(map(re.escape, name.split("*"))) for name in wanted if "*" in name]
        self._globs = re.compile(rf"(?:{'|'.join(globs)})\Z") if globs else None

    def takes(self, host: str) -> bool:
        """Whether a host, as `hosts_of` gives it, is allowed."""
        if not host:
            return False
        if host in self._exact or host.removeprefix("www.") in self._exact or f"www.{host}" in self._exact:
            return True
        if any(host == suffix[1:] or host.endswith(suffix) for suffix in self._suffixes):
            return True
        return self._globs is not None and self._globs.match(host) is not None


def hosts_of(url: str) -> frozenset[str]:
    """Every host that some reader sees in a URL, lower case; empty: it is relative, or of another scheme."""
    found: set[str] = set()
    for reading in _readings(url[:_MAX_URL]):
        match = _ABSOLUTE.match(reading)
        if match is None:
            continue
        found.add(_host(match[1]))
        rest = reading[match.end() :]
        for decoded in {rest, unquote(rest), unquote(unquote(rest))}:
            found.update(_host(nested[1]) for nested in _NESTED.finditer(decoded))
    return frozenset(found)


def named_in(text: str, most: int = MAX_HOSTS) -> frozenset[str]:
    """Hosts that a text names, as links or bare; at most `most`."""
    found: set[str] = set()
    for match in _NAMED.finditer(text):
        found.add(_host(match[1] or match[2]))
        if len(found) >= most:
            break
    return frozenset(found - {""})


def carries_data(url: str) -> bool:
    """Whether a URL can take something along: long or spelt values in its query, opaque path or host labels."""
    address, _, query = url[:_MAX_URL].partition("#")[0].partition("?")
    values = [pair.partition("=")[2] or pair for pair in query.split("&")]
    if len(query) >= _LONG_QUERY or any(len(value) >= _LONG_VALUE or _SPELT.search(value) for value in values):
        return True
    host, *path = re.split(r"[/\\]+", re.sub(r"(?i)\A[a-z]*:?[/\\]*", "", address))
    return any(map(_takes_along, path)) or any(_is_opaque(label, _LONG_LABEL) for label in host.split("."))


def without_allowed(text: str, found: Iterable[Detection], allowed: Iterable[Allowed]) -> tuple[Detection, ...]:
    """What is left of findings in `text` where hosts of links and images are allowed; a place that tells none stays."""
    several = tuple(allowed)

    def is_allowed(word: str) -> bool:
        hosts = hosts_of(word)
        return bool(hosts) and all(any(one.takes(host) for one in several) for host in hosts)

    return tuple(one for one in found if one.entity not in BY_HOST or not is_allowed(text[one.start : one.end]))


def _takes_along(segment: str) -> bool:
    if "%20" in segment:
        return True
    stem, dot, _ = segment.rpartition(".")
    return _is_opaque(stem if dot else segment, _LONG_FILE if dot else _LONG_SEGMENT)


def _is_opaque(word: str, least: int) -> bool:
    """Letters and digits mixed, long, and hardly made of words."""
    if len(word) < least or _OPAQUE.match(word) is None:
        return False
    return any(one.isdigit() for one in word) and max(map(len, word.split("-"))) >= least * 2 // 3


def _readings(url: str) -> set[str]:
    """As HTML reads it, as Markdown does, and with every backslash a slash, as browsers do."""
    plain = re.sub(r"[\t\r\n]", "", html.unescape(url)).strip()
    return {plain, _ESCAPED.sub(r"\1", plain), plain.replace("\\", "/")}


def _host(authority: str) -> str:
    """The host of an authority, in one spelling; empty where there is none to be read."""
    name = unquote(authority.rpartition("@")[2])
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    name = unicodedata.normalize("NFKC", name.translate(_DOTS)).lower()
    name = "".join(one for one in name if unicodedata.category(one) != "Cf").rstrip(".")
    return name if re.fullmatch(r"[\w.:-]{1,253}", name) else ""
