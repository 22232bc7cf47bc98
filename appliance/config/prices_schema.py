"""What may stand in the operator's file of prices.

Rules: as in schema.py; prices are US dollars per million tokens, `request` per request. Which counts: the first entry
of `models` that fits (service, provider, route and model); without one the listed price of the model at that service,
less the first of `discounts` that fits. So what is about one provider stands before what is about all.
"""

from appliance.config.section import Section


class PriceEntry(Section, frozen=True):
    """What a model costs, instead of its listed price. What is left out has no price of its own."""

    model: str  # as it is asked for or answers; one may begin or end with *
    input: float  # 0: free, e.g. for a server of one's own
    output: float
    service: str | None = None  # catalogue id; None: of any service
    provider: str | None = None  # a name under `providers` of the configuration; None: wherever it is
    route: str | None = None  # a route of the gateway; None: by whichever way it goes
    cached: float | None = None  # input that the provider had cached
    cache_write: float | None = None
    cache_write_1h: float | None = None
    reasoning: float | None = None
    audio_input: float | None = None
    audio_output: float | None = None
    request: float | None = None  # beside its tokens
    batch_percent: float = 100  # of these prices, where it came in a batch


class DiscountEntry(Section, frozen=True):
    """So much less than listed."""

    percent: float
    service: str | None = None
    model: str = "*"
    provider: str | None = None  # as of models
    route: str | None = None


class PricesFile(Section, frozen=True):
    """The whole file."""

    models: tuple[PriceEntry, ...] = ()
    discounts: tuple[DiscountEntry, ...] = ()
