"""What an analyst says of a detection: right, or wrong. Append-only; a later word about the same replaces the earlier.

Rules: author and role come from the socket's peer credentials; there is no free text in it, so the text that was found
cannot stand there either: an exchange or a finding by its id, an entity by its name, and the verdict.
"""

from typing import Annotated, Final

import msgspec

from appliance.model.names import DetectionKind, Verity

ENTITY: Final = r"^[A-Z][A-Z0-9_]{0,63}$"

Entity = Annotated[str, msgspec.Meta(pattern=ENTITY)]


class Feedback(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One word. Either `exchange` or `finding` is set; a finding stands for all exchanges that it is made of."""

    number: int
    ts: float  # epoch seconds
    author: str
    role: str
    exchange: str | None = None
    finding: str | None = None
    entity: Entity
    kind: DetectionKind
    verdict: Verity
