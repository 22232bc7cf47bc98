import pytest

from appliance.ledger import CounterKey, Ledger, Window
from appliance.ledger import rebuild as rebuilding
from appliance.ledger.file import CounterFile
from appliance.ledger.levels import request_keys, tally
from appliance.ledger.rebuild import Prepared, prepare, rebuild
from appliance.model.errors import OperatorError
from appliance.model.event import ExchangeClosed, ExchangeOpened, Notice
from appliance.model.facts import Facts, Verdict
from appliance.model.names import Disposition, Outcome, Stage

NOON = 1_700_000_000 // 86400 * 86400 + 43200.0
ORGANISATION = CounterKey("organisation", "", Window.DAY)


def facts(user="p_1", service="openai", department=None):
    return Facts(
        principal=user,
        client="a_1",
        service=service,
        department=department,
        host="api.openai.com",
        port=443,
        method="POST",
        path="/",
    )


def opened(name, ts=NOON, **given):
    verdict = Verdict(Disposition.ALLOW, Disposition.ALLOW, Stage.OBSERVE)
    return ExchangeOpened(name, ts, "w0", facts(**given), verdict, "", "")


def closed(name, outcome=Outcome.COMPLETED):
    return ExchangeClosed(name, NOON, outcome)


def test_keys_are_the_levels_that_the_facts_have():
    assert [(key.level, key.subject) for key in request_keys(facts())] == [
        ("organisation", ""),
        ("user", "p_1"),
        ("service", "openai"),
    ]
    assert ("department", "sales") in [(key.level, key.subject) for key in request_keys(facts(department="sales"))]


def test_history_counts_what_was_used_in_the_windows_of_now():
    events = [
        opened("x1"),
        opened("x2", user="p_2"),
        opened("old", ts=NOON - 86400),
        Notice(NOON, "w0", "info", "n"),
        closed("x1"),
        opened("x3"),
        closed("x3", Outcome.LOST),
        opened("x4"),
        closed("x4", Outcome.FAILED_CLOSED),
        closed("unknown", Outcome.LOST),
        closed("old", Outcome.LOST),
    ]
    found = tally(events, request_keys, NOON)
    assert {(key.level, key.subject): count for key, count in found.items()} == {
        ("organisation", ""): 2,
        ("user", "p_1"): 1,
        ("user", "p_2"): 1,
        ("service", "openai"): 2,
    }


def test_limits_do_not_matter_to_history():
    def limited(found):
        return [CounterKey("user", found.principal, Window.DAY, 1)]

    assert tally([opened("x1"), opened("x2")], limited, NOON) == {CounterKey("user", "p_1", Window.DAY): 2}


def test_a_missing_file_is_made_from_history(tmp_path):
    path = tmp_path / "ledger" / "c"
    assert prepare(path, lambda: [opened("x1"), opened("x2")], NOON) is Prepared.CREATED
    with Ledger(path) as ledger:
        assert ledger.used(ORGANISATION, NOON) == 2
        ledger.reserve_request(facts(), NOON)
        assert ledger.used(ORGANISATION, NOON) == 3


def test_a_file_of_this_machine_life_is_kept_and_its_dead_refunded(tmp_path):
    path = tmp_path / "c"
    with Ledger(path) as ledger:
        settled = ledger.reserve_request(facts(), NOON)
        ledger.settle(settled, settled.amounts)
        ledger.reserve_request(facts(), NOON)
    assert prepare(path, lambda: pytest.fail("history is not needed"), NOON) is Prepared.KEPT
    with Ledger(path) as ledger:
        assert ledger.used(ORGANISATION, NOON) == 1


def test_after_a_restart_of_the_machine_counters_are_rebuilt(tmp_path, monkeypatch):
    path = tmp_path / "c"
    with Ledger(path) as ledger:
        for _ in range(5):
            ledger.reserve_request(facts(), NOON)
    monkeypatch.setattr(rebuilding, "boot_id", lambda: b"y" * 16)
    assert prepare(path, lambda: [opened("x1")], NOON) is Prepared.REBUILT
    with Ledger(path) as ledger:
        assert ledger.used(ORGANISATION, NOON) == 1


def test_nothing_is_rebuilt_under_a_living_worker(tmp_path):
    path = tmp_path / "c"
    with Ledger(path) as ledger:
        ledger.reserve_request(facts(), NOON)
        with pytest.raises(OperatorError, match="place 0 is in use"):
            rebuild(path, [], NOON)
        assert ledger.used(ORGANISATION, NOON) == 1


def test_a_damaged_file_is_not_rebuilt_over(tmp_path):
    path = tmp_path / "c"
    path.write_bytes(b"something else")
    with pytest.raises(OperatorError, match="move the file away"):
        prepare(path, list, NOON)
    assert path.read_bytes() == b"something else"


def test_a_rebuild_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "c"
    with Ledger(path) as ledger:
        settled = ledger.reserve_request(facts(), NOON)
        ledger.settle(settled, settled.amounts)

    def breaks():
        yield opened("x1")
        raise OSError("store away")

    with pytest.raises(OSError, match="store away"):
        rebuild(path, breaks(), NOON)
    CounterFile(path).close()
    with Ledger(path) as ledger:
        assert ledger.used(ORGANISATION, NOON) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["c"]
