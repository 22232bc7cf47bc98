"""Costs: the package that the table is made from is the oracle."""

import warnings
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

import price_source
import pytest
from genai_prices import types
from genai_prices.data import providers
from genai_prices.data_snapshot import DataSnapshot

from appliance.ledger import price_table
from appliance.ledger.price_services import PROVIDERS
from appliance.ledger.prices import Discount, Place, Prices, SitePrice, SitePrices, named, site_rates
from appliance.model.event import Usage

NOW = datetime(2026, 11, 20, 17, 40, tzinfo=UTC).timestamp()
TIMES = (
    NOW,
    datetime(2024, 2, 29, 3, 10, tzinfo=UTC).timestamp(),
    datetime(2026, 10, 14, 23, 0, tzinfo=UTC).timestamp(),
)
USAGES = (
    Usage(input_tokens=1200, output_tokens=300),
    Usage(input_tokens=90_000, output_tokens=4000, cached_tokens=80_000, reasoning_tokens=1500),
    Usage(input_tokens=250_001, output_tokens=1, cached_tokens=3, cache_write_tokens=1001, cache_write_1h_tokens=400),
    Usage(input_tokens=640, output_tokens=200, audio_input_tokens=333, audio_output_tokens=77),
    Usage(input_tokens=7),
)
SELLERS = {}
for service, seller in PROVIDERS.items():
    SELLERS.setdefault(seller, service)


def asked(usage):
    """The same for the oracle, every number said."""
    return types.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_5m_tokens=usage.cache_write_tokens - usage.cache_write_1h_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        input_audio_tokens=usage.audio_input_tokens,
        output_audio_tokens=usage.audio_output_tokens,
        cache_audio_read_tokens=0,
        output_reasoning_tokens=usage.reasoning_tokens,
    )


def a_name(match):
    """A name that this clause of the table means."""
    kind, *rest = match
    if kind in "|&":
        return a_name(rest[0])
    return rest[0]


def rates_for(model, now, batch):
    """What the table says of one model of the oracle, found by its place."""
    entry = price_table.msgspec.convert(price_source.entry(model), price_table.Entry)
    return price_table.rates_of(price_table.in_force(entry, now, batch=batch))


def test_the_file_is_what_the_source_gives():
    assert price_source.TARGET.read_text() == price_source.made()


@pytest.mark.parametrize("batch", [False, True])
def test_every_model_costs_what_the_source_says(batch):
    compared = unpriced = 0
    context = {"processing": "batch"} if batch else None
    for one in providers:
        for model in one.models:
            if batch and not model.price_variants:
                continue
            for now in TIMES:
                prices = SitePrices(models=(SitePrice(None, "*", rates_for(model, now, batch)),))
                ours = Prices(prices)
                for usage in USAGES:
                    told = ours.cost("x", "m", usage, now)
                    at = datetime.fromtimestamp(now, UTC)
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        price = model.calc_price(asked(usage), one, genai_request_timestamp=at, price_context=context)
                    expected = (price.total_price * 10**6).to_integral_value(ROUND_HALF_UP)
                    if told.priced:
                        assert told.micros == expected, (one.id, model.id, usage, now)
                        compared += 1
                    else:
                        unpriced += 1
                        listed = {name for name, value in price.model_price.__dict__.items() if value is not None}
                        assert not {"input_mtok", "output_mtok"} <= listed, (one.id, model.id, usage)
    assert compared > (1_000 if batch else 30_000)
    assert unpriced < compared / 5  # embeddings have no price of output, pictures none of tokens


def test_every_name_means_the_same_model_as_in_the_source():
    snapshot = DataSnapshot(providers=providers, from_auto_update=False)
    names = 0
    for one in providers:
        for model in one.models:
            for name in {a_name(price_source.match(model.match)), model.id}:
                if any(sign in name for sign in "^$\\("):
                    continue
                for text in (name.lower(), name.lower() + "-20251211"):
                    try:
                        theirs = snapshot.find_provider_model(text, one, None, None)[1]
                    except LookupError:
                        theirs = None
                    found = price_table.find(one.id, text)
                    expected = theirs and price_table.msgspec.convert(price_source.entry(theirs), price_table.Entry)
                    assert found == expected, (one.id, text)
                    names += 1
    assert names > 4000


def test_every_service_has_its_provider_and_sales_begin_at_half_hours():
    for name in {*PROVIDERS.values(), *price_table.table().providers}:
        for entry in price_table.provider(name).models:
            for sale in (*entry.sales, *entry.batch):
                hours = sale.when if isinstance(sale.when, list) else ()
                assert all(second % 1800 == 0 for second in hours), (name, sale)


def test_a_service_is_priced_by_its_own_list():
    prices = Prices()
    usage = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
    assert prices.cost("openai", "gpt-4o-mini", usage, NOW).micros == 750_000
    assert prices.cost("openai", "GPT-4o-mini-2024-07-18", usage, NOW).micros == 750_000
    assert prices.cost("azure_openai", "gpt-4o-mini", usage, NOW).priced


@pytest.mark.parametrize(
    ("service", "model"),
    [("openai", "no-such-model"), ("openai", None), ("ollama", "gpt-4o-mini"), (None, "gpt-4o-mini")],
)
def test_what_nobody_priced_is_unpriced_and_not_free(service, model):
    told = Prices().cost(service, model, Usage(input_tokens=10), NOW)
    assert (told.priced, told.micros) == (False, 0)
    assert told.prices.startswith("genai-prices-")


def test_the_operator_s_prices_come_first_and_discounts_touch_the_list_alone():
    local = SitePrice("ollama", "*", site_rates({"in": "0", "out": "0"}))
    own = SitePrice(None, "gpt-4o-mini*", site_rates({"in": "1", "out": "2"}), Decimal("0.5"))
    half = Discount("anthropic", "*", Decimal("0.5"))
    prices, listed = Prices(SitePrices("7", (local, own), (half,))), Prices()
    usage = Usage(input_tokens=1000, output_tokens=1000)
    assert prices.cost("ollama", "llama3", usage, NOW) == prices.cost("ollama", "other", usage, NOW)
    assert prices.cost("ollama", "llama3", usage, NOW).priced
    assert prices.cost("openai", "gpt-4o-mini", usage, NOW).micros == 3000
    assert prices.cost("openai", "gpt-4o-mini", usage, NOW, batch=True).micros == 1500
    claude = "claude-sonnet-4-5"
    whole = listed.cost("anthropic", claude, usage, NOW)
    assert prices.cost("anthropic", claude, usage, NOW).micros * 2 == whole.micros > 0
    assert prices.version.endswith("+7")


@pytest.mark.parametrize(
    ("pattern", "means", "not_"),
    [("a", "a", "ab"), ("a*", "ab", "ba"), ("*A", "ba", "ab"), ("*a*", "bab", "b"), ("*", "anything", None)],
)
def test_patterns_of_models(pattern, means, not_):
    assert named(pattern, means)
    assert not_ is None or not named(pattern, not_)


@pytest.mark.parametrize("price", ["-1", "1e999999", "nan", "x", "Infinity", ""])
def test_what_is_no_price_is_refused(price):
    with pytest.raises(ValueError, match="is no price"):
        price_table.scaled(price)


def test_what_names_of_clients_cost_is_bounded():
    prices = Prices()
    for number in range(5000):
        prices.rates("openai", f"{number}" * 100, NOW)
    assert len(prices._rates) <= 4096
    assert len(prices._entries) <= 4096


PLACED = SitePrices(
    "own",
    (
        SitePrice(None, "llama*", site_rates({"in": "0", "out": "0"}), provider="cellar"),
        SitePrice("openai", "gpt-4o-mini", site_rates({"in": "1", "out": "1"}), route="board"),
        SitePrice("openai", "gpt-4o-mini", site_rates({"in": "2", "out": "2"})),
    ),
    (Discount("anthropic", "*", Decimal("0.5"), provider="reseller"),),
)


@pytest.mark.parametrize(
    ("place", "model", "micros"),
    [
        (Place("ollama", "cellar"), "llama3", 0),
        (Place("ollama", "attic"), "llama3", None),
        (Place("ollama"), "llama3", None),
        (Place("openai", "", "board"), "gpt-4o-mini", 3),
        (Place("openai", "any", "board"), "gpt-4o-mini", 3),
        (Place("openai", "", "staff"), "gpt-4o-mini", 6),
        (Place("openai"), "gpt-4o-mini", 6),
        ("openai", "gpt-4o-mini", 6),
    ],
)
def test_a_price_may_be_that_of_a_provider_or_a_route(place, model, micros):
    cost = Prices(PLACED).cost(place, model, Usage(1, 2), NOW)
    assert (cost.micros if cost.priced else None) == micros


def test_a_discount_may_be_that_of_a_provider():
    usage, claude = Usage(1000, 1000), "claude-sonnet-4-20250514"
    prices = Prices(PLACED)
    whole = prices.cost(Place("anthropic"), claude, usage, NOW).micros
    assert prices.cost(Place("anthropic", "reseller"), claude, usage, NOW).micros * 2 == whole > 0
