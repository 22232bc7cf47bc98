"""Budgets of a running appliance with two workers: the ledger counts what the provider bills, and nobody gets more."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice

import pytest
from system.operations_world import URL, body, eventually, proxied, site_at, through_gateway
from tests_support import HOST, Provider

BILLED = 12 + 8  # tokens of every answer of the stand-in
BUDGETS = """
budgets:
  - {name: billed, what: tokens, amount: 100000000, window: month}
  - {name: each, what: tokens, amount: 100000000, window: day, per: user}
  - {name: few, what: tokens, amount: 1200, window: day, match: {model: [stand-in-few]}}
  - {name: asked, what: requests, amount: 60, window: hour, match: {model: [stand-in-sixty]}}
prices: {file: prices.yaml}
gateway:
  routes:
    openai: {service: openai, target: 'https://api.openai.com'}
    dead: {service: openai, target: 'https://api.openai.com:8444', fallbacks: ['https://api.openai.com:8443']}
    busy: {service: local, target: 'https://chat.example.test', fallbacks: ['https://api.openai.com:8443']}
"""


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A provider that answers 503 to everything."""
    stand_in = Provider(tmp_path_factory.mktemp("busy"), "--always", "stand-in-503")
    yield stand_in
    stand_in.stop()


@pytest.fixture(scope="module")
def site(provider, busy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    folder.joinpath("prices.yaml").write_text("models:\n- {model: stand-in*, input: 1, output: 2}\n")
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))  # taken, but nobody listens: connections are refused
        places = {f"{HOST}:8444": dead.getsockname()[1]}
        with site_at(folder, provider, busy, extra=BUDGETS, places=places, workers=2) as started:
            yield started


def used(site, name):
    """What the counters of a budget stand at, as the command line tells it."""
    done = site.run("budgets", "--budget", name, "--json", check=False)  # exit 1: it is used up
    assert done.stdout, done.stderr
    rows = json.loads(done.stdout)
    assert all(row["reserved"] == 0 for row in rows)
    return sum(row["used"] for row in rows)


def at_once(calls, clients=16):
    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(lambda call: call(), calls))


def mixed(site, clients):
    """Calls of every kind, in turns: plain, streamed, refused by the provider, over a dead and over a busy target."""
    client, gateway = clients
    key = {"authorization": "Bearer sk-mine"}
    path = "/v1/chat/completions"
    told = {"stream_options": {"include_usage": True}}  # a service that is not known to take it is not asked by us
    kinds = (
        lambda: client.post(URL, json=body()),
        lambda: client.post(URL, json=body(stream=True)),
        lambda: client.post(URL, json=body() | {"max_tokens": 64}),
        lambda: client.post(URL, json=body("stand-in-503")),
        lambda: gateway.post(f"/dead{path}", json=body(), headers=key),
        lambda: gateway.post(f"/busy{path}", json=body(stream=True) | told, headers=key),
        lambda: gateway.post(f"/openai{path}", json=body("stand-in-say.5", stream=True), headers=key),
    )
    return cycle(kinds)


def billed(provider, before):
    """The stand-in's own count: what it has billed for what arrived."""
    arrivals = [json.loads(one["body"]) for one in provider.arrivals()[before:]]
    return sum(BILLED for one in arrivals if one["model"] != "stand-in-503")


def ledger_is_the_providers_count(site, provider, requests):
    before, counted = len(provider.arrivals()), used(site, "billed")
    began = time.time()
    with proxied(site) as client, through_gateway(site) as gateway:
        calls = list(islice(mixed(site, (client, gateway)), requests))
        answers = at_once(calls)
    assert {answer.status_code for answer in answers} == {200, 503}
    expected = billed(provider, before)
    assert eventually(lambda: used(site, "billed") - counted, lambda found: found == expected) == expected
    return expected, began


@pytest.mark.system
def test_the_ledger_is_the_provider_s_own_count(site, provider):
    expected, began = ledger_is_the_providers_count(site, provider, 280)
    assert used(site, "each") == used(site, "billed")
    rows = eventually(
        lambda: site.ask_store("usage", since=began - 1), lambda rows: sum(one["exchanges"] for one in rows) >= 280
    )
    told = sum((one["input_tokens"] or 0) + (one["output_tokens"] or 0) for one in rows)
    assert told == expected


@pytest.mark.conformance
@pytest.mark.timeout(900)
def test_the_ledger_is_the_provider_s_own_count_over_ten_thousand(site, provider):
    ledger_is_the_providers_count(site, provider, 10_000)


@pytest.mark.system
@pytest.mark.parametrize(
    ("model", "name", "limit", "each"), [("stand-in-few", "few", 1200, BILLED), ("stand-in-sixty", "asked", 60, 1)]
)
def test_two_hundred_clients_at_once_get_no_more_than_there_is(site, provider, model, name, limit, each):
    before = len(provider.arrivals())

    def call():
        with proxied(site) as client:
            return client.post(URL, json=body(model) | {"max_tokens": 8})

    answers = at_once([call] * 200, clients=200)
    granted = sum(answer.status_code == 200 for answer in answers)
    assert {answer.status_code for answer in answers} == {200, 429}
    assert granted == len(provider.arrivals()) - before
    assert granted * each <= limit
    assert eventually(lambda: used(site, name), lambda found: found <= limit + 1) <= limit
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["error"]["code"] == "quota"
    assert int(refused.headers["retry-after"]) > 0
    if name == "asked":
        assert granted == limit


@pytest.mark.system
def test_counters_that_are_lost_are_told_by_the_store(site):
    with proxied(site) as client:
        answers = [client.post(URL, json=body()) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    eventually(lambda: site.ask_store("exchanges", limit=1)[0]["outcome"])
    before = {name: used(site, name) for name in ("billed", "each", "few")}
    assert before["billed"] >= 3 * BILLED
    site.down()
    (site.folder / "state" / "ledger" / "counters.map").unlink()
    site.up()
    assert {name: used(site, name) for name in before} == before
