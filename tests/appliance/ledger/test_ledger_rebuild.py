from zoneinfo import ZoneInfo

import pytest

from appliance.config.schema import BudgetEntry, BudgetMatch
from appliance.ledger import rebuild as rebuilding
from appliance.ledger.budgets import Budgets
from appliance.ledger.file import CounterFile
from appliance.ledger.ledger import Ledger
from appliance.ledger.levels import Used, request_keys, tally
from appliance.ledger.rebuild import rebuild, spans, stands
from appliance.ledger.table import CounterKey
from appliance.ledger.windows import Calendar, Window
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


def counted(ledger, given):
    keys = request_keys(given)
    return ledger.reserve(keys, (1,) * len(keys), NOON)


def test_keys_are_the_levels_that_the_facts_have():
    assert [(key.level, key.subject) for key in request_keys(facts())] == [
        ("organisation", ""),
        ("user", "p_1"),
        ("service", "openai"),
    ]
    assert ("department", "sales") in [(key.level, key.subject) for key in request_keys(facts(department="sales"))]


def test_history_counts_at_every_level():
    found = tally(
        [Used(None, "p_1", "openai", 2), Used("sales", "p_2", "openai", 3), Used("sales", "p_1", None, 5)], Window.DAY
    )
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
            counted(ledger, given)
        found = tally([Used(None, "p_1", "openai", 1), Used("sales", "p_1", "openai", 1)], Window.DAY)
        assert {key: ledger.used(key, NOON) for key in found} == found


def test_history_is_needed_since_each_window_began():
    assert spans(NOON, None, Calendar()) == {Window.DAY: NOON - 43200}
    entries = [
        BudgetEntry(name=window, what="requests", amount=1, window=window) for window in ("minute", "hour", "month")
    ]
    begun = spans(NOON, Budgets(entries, str), Calendar(ZoneInfo("Asia/Tokyo")))
    assert begun[Window.MINUTE] == NOON - 60
    assert begun[Window.HOUR] == NOON - 3600
    assert (begun[Window.DAY], begun[Window.MONTH]) == (1699887600, 1698764400)


def test_budgets_are_rebuilt_from_what_was_used(tmp_path):
    def entry(name, what, window, **match):
        return BudgetEntry(name=name, what=what, amount=1000, window=window, per="user", match=BudgetMatch(**match))

    budgets = Budgets(
        [
            entry("t", "tokens", "month"),
            entry("c", "cost", "day", group=("g",)),
            entry("r", "requests", "hour", tool=("x",)),
            BudgetEntry(name="s", what="streams", amount=1),
        ],
        str,
    )
    told = {"groups": ("g",), "tools": ("x",), "input_tokens": 30, "output_tokens": 4, "micros": 99}
    asked = []

    def history(since):
        asked.append(since)
        return [Used("sales", "p_1", "openai", 3, "gpt-5", **told), Used("sales", "p_2", "openai", 1, input_tokens=7)]

    rebuild(tmp_path / "c", history, NOON, budgets)
    assert sorted(asked) == sorted(spans(NOON, budgets, Calendar()).values())
    made = {one.name: one for one in budgets.all}
    with Ledger(tmp_path / "c") as ledger:
        assert ledger.used(made["t"].counter("p_1"), NOON) == 34
        assert ledger.used(made["t"].counter("p_2"), NOON) == 7
        assert ledger.used(made["c"].counter("p_1"), NOON) == 99
        assert ledger.used(made["r"].counter("p_1"), NOON) == 3
        assert ledger.used(made["r"].counter("p_2"), NOON) == 0
        assert ledger.used(made["s"].counter(""), NOON) == 0
        assert ledger.used(ORGANISATION, NOON) == 4


def test_a_missing_file_is_made_from_history(tmp_path):
    path = tmp_path / "ledger" / "c"
    assert not stands(path)
    rebuild(path, lambda _: [Used(None, "p_1", "openai", 2)], NOON)
    assert stands(path)
    with Ledger(path) as ledger:
        assert ledger.used(ORGANISATION, NOON) == 2
        counted(ledger, facts())
        assert ledger.used(ORGANISATION, NOON) == 3


def test_a_file_of_this_machine_life_is_kept_and_its_dead_refunded(tmp_path):
    path = tmp_path / "c"
    with Ledger(path) as ledger:
        settled = counted(ledger, facts())
        ledger.settle(settled, settled.amounts)
        counted(ledger, facts())
    assert stands(path)
    with Ledger(path) as ledger:
        assert ledger.used(ORGANISATION, NOON) == 1


def test_after_a_restart_of_the_machine_counters_are_rebuilt(tmp_path, monkeypatch):
    path = tmp_path / "c"
    with Ledger(path) as ledger:
        for _ in range(5):
            counted(ledger, facts())
    monkeypatch.setattr(rebuilding, "boot_id", lambda: b"y" * 16)
    assert not stands(path)
    rebuild(path, lambda _: [Used(None, "p_1", "openai", 1)], NOON)
    with Ledger(path) as ledger:
        assert ledger.used(ORGANISATION, NOON) == 1


def test_nothing_is_rebuilt_under_a_living_worker(tmp_path):
    path = tmp_path / "c"
    with Ledger(path) as ledger:
        counted(ledger, facts())
        with pytest.raises(OperatorError, match="place 0 is in use"):
            rebuild(path, lambda _: [], NOON)
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
        settled = counted(ledger, facts())
        ledger.settle(settled, settled.amounts)

    def breaks():
        yield Used(None, "p_1", "openai", 1)
        raise OSError("store away")

    with pytest.raises(OSError, match="store away"):
        rebuild(path, lambda _: breaks(), NOON)
    CounterFile(path).close()
    with Ledger(path) as ledger:
        assert ledger.used(ORGANISATION, NOON) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["c"]


def test_a_worker_makes_no_file_of_its_own(tmp_path):
    with pytest.raises(OperatorError, match="start it again: what is missing is rebuilt"):
        Ledger(tmp_path / "c", make=False)
    assert not list(tmp_path.iterdir())


def of_an_earlier_format(path):
    data = bytearray(path.read_bytes())
    data[8:12] = (1).to_bytes(4, "little")
    path.write_bytes(bytes(data))


def test_a_file_of_an_earlier_format_is_rebuilt_and_not_refused(tmp_path):
    path = tmp_path / "c"
    Ledger(path).close()
    of_an_earlier_format(path)
    assert not stands(path)
    rebuild(path, lambda _: [Used(None, "p_1", "openai", 2)], NOON)
    assert stands(path)
    with Ledger(path) as ledger:
        assert ledger.used(ORGANISATION, NOON) == 2


def test_a_file_of_an_earlier_format_in_use_is_left_alone(tmp_path):
    path = tmp_path / "c"
    with Ledger(path):
        of_an_earlier_format(path)
        before = path.read_bytes()
        with pytest.raises(OperatorError, match="place 0 is in use"):
            rebuild(path, lambda _: [], NOON)
    assert path.read_bytes() == before
