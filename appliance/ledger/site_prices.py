"""The operator's file of prices as the table's records. Pure: what the file says has been checked."""

from decimal import Decimal

from appliance.config.prices_schema import DiscountEntry, PriceEntry, PricesFile
from appliance.ledger.prices import Discount, SitePrice, SitePrices, site_rates

_KINDS = {
    "input": "in",
    "output": "out",
    "cached": "cr",
    "cache_write": "cw",
    "cache_write_1h": "cw1h",
    "reasoning": "rea",
    "audio_input": "ain",
    "audio_output": "aout",
}


def site_prices(file: PricesFile, version: str) -> SitePrices:
    """What `Prices` takes."""
    discounts = (_discount(one) for one in file.discounts)
    return SitePrices(version, tuple(map(_price, file.models)), tuple(discounts))


def _discount(entry: DiscountEntry) -> Discount:
    factor = (100 - _exact(entry.percent)) / 100
    return Discount(entry.service, entry.model, factor, entry.provider, entry.route)


def _price(entry: PriceEntry) -> SitePrice:
    told = {_KINDS[key]: str(_exact(value)) for key in _KINDS if (value := getattr(entry, key)) is not None}
    if entry.request is not None:
        told["req"] = str(_exact(entry.request) * 1000)  # the table tells it per thousand
    batch = _exact(entry.batch_percent) / 100
    return SitePrice(entry.service, entry.model, site_rates(told), batch, entry.provider, entry.route)


def _exact(value: float) -> Decimal:
    """As it was written: the shortest decimal that reads as this number."""
    return Decimal(repr(value))
