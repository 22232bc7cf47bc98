"""Records of verb `tally`: what this life of the store has counted of events, and exchanges that have ended.

Owns: the families of numbers with their labels. Rules: labels come from closed words and catalogue ids, never from the
network, and never name a person; numbers only grow while the store lives. `Ended` holds nothing of any content.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from appliance.store.wire import Count, Request

MAX_ENDED: Final = 512  # of one answer


class Family(msgspec.Struct, frozen=True):
    """A family of counters. `labels`: names, in the order of a series' values."""

    name: str
    words: str
    labels: tuple[str, ...]


COUNTERS: Final = (
    Family("exchanges_opened", "Requests to AI services that were judged, by what was done.", ("service", "effective")),
    Family("exchanges_closed", "Exchanges that ended, by how they ended.", ("service", "outcome")),
    Family("tokens", "Tokens of exchanges that ended; cached are part of input.", ("service", "type")),
    Family("cost_usd", "Cost of exchanges with a known price, US dollars.", ("service",)),
    Family("unpriced", "Exchanges whose model has no known price.", ("service",)),
    Family("request_bytes", "Bytes of request bodies.", ("service",)),
    Family("response_bytes", "Bytes of answers.", ("service",)),
    Family("refusals", "Connections and requests that never became an exchange.", ("reason",)),
    Family("notices", "Notices to the operator.", ("severity",)),
    Family("sightings", "What sensors saw of AI services, by the leg of the way.", ("leg",)),
    Family("packets_lost", "Packets that sensors had no room for.", ()),
)
HISTOGRAMS: Final = (
    Family("first_byte_seconds", "Time to the first byte of an answer.", ("service",)),
    Family("duration_seconds", "Time to the end of an exchange.", ("service",)),
    Family("inspect_seconds", "Time that reading a request took.", ("service",)),
)
# Those that OpenTelemetry advises for gen_ai.client.operation.duration, with finer ones for what inspection takes.
BOUNDS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
)


class TallyRequest(Request, frozen=True):
    """Verb `tally`. `after`: the number of the last ended exchange that was taken; None: none are wanted."""

    after: Count | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_ENDED)] = MAX_ENDED


class Series(msgspec.Struct, frozen=True):
    """One counter."""

    family: str
    labels: tuple[str, ...]
    value: float


class Spread(msgspec.Struct, frozen=True):
    """One histogram: how many lie at or below each of `BOUNDS` but above the one before, and beyond; `sum`, seconds."""

    family: str
    labels: tuple[str, ...]
    counts: tuple[int, ...]
    sum: float


class Ended(msgspec.Struct, frozen=True, omit_defaults=True):
    """An exchange that has ended. `number`: grows by one; times are epoch seconds, tokens as told or counted."""

    number: int
    exchange: str
    began: float
    ended: float
    service: str
    api: str | None
    model: str | None
    stream: bool
    host: str
    port: int
    outcome: str
    status: int
    effective: str
    model_served: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    first_byte_ms: float | None = None
    conversation: str | None = None  # a digest


class Tallied(msgspec.Struct, frozen=True):
    """Answer to `tally`. `life` names this life of the store: numbers begin anew with another. `running`: now."""

    life: int
    running: int
    series: tuple[Series, ...]
    spreads: tuple[Spread, ...]
    ended: tuple[Ended, ...] = ()
    last: int = 0  # number of the newest ended exchange
