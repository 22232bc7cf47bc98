"""What of a text from the wire may be written down.

Owns: the cuts. Rules: pure; a query is never kept, and no piece of a path that could be a key, an address or a number
that means somebody; of a user agent only products and their versions are kept; lengths are bounded.
"""

import re
from typing import Final

from msgspec.structs import replace

from appliance.model.observation import Observation

MAX_NAME: Final = 255
MAX_PATH: Final = 256
MAX_PRODUCTS: Final = 6
HIDDEN: Final = "*"
# An address, six digits close to each other, or a word as long as a key: as appliance/inspect/heads.py looks for.
_WORTH: Final = re.compile(r"@|%40|(?:\d[^\d/]{0,2}){6}|[^/\s]{20}", re.IGNORECASE)
_LONG_NUMBER: Final = re.compile(r"\d{6}|[^/\s.-]{20}")
_PRODUCT: Final = re.compile(
    r"(?<![\w.+-])[A-Za-z][\w.+-]{0,29}/(?:(?:Python|JS) )?v?\d[\w.+-]{0,19}(?![\w.+-])", re.ASCII
)
_BARE: Final = re.compile(r"[A-Za-z][A-Za-z_-]{1,18}(?=\s|\Z)")  # a product that tells no version


def path(target: str) -> str:
    """The path of a request target, pieces that could tell more than the way left out."""
    way = target[: 4 * MAX_PATH].partition("?")[0].partition("#")[0]
    if "://" in way:
        way = "/" + way.partition("://")[2].partition("/")[2]
    pieces = [HIDDEN if _WORTH.search(piece) else piece for piece in way.split("/")]
    return "/".join(pieces)[:MAX_PATH]


def products(user_agent: str) -> str | None:
    """`OpenAI/Python 3.51.0` of a user agent that holds more; None when it names no product."""
    found = _PRODUCT.findall(user_agent[:1024])
    kept = [product for product in found if not _LONG_NUMBER.search(product)]
    if not kept and (bare := _BARE.match(user_agent)):
        kept = [bare[0]]
    return " ".join(kept[:MAX_PRODUCTS]) or None


def cut(seen: Observation) -> Observation:
    """The observation as it may be classified and kept."""
    return replace(
        seen,
        server_name=_cut(seen.server_name),
        host=_cut(seen.host),
        alpn=tuple(protocol[:32] for protocol in seen.alpn[:8]),
        ja3=seen.ja3[:32] if seen.ja3 else None,
        ja4=seen.ja4[:64] if seen.ja4 else None,
        method=seen.method[:16] if seen.method else None,
        path=path(seen.path) if seen.path else None,
        user_agent=products(seen.user_agent) if seen.user_agent else None,
        notes=tuple(note[:64] for note in seen.notes[:8]),
    )


def _cut(name: str | None) -> str | None:
    return name[:MAX_NAME] if name else None
