"""Every attempt of a failover booked apart, through one whole worker and providers with injected faults."""

import asyncio
import json
import time

import pytest
from test_routing import appliance, authority, hang, reset, status

from appliance.config.budget_schema import BudgetEntry, BudgetMatch, PricesConfig
from appliance.config.route_schema import TargetEntry, Tries
from appliance.ledger.budgets import Budgets
from appliance.ledger.ledger import Ledger
from appliance.model.names import Stage
from appliance.supervisor.evidence import counter_file

__all__ = ["authority"]
ASKED = 2  # tokens that are counted of a request that says "fast" and "hi"


async def ok(_seen, reply):
    """Twelve tokens came in, eight went out."""
    choice = {"message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 12, "completion_tokens": 8, "total_tokens": 20}
    await reply.whole(200, json.dumps({"choices": [choice], "usage": usage}).encode())


def budget(name, what, amount, service=(), **more):
    return BudgetEntry(
        name=name, what=what, amount=amount, window="day", match=BudgetMatch(service=tuple(service)), **more
    )


ALL = budget("all", "tokens", 1_000_000)
REQUESTS = budget("requests", "requests", 100)
EACH = budget("each", "tokens", 1_000_000, per="service")


def stands(site, entry, subject=""):
    (made,) = Budgets([entry], str).all
    with Ledger(counter_file(site.worker.config), claim=False) as ledger:
        counter = made.counter(subject)
        return ledger.used(counter, time.time()), ledger.outstanding([counter])[0]


def booked(site):
    """Of the only exchange: who was tried, with which usage."""
    (closed,) = site.worker.events("close")
    return [(one["service"], one["status"], one["sent"], one["usage"]) for one in closed["attempts"]]


LOST = {"input_tokens": ASKED, "estimated": True}
TOLD = {"input_tokens": 12, "output_tokens": 8}


@pytest.mark.parametrize(
    ("script", "code", "billed"),
    [(reset, 0, True), (hang, 0, True), (status(504), 504, True), (status(500), 500, False), (status(429), 429, False)],
)
async def test_an_attempt_that_may_have_been_billed_is_booked_apart(tmp_path, authority, script, code, billed):
    budgets = {"budgets": (ALL, REQUESTS, EACH)}
    scripts = {"openai": script, "groq": ok}
    async with appliance(tmp_path, authority, scripts, tries=Tries(head_s=0.3), more=budgets) as (site, _):
        assert (await site.ask()).status_code == 200
        assert booked(site) == [("openai", code, True, LOST if billed else None), ("groq", 200, True, TOLD)]
        assert stands(site, EACH, "openai") == (ASKED * billed, 0)
        assert stands(site, EACH, "groq") == (20, 0)
        assert stands(site, ALL) == (20 + ASKED * billed, 0)
        assert stands(site, REQUESTS) == (1, 0)
        (closed,) = site.worker.events("close")
        assert (closed["usage"], closed["attempts"][0]["provider"]) == (TOLD, "openai")


async def test_a_dial_that_failed_is_charged_by_nobody(tmp_path, authority):
    scripts, budgets = {"openai": ok, "groq": ok}, {"budgets": (ALL, EACH)}
    async with appliance(tmp_path, authority, scripts, broken=("openai", "refused"), more=budgets) as (site, _):
        assert (await site.ask()).status_code == 200
        assert booked(site) == [("openai", 0, False, None), ("groq", 200, True, TOLD)]
        assert (stands(site, ALL), stands(site, EACH, "openai")) == ((20, 0), (0, 0))


async def test_a_last_attempt_of_which_nothing_came_is_estimated(tmp_path, authority):
    async with appliance(tmp_path, authority, {"openai": reset}, more={"budgets": (ALL,)}) as (site, _):
        assert (await site.ask()).status_code == 502
        (closed,) = site.worker.events("close")
        assert closed["usage"] == LOST
        assert stands(site, ALL) == (ASKED, 0)


async def test_a_target_whose_budget_has_no_room_is_none_and_the_next_one_is_asked(tmp_path, authority):
    full, scripts = budget("full", "tokens", 1, ("groq",)), {"openai": reset, "groq": ok, "mistral": ok}
    async with appliance(tmp_path, authority, scripts, more={"budgets": (full, EACH)}) as (site, ups):
        assert (await site.ask()).status_code == 200
        assert ups["groq"].seen == []
        (closed,) = site.worker.events("close")
        assert [(one["provider"], one["denied"]) for one in closed["attempts"]] == [
            ("openai", False),
            ("groq", True),
            ("mistral", False),
        ]
        assert closed["attempts"][1]["error"] == "no room: budget full"
        assert stands(site, EACH, "mistral") == (20, 0)
        assert stands(site, EACH, "openai") == (ASKED, 0)


@pytest.mark.parametrize("code", [500, 504])
async def test_where_no_further_target_has_room_the_client_is_told_in_its_words(tmp_path, authority, code):
    full, scripts = budget("full", "tokens", 1, ("groq",)), {"openai": status(code), "groq": ok}
    async with appliance(tmp_path, authority, scripts, more={"budgets": (full, ALL)}) as (site, ups):
        answer = await site.ask()
        assert (answer.status_code, answer.headers["x-gnomon-budget"]) == (429, "full")
        assert answer.json()["error"]["type"] == "rate_limit_error"
        assert int(answer.headers["retry-after"]) > 0
        assert ups["groq"].seen == []
        (closed,) = site.worker.events("close")
        assert (closed["outcome"], closed["reason"]) == ("blocked", "budget: full")
        assert stands(site, ALL) == (ASKED * (code == 504), 0)


async def test_who_has_no_room_at_first_is_passed_over(tmp_path, authority):
    full, scripts = budget("full", "tokens", 1, ("openai",)), {"openai": ok, "groq": ok}
    async with appliance(tmp_path, authority, scripts, more={"budgets": (full, EACH)}) as (site, ups):
        assert (await site.ask()).status_code == 200
        assert ups["openai"].seen == []
        assert stands(site, EACH, "groq") == (20, 0)
        assert stands(site, EACH, "openai") == (0, 0)


async def test_nobody_with_room_is_a_refusal_before_anything_is_opened(tmp_path, authority):
    full, scripts = budget("full", "tokens", 1, ("openai", "groq")), {"openai": ok, "groq": ok}
    async with appliance(tmp_path, authority, scripts, more={"budgets": (full,)}) as (site, _):
        assert (await site.ask()).status_code == 429
        assert site.worker.events("open") == []


async def test_in_stage_observe_every_attempt_is_counted_and_none_refused(tmp_path, authority):
    full, scripts = budget("full", "tokens", 1, ("groq",)), {"openai": reset, "groq": ok}
    more = {"budgets": (full, ALL)}
    async with appliance(tmp_path, authority, scripts, stage=Stage.OBSERVE, more=more) as (site, _):
        assert (await site.ask()).status_code == 200
        assert stands(site, full) == (20, 0)
        assert stands(site, ALL) == (20 + ASKED, 0)


async def test_each_attempt_costs_what_its_provider_takes(tmp_path, authority):
    prices = tmp_path / "prices.yaml"
    prices.write_text(
        "models:\n"
        "  - {model: '*', provider: openai, input: 1000000, output: 0}\n"
        "  - {model: '*', route: smart, input: 10, output: 100}\n"
    )
    dollars = budget("dollars", "cost", 1000)
    more = {"budgets": (dollars,), "prices": PricesConfig(file=str(prices))}
    async with appliance(tmp_path, authority, {"openai": reset, "groq": ok}, more=more) as (site, _):
        assert (await site.ask()).status_code == 200
        (closed,) = site.worker.events("close")
        costs = [one["cost"]["micros"] for one in closed["attempts"]]
        assert costs == [ASKED * 1_000_000, 12 * 10 + 8 * 100]
        assert closed["cost"]["micros"] == sum(costs)
        assert stands(site, dollars) == (sum(costs), 0)


async def test_two_tries_at_one_provider_are_two_attempts(tmp_path, authority):
    calls = []

    async def second(seen, reply):
        calls.append(1)
        await (ok if len(calls) > 1 else reset)(seen, reply)

    tries, targets = Tries(retries=1, wait_s=0.01, budget_percent=100), (TargetEntry(provider="openai"),)
    more = {"budgets": (ALL, REQUESTS)}
    async with appliance(tmp_path, authority, {"openai": second}, targets=targets, tries=tries, more=more) as (site, _):
        assert (await site.ask()).status_code == 200
        assert stands(site, ALL) == (20 + ASKED, 0)
        assert stands(site, REQUESTS) == (1, 0)


async def test_a_client_that_leaves_before_the_answer_may_have_cost_its_request(tmp_path, authority):
    reached = asyncio.Event()

    async def hanging(seen, reply):
        reached.set()
        await hang(seen, reply)

    async with appliance(tmp_path, authority, {"openai": hanging}, more={"budgets": (ALL,)}) as (site, _):
        asked = asyncio.ensure_future(site.ask())
        await reached.wait()
        asked.cancel()
        await asyncio.wait([asked])
        while not site.worker.events("close"):  # noqa: ASYNC110 - the worker ends it in this loop, and tells nobody
            await asyncio.sleep(0)
        (closed,) = site.worker.events("close")
        assert (closed["outcome"], closed["usage"]) == ("client_abort", LOST)
        assert [(one["status"], one["sent"], one["error"]) for one in closed["attempts"]] == [
            (0, True, "the client left")
        ]
        assert stands(site, ALL) == (ASKED, 0)
