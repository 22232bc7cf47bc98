"""Gateway paths to routes: `/{route}/{native path}`, and a few root paths of the default route.

Rules: pure; works on the raw request target, never decodes it, and refuses what could be read in two ways (dot
segments, backslashes, blanks, a fragment, an absolute form): the native path reaches the upstream as it was
sent. The client names a route, never a host.
"""

import re
from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

# First segments that are the appliance's own and never a route.
RESERVED = frozenset({"mcp", "healthz", ".well-known", "v1", "chat", "models"})
_OWN = frozenset({"mcp", "healthz", ".well-known"})
PORTAL = "/.well-known/gnomon/"  # the appliance's own pages: on the gateway, and on the hosts of AI services
# Root paths that SDKs append to a base URL without a route. Those without a version get one: the upstream needs it.
_ROOT = re.compile(r"/v1(/|\Z)")
_UNVERSIONED = re.compile(r"/(chat/completions\Z|models(/|\Z))")
_START = re.compile(r"/(?!/)")
_DOTS = re.compile(r"(^|/)(\.|%2e){1,2}(/|\Z)", re.IGNORECASE)
_BAD = re.compile(r"[\x00-\x20#\\\x7f-\U0010ffff]")
MAX_PATH = 8192


class PathKind(StrEnum):
    """What a gateway path is."""

    ROUTE = "route"
    OWN = "own"  # answered by the appliance itself
    UNKNOWN = "unknown"
    MALFORMED = "malformed"


class Mapped(NamedTuple):
    """`route`: the route's name, or for `own` the reserved word; `path`: native path with its query."""

    kind: PathKind
    route: str = ""
    path: str = ""


def map_path(target: str, routes: Collection[str], default_route: str) -> Mapped:
    """Map the target of a request line (path and query). Never raises."""
    path, question, query = target.partition("?")
    if not _is_plain(target, path):
        return Mapped(PathKind.MALFORMED)
    first, _, rest = path[1:].partition("/")
    tail = question + query
    if first in _OWN:
        return _own(first, path, tail)
    if _ROOT.match(path):
        return _route(default_route, routes, path + tail)
    if _UNVERSIONED.match(path):
        return _route(default_route, routes, "/v1" + path + tail)
    return _route(first, routes, "/" + rest + tail)


def _is_plain(target: str, path: str) -> bool:
    """The path can be read in one way only."""
    return len(target) <= MAX_PATH and bool(_START.match(path)) and not _BAD.search(target) and not _DOTS.search(path)


def _own(word: str, path: str, tail: str) -> Mapped:
    """The state of health has no pages below it."""
    if word == "healthz" and path != "/healthz":
        return Mapped(PathKind.UNKNOWN)
    return Mapped(PathKind.OWN, word, path + tail)


def _route(name: str, routes: Collection[str], path: str) -> Mapped:
    return Mapped(PathKind.ROUTE, name, path) if name in routes else Mapped(PathKind.UNKNOWN)
