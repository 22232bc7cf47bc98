"""Rejections that workers note are known to sensors: of that client, for that service, for a while."""

import pytest

from appliance.bus import ownflows, rejected
from appliance.bus.rejected import TTL_S, Rejected, pair_key
from appliance.model.errors import OperatorError

CLIENT = "10.0.0.9"


@pytest.fixture
def path(tmp_path):
    return rejected.create(tmp_path)


def test_what_one_worker_notes_a_sensor_knows(path):
    with Rejected(path, 1, write=True) as one, Rejected(path) as sensor:
        one.note(f"::ffff:{CLIENT}", "openai", 1000)
        assert [sensor.knows(CLIENT, "openai", ts) for ts in (990, 1000, 1000 + TTL_S)] == [True] * 3
        for client, service, ts in (
            ("10.0.0.8", "openai", 1000),
            (CLIENT, "chatgpt", 1000),
            (CLIENT, "openai", 1001 + TTL_S),
            (CLIENT, "openai", 100),
            ("nowhere", "openai", 1000),
        ):
            assert not sensor.knows(client, service, ts)


def test_what_is_no_address_is_not_noted(path):
    with Rejected(path, write=True) as one, pytest.raises(ValueError, match="nowhere"):
        one.note("nowhere", "openai", 1000)
    assert pair_key("fe80::1%eth0", "a") == pair_key("fe80::1", "a")


def test_it_is_a_file_of_its_own(path, tmp_path):
    assert path.name == rejected.NAME != ownflows.NAME
    assert path.stat().st_mode & 0o777 == 0o600
    assert rejected.create(tmp_path) == path
    with pytest.raises(OperatorError):
        Rejected(tmp_path / "nothing")
