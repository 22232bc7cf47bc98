"""Which framer cuts which framing, and how a stream of each may be ended in the middle."""

from collections.abc import Callable
from functools import partial

from appliance.inspect.stream.array import ArrayFramer, ending_behind
from appliance.inspect.stream.aws import AwsFramer
from appliance.inspect.stream.connect import ConnectFramer
from appliance.inspect.stream.events import Framing
from appliance.inspect.stream.frames import MAX_EVENT, Framer, WholeMessages
from appliance.inspect.stream.lines import LineFramer
from appliance.inspect.stream.sse import SseFramer

TORN = {Framing.SSE: b"\n\n", Framing.NDJSON: b"\n"}
"""What ends an event that was cut, so that its reader sees damage and not a whole answer; elsewhere nothing can."""
DROPPABLE = frozenset({Framing.SSE, Framing.NDJSON, Framing.MESSAGE})
"""Where an event may be left out and all others stay as they are."""


def placed(framing: Framing, ending: bytes, *, whole: bool, last: bytes) -> bytes:
    """`ending` as it can be put behind what has gone, empty where it cannot.

    `whole`: what has gone ends with a whole event; `last`: its last byte that is no white space.
    """
    torn = b"" if whole else TORN.get(framing)
    if torn is None or not ending:
        return b""
    return torn + (ending_behind(ending, last) if framing is Framing.JSON_ARRAY else ending)


_FRAMERS: dict[Framing, Callable[[int], Framer]] = {
    Framing.SSE: SseFramer,
    Framing.NDJSON: LineFramer,
    Framing.JSON_ARRAY: ArrayFramer,
    Framing.AWS: AwsFramer,
    Framing.AWS_CHUNK: partial(AwsFramer, chunks=True),
    Framing.CONNECT: ConnectFramer,
    Framing.MESSAGE: WholeMessages,
}


def framer_of(framing: Framing, max_event: int = MAX_EVENT) -> Framer:
    """A fresh framer."""
    return _FRAMERS[framing](max_event)
