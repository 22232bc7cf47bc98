"""What was judged, oldest first, and what analysts said of it."""

import msgspec
import pytest

from appliance.model.event import Cost
from appliance.model.facts import Facts
from appliance.model.names import Verity
from appliance.store.bench import closed, opened
from appliance.store.feedback import FeedbackBook
from appliance.store.feedback_pages import FeedbackRequest
from appliance.store.judged import judged, judged_count, said
from appliance.store.judged_pages import JudgedCountRequest, JudgedRequest, Said, SaidRequest
from appliance.store.queries import QUERIES

NOW = 1_763_700_000.0


@pytest.fixture
def history(ingest, life):
    journal = life()
    for number in range(7):
        journal.add(opened(f"x{number}", "w0", NOW + number))
        if number % 2:
            journal.add(msgspec.structs.replace(closed(f"x{number}", NOW + number), cost=Cost(micros=number)))
    journal.add(msgspec.structs.replace(closed("x1", NOW + 50), cost=Cost(micros=99)))  # a double counts nowhere
    ingest.commit([journal.frame()])


def pages(connection, **span):
    after = 0
    while rows := judged(connection, JudgedRequest(limit=3, after=after, **span)):
        yield from rows
        after = rows[-1].n


@pytest.mark.usefixtures("history")
def test_every_exchange_comes_once_with_its_facts_and_its_cost(connection):
    rows = list(pages(connection))
    assert [(row.exchange, row.cost_micros) for row in rows] == [
        (f"x{number}", number if number % 2 else None) for number in range(7)
    ]
    facts = msgspec.json.decode(rows[0].facts, type=Facts)
    assert (facts.service, rows[0].disposition) == ("openai", opened("x", "w", 1).verdict.disposition)


@pytest.mark.usefixtures("history")
def test_a_span_is_half_open_and_counted_alike(connection):
    span = {"since": NOW + 2, "until": NOW + 5}
    assert [row.exchange for row in pages(connection, **span)] == ["x2", "x3", "x4"]
    assert judged_count(connection, JudgedCountRequest(**span))[0].exchanges == 3
    assert judged_count(connection, JudgedCountRequest())[0].exchanges == 7


def test_words_come_with_the_score_of_what_they_are_about(desk):
    desk.see(opened("x1", "w0", NOW), opened("x2", "w0", NOW + 1))
    book = FeedbackBook(desk.connection, desk.clock)
    for verdict in (Verity.WRONG, Verity.UNSURE):
        book.say(FeedbackRequest(entity="EMAIL_ADDRESS", verdict=verdict, exchange="x1"), "ann", "analyst")
    book.say(
        FeedbackRequest(entity="EMAIL_ADDRESS", verdict=Verity.RIGHT, finding=desk.one("openai").id), "bob", "admin"
    )
    score = next(one.score for one in opened("x1", "w0", NOW).facts.labels if one.entity == "EMAIL_ADDRESS")
    assert said(desk.connection, SaidRequest()) == [
        Said(2, "EMAIL_ADDRESS", "pii", "unsure", "openai", score),
        Said(3, "EMAIL_ADDRESS", "pii", "right", "openai", None),
    ]
    assert [one.number for one in said(desk.connection, SaidRequest(after=2))] == [3]


def test_the_verbs_are_there():
    assert {"judged", "judged_count", "said"} <= QUERIES.keys()
