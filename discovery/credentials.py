"""Whether an HTTP request carries a key, a token or a cookie; never which.

Rules: pure and linear; what may be a credential counts as one, wherever it stands in the head: what is missed would be
told as a server that answers without authentication.
"""

import re
from collections.abc import Iterable
from typing import Final

_MAYBE: Final = re.compile(rb"auth|cookie|secret|token|key")
_FIELD: Final = re.compile(
    rb"(?i)\n(?!idempotency-key|sec-websocket-key)[\w-]{0,40}(?:auth|cookie|secret|token|key)[\w-]{0,40}[ \t]*:"
)
_IN_QUERY: Final = re.compile(r"[?&](?:key|api_?key|(?:access_)?token)=[^&]", re.IGNORECASE)


def carried(path: str, head: bytes, names: Iterable[bytes], *, all_names: bool) -> bool:
    """`head`: its lines as sent; `names`: those of its fields, in lower case; `all_names`: none of them is missing."""
    if all_names and _MAYBE.search(b"\n".join(names)) is None:
        return _IN_QUERY.search(path) is not None
    return _FIELD.search(head) is not None or _IN_QUERY.search(path) is not None
