"""How a stream is ended early: the words for people, and the frame around what a format says.

Rules: pure; an ending stands where a whole event has ended, so that a reader of the stream sees it as one more event.
"""

from appliance.inspect.stream.events import Framing


def ended(reason: str) -> str:
    """What a person reads when a stream was ended early."""
    return f"The stream was ended: {reason}"


def framed(framing: Framing, data: bytes, name: str = "") -> bytes:
    """`data` (JSON on one line) as an event of this stream; `name`: the type of a server-sent event."""
    if framing is Framing.SSE:
        return (b"event: " + name.encode() + b"\n" if name else b"") + b"data: " + data + b"\n\n"
    return data + b"\n" if framing is Framing.NDJSON else data
