"""The price table that comes with the program: its form, which model a name means, and what holds when. Pure.

`prices.json` is made from the package genai-prices (MIT) by `tests/price_source.py`: providers, each with entries in
the order in which they are tried. An entry is `[match, sales, batch]`; a match `["=", text]`, `^` begins with, `$` ends
with, `*` holds, `~` fits a pattern, `|` any of, `&` all of; a sale `[when, prices]` with when null (always), a date
(from its UTC midnight on) or two seconds of the UTC day; a price is a decimal text, or `[base, [start, price] ...]`.

Rules: of several sales the last in force counts, and the first where none is; a step holds for all tokens once the
whole input is longer than its start; whoever sells another's models at its list has it as fallback, one step far.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from typing import Final

import msgspec

SCALE: Final = 10**18
"""Prices are whole numbers of 10^-18 dollars: as exact as the source writes them."""
KINDS: Final = ("in", "out", "cr", "cw", "cw1h", "ain", "aout", "rea", "req")
"""Input, output, read from a cache, written to it, written for an hour, audio in and out, reasoning, requests."""
_DAY: Final = 86400
_DEAREST: Final = 10**9
_COMPACT_DATE = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")

type When = str | list[int] | None
type Told = dict[str, str | list[object]]


class Sale(msgspec.Struct, frozen=True, array_like=True):
    """Prices and when they are in force."""

    when: When
    prices: Told


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """Models that `match` means. `batch`: what differs where a request comes in a batch."""

    match: list[object]
    sales: tuple[Sale, ...]
    batch: tuple[Sale, ...] = ()


class Provider(msgspec.Struct, frozen=True):
    """Entries in order; `fallback`: whose models it sells beside its own."""

    models: tuple[Entry, ...]
    fallback: tuple[str, ...] = ()


class Table(msgspec.Struct, frozen=True):
    """The whole file; providers are read when they are asked for."""

    source: str
    licence: str
    version: str
    providers: dict[str, msgspec.Raw]


class Rates(msgspec.Struct, frozen=True):
    """Prices of one model by kind: pairs of the input beyond which a step holds (-1: always) and its price."""

    steps: dict[str, tuple[tuple[int, int], ...]]

    def at(self, kind: str, received: int) -> int:
        """The price of a kind in 10^-18 dollars where `received` tokens came in; KeyError: it has none."""
        return next(price for start, price in reversed(self.steps[kind]) if received > start)

    def times(self, factor: Decimal) -> "Rates":
        """All prices multiplied."""
        steps = {kind: tuple((start, int(one * factor)) for start, one in told) for kind, told in self.steps.items()}
        return Rates(steps)


@cache
def table() -> Table:
    """What comes with the program."""
    return msgspec.json.decode((resources.files("appliance.ledger") / "prices.json").read_bytes(), type=Table)


@cache
def provider(name: str) -> Provider:
    """One provider; KeyError: there is none of that name."""
    return msgspec.json.decode(table().providers[name], type=Provider)


def find(name: str, model: str) -> Entry | None:
    """The entry of provider `name` that means `model` (lower case), as it is written or with its date written out."""
    asked = provider(name)
    for written in dict.fromkeys((model, _with_dashes(model))):
        for seller in (asked, *map(provider, asked.fallback)):
            for entry in seller.models:
                if matches(entry.match, written):
                    return entry
    return None


_CLAUSES: Final[dict[str, Callable[[str, str], bool]]] = {
    "=": str.__eq__,
    "^": str.startswith,
    "$": str.endswith,
    "*": str.__contains__,
    "~": lambda text, word: re.search(word, text) is not None,
}


def matches(match: list[object], text: str) -> bool:
    """Whether a match of the file means a name (lower case)."""
    kind, *rest = match
    if kind == "|":
        return any(matches(one, text) for one in rest if isinstance(one, list))
    if kind == "&":
        return all(matches(one, text) for one in rest if isinstance(one, list))
    return _CLAUSES[str(kind)](text, str(rest[0]))


def _with_dashes(model: str) -> str:
    """`-20251211` as `-2025-12-11`, where it is a date."""

    def written(found: re.Match[str]) -> str:
        try:
            return f"-{dt.date(int(found[1]), int(found[2]), int(found[3])).isoformat()}"
        except ValueError:
            return found[0]

    return _COMPACT_DATE.sub(written, model)


def in_force(entry: Entry, now: float, *, batch: bool) -> Told:
    """The prices of an entry at `now`, epoch seconds."""
    sales = entry.sales
    standard = next((one.prices for one in reversed(sales) if active(one.when, now)), sales[0].prices if sales else {})
    told = dict(standard)
    for sale in reversed(entry.batch if batch else ()):  # of several that are in force the first counts
        if active(sale.when, now):
            told |= sale.prices
    return told


def active(when: When, now: float) -> bool:
    """Whether a sale is in force."""
    if when is None:
        return True
    if isinstance(when, str):
        return dt.datetime.fromtimestamp(now, dt.UTC).date() >= dt.date.fromisoformat(when)
    start, end = when
    second = now % _DAY
    return start <= second < end if start <= end else second >= start or second < end


def scaled(price: str) -> int:
    """A decimal as it is written, in 10^-18. ValueError: no price."""
    try:
        value = Decimal(price)
        whole = int(value.scaleb(18)) if value.is_finite() and value <= _DEAREST else -1
    except InvalidOperation:
        whole = -1
    if whole < 0:
        raise ValueError(f"{price!r} is no price")
    return whole


def rates_of(told: Told) -> Rates:
    """Prices of the file as numbers."""
    return Rates({kind: tuple(_steps(price)) for kind, price in told.items()})


def _steps(price: str | list[object]) -> Iterable[tuple[int, int]]:
    if isinstance(price, str):
        return [(-1, scaled(price))]
    base, *further = price
    return [
        (-1, scaled(str(base))),
        *((int(str(one[0])), scaled(str(one[1]))) for one in further if isinstance(one, list)),
    ]
