"""Cutting the bytes of a provider's stream into its events: SSE, JSON lines, or one JSON array.

Rules: split-invariant: any cut of the same bytes gives the same events; one event is at most MAX_HELD bytes, more is a
fault. Sources: WHATWG HTML (server-sent events), ndjson 1.0.
"""

import re
from collections.abc import Iterator

from appliance.route.translate.conversation import MAX_HELD
from appliance.route.translate.losses import Refused

_END = re.compile(rb"\r\n\r\n|\n\n|\r\n\n|\n\r\n|\r\r")
_MARK = re.compile(rb'["{}\[\]]')
_IN_STRING = re.compile(rb'["\\]')
_BETWEEN = b" \t\r\n,[]\xef\xbb\xbf"
_SOMETHING = re.compile(rb"[^ \t\r\n,\[\]\xef\xbb\xbf]")


class SseEvents:
    """The data of each event; its name is told by what is inside."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._seen = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payloads that are whole now."""
        held = self._held
        held += data
        while (end := _END.search(held, max(self._seen - 3, 0))) is not None:
            # A CR at the very end may be half of CRLF: what follows decides nothing, for blank lines are skipped.
            payload = _data(bytes(held[: end.start()]))
            del held[: end.end()]
            self._seen = 0
            _bounded(payload)
            if payload:
                yield payload
        self._seen = len(held)
        _bounded(held)

    def close(self) -> list[bytes]:
        """What stands unfinished at the end is taken: servers forget the last blank line."""
        payload = _data(bytes(self._held))
        self._held.clear()
        return [payload] if payload else []


def _bounded(data: bytes | bytearray) -> None:
    if len(data) > MAX_HELD:
        raise Refused("an event of the other service is too large", 502)


def _data(block: bytes) -> bytes:
    lines = block.removeprefix(b"\xef\xbb\xbf").splitlines()
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))


class LineEvents:
    """The lines."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that are whole now."""
        held = self._held
        seen = len(held)
        held += data
        end = held.rfind(b"\n", seen) + 1
        lines = bytes(held[:end]).split(b"\n") if end else []
        del held[:end]
        for line in lines:
            _bounded(line)
            if line.strip():
                yield line.strip()
        _bounded(held)

    def close(self) -> list[bytes]:
        """The last line without its end."""
        line = bytes(self._held).strip()
        self._held.clear()
        return [line] if line else []


class ArrayEvents:
    """The elements of a JSON array."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._seen = 0
        self._depth = 0
        self._quoted = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The elements that are whole now."""
        self._held += data
        while (element := self._element()) is not None:
            _bounded(element)
            yield element
        _bounded(self._held)

    def close(self) -> list[bytes]:
        """An element that is not whole is none."""
        rest = bytes(self._held).strip(_BETWEEN)
        self._held.clear()
        return [rest] if rest else []

    def _element(self) -> bytes | None:
        held = self._held
        if not self._depth:
            found = _SOMETHING.search(held)
            del held[: found.start() if found else len(held)]
            self._seen = 0
        while (mark := (_IN_STRING if self._quoted else _MARK).search(held, self._seen)) is not None:
            byte = mark[0]
            if byte == b"\\":
                if mark.end() == len(held):
                    self._seen = mark.start()
                    return None
                self._seen = mark.end() + 1
                continue
            self._seen = mark.end()
            if byte == b'"':
                self._quoted = not self._quoted
                continue
            self._depth += 1 if byte in b"{[" else -1
            if self._depth <= 0:
                self._depth = 0
                element = bytes(held[: self._seen])
                del held[: self._seen]
                self._seen = 0
                return element
        self._seen = len(held)
        return None
