"""Text from a head, or a name out of a body, as it may be written down: what was to be hidden is hidden here too.

Rules: what is hidden is what `gnomon scan` redacts as shipped; a detector that fails raises, so that the caller fails
closed; only pieces in which something could be found are scanned; a path is read piece by piece and as it decodes, for
a `/` before an address or a `%40` inside it would hide it; text without a finding comes back as it came.
"""

import re
from urllib.parse import quote, unquote

from msgspec.structs import replace

from appliance.inspect.identifiers import is_identifier, telling
from appliance.inspect.overlap import cover
from appliance.inspect.redact import redact_text
from appliance.inspect.scan import SHIPPED
from appliance.inspect.windows import Scanner, scan_whole
from appliance.model.detection import Detection
from appliance.model.names import Disposition

PRODUCT = re.compile(r"([A-Za-z][\w.+-]{0,40})(?:/(?:Python |JS )?v?(\d[\w.+-]{0,30}))?")
# An address, six digits close to each other, or a word as long as a key.
_WORTH = re.compile(r"@|(?:\d[^\d/]{0,2}){6}|[^/\s]{20}")
_LONGEST = 4096  # code points of a name that are looked at
_KEPT = "<>@:!$&'()*+,;=~"  # may stand unquoted in what is written down, beside what `quote` always keeps


class Heads:
    """One for the life of a worker."""

    def __init__(self, detectors: Scanner) -> None:
        self._detectors = detectors

    def path(self, target: str, model: str | None = None) -> str:
        """The path of a request target, its query left out. `model`: may be one of its pieces."""
        path = target.partition("?")[0].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return "/".join(self._piece(piece, model) for piece in path.split("/"))

    def product(self, user_agent: str) -> tuple[str | None, str | None]:
        """Product name and version of a user agent: `OpenAI/Python 3.51.0` gives (`OpenAI`, `3.51.0`)."""
        match = PRODUCT.match(user_agent)
        if match is None:
            return None, None
        found = self._found(user_agent)
        return _hidden(match, 1, found), _hidden(match, 2, found)

    def word(self, text: str, most: int = 128) -> str:
        """A name that stood in a body, such as a tool's, as it may be written down: at most `most` code points."""
        return self._told(text, most, model=False)

    def model(self, text: str, most: int = 128) -> str:
        """The name of a model, likewise."""
        return self._told(text, most, model=True)

    def _told(self, text: str, most: int, *, model: bool) -> str:
        text = text[:_LONGEST].encode("utf-8", "replace").decode()  # halves of a pair cannot be written down
        found = self._found(text)
        if model and is_identifier(text):
            found = telling(text, found)
        return (redact_text(text, found) if found else text)[:most]

    def _piece(self, piece: str, model: str | None) -> str:
        text = unquote(piece)
        found = self._found(text)
        if found and model and _is_of(text, model) and is_identifier(text):
            found = telling(text, found)
        return quote(redact_text(text, found), safe=_KEPT, errors="replace") if found else piece

    def _found(self, text: str) -> tuple[Detection, ...]:
        if not _WORTH.search(text):
            return ()
        return cover(one for one in scan_whole(self._detectors, text) if SHIPPED.disposition(one) is Disposition.REDACT)


def _is_of(piece: str, model: str) -> bool:
    """Whether a piece of a path is a model, with a method behind it or cut at its slashes as may be."""
    return piece == model or piece.startswith(f"{model}:") or piece in model.split("/")


def _hidden(match: re.Match[str], group: int, found: tuple[Detection, ...]) -> str | None:
    """One group of `match` without what was found in the whole text: a key may reach beyond the group."""
    text, (start, end) = match[group], match.span(group)
    inside = (one for one in found if one.start < end and one.end > start)
    clipped = [replace(one, start=max(one.start, start) - start, end=min(one.end, end) - start) for one in inside]
    return redact_text(text, clipped) if clipped else text
