"""One form for all spellings of a path that servers read alike.

Rules: pure, never raises; only for comparing: what is sent keeps its own spelling. Percent-encoding is undone twice (a
proxy before a server may undo it as well), dot segments and empty ones are resolved as RFC 3986 5.2.4 has it; case
stays. Whoever denies by a path compares both forms, so that no spelling gets past.
"""

import posixpath
from functools import lru_cache
from urllib.parse import unquote

_UNDONE = 2


@lru_cache(1024)
def plain_path(path: str) -> str:
    """`path` without its query, as its servers may read it. `/V1//%66iles/` is `/v1/files`."""
    for _ in range(_UNDONE if "%" in path else 0):
        path = unquote(path, errors="replace")
    return posixpath.normpath("/" + path.replace("\\", "/").lstrip("/"))
