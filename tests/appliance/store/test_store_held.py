"""Held keys as analysts know them: nothing of a key but its name, and what is overdue."""

import pytest

from appliance.config import key_register
from appliance.config.route_schema import RouteEntry
from appliance.config.schema import Config, Gateway
from appliance.route.key_life import DAY, KeyRecord, activated, staged
from appliance.store.held import held_keys

NOW = 1_763_700_000.0


@pytest.fixture
def config(tmp_path):
    route = RouteEntry(service="openai", target="https://api.openai.com", credential="held:missing")
    made = Config(state_dir=str(tmp_path), run_dir=str(tmp_path), gateway=Gateway(routes={"openai": route}))
    made.credentials_dir.mkdir(parents=True, exist_ok=True)
    return made


def test_what_is_overdue_or_missing_comes_first(config):
    with key_register.changing(config) as records:
        for name, age in (("fresh", 1), ("old", 100)):
            record = staged(KeyRecord(name, "openai"), f"k_{name}", NOW - age * DAY)
            records[name] = activated(record, NOW - age * DAY)
    head, found = held_keys(config, NOW)
    assert (head.total, head.problem) == (3, "")
    assert [(key.name, key.state, key.lies) for key in found] == [
        ("missing", "", False), ("old", "active", None), ("fresh", "active", None),
    ]  # fmt: skip
    assert "should have been changed 10 days ago" in found[1].problems[0]
    assert found[2].due == NOW + 89 * DAY
    assert "k_" not in str(found)


def test_a_register_that_cannot_be_read_is_told(config):
    path = key_register.path_of(config)
    path.write_text("{")
    path.chmod(0o600)
    head, found = held_keys(config, NOW)
    assert "damaged" in head.problem
    assert [key.name for key in found] == ["missing"]
