"""Steps and what is said of them: expectations, failures of every kind, the end of the telling."""

import pytest

from appliance.demo.report import Result, Unexpected, expect, line, summary
from appliance.demo.telling import Stopped, Telling
from appliance.model.errors import OperatorError


def fails(_stage):
    raise Unexpected("noon", "mid\x1b[31mnight")


def breaks(_stage):
    raise OperatorError("gone")


def told(*steps, **options) -> Telling:
    heard = []
    telling = Telling(heard=heard.append, **options)
    telling.tell([(act.__name__, act) for act in steps], "a stage")
    assert heard == telling.results
    return telling


def seen(stage):
    return f"saw {stage}"


def test_a_story_goes_on_after_a_step_that_fails():
    telling = told(seen, fails, breaks, seen)
    assert telling.failed
    assert [result.failed is None for result in telling.results] == [True, False, False, True]
    assert telling.results[0].seen == "saw a stage"
    assert telling.results[2].failed.came == "OperatorError: gone"


def test_all_as_expected():
    assert not told(seen, seen).failed


def test_what_is_not_foreseen_is_not_hidden():
    def bug(_stage):
        raise RuntimeError("a bug of ours")

    with pytest.raises(RuntimeError):
        told(bug)


def test_a_pause_may_end_it():
    def stop():
        raise Stopped

    telling = Telling(heard=lambda _: None, pause=stop)
    with pytest.raises(Stopped):
        telling.tell([("never", seen)], None)
    assert telling.results == []


def test_it_ends_when_its_time_is_over(monkeypatch):
    monkeypatch.setattr("appliance.demo.telling.LIMIT_S", -1.0)
    assert told(seen, seen).results == []


def test_expect():
    expect(1, "one", 1)
    with pytest.raises(Unexpected) as caught:
        expect([], "a line", [])
    assert (caught.value.expected, caught.value.came) == ("a line", "[]")


def test_lines_are_inert_and_tell_both_sides():
    good = line(Result("a step", 1.26, "seen \x07"))
    assert good.startswith("ok      a step")
    assert good.endswith("1.3 s   seen \\x07")
    first, expected, came = line(Result("a step", 0.1, failed=Unexpected("noon", "mid\x1b[31mnight"))).split("\n")
    assert first.startswith("FAILED  a step")
    assert (expected.strip(), came.strip()) == ("expected: noon", "came:     mid\\x1b[31mnight")


@pytest.mark.parametrize(
    ("results", "planned", "said"),
    [
        ([True, True], 2, "2 of 2 steps went as expected (3.0 s)"),
        ([True, False], 2, "1 of 2 steps went as expected, 1 did not (3.0 s)"),
        ([True], 3, "1 of 3 steps went as expected, 2 not reached (3.0 s)"),
    ],
)
def test_the_summary_counts(results, planned, said):
    found = [Result("x", 0.0, failed=None if good else Unexpected("a", "b")) for good in results]
    assert summary(found, planned, 3.04) == said
