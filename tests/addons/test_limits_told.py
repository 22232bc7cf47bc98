"""What callers are told of their own budgets, in the words of their dialect, and of nobody else's."""

import pytest
from test_metering import BODY, URL, budget
from worker_world import worker_at

from addons.limits_told import own_limits
from appliance.config.schema import AddressEntry, Identity
from appliance.ledger.budgets import Budgets
from appliance.model.names import Stage

NOON = 1_700_000_000.0
ANN = Identity(addresses=(AddressEntry(network="127.0.0.1", user="ann"),))


def stand(what, amount, used, window="day"):
    (made,) = Budgets([budget(what, amount, window, per="user")], str).all
    return next((claim, used) for claim in [type("C", (), {"budget": made, "key": made.counter("p_1")})()])


@pytest.mark.parametrize(
    ("api", "stands", "told"),
    [
        (
            "openai.chat",
            [stand("requests", 10, 4)],
            {
                "x-ratelimit-limit-requests": "10",
                "x-ratelimit-remaining-requests": "6",
                "x-ratelimit-reset-requests": "60s",
            },
        ),
        (
            "openai.responses",
            [stand("tokens", 100, 10), stand("output_tokens", 50, 40)],
            {"x-ratelimit-limit-tokens": "50", "x-ratelimit-remaining-tokens": "10", "x-ratelimit-reset-tokens": "60s"},
        ),
        (
            "anthropic.messages",
            [stand("input_tokens", 100, 120)],
            {
                "anthropic-ratelimit-input-tokens-limit": "100",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2023-11-14T22:14:20Z",
            },
        ),
        ("openai.chat", [stand("cost", 10, 4)], {}),
        ("gemini.generate", [stand("requests", 10, 4)], {}),
        (None, [stand("requests", 10, 4)], {}),
    ],
)
def test_each_dialect_is_told_in_its_own_names(api, stands, told):
    assert own_limits(api, stands, lambda _: NOON + 60, NOON) == told


def test_a_rate_is_whole_again_when_what_was_taken_has_flowed_back():
    told = own_limits("openai.chat", [stand("requests", 10, 5, "minute")], lambda _: None, NOON)
    assert told["x-ratelimit-reset-requests"] == "30s"


async def test_an_answer_tells_of_the_callers_own_budget(provider, tmp_path):
    entry = budget("requests", 5, per="user")
    async with worker_at(tmp_path, provider, budgets=(entry,), identity=ANN) as worker, worker.client() as client:
        left = [(await client.post(URL, json=BODY)).headers["x-ratelimit-remaining-requests"] for _ in range(2)]
        assert left == ["4", "3"]


@pytest.mark.parametrize(
    ("per", "identity", "stage"),
    [
        ("organisation", ANN, Stage.ENFORCE),
        ("user", Identity(), Stage.ENFORCE),  # all who are unknown share one
        ("key", ANN, Stage.ENFORCE),  # all without a key share one
        ("user", ANN, Stage.OBSERVE),
    ],
)
async def test_of_what_others_count_in_nothing_is_told(provider, tmp_path, per, identity, stage):
    entry = budget("requests", 5, per=per)
    sections = {"budgets": (entry,), "identity": identity}
    async with worker_at(tmp_path, provider, stage, **sections) as worker, worker.client() as client:
        answer = await client.post(URL, json=BODY)
    assert answer.status_code == 200
    assert [name for name in answer.headers if "ratelimit" in name] == []
