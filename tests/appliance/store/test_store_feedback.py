"""What analysts say of detections, and what detectors cost: appended, chained, summed."""

import pytest

from appliance.model.detection import DetectorCount, Label
from appliance.model.errors import EvidenceError, PeerError
from appliance.model.event import DetectorsCounted
from appliance.model.names import DetectionKind, Verity
from appliance.store.bench import closed, opened
from appliance.store.feedback import FeedbackBook, of_finding, totals, verify
from appliance.store.feedback_pages import DetectorTotal, EntityFeedback, FeedbackRequest
from appliance.store.retention import GOVERNS

NOW = 1_763_700_000.0
MAIL = "EMAIL_ADDRESS"


@pytest.fixture
def book(desk):
    desk.see(opened("x1", "w0", NOW), opened("x2", "w0", NOW + 1))
    return FeedbackBook(desk.connection, desk.clock)


def word(verdict=Verity.WRONG, **where):
    return FeedbackRequest(entity=where.pop("entity", MAIL), verdict=verdict, **(where or {"exchange": "x1"}))


def test_the_last_word_about_the_same_counts_and_all_are_kept(book, desk):
    for verdict in (Verity.WRONG, Verity.RIGHT, Verity.WRONG):
        book.say(word(verdict), "ann", "analyst")
    said = book.say(word(Verity.RIGHT, exchange="x2"), "bob", "admin")
    assert (said.number, said.author, said.role, said.kind) == (4, "bob", "admin", DetectionKind.PII)
    assert totals(desk.connection).feedback == (EntityFeedback(MAIL, "pii", 1, 1),)
    assert verify(desk.connection) == 4


@pytest.mark.parametrize(
    ("where", "status"),
    [
        ({"exchange": "nowhere"}, 404),
        ({"finding": "f_0000000000000000"}, 404),
        ({"exchange": "x1", "entity": "IBAN_CODE"}, 422),
        ({"exchange": "x1", "finding": "f_1"}, 422),
    ],
)
def test_only_what_was_found_there_can_be_judged(book, desk, where, status):
    with pytest.raises(PeerError) as refused:
        book.say(word(**where), "ann", "analyst")
    assert refused.value.status == status
    assert verify(desk.connection) == 0


def test_a_finding_stands_for_its_exchanges_and_shows_what_was_said(book, desk):
    found = desk.one("openai")
    book.say(word(finding=found.id), "ann", "analyst")
    book.say(word(Verity.RIGHT, exchange="x2"), "ann", "analyst")
    mail, key = of_finding(desk.connection, found)
    assert mail == EntityFeedback(MAIL, "pii", 1, 1, 2)
    assert (key.entity, key.right, key.wrong, key.exchanges) == ("OPENAI_API_KEY", 0, 0, 2)
    with pytest.raises(PeerError, match="no IBAN_CODE"):
        book.say(word(finding=found.id, entity="IBAN_CODE"), "ann", "analyst")


def test_what_an_answer_carried_can_be_judged_too(book, desk):
    answer = closed("x1", NOW + 2)
    label = Label("EXTERNAL_LINK", DetectionKind.OUTPUT, 1, 0.5)
    desk.take(type(answer)(**{name: getattr(answer, name) for name in answer.__struct_fields__} | {"labels": (label,)}))
    assert book.say(word(entity="EXTERNAL_LINK"), "ann", "analyst").kind is DetectionKind.OUTPUT


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE feedback SET body = replace(body, 'wrong', 'right') WHERE number = 1",
        "DELETE FROM feedback WHERE number = 1",
    ],
)
def test_a_word_that_was_changed_or_taken_out_is_noticed(book, desk, change):
    for _ in range(3):
        book.say(word(), "ann", "analyst")
    desk.connection.execute(change)
    with pytest.raises(EvidenceError, match="chain"):
        verify(desk.connection)
    assert "chain" in book.broken()


def test_words_are_never_deleted():
    assert "feedback" not in {table for places in GOVERNS.values() for table, _ in places}


def test_sums_over_workers_and_lives(desk):
    def counted(worker, ts, texts):
        counts = (DetectorCount("patterns", texts, 2, 0.25, 0, 1), DetectorCount("topics", texts, 0, 0.5))
        return DetectorsCounted(ts, worker, ts - 3600, counts)

    desk.see(counted("w0", NOW, 10), counted("w1", NOW + 5, 20))
    topics, patterns = totals(desk.connection).detectors
    assert topics == DetectorTotal("topics", NOW - 3600, 30, 0, 1.0, 0, 0)
    assert patterns == DetectorTotal("patterns", NOW - 3600, 30, 4, 0.5, 0, 2)
