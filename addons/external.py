"""An external data-loss system that is asked before a request to an AI service is judged.

Theory. The request goes to it over ICAP as it came, without the caller's credentials, and so does each message of a
WebSocket that says something; what it says becomes a label, `EXTERNAL_DLP`, that policy acts on like on any other.
Rules: it never edits anything; it has a deadline; where it fails, `on_failure` decides: `close` is a fault where
verdicts act, so that the guard closes; otherwise the record carries a label of its own, and nothing passes unseen.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from mitmproxy import http

from appliance.config.schema import IcapConfig
from appliance.inspect.inspection import Inspection
from appliance.inspect.scanning import merged
from appliance.model.detection import Label
from appliance.model.errors import PeerError
from appliance.model.names import DetectionKind
from appliance.route import icap

FOUND: Final = "EXTERNAL_DLP"
FAILED: Final = "EXTERNAL_DLP_FAILED"
WHOLE: Final = 4096  # bytes of a body up to which it goes in one piece, without a preview
AT_ONCE: Final = 32  # questions to it; what comes beyond waits, within its deadline


class ExternalError(Exception):
    """The external system could not be asked, and `on_failure` is close. The text names no content."""


class External:
    """One for the life of a worker. `clock`: monotonic seconds."""

    def __init__(self, config: IcapConfig, clock: Callable[[], float] = time.monotonic) -> None:
        """OperatorError: the address is none."""
        self._service = icap.service_of(config.address)
        self._deadline_s, self._closes = config.deadline_s, config.on_failure == "close"
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._clock = clock
        self._options, self._until = icap.Options(None, 0), 0.0

    async def judged(self, flow: http.HTTPFlow, inspection: Inspection, *, acts: bool, method: str = "") -> Inspection:
        """The inspection with what the system says of the request. ExternalError: it failed, verdicts act, and it must.

        `acts`: verdicts do; where they do not, nothing is lost by a failure: the record carries its label. `method`:
        instead of the request's own: a message of a WebSocket goes as a POST to where the socket was opened.
        """
        request = flow.request
        headers = tuple(request.headers.items(multi=True))
        try:
            async with asyncio.timeout(self._deadline_s), self._turns:
                preview = await self._preview(len(inspection.raw))
                asked = icap.question(
                    self._service, method or request.method, request.url, headers, inspection.raw, preview
                )
                said = await self._ask(asked)
        except (OSError, TimeoutError, PeerError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as fault:
            if self._closes and acts:
                raise ExternalError(f"the external system failed ({type(fault).__name__})") from None
            return _labelled(inspection, FAILED)
        return inspection if said.clean else _labelled(inspection, FOUND)

    async def _preview(self, size: int) -> int | None:
        """How much of a body of this size goes first; small ones go whole, without asking."""
        if size <= WHOLE:
            return None
        if self._clock() >= self._until:
            async with self._connected([icap.options(self._service)]) as (reader, _):
                self._options = icap.options_of(await _head(reader))
            self._until = self._clock() + self._options.life_s
        return self._options.preview

    async def _ask(self, asked: icap.Question) -> icap.Answer:
        async with self._connected(asked.pieces) as (reader, writer):
            head = await _head(reader)
            if head.code == icap.CONTINUE and asked.rest:
                writer.writelines(asked.rest)
                head = await _head(reader)
            said = icap.answer(head)
            if isinstance(said, icap.Answer):
                return said
            return icap.Answer(clean=await _came_back(reader, said, asked))

    @asynccontextmanager
    async def _connected(self, pieces: list[bytes]) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(self._service.host, self._service.port, limit=icap.MAX_HEAD)
        try:
            writer.writelines(pieces)
            yield reader, writer
        finally:
            writer.transport.abort()  # the rest of its answer is not wanted


async def _head(reader: asyncio.StreamReader) -> icap.Head:
    return icap.read_head(await reader.readuntil(b"\r\n\r\n"))


async def _came_back(reader: asyncio.StreamReader, returned: icap.Returned, asked: icap.Question) -> bool:
    """Whether a request came back as it was sent; read no further than it is the same."""
    if not icap.same_head(asked.head, await reader.readexactly(returned.head)):
        return False
    at = 0
    while returned.body:
        size = icap.chunk_size(await reader.readuntil(b"\r\n"))
        if not size:
            break
        if at + size > len(asked.body) or await reader.readexactly(size + 2) != asked.body[at : at + size] + b"\r\n":
            return False
        at += size
    return at == len(asked.body)


def _labelled(inspection: Inspection, entity: str) -> Inspection:
    labels = merged(inspection.labels, (Label(entity, DetectionKind.TOPIC, 1, 1.0),))
    return msgspec.structs.replace(inspection, labels=labels)
