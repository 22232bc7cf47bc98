"""What a live sensor learns beside it: renewed in time, and lacking where it cannot be had."""

from sensing import BOX, sensor

from appliance.bus import ownflows, programs
from appliance.bus.ownflows import OwnFlows
from appliance.bus.programs import Programs
from discovery import surroundings
from discovery.fingerprints import DEFAULT
from discovery.learned import Learned
from discovery.surroundings import RENEWED_S

JA4 = "t13d1714h1_5b57614c22b0_6a1c4b4a0b0e"


def test_programs_and_addresses_are_renewed_at_once_and_now_and_then(tmp_path, monkeypatch):
    programs.create(tmp_path)
    now, one, table = [100.0], sensor(), Programs(tmp_path / programs.NAME, write=True)
    monkeypatch.setattr(surroundings.box, "own_addresses", lambda: frozenset({"10.9.9.9"}))
    monkeypatch.setattr(surroundings.time, "time", lambda: 5.0)
    refresh = surroundings.refresher(tmp_path, DEFAULT, lambda: now[0])
    refresh(one)
    assert one.box.addresses == {"10.9.9.9"} != BOX.addresses
    assert JA4 not in one.learned._handshakes
    table.met(JA4, "", "", ai=True, now=5.0)
    now[0] += RENEWED_S - 1
    refresh(one)
    assert JA4 not in one.learned._handshakes
    now[0] += 1
    refresh(one)
    assert one.learned._handshakes[JA4].ai == 1
    table.close()


def test_without_tables_nothing_is_known_and_the_sensor_goes_on(tmp_path, caplog):
    assert surroundings.own_flows(tmp_path)(("10.0.0.1", 1), ("10.0.0.2", 2), 1.0) is False
    assert isinstance(surroundings.met(tmp_path, DEFAULT)(), Learned)
    assert len(caplog.records) == 2


def test_own_connections_are_known(tmp_path):
    with OwnFlows(ownflows.create(tmp_path), write=True) as flows:
        flows.note(("10.0.0.1", 1), ("10.0.0.2", 2), 5.0)
    assert surroundings.own_flows(tmp_path)(("10.0.0.1", 1), ("10.0.0.2", 2), 5.0)
