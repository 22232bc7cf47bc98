"""What a worker asks of its analyser, and the bytes in which both say it.

Owns: the heads of the frames, in msgpack. A job's body is the body to be read, an answer has none. Rules: pure;
texts travel as UTF-8 with surrogates passed, because JSON strings may hold halves of a pair; only segments that
something was found in come back, unless all are asked for, since the others are not edited.
"""

import msgspec

from appliance.analyse.frames import framed
from appliance.inspect.dialects import Call
from appliance.inspect.inspection import Inspection, Limits
from appliance.model.detection import DetectorCount, Selector
from appliance.model.errors import PeerError


class Settings(msgspec.Struct, frozen=True, tag="settings"):
    """The first frame: by which bounds bodies are read."""

    limits: Limits


class Job(msgspec.Struct, frozen=True, tag="job"):
    """A request body to be inspected; see `Inspector.request`. `texts`: every text is to come back.

    `enough`: findings any one of which makes reading on needless.
    """

    call: Call
    content_encoding: str | None
    service_dialect: str | None
    texts: bool = False
    enough: tuple[Selector, ...] = ()


class Found(msgspec.Struct, frozen=True, tag="found"):
    """The inspection without bodies; `texts` are those of its segments, in their order.

    `counts`: what detectors have cost and found since the answer before.
    """

    inspection: Inspection
    texts: tuple[bytes, ...]
    counts: tuple[DetectorCount, ...] = ()


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It could not be inspected. `word`: the type of the fault, never its text. `counts`: as in `Found`."""

    word: str
    counts: tuple[DetectorCount, ...] = ()


type Head = Settings | Job | Found | Failed

_encoder = msgspec.msgpack.Encoder()
_asked: msgspec.msgpack.Decoder[Settings | Job] = msgspec.msgpack.Decoder(Settings | Job)
_answered: msgspec.msgpack.Decoder[Found | Failed] = msgspec.msgpack.Decoder(Found | Failed)


def frame(head: Head, size: int = 0) -> bytes:
    """Everything of a frame before its body of `size` bytes."""
    return framed(_encoder.encode(head), size)


def asked(head: bytes) -> Settings | Job:
    """What the worker sent. PeerError: no frame of ours."""
    try:
        return _asked.decode(head)
    except msgspec.MsgspecError as error:
        raise PeerError("no job for an analyser") from error


def answered(head: bytes) -> Found | Failed:
    """What the analyser sent. PeerError: no frame of ours."""
    try:
        return _answered.decode(head)
    except msgspec.MsgspecError as error:
        raise PeerError("no answer of an analyser") from error


def pared(inspection: Inspection, *, texts: bool = False) -> Found:
    """An inspection as it travels: no body, and unless `texts` only segments with findings and the model's own."""
    view = inspection.view
    pairs = zip(view.segments, inspection.detections, strict=True)
    kept = [(segment, found) for segment, found in pairs if texts or found or segment.text == view.model]
    sent = tuple(segment.text.encode("utf-8", "surrogatepass") for segment, _ in kept)
    bare = tuple(msgspec.structs.replace(segment, text="") for segment, _ in kept)
    view = msgspec.structs.replace(
        view,
        segments=bare,
        opaque=(),
        model=view.model and _whole(view.model),
        models_beside=tuple(map(_whole, view.models_beside)),
        conversation=view.conversation and _whole(view.conversation),
        tools_declared=tuple(map(_whole, view.tools_declared)),
        hosted_mcp=tuple(map(_whole, view.hosted_mcp)),
    )
    found = tuple(found for _, found in kept)
    return Found(msgspec.structs.replace(inspection, view=view, raw=b"", body=b"", detections=found), sent)


def whole(found: Found, raw: bytes, body: bytes) -> Inspection:
    """The inspection of `raw` (decoded: `body`) as the worker works with it."""
    view = found.inspection.view
    texts = (text.decode("utf-8", "surrogatepass") for text in found.texts)
    segments = tuple(
        msgspec.structs.replace(segment, text=text) for segment, text in zip(view.segments, texts, strict=True)
    )
    view = msgspec.structs.replace(view, segments=segments)
    return msgspec.structs.replace(found.inspection, view=view, raw=raw, body=body)


def _whole(name: str) -> str:
    """A name that can be sent: half of a surrogate pair has no UTF-8."""
    return name if name.isascii() else name.encode("utf-8", "replace").decode()
