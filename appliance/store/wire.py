"""Records of the ingest verbs and of the verbs that change something; shared by clients and the store.

Rules: requests are refused when they hold an unknown field; sizes and counts have bounds; no DuckDB here, so that a
client may import this file.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from appliance.model.decision import Decision, Proposal

MAX_FRAME_LINES: Final = 16_384
MAX_NAME: Final = 128

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]

_OF_PEER: Final = "peer."  # no producer of this appliance has a dot in its name


def peer_producer(peer: str, producer: str) -> str:
    """How the store names `producer` of another appliance."""
    return f"{_OF_PEER}{peer}.{producer}"


def peer_of_producer(producer: str) -> str | None:
    """Whose a stored producer is; None: of this appliance."""
    if not producer.startswith(_OF_PEER):
        return None
    return producer.removeprefix(_OF_PEER).rpartition(".")[0]


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a caller sends."""


class Append(Request, frozen=True):
    """Head of verb `append`; the body is the journal's lines from `first_seq` to `last_seq`, each ended by a newline.

    `oldest`: the lowest sequence number that the sender still holds. Only where it equals `first_seq` may a gap be
    taken in (the store was renewed after the journal let go of the older lines); the gap is then noted as an alarm.
    `peer`: set by the process that takes journals of other appliances (appliance.peers), from the certificate; so is
    `edge`: the configuration lets that peer hand exchanges over.
    """

    producer: Name
    epoch: Count
    first_seq: Count
    last_seq: Count
    oldest: int | None = None
    peer: Name | None = None
    edge: bool = False

    @property
    def stored_as(self) -> str:
        """The producer's name in the store: no peer can write as another, nor as a process of this appliance."""
        return self.producer if self.peer is None else peer_producer(self.peer, self.producer)


class Appended(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything up to `acked` is on disk. `expected` is set when the frame was refused for a gap: send from there."""

    acked: int
    expected: int | None = None


class MarkRequest(Request, frozen=True):
    """Head of verb `mark`: how far has this producer's life been taken in? Answered with `Appended`."""

    producer: Name
    epoch: Count
    peer: Name | None = None


class Decide(Request, frozen=True):
    """Head of verb `decide`. `expected_version`: the policy snapshot that the analyst looked at."""

    proposal: Proposal
    expected_version: int


class Decided(msgspec.Struct, frozen=True):
    """The decision as stamped and the snapshot that carries it."""

    decision: Decision
    version: int


class Erase(Request, frozen=True):
    """Head of verb `erase`: forget the clear value behind one digest; of an address what its host is called, too."""

    digest: Name


class Erased(msgspec.Struct, frozen=True):
    """How many clear values were removed."""

    removed: int
