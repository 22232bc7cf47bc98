"""The records that servers, handlers and clients agree on.

Rules: a handler gets a decoded record and the peer's credentials, and answers with a record; it never sees a socket.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from appliance.bus import framing
from appliance.bus.peer import Peer


class Reply(msgspec.Struct, frozen=True):
    """What a handler answers: a record and raw bytes."""

    head: msgspec.Struct
    body: bytes = b""


class Subscribe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Asks for every later push of `topic` on this connection."""

    topic: str


class Done(msgspec.Struct, frozen=True):
    """An answer that says only: done."""


type Handler = Callable[[Any, bytes, Peer], Awaitable[Reply]]


class Verb(msgspec.Struct, frozen=True):
    """The record that a verb takes and the coroutine that answers it: `async (request, body, peer) -> Reply`."""

    request: type[msgspec.Struct]
    handler: Handler


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one server; times in seconds."""

    connections: int = 64
    in_flight: int = 16
    frame_bytes: int = framing.MAX_FRAME
    idle_s: float = 600.0  # a connection without call, subscription or byte
    frame_s: float = 30.0  # from a frame's first byte to its last
    write_s: float = 30.0  # until the caller has read its reply
    finish_s: float = 10.0  # for calls under way when the caller has left or the server closes
