"""Requests and rows about detectors and what analysts say of them, shared by clients and the store.

Rules: as in appliance/store/pages.py; no DuckDB here, so that a client may import this file.
"""

import msgspec

from appliance.model.feedback import Entity
from appliance.model.names import Verity
from appliance.store.wire import Name, Request


class FeedbackRequest(Request, frozen=True):
    """Verb `feedback`: a detection is right or wrong. One of `exchange` and `finding` names where it was made.

    Answered with the `Feedback` as stamped. 404: there is none of that id; 422: nothing of that entity was found there.
    """

    entity: Entity
    verdict: Verity
    exchange: Name | None = None
    finding: Name | None = None


class DetectorsRequest(Request, frozen=True):
    """Verb `detectors`. Answered with `DetectorsTold`."""


class DetectorTotal(msgspec.Struct, frozen=True):
    """What one detector has cost and found, over all workers, as far as they have told. `since`: epoch seconds."""

    name: str
    since: float
    texts: int
    found: int
    seconds: float
    failed: int
    late: int


class EntityFeedback(msgspec.Struct, frozen=True):
    """How often analysts said of an entity that it was right or wrong; of one exchange or finding the last word."""

    entity: str
    kind: str
    right: int
    wrong: int
    exchanges: int | None = None  # of a finding: in how many of its exchanges it was found


class DetectorsTold(msgspec.Struct, frozen=True):
    """Answer to `detectors`: by name, and by entity the most often wrong first."""

    detectors: tuple[DetectorTotal, ...]
    feedback: tuple[EntityFeedback, ...]
