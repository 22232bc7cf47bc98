"""Counters over events that came in: each once, in bounded labels."""

import msgspec
import pytest

from appliance.model.event import Cost, LostSecond, Notice, PacketsLost, Refused
from appliance.model.names import Outcome, RefusalReason
from appliance.store import tally as module
from appliance.store.bench import closed, opened
from appliance.store.tally_pages import BOUNDS, COUNTERS, HISTOGRAMS, TallyRequest

NOW = 1_763_700_000.0


@pytest.fixture
def take(ingest, life):
    journal = life("w0")

    def put(*events):
        first = len(journal.lines) + 1
        journal.add(*events)
        (outcome,) = ingest.commit([journal.frame(first)])
        assert outcome.acked == len(journal.lines)
        return ingest.tally.told(TallyRequest(after=0))

    put.again = lambda: ingest.commit([journal.frame()])
    return put


def counts(told):
    return {(one.family, *one.labels): one.value for one in told.series}


def test_an_exchange_counts_at_its_open_and_at_its_close(take):
    told = take(opened("x", "w0", NOW))
    assert (told.running, told.ended, told.last) == (1, (), 0)
    told = take(msgspec.structs.replace(closed("x", NOW + 2), cost=Cost(1_500)))
    assert counts(told) == {
        ("exchanges_opened", "openai", "redact"): 1, ("exchanges_closed", "openai", "completed"): 1,
        ("request_bytes", "openai"): 2048, ("response_bytes", "openai"): 4096, ("tokens", "openai", "input"): 512,
        ("tokens", "openai", "output"): 128, ("tokens", "openai", "cached"): 256, ("cost_usd", "openai"): 0.0015,
    }  # fmt: skip
    (ended,) = told.ended
    assert (ended.number, ended.service, ended.model, ended.outcome, ended.ended - ended.began) == (
        *(1, "openai", "gpt-4o-mini", "completed"),
        2.0,
    )
    spread = next(one for one in told.spreads if one.family == "first_byte_seconds")
    assert (sum(spread.counts), spread.sum) == (1, 0.21)
    assert spread.counts[BOUNDS.index(0.32)] == 1


def test_a_repeated_frame_counts_nothing(take):
    before = take(opened("x", "w0", NOW), closed("x", NOW))
    take.again()
    assert take(opened("y", "w0", NOW)).last == before.last
    assert counts(take(closed("y", NOW)))["exchanges_closed", "openai", "completed"] == 2


def test_opens_and_closes_of_one_frame_meet_in_the_order_of_their_records(take):
    take(opened("x", "w0", NOW))
    told = take(closed("x", NOW), opened("y", "w0", NOW), closed("y", NOW))
    assert [one.exchange for one in told.ended] == ["x", "y"]
    assert told.running == 0


def test_other_events(take):
    refused = Refused(NOW, "w0", RefusalReason.QUOTA, "a_1", "p_1", "h.example", 443)
    lost = PacketsLost(NOW, "s0", "eth0", (LostSecond(1, 5, 9), LostSecond(2, 6, 9)))
    told = take(refused, Notice(NOW, "w0", "alarm", "x"), Notice(NOW, "w0", "odd", "x"), lost)
    assert counts(told) == {
        ("refusals", "quota"): 1, ("notices", "alarm"): 1, ("notices", "other"): 1, ("packets_lost",): 11,
    }  # fmt: skip


def test_a_model_without_price_and_a_close_without_open(take):
    lost = msgspec.structs.replace(closed("gone", NOW), outcome=Outcome.LOST, cost=Cost(0, priced=False))
    told = take(lost)
    assert counts(told)["unpriced", "none"] == 1
    assert told.ended == ()


def test_services_opens_and_ended_are_bounded(take, monkeypatch):
    monkeypatch.setattr(module, "MAX_SERVICES", 2)
    monkeypatch.setattr(module, "MAX_OPEN", 3)
    for n in range(5):
        event = opened(f"x{n}", "w0", NOW)
        told = take(msgspec.structs.replace(event, facts=msgspec.structs.replace(event.facts, service=f"s{n}")))
    assert {labels[1] for labels in counts(told) if labels[0] == "exchanges_opened"} == {"s0", "s1", "other"}
    assert told.running == 3


def test_ended_exchanges_come_in_pages_after_a_number(take, ingest):
    take(*(event for n in range(5) for event in (opened(f"x{n}", "w0", NOW), closed(f"x{n}", NOW))))
    page = ingest.tally.told(TallyRequest(after=1, limit=2))
    assert ([one.number for one in page.ended], page.last) == ([2, 3], 5)
    assert ingest.tally.told(TallyRequest()).ended == ()


def test_every_series_belongs_to_a_family_with_as_many_labels(take):
    told = take(opened("x", "w0", NOW), closed("x", NOW), Notice(NOW, "w0", "info", "x"))
    families = {one.name: len(one.labels) for one in (*COUNTERS, *HISTOGRAMS)}
    assert all(families[one.family] == len(one.labels) for one in (*told.series, *told.spreads))
