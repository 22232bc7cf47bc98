"""A finding: what an analyst decides about. One row per kind, subject and surface, however often it is seen.

Rules: derived from stored events and decisions and rebuilt from them, never edited; counts are of events, people and
hosts are counted once each; persons only as digests. Times are epoch seconds.
"""

import hashlib

import msgspec

from appliance.model.names import FindingKind, FindingState, Governance, Severity, Surface


def finding_id(kind: FindingKind, subject: str, surface: Surface) -> str:
    """`f_` + 16 hexadecimal characters, the same for the same kind, subject and surface for ever."""
    text = f"{kind}\0{subject}\0{surface}".encode("utf-8", "surrogatepass")
    return "f_" + hashlib.blake2b(text, digest_size=8, person=b"gnomon-finding").hexdigest()


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding as lists show it. `subject`: catalogue id, or a host where no service is known."""

    id: str
    kind: FindingKind
    subject: str
    name: str  # for people: the service's name
    owner: str
    category: str
    surface: Surface
    severity: Severity
    state: FindingState
    governance: Governance
    confidence: float  # best of its evidence, 0-1
    first_seen: float
    last_seen: float
    governed: int  # exchanges through the appliance
    bypass: int  # sightings past it
    hints: int  # signs that tell no way
    people: int
    hosts: int
    decision: int | None = None  # number of the decision that set the state


class FindingKey(msgspec.Struct, frozen=True):
    """Where a page ended: severity rank, last sighting, id. Pass it as `before` for the next page."""

    rank: int
    last_seen: float
    id: str
