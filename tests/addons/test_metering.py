"""Budgets in the life of an exchange, through one whole worker and a provider that counts for itself."""

import asyncio
import json
import time

import pytest
from tests_support import HOST
from worker_world import worker_at

from addons.limits_told import turned, unpriced
from appliance.config.budget_schema import Metering as MeteringConfig
from appliance.config.budget_schema import PricesConfig
from appliance.config.schema import AddressEntry, BudgetEntry, BudgetMatch, Identity
from appliance.ledger.budgets import Budgets, Claim
from appliance.ledger.file import LedgerBusy
from appliance.ledger.ledger import Ledger
from appliance.ledger.table import CounterKey, Denied, LedgerFull
from appliance.ledger.windows import Window
from appliance.model.names import Stage
from appliance.supervisor.evidence import counter_file

URL = f"https://{HOST}/v1/chat/completions"
BODY = {"model": "stand-in", "messages": [{"role": "user", "content": "when is noon?"}]}
USED = 12 + 8  # what the stand-in bills for each of its answers


def budget(what, amount, window="day", **more):
    match = BudgetMatch(**more.pop("match", {}))
    return BudgetEntry(name="b", what=what, amount=amount, window=window, match=match, **more)


def stands(running, entry):
    """What the counter of everybody stands at."""
    (made,) = Budgets([entry], str).all
    with Ledger(counter_file(running.config), claim=False) as ledger:
        return ledger.used(made.counter(""), time.time())


def prices_file(folder, text="models:\n  - {model: stand-in*, input: 1000, output: 2000}\n"):
    path = folder / "prices.yaml"
    path.write_text(text)
    return PricesConfig(file=str(path))


async def test_requests_are_refused_where_a_quota_is_used_up(provider, tmp_path):
    entry, before = budget("requests", 2), len(provider.arrivals())
    async with worker_at(tmp_path, provider, budgets=(entry,)) as worker, worker.client() as client:
        answers = [await client.post(URL, json=BODY) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        told = answers[2]
        assert told.json()["error"]["type"] == "rate_limit_error"
        assert told.json()["error"]["code"] == "quota"
        assert "budget b (requests for this day) is used up" in told.json()["error"]["message"]
        assert 0 < int(told.headers["retry-after"]) <= 86400
        assert told.headers["x-ratelimit-limit-requests"] == "2"
        assert told.headers["x-ratelimit-remaining-requests"] == "0"
        (refused,) = worker.events("refusal")
        assert refused["reason"] == "quota"
        assert stands(worker, entry) == 2
    assert len(provider.arrivals()) == before + 2


async def test_tokens_are_settled_with_what_the_provider_tells(provider, tmp_path):
    entry = budget("tokens", 100_000)
    async with worker_at(tmp_path, provider, budgets=(entry,)) as worker, worker.client() as client:
        await client.post(URL, json=BODY | {"max_tokens": 50})
        async with client.stream("POST", URL, json=BODY | {"stream": True}) as answer:
            await answer.aread()
        assert stands(worker, entry) == 2 * USED
        assert [one["usage"]["output_tokens"] for one in worker.events("close")] == [8, 8]


async def test_the_answer_is_made_as_short_as_there_is_room(provider, tmp_path):
    entry = budget("output_tokens", 100)
    async with worker_at(tmp_path, provider, budgets=(entry,)) as worker, worker.client() as client:
        for _ in range(2):
            await client.post(URL, json=BODY | {"max_tokens": 1000})
        await client.post(URL, json=BODY)
        bodies = [json.loads(one["body"]) for one in provider.arrivals()[-3:]]
        assert [body.get("max_tokens") for body in bodies] == [100, 92, None]
        assert bodies[2]["max_completion_tokens"] == 84
        assert [one["edits"] for one in worker.events("open")] == [["max_tokens"]] * 3
        assert stands(worker, entry) == 24


async def test_a_request_that_is_within_its_budget_goes_as_it_came(provider, tmp_path):
    entry = budget("tokens", 10_000)
    async with worker_at(tmp_path, provider, budgets=(entry,)) as worker, worker.client() as client:
        await client.post(URL, json=BODY | {"max_tokens": 1000})
        (opened,) = worker.events("open")
        assert opened["body_digest"] == opened["sent_digest"] == provider.arrivals()[-1]["sha256"]


async def test_an_answer_in_one_piece_that_nobody_bounds_is_reserved_as_long_as_it_may_become(provider, tmp_path):
    entry = budget("output_tokens", 70_000)
    async with worker_at(tmp_path, provider, budgets=(entry,)) as worker, worker.client() as client:
        await client.post(URL, json=BODY)
        assert "max_completion_tokens" not in json.loads(provider.arrivals()[-1]["body"])
        (made,) = Budgets([entry], str).all
        with Ledger(counter_file(worker.config), claim=False) as ledger:
            ledger.add_settled(made.counter(""), 10_000, time.time())
        await client.post(URL, json=BODY)
        assert json.loads(provider.arrivals()[-1]["body"])["max_completion_tokens"] == 4096
        assert worker.events("open")[-1]["edits"] == ["max_tokens"]
        await client.post(URL, json=BODY | {"max_tokens": 5000})
        assert json.loads(provider.arrivals()[-1]["body"])["max_tokens"] == 5000


async def test_no_room_for_the_prompt_is_a_refusal_and_changes_nothing(provider, tmp_path):
    entry = budget("tokens", 10)
    async with worker_at(tmp_path, provider, budgets=(entry,)) as worker, worker.client() as client:
        answer = await client.post(URL, json=BODY)
        assert answer.status_code == 429
        assert answer.headers["x-ratelimit-limit-tokens"] == "10"
        assert stands(worker, entry) == 0


async def test_a_stream_ends_well_formed_where_a_budget_is_used_up(provider, tmp_path):
    entry, long = budget("output_tokens", 40), "noon is when the shadow is shortest. " * 100
    said = BODY | {"model": "stand-in-say.9", "stream": True, "messages": [{"role": "user", "content": long}]}
    async with worker_at(tmp_path, provider, budgets=(entry,)) as worker, worker.client() as client:
        async with client.stream("POST", URL, json=said) as answer:
            text = (await answer.aread()).decode()
        assert answer.status_code == 200
        events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
        ending = json.loads(events[-1] if events[-1] != "[DONE]" else events[-2])
        assert "budget" in json.dumps(ending)
        (closed,) = worker.events("close")
        assert (closed["outcome"], closed["reason"]) == ("blocked", "budget")
        assert closed["usage"]["estimated"]
        assert stands(worker, entry) == closed["usage"]["output_tokens"]


async def test_a_stream_without_a_most_is_extended_while_there_is_room(provider, tmp_path):
    entry = budget("output_tokens", 100_000)
    said = BODY | {"model": "stand-in-say.9", "stream": True, "messages": [{"role": "user", "content": "noon " * 800}]}
    small = MeteringConfig(output_tokens=10, step_tokens=50)
    async with worker_at(tmp_path, provider, budgets=(entry,), metering=small) as worker, worker.client() as client:
        async with client.stream("POST", URL, json=said) as answer:
            assert "[DONE]" in (await answer.aread()).decode()
        assert worker.events("close")[0]["outcome"] == "completed"
        assert stands(worker, entry) == 8


async def test_cost_is_told_and_counted(provider, tmp_path):
    entry = budget("cost", 10)
    sections = {"budgets": (entry,), "prices": prices_file(tmp_path)}
    async with worker_at(tmp_path, provider, **sections) as worker, worker.client() as client:
        await client.post(URL, json=BODY | {"max_tokens": 50})
        (closed,) = worker.events("close")
        assert closed["cost"]["micros"] == 12 * 1000 + 8 * 2000
        assert closed["cost"]["prices"].startswith("genai-prices-")
        assert stands(worker, entry) == 28_000


async def test_what_a_provider_bills_beyond_a_grant_is_told_and_counted(provider, tmp_path):
    entry = budget("cost", 0.0045)
    text = "models:\n  - {model: stand-in*, input: 0, output: 1000}\n"
    sections = {"budgets": (entry,), "prices": prices_file(tmp_path, text)}
    async with worker_at(tmp_path, provider, **sections) as worker, worker.client() as client:
        assert (await client.post(URL, json=BODY)).status_code == 200
        assert json.loads(provider.arrivals()[-1]["body"])["max_completion_tokens"] == 4
        (closed,) = worker.events("close")
        assert (closed["cost"]["micros"], closed["cost"]["overrun_micros"]) == (8000, 4000)
        assert stands(worker, entry) == 8000
        assert (await client.post(URL, json=BODY)).status_code == 429


@pytest.mark.parametrize(("unpriced", "status"), [("refuse", 403), ("pass", 200)])
async def test_a_model_without_a_price_passes_where_the_budget_says_so(provider, tmp_path, unpriced, status):
    entry = budget("cost", 10, unpriced=unpriced)
    async with worker_at(tmp_path, provider, budgets=(entry,)) as worker, worker.client() as client:
        answer = await client.post(URL, json=BODY)
        assert answer.status_code == status
        if status == 403:
            assert answer.headers["x-gnomon-refusal"] == "unpriced"
        else:
            assert worker.events("close")[0]["cost"]["priced"] is False


async def test_what_carries_no_prompt_needs_no_price_and_no_tokens(provider, tmp_path):
    entries = (budget("cost", 10), BudgetEntry(name="t", what="tokens", amount=10, window="day"))
    async with worker_at(tmp_path, provider, budgets=entries) as worker, worker.client() as client:
        assert (await client.get(f"https://{HOST}/v1/models")).status_code == 200


async def test_in_stage_observe_nothing_is_refused_and_all_is_counted(provider, tmp_path):
    entry = budget("tokens", 10)
    async with worker_at(tmp_path, provider, Stage.OBSERVE, budgets=(entry,)) as worker, worker.client() as client:
        for _ in range(3):
            assert (await client.post(URL, json=BODY)).status_code == 200
        assert stands(worker, entry) == 3 * USED
        assert [one["note"] for one in worker.events("notice")].count("budget_would_refuse") == 1


async def test_streams_are_counted_while_they_run(provider, tmp_path):
    entry = budget("streams", 1, None)
    held = BODY | {"model": "stand-in-hold", "stream": True}
    async with worker_at(tmp_path, provider, budgets=(entry,)) as worker, worker.client() as client:
        async with client.stream("POST", URL, json=held) as first:
            pieces = first.aiter_bytes()  # kept: an iterator that is forgotten closes the answer
            await anext(pieces)
            assert stands(worker, entry) == 1
            second = await client.post(URL, json=BODY | {"stream": True})
            assert (second.status_code, second.headers["retry-after"]) == (429, "1")
            assert (await client.post(URL, json=BODY)).status_code == 200
        while stands(worker, entry):  # noqa: ASYNC110 - the worker ends it in this loop, and tells nobody
            await asyncio.sleep(0)
        async with client.stream("POST", URL, json=BODY | {"stream": True}) as third:
            assert third.status_code == 200


async def test_all_budgets_that_fit_must_have_room(provider, tmp_path):
    wide = budget("requests", 10)
    narrow = BudgetEntry(
        name="n", what="requests", amount=1, window="day", per="user", match=BudgetMatch(department=("sales",))
    )
    who = Identity(addresses=(AddressEntry(network="127.0.0.1", user="ann", department="sales"),))
    async with worker_at(tmp_path, provider, budgets=(wide, narrow), identity=who) as worker, worker.client() as client:
        assert (await client.post(URL, json=BODY)).status_code == 200
        answer = await client.post(URL, json=BODY)
        assert (answer.status_code, answer.headers["x-gnomon-budget"]) == (429, "n")
        assert stands(worker, wide) == 1


async def test_an_answer_that_is_an_error_costs_a_request_and_no_tokens(provider, tmp_path):
    entry = budget("tokens", 10_000)
    async with worker_at(tmp_path, provider, budgets=(entry,)) as worker, worker.client() as client:
        assert (await client.post(URL, json=BODY | {"model": "stand-in-503"})).status_code == 503
        assert stands(worker, entry) == 0


async def test_a_notice_is_written_once_where_a_budget_is_nearly_used(provider, tmp_path):
    entry = budget("requests", 4, warn=50)
    async with worker_at(tmp_path, provider, budgets=(entry,)) as worker, worker.client() as client:
        for _ in range(4):
            await client.post(URL, json=BODY)
        notices = [one["detail"] for one in worker.events("notice") if one["note"] == "budget_nearly_used"]
        assert notices == ["budget b"]


async def test_what_policy_blocks_costs_nothing(provider, tmp_path):
    entry = budget("tokens", 10_000)
    async with worker_at(tmp_path, provider, budgets=(entry,)) as worker, worker.client() as client:
        answer = await client.post(
            URL, json=BODY | {"messages": [{"role": "user", "content": "AKIA" + "IOSFODNN7SAMPLED"}]}
        )
        used = USED if answer.status_code == 200 else 0
        assert stands(worker, entry) == used


async def test_an_answer_that_cannot_be_counted_any_more_is_ended(provider, tmp_path, monkeypatch):
    def full(*_):
        raise LedgerFull("no room")

    monkeypatch.setattr(Ledger, "extend", full)
    entry, small = budget("output_tokens", 100_000), MeteringConfig(output_tokens=10, step_tokens=50)
    said = BODY | {"model": "stand-in-say.9", "stream": True, "messages": [{"role": "user", "content": "noon " * 200}]}
    async with worker_at(tmp_path, provider, budgets=(entry,), metering=small) as worker, worker.client() as client:
        async with client.stream("POST", URL, json=said) as answer:
            await answer.aread()
        assert worker.events("close")[0]["reason"] == "budget"


CLAIM = Claim(Budgets([budget("tokens", 7, "minute")], str).all[0], CounterKey("budget:b", "", Window.MINUTE, 7))


@pytest.mark.parametrize(
    ("api", "headers"),
    [
        ("openai.chat", {"x-ratelimit-limit-tokens": "7", "x-ratelimit-reset-tokens": "12s"}),
        (
            "anthropic.messages",
            {"anthropic-ratelimit-tokens-remaining": "4", "anthropic-ratelimit-tokens-reset": "2023-11-14T22:13:32Z"},
        ),
        (None, {"retry-after": "12", "x-gnomon-budget": "b"}),
    ],
)
def test_limits_are_told_in_the_words_of_each_sdk(api, headers):
    told = turned(api, CLAIM, Denied(CLAIM.key, 3, 11.2), 1_700_000_000.0)
    assert told.headers.items() >= headers.items()
    assert unpriced(CLAIM.budget).status == 403


async def test_a_body_of_two_readings_reserves_all_its_answers(provider, tmp_path):
    entry = budget("output_tokens", 1000)
    said = json.dumps(BODY | {"max_tokens": 100, "n": 100})[:-1] + ', "user": "a", "user": "b"}'
    async with worker_at(tmp_path, provider, budgets=(entry,)) as worker, worker.client() as client:
        answer = await client.post(URL, content=said, headers={"content-type": "application/json"})
        assert answer.status_code == 429
        assert stands(worker, entry) == 0


async def test_no_most_is_too_great_to_be_refused_in_words(provider, tmp_path):
    entry = budget("output_tokens", 1000)
    async with worker_at(tmp_path, provider, budgets=(entry,)) as worker, worker.client() as client:
        answer = await client.post(URL, json=BODY | {"max_tokens": 2**48, "n": 128})
        assert answer.status_code == 200
        assert json.loads(provider.arrivals()[-1]["body"])["max_tokens"] == 1000 // 128


async def test_what_the_ledger_cannot_settle_at_once_is_settled_later(provider, tmp_path, monkeypatch):
    entry, settle, failures = budget("streams", 1, window=None), Ledger.settle, [1]

    def busy_once(ledger, *more):
        if failures:
            failures.pop()
            raise LedgerBusy("held")
        return settle(ledger, *more)

    monkeypatch.setattr(Ledger, "settle", busy_once)
    async with worker_at(tmp_path, provider, budgets=(entry,)) as worker, worker.client() as client:
        first = await client.post(URL, json=BODY | {"stream": True})
        assert (first.status_code, failures) == (200, [])
        assert stands(worker, entry) == 1
        await client.post(URL, json=BODY)
        assert stands(worker, entry) == 0
        assert [one["note"] for one in worker.events("notice") if one["severity"] == "alarm"] == ["guard_fault"]
