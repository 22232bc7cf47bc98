"""Requests and rows of what has been judged and what analysts said of it: for replays of policy and suggestions.

Rules: as in appliance/store/pages.py, but oldest first: ask again with `after` = the page's `next`; no DuckDB here, so
that a client may import this file.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from appliance.store.wire import Count, Request

MAX_JUDGED: Final = 200  # facts are long: some twenty kilobytes where many tools are declared


class JudgedRequest(Request, frozen=True):
    """Verb `judged`: exchanges with the facts that policy saw. `since`, `until`: epoch seconds, half-open."""

    limit: Annotated[int, Meta(ge=1, le=MAX_JUDGED)] = MAX_JUDGED
    after: Count = 0
    since: float = 0.0
    until: float | None = None


class Judged(msgspec.Struct, frozen=True):
    """One exchange. `facts` as stored (appliance.model.facts.Facts); `cost_micros` None: no price is known."""

    n: int
    ts: float
    exchange: str
    facts: msgspec.Raw
    disposition: str
    effective: str
    rule: str | None
    policy_version: int
    cost_micros: int | None = None


class JudgedCountRequest(Request, frozen=True):
    """Verb `judged_count`: how many `judged` would tell; one row."""

    since: float = 0.0
    until: float | None = None


class JudgedCount(msgspec.Struct, frozen=True):
    """How many there are."""

    exchanges: int


class SaidRequest(Request, frozen=True):
    """Verb `said`: what analysts say of detections now, oldest first."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 500
    after: Count = 0


class Said(msgspec.Struct, frozen=True):
    """One word. `score`: of that entity in the request it is about; None: it is about a finding, or an answer."""

    number: int
    entity: str
    kind: str
    verdict: str
    service: str | None = None
    score: float | None = None
