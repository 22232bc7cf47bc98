"""The wire form of a message: pure encoding and incremental decoding.

Owns: the layout, all integers big-endian:

    u32 length of the rest | u32 length of the head | head: JSON | body: raw bytes

The head is `{"id": int, "verb": str, "args": object}` or, for a refused call, `{"id", "verb", "fault": {"kind",
"message"}}`. Calls carry an id from 1 up and get exactly one reply with the same id and verb; id 0 is a push, its
verb the topic. Rules: no I/O; a length beyond the limit is refused from its first four bytes; after garbage a decoder
stays broken, since the next frame's place is unknown.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from appliance.model.errors import PeerError

MAX_FRAME: Final = 16 * 1024 * 1024
CHUNK: Final = 256 * 1024  # bytes asked of a socket at once
PUSH_ID: Final = 0
_LENGTH: Final = 4
_LENGTHS = struct.Struct("!II")
_EMPTY = msgspec.Raw(b"{}")


class Fault(msgspec.Struct, frozen=True):
    """Why a call was refused. `kind` is a short word for programs, `message` a sentence for people."""

    kind: str
    message: str


class _Head(msgspec.Struct, frozen=True, omit_defaults=True):
    id: int
    verb: str
    args: msgspec.Raw = _EMPTY
    fault: Fault | None = None


class Message(msgspec.Struct, frozen=True):
    """One frame. `head` is the JSON of the call's or reply's own record, still undecoded."""

    id: int
    verb: str
    head: msgspec.Raw = _EMPTY
    body: bytes = b""
    fault: Fault | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Head)


def encode(message: Message, limit: int = MAX_FRAME) -> bytes:
    """The frame of `message`; PeerError (413) when it would exceed `limit` bytes behind the first four."""
    head = _encoder.encode(_Head(message.id, message.verb, message.head, message.fault))
    length = _LENGTH + len(head) + len(message.body)
    if length > limit:
        raise PeerError(f"message of {length} bytes for verb {message.verb!r}; the limit is {limit}", 413)
    return _LENGTHS.pack(length, len(head)) + head + message.body


def raw(record: msgspec.Struct) -> msgspec.Raw:
    """A record as the undecoded JSON that `Message.head` takes."""
    return msgspec.Raw(_encoder.encode(record))


class Decoder:
    """Bytes in any chunking to messages. Holds at most one frame of `limit` bytes plus what was fed last."""

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._broken: str | None = None

    @property
    def partial(self) -> bool:
        """A frame has begun and not ended."""
        return bool(self._buffer)

    def feed(self, chunk: bytes) -> list[Message]:
        """The messages that `chunk` completes. PeerError on garbage, then and ever after."""
        if self._broken is not None:
            raise PeerError(self._broken)
        self._buffer += chunk
        try:
            return self._take()
        except PeerError as error:
            self._broken = str(error)
            self._buffer.clear()
            raise

    def _take(self) -> list[Message]:
        messages: list[Message] = []
        at, have = 0, len(self._buffer)
        while have - at >= _LENGTH:
            length = int.from_bytes(self._buffer[at : at + _LENGTH])
            if not _LENGTH <= length <= self._limit:
                raise PeerError(f"frame length {length} is outside {_LENGTH}..{self._limit}", 413)
            if have - at - _LENGTH < length:
                break
            messages.append(_parse(bytes(memoryview(self._buffer)[at + _LENGTH : at + _LENGTH + length])))
            at += _LENGTH + length
        if at:
            del self._buffer[:at]
        return messages


def _parse(frame: bytes) -> Message:
    head_length = int.from_bytes(frame[:_LENGTH])
    if head_length > len(frame) - _LENGTH:
        raise PeerError(f"head of {head_length} bytes in a frame of {len(frame)}")
    try:
        head = _decoder.decode(memoryview(frame)[_LENGTH : _LENGTH + head_length])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PeerError(f"head is not the expected JSON: {error}") from None
    if head.id < 0:
        raise PeerError("negative message id")
    return Message(head.id, head.verb, head.args, frame[_LENGTH + head_length :], head.fault)
