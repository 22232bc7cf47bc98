"""What two appliances say to each other about records, over one TLS connection in the frames of `appliance.bus`.

Rules: `hello` comes first; `append` and `mark` are those of ingest.sock (appliance.store.wire), without `peer`, which
the taking side sets from the certificate alone. Every request is refused when it holds an unknown field.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from appliance.config.placement_schema import PeerRole
from appliance.journal.record import MAX_LINE
from appliance.store.wire import Count, Request

FRAME_BYTES: Final = MAX_LINE + 65_536  # one shipped batch and its head
STANDING_S: Final = 5.0  # from one word of a peer to the next
HANDSHAKE_S: Final = 10.0


class Hello(Request, frozen=True):
    """verb `hello`: what the peer is. Answered with `Welcome`."""

    role: PeerRole
    version: Annotated[str, Meta(max_length=64)] = ""


class Welcome(msgspec.Struct, frozen=True):
    """The peer may go on. `now`: the central appliance's clock, epoch seconds."""

    now: float


class Standing(Request, frozen=True):
    """verb `standing`: the peer lives. `behind`: bytes of its journals that have not been taken. Answer: `Current`."""

    behind: Count = 0


class Current(msgspec.Struct, frozen=True):
    """The number of the policy snapshot in force at the central appliance; 0: there is none."""

    snapshot: Count = 0


class DecisionsRequest(Request, frozen=True):
    """verb `decisions`: the analysts' decisions in force. Answered with `Current`; body: a JSON list of `Decision`."""
