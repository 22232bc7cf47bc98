"""What each attempt has cost, and where it went."""

import pytest

from addons.charged import Charged
from addons.ongoing import Exchange
from appliance.config.route_schema import ProviderEntry, RouteEntry, TargetEntry
from appliance.config.schema import Config, Gateway
from appliance.ledger.prices import Prices, SitePrice, SitePrices, site_rates
from appliance.model.catalogue import Service
from appliance.model.event import Attempt, Cost, Usage
from appliance.model.facts import Facts, Principal
from appliance.model.names import Stage, Surface

PRICES = Prices(
    SitePrices(
        "v",
        (
            SitePrice(None, "m", site_rates({"in": "1", "out": "1"}), provider="cheap"),
            SitePrice("openai", "m", site_rates({"in": "10", "out": "10"})),
        ),
    )
)
ROUTES = {"one": RouteEntry(service="openai", target="https://x", targets=(TargetEntry(provider="cheap"),))}
CONFIG = Config(
    gateway=Gateway(routes=ROUTES), providers={"cheap": ProviderEntry(service="openai", target="https://x")}
)
OWN = Cost(micros=50, overrun_micros=3)
TOLD = Usage(12, 8)


@pytest.fixture
def exchange():
    facts = Facts(principal="p", client="a", service="openai", model="m", host="h", port=1, method="POST", path="/")
    service = Service(id="openai", name="OpenAI", owner="o", category="c", surface=Surface.API, domains=("h",))
    made = Exchange("x", service, Principal("n", "a"), Stage.ENFORCE, 0.0, "h", facts=facts)
    made.asked_chars, made.asked_sample = 400, "word " * 80
    return made


@pytest.fixture
def charged():
    return Charged(CONFIG, PRICES, lambda: 1_700_000_000.0)


def test_a_single_attempt_is_told_by_the_exchange_itself(charged, exchange):
    only = (Attempt("h", 200, sent=True),)
    assert charged.apart(exchange, only, TOLD, OWN) == (only, OWN)


def test_attempts_are_summed_and_the_last_one_has_what_was_told(charged, exchange):
    lost, full = Attempt("h", 0, sent=True, provider="cheap"), Attempt("h", 0, denied=True)
    (first, second, third), cost = charged.apart(exchange, (lost, Attempt("h", 200, sent=True), full), TOLD, OWN)
    assert first.usage.estimated
    assert first.cost.micros == first.usage.input_tokens > 0
    assert (second.service, second.usage, second.cost) == ("openai", TOLD, OWN)
    assert third == full
    assert (cost.micros, cost.overrun_micros, cost.priced) == (50 + first.cost.micros, 3, True)


def test_one_without_a_price_makes_the_sum_unpriced(charged, exchange):
    lost = Attempt("h", 0, service="groq", model="unknown", sent=True)
    (first, _), cost = charged.apart(exchange, (lost, Attempt("h", 200, sent=True)), TOLD, OWN)
    assert (first.cost.priced, cost.priced) == (False, False)


def test_the_price_is_that_of_the_place(charged, exchange):
    assert charged.cost(exchange, TOLD, "m").micros == 200
    exchange.moved = "one"
    assert charged.cost(exchange, TOLD, "m").micros == 20
    assert charged.cost(exchange, None, "m") is None


def test_what_a_central_appliance_has_sent_on_costs_nothing_here(charged, exchange):
    exchange.handed = True
    attempts = (Attempt("h", 0, sent=True), Attempt("h", 200, sent=True))
    assert charged.apart(exchange, attempts, None, None) == (attempts, None)
