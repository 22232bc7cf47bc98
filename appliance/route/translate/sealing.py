"""Signatures of reasoning in requests, answers and streams: wrapped for the caller, unwrapped for who signed.

Rules: as in signatures.py; a service never gets what another one signed, and what is left out is told.
"""

import msgspec

from appliance.route.translate.conversation import Called, Conversation, Event, Text, Thinking, Thought, ToolUse, Turn
from appliance.route.translate.losses import Losses
from appliance.route.translate.signatures import unwrapped, wrapped

_SEALED = "!"  # behind the dialect's name: the signature holds the reasoning itself


def unwrapped_turns(asked: Conversation, target: str, losses: Losses) -> tuple[Turn, ...]:
    """Turns with what `target` signed itself, and with nobody else's signatures."""

    def own(part: object) -> object:
        if isinstance(part, ToolUse) and part.signature:
            return msgspec.structs.replace(part, signature=unwrapped(target, part.signature))
        if not isinstance(part, Thinking) or not part.signature:
            return part
        sealed = unwrapped(target + _SEALED, part.signature)
        signature = sealed or unwrapped(target, part.signature)
        if not signature:
            losses.lack("signature")
        return Thinking(part.text, signature, bool(sealed))

    return tuple(Turn(turn.role, tuple(own(part) for part in turn.parts)) for turn in asked.turns)  # type: ignore[misc]


def wrapped_part(part: Text | Thinking | ToolUse, target: str) -> Text | Thinking | ToolUse:
    """A part of an answer of `target`, for a caller who speaks another dialect."""
    if isinstance(part, Text) or not part.signature:
        return part
    if isinstance(part, ToolUse):
        return msgspec.structs.replace(part, signature=wrapped(target, part.signature))
    return Thinking(part.text, _wrapped(target, part.signature, part.sealed), part.sealed)


def wrapped_event(event: Event, target: str) -> Event:
    """The same of a stream's event."""
    if isinstance(event, Thought) and event.signature:
        return Thought(event.text, _wrapped(target, event.signature, event.sealed), event.sealed)
    if isinstance(event, Called) and event.signature:
        return msgspec.structs.replace(event, signature=wrapped(target, event.signature))
    return event


def _wrapped(target: str, signature: str, sealed: bool) -> str:
    return wrapped(target + _SEALED if sealed else target, signature)
