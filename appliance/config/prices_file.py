"""The operator's file of prices: what models cost here, and discounts on listed prices.

Rules: refused whole, every fault with file, line and key; prices are US dollars per million tokens, `request` per
request; what stands first counts first.
"""

import difflib
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from appliance.config import yaml_source
from appliance.config.conversion import convert, refuse
from appliance.config.prices_schema import DiscountEntry, PriceEntry, PricesFile
from appliance.config.yaml_source import Document, Path_

MAX_ENTRIES = 10_000
MAX_PRICE = 10**6
_MAX_NAME = 128


PRICED = (
    *("input", "output", "cached", "cache_write", "cache_write_1h"),
    *("reasoning", "audio_input", "audio_output", "request"),
)
"""Keys that hold a price."""


def load_prices(path: Path) -> tuple[PricesFile, str]:
    """The file and its version, 8 hexadecimal characters of what it says. OperatorError lists every fault."""
    return check(yaml_source.read(path))


def check(document: Document) -> tuple[PricesFile, str]:
    """The same of a file that has been read."""
    file = convert(document, PricesFile)
    refuse([document.fault(place, what) for place, what in _faults(file)])
    return file, hashlib.sha256(repr(file).encode()).hexdigest()[:8]


def _faults(file: PricesFile) -> Iterator[tuple[Path_, str]]:
    if len(file.models) + len(file.discounts) > MAX_ENTRIES:
        yield (), f"more than {MAX_ENTRIES} entries"
    seen: dict[tuple[str | None, ...], int] = {}
    for number, entry in enumerate(file.models):
        place: Path_ = ("models", number)
        yield from (((*place, *key), what) for key, what in _names(entry, entry.model))
        for key in PRICED:
            price = getattr(entry, key)
            if price is not None and not 0 <= price <= MAX_PRICE:
                yield (*place, key), f"must lie between 0 and {MAX_PRICE} dollars"
        if not 0 <= entry.batch_percent <= 100:  # noqa: PLR2004 - percent
            yield (*place, "batch_percent"), "must lie between 0 and 100"
        model = entry.model.lower()
        who = (entry.service, entry.provider, entry.route, model)
        if who in seen:
            yield (*place, "model"), f"{entry.model} stands twice, first as number {seen[who] + 1}"
        wider = min((seen[one] for one in _wider(entry, model) if one in seen), default=None)
        if wider is not None:
            yield (*place, "model"), f"can never count: number {wider + 1} fits wherever it does, and stands before it"
        seen.setdefault(who, number)
    for number, discount in enumerate(file.discounts):
        yield from ((("discounts", number, *key), what) for key, what in _names(discount, discount.model))
        if not 0 < discount.percent <= 100:  # noqa: PLR2004 - percent
            yield ("discounts", number, "percent"), "must be more than 0 and at most 100"


def _wider(entry: PriceEntry, model: str) -> Iterator[tuple[str | None, ...]]:
    """What fits all that an entry about one provider or route fits, under the same name of a model."""
    if entry.provider is None and entry.route is None:
        return
    for service in dict.fromkeys((entry.service, None)):
        for provider in dict.fromkeys((entry.provider, None)):
            for route in dict.fromkeys((entry.route, None)):
                wide = (service, provider, route, model)
                if wide != (entry.service, entry.provider, entry.route, model):
                    yield wide


def places_unknown(file: PricesFile, providers: Iterable[str], routes: Iterable[str]) -> Iterator[str]:
    """Providers and routes that entries name and the configuration has not: such an entry would never count."""
    known = {"provider": tuple(providers), "route": tuple(routes)}
    for kind, entries in (("models", file.models), ("discounts", file.discounts)):
        for number, entry in enumerate(entries):
            for key, names in known.items():
                value = getattr(entry, key)
                if value is not None and value not in names:
                    close = difflib.get_close_matches(value, names, n=1)
                    hint = f"; did you mean {close[0]!r}?" if close else ""
                    yield f"prices.file: {kind}.{number}.{key}: no {key} {value!r} in the configuration{hint}"


def _names(entry: PriceEntry | DiscountEntry, model: str) -> Iterator[tuple[Path_, str]]:
    if not model.strip() or len(model) > _MAX_NAME:
        yield ("model",), f"must not be empty, nor longer than {_MAX_NAME} characters"
    elif "*" in model.strip("*"):
        yield ("model",), "* stands at the beginning or the end only"
    for key in ("service", "provider", "route"):
        value = getattr(entry, key)
        if value is not None and not value.strip():
            yield (key,), f"must not be empty; leave it out for any {key}"
