"""Nobody takes all the places for running exchanges."""

import pytest
from test_metering import BODY, URL, budget, stands
from tests_support import HOST
from worker_world import worker_at

from addons.running import Running
from appliance.config.budget_schema import Metering
from appliance.config.schema import AddressEntry, Identity
from appliance.model.names import Stage

PLACES = 1024


def fill(running, who, free):
    """As many as it is let; how many places are left."""
    while not running.crowds(who, free):
        running.enter(who)
        free -= 1
    return free


@pytest.mark.parametrize("callers", [1, 2, 3, 20, 100])
def test_there_is_always_a_place_for_one_who_has_none(callers):
    running, free = Running(PLACES), PLACES
    for number in range(callers):
        free = fill(running, f"p_{number}", free)
        assert free > 0
        assert not running.crowds("p_new", free)


def test_one_alone_has_no_more_than_half_of_the_table_nor_than_the_site_allows():
    assert fill(Running(PLACES), "p_1", PLACES) >= PLACES // 2
    assert fill(Running(256), "p_1", PLACES) == PLACES - 256


def test_what_has_ended_makes_room_and_is_forgotten():
    running = Running(1)
    running.enter("p_1")
    assert running.crowds("p_1", PLACES)
    running.leave("p_1")
    running.leave("p_1")
    assert not running.crowds("p_1", PLACES)
    assert running._counts == {}


def test_a_full_table_is_full_for_everybody():
    assert Running(256).crowds("p_1", 0)


@pytest.mark.parametrize("known", [True, False])
async def test_a_caller_with_too_many_is_told_in_its_words_and_others_go_on(provider, tmp_path, known):
    held = BODY | {"model": "stand-in-hold", "stream": True}
    who = Identity(addresses=(AddressEntry(network="127.0.0.1", user="ann"),) if known else ())
    sections = {"metering": Metering(running=2), "identity": who, "budgets": (budget("requests", 100),)}
    async with worker_at(tmp_path, provider, **sections) as worker, worker.client() as client:
        async with client.stream("POST", URL, json=held), client.stream("POST", URL, json=held):
            answer = await client.post(URL, json=BODY)
            assert (answer.status_code, answer.json()["error"]["code"]) == (429, "running")
            assert answer.headers["retry-after"] == "1"
            assert stands(worker, budget("requests", 100)) == 2
        assert [one["reason"] for one in worker.events("refusal")] == ["quota"]


async def test_in_stage_observe_nobody_is_turned_away_and_all_is_counted(provider, tmp_path):
    entry, held = budget("tokens", 10_000), BODY | {"model": "stand-in-hold", "stream": True}
    sections = {"metering": Metering(running=1), "budgets": (entry,)}
    async with (
        worker_at(tmp_path, provider, Stage.OBSERVE, **sections) as worker,
        worker.client() as client,
        client.stream("POST", URL, json=held),
    ):
        before = stands(worker, entry)
        assert (await client.post(URL, json=BODY)).status_code == 200
        assert stands(worker, entry) == before + 20


async def test_many_groups_keep_nobody_out_and_each_of_them_counts(provider, tmp_path):
    groups = tuple(f"g{number}" for number in range(90))
    who = Identity(addresses=(AddressEntry(network="127.0.0.1", user="ann", groups=groups),))
    entry = budget("requests", 2, per="group")
    async with worker_at(tmp_path, provider, identity=who, budgets=(entry,)) as worker, worker.client() as client:
        answers = [await client.post(f"https://{HOST}/v1/chat/completions", json=BODY) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
