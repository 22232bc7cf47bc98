"""Makes appliance/ledger/prices.json from the installed genai-prices: `python tests/price_source.py`."""

import importlib.metadata
import json
from datetime import UTC, date, datetime
from pathlib import Path

from genai_prices import types
from genai_prices.data import providers

TARGET = Path(__file__).parents[1] / "appliance" / "ledger" / "prices.json"
KINDS = {
    "input_mtok": "in",
    "output_mtok": "out",
    "cache_read_mtok": "cr",
    "cache_write_mtok": "cw",
    "cache_write_1h_mtok": "cw1h",
    "input_audio_mtok": "ain",
    "output_audio_mtok": "aout",
    "output_reasoning_mtok": "rea",
    "requests_kcount": "req",
}
CLAUSES = {
    types.ClauseEquals: ("=", "equals"),
    types.ClauseStartsWith: ("^", "starts_with"),
    types.ClauseEndsWith: ("$", "ends_with"),
    types.ClauseContains: ("*", "contains"),
}


def match(clause) -> list:
    if isinstance(clause, types.ClauseOr):
        return ["|", *map(match, clause.or_)]
    if isinstance(clause, types.ClauseAnd):
        return ["&", *map(match, clause.and_)]
    if isinstance(clause, types.ClauseRegex):
        return ["~", clause.regex]
    sign, name = CLAUSES[type(clause)]
    return [sign, getattr(clause, name).lower()]


def price(value) -> str | list:
    if isinstance(value, types.TieredPrices):
        return [format(value.base, "f"), *([step.start, format(step.price, "f")] for step in value.tiers)]
    return format(value, "f")


def prices(told) -> dict:
    return {KINDS[name]: price(value) for name, value in told.__dict__.items() if name in KINDS and value is not None}


def second(value) -> int:
    at = value if value.tzinfo is None else datetime.combine(date(1970, 1, 1), value).astimezone(UTC).timetz()
    return at.hour * 3600 + at.minute * 60 + at.second


def when(constraint) -> str | list | None:
    if constraint is None:
        return None
    if isinstance(constraint, types.StartDateConstraint):
        return constraint.start_date.isoformat()
    return [second(constraint.start_time), second(constraint.end_time)]


def entry(model) -> list:
    told = model.prices if isinstance(model.prices, list) else [types.ConditionalPrice(prices=model.prices)]
    sales = [[when(one.constraint), prices(one.prices)] for one in told]
    variants = [one for one in model.price_variants or () if one.when == {"processing": "batch"}]
    batch = [[when(one.constraint), prices(one.prices)] for one in variants]
    return [match(model.match), sales, *([batch] if batch else [])]


def licence() -> str:
    """The text that has to go along."""
    found = [path for path in importlib.metadata.files("genai-prices") or () if path.name == "LICENSE"]
    return " ".join(found[0].read_text().split())


def made() -> str:
    """The file: one entry a line."""
    version = importlib.metadata.version("genai-prices")
    head = {
        "source": "https://github.com/pydantic/genai-prices",
        "licence": licence(),
        "version": f"genai-prices-{version}",
    }
    lines = [json.dumps(head)[:-1] + ', "providers": {']
    for number, one in enumerate(providers):
        rows = ",\n".join(json.dumps(entry(model), separators=(",", ":")) for model in one.models)
        fallback = f', "fallback": {json.dumps(one.fallback_model_providers)}' if one.fallback_model_providers else ""
        end = "," if number < len(providers) - 1 else ""
        lines.append(f'{json.dumps(one.id)}: {{"models": [\n{rows}]{fallback}}}{end}')
    return "\n".join([*lines, "}}", ""])


if __name__ == "__main__":
    TARGET.write_text(made())
