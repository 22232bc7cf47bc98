"""An external data-loss system that is asked before a request to an AI service is judged.

Theory. The request goes to it over ICAP as it came, without the caller's credentials; what it says becomes a label,
`EXTERNAL_DLP`, that policy acts on like on any other. Rules: it never edits anything; it has a deadline; where it
fails, `on_failure` decides: `close` is a fault where verdicts act, so that the guard closes; otherwise the record
carries a label of its own, and nothing passes unseen.
"""

import asyncio
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
AT_ONCE: Final = 32  # questions to it; what comes beyond waits, within its deadline


class ExternalError(Exception):
    """The external system could not be asked, and `on_failure` is close. The text names no content."""


class External:
    """One for the life of a worker."""

    def __init__(self, config: IcapConfig) -> None:
        """OperatorError: the address is none."""
        self._service = icap.service_of(config.address)
        self._deadline_s, self._closes = config.deadline_s, config.on_failure == "close"
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def judged(self, flow: http.HTTPFlow, inspection: Inspection, *, acts: bool) -> Inspection:
        """The inspection with what the system says of the request. ExternalError: it failed, verdicts act, and it must.

        `acts`: verdicts do; where they do not, nothing is lost by a failure: the record carries its label.
        """
        request = flow.request
        pieces = icap.request(
            self._service, request.method, request.url, tuple(request.headers.items(multi=True)), inspection.raw
        )
        try:
            async with asyncio.timeout(self._deadline_s), self._turns:
                said = await self._ask(pieces)
        except (OSError, TimeoutError, PeerError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as fault:
            if self._closes and acts:
                raise ExternalError(f"the external system failed ({type(fault).__name__})") from None
            return _labelled(inspection, FAILED)
        return inspection if said.clean else _labelled(inspection, FOUND)

    async def _ask(self, pieces: list[bytes]) -> icap.Answer:
        reader, writer = await asyncio.open_connection(self._service.host, self._service.port, limit=icap.MAX_HEAD)
        try:
            writer.writelines(pieces)
            _, head = await asyncio.gather(writer.drain(), reader.readuntil(b"\r\n\r\n"))
            return icap.answer(head)
        finally:
            writer.transport.abort()  # the rest of its answer is not wanted


def _labelled(inspection: Inspection, entity: str) -> Inspection:
    labels = merged(inspection.labels, (Label(entity, DetectionKind.TOPIC, 1, 1.0),))
    return msgspec.structs.replace(inspection, labels=labels)
