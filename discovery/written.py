"""What of a text from the wire may be written down.

Owns: the cuts. Rules: pure; a query is never kept, and no piece of a path that could be a key, an address or a number
that means somebody; of a user agent only products and their versions are kept; lengths are bounded.
"""

import re
from operator import attrgetter
from typing import Any, Final

from msgspec.structs import replace

from appliance.model.names import ObservationKind
from appliance.model.observation import Observation
from discovery.marks import VOCABULARY
from discovery.notes import known

MAX_NAME: Final = 255
MAX_PATH: Final = 256
MAX_PRODUCTS: Final = 6
MAX_NAMES: Final = 64  # of a certificate, or that a name stands for
MAX_ADDRESSES: Final = 32
MAX_TOOLS: Final = 32
MAX_WORD: Final = 128
MAX_MARKS: Final = 32
HIDDEN: Final = "*"
_SAYS_LITTLE: Final = frozenset(
    {ObservationKind.TLS, ObservationKind.QUIC, ObservationKind.DNS, ObservationKind.MDNS, ObservationKind.LLMNR}
)
# An address, six digits close to each other, or a word as long as a key: as appliance/inspect/heads.py looks for.
_WORTH: Final = re.compile(r"@|%40|(?:\d[^\d/]{0,2}){6}|[^/\s]{20}", re.IGNORECASE)
_LONG_NUMBER: Final = re.compile(r"\d{6}|[^/\s.-]{20}")
# Models carry dates (20250514) and long names: an address, a sentence, or a word as keys are.
_PERSONAL: Final = re.compile(
    r"@|%40|\s\S+\s\S+\s|\d{9}|(?<![A-Za-z0-9])(?:sk|pk|key|ghp|gho|xox[a-z])[-_][A-Za-z0-9_-]{16}|[A-Za-z0-9]{32}"
)
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
        notes=known(seen.notes) if seen.notes else (),
        **_answered(seen),
    )


_answers = attrgetter(
    *("names", "aliases", "addresses", "tls_version", "cipher", "alert", "server", "content_type", "marks"),
    *("software", "model", "tools", "ended", "mac", "hostname", "front"),
)


def _answered(seen: Observation) -> dict[str, Any]:
    """The cuts of what only answers and hosts tell; nothing where a kind that tells none of it keeps to that."""
    if seen.kind in _SAYS_LITTLE and not any(_answers(seen)):
        return {}
    return {
        "names": tuple(name[:MAX_NAME] for name in seen.names[:MAX_NAMES]),
        "aliases": tuple(name[:MAX_NAME] for name in seen.aliases[:MAX_NAMES]),
        "addresses": tuple(address[:64] for address in seen.addresses[:MAX_ADDRESSES]),
        "tls_version": seen.tls_version[:16] if seen.tls_version else None,
        "cipher": seen.cipher[:16] if seen.cipher else None,
        "alert": seen.alert[:64] if seen.alert else None,
        "server": products(seen.server) if seen.server else None,
        "content_type": _media_type(seen.content_type) if seen.content_type else None,
        "marks": tuple(word for word in seen.marks[:MAX_MARKS] if word in VOCABULARY),
        "software": _word(seen.software),
        "model": _word(seen.model),
        "tools": tuple(tool for name in seen.tools[:MAX_TOOLS] if (tool := _word(name))),
        "ended": seen.ended[:8] if seen.ended else None,
        "mac": seen.mac[:17] if seen.mac else None,
        "hostname": _cut(seen.hostname),
        "front": _cut(seen.front),
    }


def _word(text: str | None) -> str | None:
    """A name of software, a model or a tool; none that could be a key or means somebody."""
    if not text:
        return None
    return HIDDEN if _PERSONAL.search(text[: 4 * MAX_WORD]) else text[:MAX_WORD]


def _media_type(text: str) -> str:
    return text[:256].partition(";")[0].strip().lower()[:64]


def _cut(name: str | None) -> str | None:
    return name[:MAX_NAME] if name else None
