"""A streamed answer on its way back: the service's bytes in, the caller's bytes out.

Rules: pure, and split-invariant: any cut of the same bytes gives the same bytes. Nothing here raises but for a fault of
ours: a stream that breaks off, says what cannot be read or grows too large ends in an error in the caller's own shape.
"""

from collections.abc import Iterable
from typing import Final

from appliance.route.translate.carriers import DIALECTS, Dialect
from appliance.route.translate.conversation import (
    Began,
    Conversation,
    Counted,
    Event,
    Failed,
    Fault,
    Problem,
    Stop,
    Stopped,
    Usage,
)
from appliance.route.translate.framing import ArrayEvents, LineEvents, SseEvents
from appliance.route.translate.losses import Loss, Losses, Refused
from appliance.route.translate.ordering import InOrder
from appliance.route.translate.said import BROKEN_OFF, Stamp
from appliance.route.translate.sealing import wrapped_event

_ENDED: Final = "the other service's answer ended before its end"
_JSON: Final = "application/json"


class Stream:
    """A streamed answer on its way back: fed with the service's bytes, it gives the caller's.

    `usage`, `model`: as the service has told them so far. `broken`: it has ended in an error of ours.
    """

    def __init__(
        self, source_api: str, target_api: str, conversation: Conversation, stamp: Stamp, content_type: str
    ) -> None:
        self._losses = Losses()
        self._target = target_api
        source, target = DIALECTS[source_api], DIALECTS[target_api]
        framing, usage = conversation.framing, conversation.usage
        self._reader = target.reader(self._losses)
        self._writer = source.writer(stamp, self._losses, usage=usage, framing=framing)
        self._cut = _framer(target, content_type)
        self._order = InOrder()
        self._stopped = False
        self._over = False
        self.usage: Usage | None = None
        self.model = ""
        self.broken = False
        kinds = {"lines": "application/x-ndjson", "array": _JSON}
        self.content_type = kinds.get(framing, "text/event-stream")

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What was not carried over so far."""
        return self._losses.told()

    @property
    def over(self) -> bool:
        """Its end has gone out: nothing follows."""
        return self._over

    def feed(self, data: bytes) -> bytes:
        """What goes to the caller for the next bytes of the service."""
        return b"" if self._over else self._all(self._cut.feed(data))

    def close(self) -> bytes:
        """The service's stream is at its end."""
        if self._over:
            return b""
        out = self._all(self._cut.close(), _ENDED)
        if self._over:
            return out
        if not self._stopped:
            return out + self._fault(Refused(_ENDED, 502))
        self._over = True
        return out + self._writer.close()

    def fail(self, message: str, status: int = 502) -> bytes:
        """The stream must end here, for a reason of ours: an error in the caller's own shape."""
        return b"" if self._over else self._fault(Refused(message, status))

    def _all(self, payloads: Iterable[bytes], ended: str = "") -> bytes:
        out: list[bytes] = []
        try:
            for payload in payloads:
                for event in self._reader.read(payload):
                    out += [self._write(each) for each in self._order.push(event)]
                if self._reader.done and self._stopped and not self._over:
                    self._over = True
                    out.append(self._writer.close())
                if self._over:
                    break
        except Refused as refused:
            # What stands unfinished at the end and cannot be read is told as an end too soon.
            out.append(self._fault(Refused(ended, 502) if ended else refused))
        return b"".join(out)

    def _write(self, event: Event) -> bytes:
        if self._over:
            return b""
        if isinstance(event, Stopped):
            if event.stop is Stop.FAULT:
                return self._fault(Refused(BROKEN_OFF, 502))
            self._stopped = True
        elif isinstance(event, Began):
            self.model, self.usage = event.model, event.usage
        elif isinstance(event, Counted):
            self.usage = event.usage
        elif isinstance(event, Failed):
            return self._end(event.problem)
        return self._writer.write(wrapped_event(event, self._target))

    def _fault(self, refused: Refused) -> bytes:
        self.broken = True
        return self._end(Problem(Fault.SERVER, str(refused), max(refused.status, 500)))

    def _end(self, problem: Problem) -> bytes:
        self._over = True
        last = self._writer.write(Failed(problem))
        return last + (self._writer.close() if self.content_type == _JSON else b"")  # an array is closed behind it


def _framer(target: Dialect, content_type: str) -> SseEvents | LineEvents | ArrayEvents:
    if target.lines:
        return LineEvents()
    return ArrayEvents() if content_type.partition(";")[0].strip() == _JSON else SseEvents()
