import pytest

from appliance.inspect.evaluation.rows import Gold, Row, Task, answers, read_row, reported
from appliance.inspect.evaluation.scoring import Scoring
from appliance.model.detection import Detection
from appliance.model.errors import OperatorError
from appliance.model.names import DetectionKind

TEXT = "Ann Lee lives at 12 High Street, London"


def pii(start, end, entity, score=0.9):
    return Detection(start, end, entity, DetectionKind.PII, score, "r")


def of(report, group, name):
    return next(one for one in report.measured if (one.group, one.name) == (group, name))


def scored(found, golds, kind="synthetic_template", text=TEXT):
    scoring = Scoring(Task.PII, 0.4)
    scoring.add(Row(text, 1, kind, "here", tuple(golds)), found, 1.0)
    return scoring.report()


@pytest.mark.parametrize(
    ("found", "hit", "covered"),
    [
        ((pii(0, 7, "PERSON"),), 1, 1),
        ((pii(0, 4, "PERSON"),), 1, 0),  # half of it
        ((pii(0, 3, "PERSON"),), 0, 0),
        ((pii(0, 7, "LOCATION"),), 0, 1),  # taken away, by another name
        ((pii(0, 4, "PERSON"), pii(4, 7, "LOCATION")), 1, 1),
        ((pii(0, 7, "PERSON", 0.3),), 0, 0),  # below the threshold
    ],
)
def test_found_and_covered(found, hit, covered):
    line = of(scored(found, [Gold(0, 7, "PERSON")]), "entity", "PERSON (synthetic)")
    assert (line.hit, line.missed, line.covered.value) == (hit, 1 - hit, covered)


def test_what_answers_to_nothing_is_wrong():
    report = scored((pii(0, 7, "PERSON"), pii(8, 13, "EMAIL_ADDRESS")), [Gold(0, 7, "PERSON")])
    assert of(report, "entity", "EMAIL_ADDRESS (synthetic)").wrong == 1
    assert (of(report, "all", "all").hit, of(report, "all", "all").wrong) == (1, 1)
    assert report.rules == {"EMAIL_ADDRESS r": (0, 1), "PERSON r": (1, 0)}


def test_in_natural_texts_only_names_are_judged():
    report = scored((pii(8, 13, "EMAIL_ADDRESS"), pii(17, 20, "PERSON")), [], kind="natural_web_text")
    assert of(report, "all", "all").wrong == 1


def test_a_part_of_an_address_is_no_mistake():
    report = scored((pii(33, 39, "LOCATION"),), [Gold(17, 39, "STREET_ADDRESS")])
    line = of(report, "entity", "STREET_ADDRESS (synthetic)")
    assert (line.hit, line.missed, line.wrong) == (0, 1, 0)


def test_labels_that_nobody_claims_are_counted_apart():
    report = scored((pii(0, 7, "PERSON"),), [Gold(0, 7, "AGE")])
    assert report.unclaimed == {"AGE": (1, 1)}
    assert not report.measured


def test_a_text_that_was_given_up_counts_as_not_found():
    scoring = Scoring(Task.SECRETS, 0.4)
    scoring.add(Row("k", 1, "k", "s"), None, 1.0)
    report = scoring.report()
    assert (report.failed, of(report, "all", "all").missed) == (1, 1)


def test_texts_with_yes_or_no():
    scoring = Scoring(Task.INJECTION, 0.5)
    attack = Detection(0, 1, "PROMPT_INJECTION", DetectionKind.INJECTION, 0.9, "rule:x")
    weak = Detection(0, 1, "PROMPT_INJECTION", DetectionKind.INJECTION, 0.2, "rule:y")
    key = Detection(0, 1, "KEY", DetectionKind.SECRET, 1.0, "k")
    for label, found in ((1, (attack,)), (1, (weak,)), (0, (attack,)), (0, (key,)), (0, ())):
        scoring.add(Row("t", label, "k", "s"), found, 1.0)
    line = of(scoring.report(), "source", "s")
    assert (line.hit, line.missed, line.wrong, line.quiet) == (1, 1, 1, 2)
    assert line.false_positive_rate.value == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b'{"text": 1}',
        b'{"text": "a", "label": 2}',
        b'{"text": "a", "spans": [{"start": 0, "end": 5, "type": "PERSON"}]}',
        b'{"text": "a", "spans": [{"start": 1, "end": 1, "type": "PERSON"}]}',
        b'{"text": "\xff"}',
    ],
)
def test_bad_lines_are_refused_with_their_place(line):
    with pytest.raises(OperatorError, match=r"^data:7: "):
        read_row(line, "data:7")


def test_names_of_data_sets():
    assert reported("GPE") == "LOCATION"
    assert reported("HOROSCOPE") is None
    assert answers("UK_PASSPORT", "PASSPORT")
    assert not answers("UK_NHS", "PASSPORT")
    assert not answers("PERSON", "HOROSCOPE")
