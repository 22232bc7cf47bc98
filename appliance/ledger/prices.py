"""What an attempt costs. Pure.

Rules: exact until the last step, where a cost is rounded half up to a millionth of a dollar; a token counts at the most
special price that its model has (what was read from a cache is input where reading from a cache has no price); what has
no price is `unpriced`, never 0; the operator's prices come before those of the table, the first that fits; names come
from clients, so they are cut and what is remembered of them is bounded.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from appliance.ledger.price_services import PROVIDERS
from appliance.ledger.price_table import SCALE, Entry, Rates, find, in_force, rates_of, scaled, table
from appliance.model.event import Cost, Usage

MAX_NAME: Final = 128
_REMEMBERED: Final = 4096
_STEP: Final = 1800


class Place(NamedTuple):
    """Where a call goes, as far as prices differ by it. `provider`: its name in the configuration; empty: none."""

    service: str | None
    provider: str = ""
    route: str = ""


class SitePrice(msgspec.Struct, frozen=True):
    """A price of the operator's own. `service` None: of any; `model` may begin or end with `*`; `batch`: times this."""

    service: str | None
    model: str
    rates: Rates
    batch: Decimal = Decimal(1)
    provider: str | None = None
    route: str | None = None


class Discount(msgspec.Struct, frozen=True):
    """Listed prices times `factor`, for models of a service."""

    service: str | None
    model: str
    factor: Decimal
    provider: str | None = None
    route: str | None = None


class SitePrices(msgspec.Struct, frozen=True):
    """What the operator says. `version`: of that file."""

    version: str = ""
    models: tuple[SitePrice, ...] = ()
    discounts: tuple[Discount, ...] = ()


class Prices:
    """Tells costs; one for the life of a worker."""

    def __init__(self, site: SitePrices | None = None) -> None:
        self._site = site or SitePrices()
        self.version = table().version + (f"+{self._site.version}" if self._site.version else "")
        own: tuple[SitePrice | Discount, ...] = (*self._site.models, *self._site.discounts)
        self._by_place = any(one.provider or one.route for one in own)
        self._entries: dict[tuple[Place, str], Entry | SitePrice | None] = {}
        self._rates: dict[tuple[Place, str, int, bool], Rates | None] = {}

    def cost(
        self, place: Place | str | None, model: str | None, usage: Usage, now: float, *, batch: bool = False
    ) -> Cost:
        """What these tokens cost at `now` (epoch seconds); not `priced` where something of them has no price.

        `place`: where they went, or a service alone.
        """
        rates = self.rates(place, model, now, batch=batch) if model else None
        cost = None if rates is None else total(rates, usage)
        if cost is None:
            return Cost(priced=False, prices=self.version)
        return Cost(micros=(2 * cost + SCALE) // (2 * SCALE), prices=self.version)

    def rates(self, place: Place | str | None, model: str, now: float, *, batch: bool = False) -> Rates | None:
        """What holds for a model at `now`; None: nobody has named a price."""
        model = model[:MAX_NAME].lower()
        if not isinstance(place, Place):
            place = Place(place)
        elif not self._by_place:
            place = Place(place.service)
        key = (place, model, int(now // _STEP), batch)  # sales begin and end at full or half hours: a test looks
        if key not in self._rates:
            if len(self._rates) >= _REMEMBERED:
                self._rates.clear()
            self._rates[key] = self._made(place, model, now, batch=batch)
        return self._rates[key]

    def _made(self, place: Place, model: str, now: float, *, batch: bool) -> Rates | None:
        entry = self._entry(place, model)
        if entry is None:
            return None
        if isinstance(entry, SitePrice):
            return entry.rates.times(entry.batch) if batch else entry.rates
        rates = rates_of(in_force(entry, now, batch=batch))
        discount = next((one for one in self._site.discounts if _fits(one, place, model)), None)
        return rates.times(discount.factor) if discount else rates

    def _entry(self, place: Place, model: str) -> Entry | SitePrice | None:
        key = (place, model)
        if key not in self._entries:
            if len(self._entries) >= _REMEMBERED:
                self._entries.clear()
            own = (one for one in self._site.models if _fits(one, place, model))
            seller = PROVIDERS.get(place.service or "")
            self._entries[key] = next(own, None) or (find(seller, model) if seller else None)
        return self._entries[key]


def _fits(one: SitePrice | Discount, place: Place, model: str) -> bool:
    wanted = (one.service, one.provider, one.route)
    return all(want in (None, is_) for want, is_ in zip(wanted, place, strict=True)) and named(one.model, model)


def named(pattern: str, model: str) -> bool:
    """Whether a name that may begin or end with `*` means a model (lower case)."""
    inner = pattern.lower().strip("*")
    if pattern.startswith("*"):
        return inner in model if pattern.endswith("*") else model.endswith(inner)
    return model.startswith(inner) if pattern.endswith("*") else model == inner


def site_rates(told: Mapping[str, str]) -> Rates:
    """Rates of an entry of the operator's, by kind (KINDS). ValueError: no price."""
    return Rates({kind: ((-1, scaled(price)),) for kind, price in told.items()})


def total(rates: Rates, usage: Usage) -> int | None:
    """Millionths of a dollar times SCALE; None: something that was used has no price."""
    hour = min(usage.cache_write_1h_tokens, usage.cache_write_tokens)
    written = usage.cache_write_tokens - (hour if "cw1h" in rates.steps else 0)
    received = {"cr": usage.cached_tokens, "cw": written, "cw1h": hour, "ain": usage.audio_input_tokens}
    made = {"rea": usage.reasoning_tokens, "aout": usage.audio_output_tokens}
    received = {kind: tokens for kind, tokens in received.items() if kind in rates.steps}
    made = {kind: tokens for kind, tokens in made.items() if kind in rates.steps}
    received["in"] = max(0, usage.input_tokens - sum(received.values()))
    made["out"] = max(0, usage.output_tokens - sum(made.values()))
    counted = {kind: tokens for kind, tokens in (received | made).items() if tokens}
    if not rates.steps or not counted.keys() <= rates.steps.keys():
        return None
    cost = sum(rates.at(kind, usage.input_tokens) * tokens for kind, tokens in counted.items())
    return cost + (rates.at("req", usage.input_tokens) * 1000 if "req" in rates.steps else 0)  # $ per 1000 of them
