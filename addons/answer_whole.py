"""An answer in one piece: held until it is known what it holds, or passed on and read afterwards.

Rules: what is held is bounded by the seam (`egress.max_body_bytes`) and edited in place, in its own content coding;
what cannot be read is not let through where something of it may have to be hidden; what passes is kept up to
`KEEP_BYTES` and what was not scanned of it is said in the coverage.
"""

import codecs
import re
from collections.abc import Callable  # noqa: TC003 - the attribute is annotated at run time

from mitmproxy import http

from addons.ongoing import Account, Exchange, unread
from appliance.inspect.content import media_type
from appliance.inspect.inspection import Inspector, ResponseInspection
from appliance.inspect.tokens import SAMPLE
from appliance.model.detection import Coverage

IN_THREAD_BYTES = 64 * 1024  # larger answers in one piece are read beside the loop
KEEP_BYTES = 1024 * 1024  # of an answer that passes, to read its usage; larger ones are metered by size only
SCAN_BYTES = 256 * 1024  # of an answer that has passed: scanning more of what has gone is not worth the time
MEDIA_GATE = 64  # bytes by which a picture is told from a text that says it were one
TOO_LARGE = "too_large"
ENCODED = "encoded"
PAGE = "page"
MEDIA = ("image/", "audio/", "video/", "font/")
_PAGES = frozenset(
    {
        "text/html",
        "text/css",
        "text/javascript",
        "application/javascript",
        "application/wasm",
        "application/manifest+json",
        "application/xhtml+xml",
    }
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_TEXTS = frozenset({"image/svg+xml"})


def is_media(content_type: str) -> bool:
    """Pictures and sound: nothing in them can be edited, and nothing waits for their end."""
    kind = media_type(content_type)
    return kind.startswith(MEDIA) and kind not in _TEXTS


def is_page(content_type: str) -> bool:
    """What a browser loads to run a page with; nobody's answer."""
    return media_type(content_type) in _PAGES


class PassingAnswer:
    """Goes on as it comes; read when it is over.

    `skip`: nothing of it is to be scanned, for this reason. `gate`: so many bytes are looked at before any leaves;
    where they are text, `on_text` is called and nothing goes on.
    """

    def __init__(
        self, exchange: Exchange, response: http.Response, inspector: Inspector, skip: str = "", gate: int = 0
    ) -> None:
        self.taken = 0
        self.on_text: Callable[[], None] = lambda: None
        self._exchange, self._inspector, self._skip = exchange, inspector, skip
        self._type = response.headers.get("content-type", "")
        self._coding = response.headers.get("content-encoding")
        self._kept: bytearray | None = bytearray()
        self._gate = gate
        self._waiting = b""

    @property
    def reads_late(self) -> bool:
        """Giving the account takes time: it is to be done beside the loop."""
        return self._kept is not None and self.taken > IN_THREAD_BYTES

    def take(self, chunk: bytes) -> list[bytes]:
        """The piece as it came; `b""`: there is no more."""
        self.taken += len(chunk)
        if self._kept is not None:
            self._kept += chunk
            if self.taken > KEEP_BYTES:
                self._kept = None
        if self._gate:
            return self._at_gate(chunk)
        return [chunk] if chunk else []

    def _at_gate(self, chunk: bytes) -> list[bytes]:
        """Hold the first bytes until there are enough of them to say what they are."""
        self._waiting += chunk
        if chunk and len(self._waiting) < self._gate:
            return []
        self._gate, first = 0, self._waiting
        if not first:
            return []
        if _is_text(first):
            self.on_text()
            return []
        return [first]

    def account(self) -> Account:
        """What it was."""
        size = self.taken
        if not size:
            return Account(coverage=Coverage(0))
        if is_media(self._type):
            return unread(size, media_type(self._type).partition("/")[0])
        if self._skip == ENCODED:
            return unread(size, ENCODED)
        if self._kept is None:
            return Account(coverage=Coverage(size, text_unscanned={self._skip or TOO_LARGE: size}))
        skip = self._skip or (TOO_LARGE if size > SCAN_BYTES else None)
        exchange, raw = self._exchange, bytes(self._kept)
        read = self._inspector.response(
            exchange.api, exchange.call, self._type, self._coding, raw, skip=skip, expected=exchange.expected
        )
        return told(read)


class HeldAnswer:
    """Is read before anything of it goes on. The seam holds its bytes, so `taken` counts only what has been judged."""

    def __init__(self) -> None:
        self.taken = 0

    def account(self) -> Account:
        """Of one that never came to its end, or was ended before it was read: nothing went on."""
        return unread(self.taken)


def told(inspection: ResponseInspection, redactions: int = 0, edits: tuple[str, ...] = ()) -> Account:
    """What an answer in one piece told."""
    view = inspection.view
    texts = [one.text for one in view.segments if one.role == "assistant"]
    return Account(
        coverage=inspection.coverage,
        model=view.model,
        usage=view.usage,
        labels=inspection.labels,
        redactions=redactions,
        edits=edits,
        tools_called=view.tools_called,
        finish=view.finish,
        chars=0 if view.error else sum(map(len, texts)),
        sample="".join(texts)[:SAMPLE] if view.usage is None else "",
    )


def _is_text(first: bytes) -> bool:
    """UTF-8 without control characters, as far as it goes: no picture and no sound begins so."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(first)
    except UnicodeDecodeError:
        return False
    return _CONTROL.search(first) is None
