import pytest

from appliance.ledger import CounterKey, Ledger, Window
from appliance.ledger import rebuild as rebuilding
from appliance.ledger.file import CounterFile
from appliance.ledger.levels import Used, request_keys, tally
from appliance.ledger.rebuild import rebuild, stands, windows_began
from appliance.model.errors import OperatorError
from appliance.model.facts import Facts

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


def test_keys_are_the_levels_that_the_facts_have():
    assert [(key.level, key.subject) for key in request_keys(facts())] == [
        ("organisation", ""),
        ("user", "p_1"),
        ("service", "openai"),
    ]
    assert ("department", "sales") in [(key.level, key.subject) for key in request_keys(facts(department="sales"))]


def test_history_counts_at_every_level():
    found = tally([Used(None, "p_1", "openai", 2), Used("sales", "p_2", "openai", 3), Used("sales", "p_1", None, 5)])
    assert {(key.level, key.subject): count for key, count in found.items()} == {
        ("organisation", ""): 10,
        ("department", "sales"): 8,
        ("user", "p_1"): 7,
        ("user", "p_2"): 3,
        ("service", "openai"): 5,
    }


def test_history_counts_as_reservations_did(tmp_path):
    with Ledger(tmp_path / "c") as ledger:
        for department in (None, "sales"):
            given = facts(department=department)
            ledger.reserve_request(given, NOON)
        found = tally([Used(None, "p_1", "openai", 1), Used("sales", "p_1", "openai", 1)])
        assert {key: ledger.used(key, NOON) for key in found} == found


def test_history_is_needed_since_midnight():
    assert windows_began(NOON) == NOON - 43200
    assert windows_began(NOON - 43200) == NOON - 43200


def test_a_missing_file_is_made_from_history(tmp_path):
    path = tmp_path / "ledger" / "c"
    assert not stands(path)
    rebuild(path, [Used(None, "p_1", "openai", 2)], NOON)
    assert stands(path)
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
    assert stands(path)
    with Ledger(path) as ledger:
        assert ledger.used(ORGANISATION, NOON) == 1


def test_after_a_restart_of_the_machine_counters_are_rebuilt(tmp_path, monkeypatch):
    path = tmp_path / "c"
    with Ledger(path) as ledger:
        for _ in range(5):
            ledger.reserve_request(facts(), NOON)
    monkeypatch.setattr(rebuilding, "boot_id", lambda: b"y" * 16)
    assert not stands(path)
    rebuild(path, [Used(None, "p_1", "openai", 1)], NOON)
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
        stands(path)
    assert path.read_bytes() == b"something else"


def test_a_rebuild_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "c"
    with Ledger(path) as ledger:
        settled = ledger.reserve_request(facts(), NOON)
        ledger.settle(settled, settled.amounts)

    def breaks():
        yield Used(None, "p_1", "openai", 1)
        raise OSError("store away")

    with pytest.raises(OSError, match="store away"):
        rebuild(path, breaks(), NOON)
    CounterFile(path).close()
    with Ledger(path) as ledger:
        assert ledger.used(ORGANISATION, NOON) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["c"]


def test_a_worker_makes_no_file_of_its_own(tmp_path):
    with pytest.raises(OperatorError, match="start it again: what is missing is rebuilt"):
        Ledger(tmp_path / "c", make=False)
    assert not list(tmp_path.iterdir())
