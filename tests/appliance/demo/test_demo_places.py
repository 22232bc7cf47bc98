"""The demo's folder: a configuration that the appliance accepts, keys that only their owner reads."""

import stat

from appliance.config.load import load
from appliance.demo.places import HOSTS, ROUTE, UNAPPROVED, prepare, write_config


def made(folder, capture=None):
    places = prepare(folder, capture or folder / "x.pcap")
    write_config(places, dict.fromkeys(HOSTS, 9443))
    return places


def test_the_configuration_is_good_and_stays_on_loopback(tmp_path):
    places = made(tmp_path)
    config = load(places.config)
    assert {target.rpartition(":")[0] for target in config.egress.hosts.values()} == {"127.0.0.1"}
    assert {f"{host}:443" for host in HOSTS.values()} < set(config.egress.hosts)
    assert config.gateway.routes[ROUTE].credential == "held:demo"
    assert UNAPPROVED not in config.gateway.routes
    assert config.stage == "enforce"
    assert config.sensor.captures == (str(tmp_path / "x.pcap"),)
    assert places.root == config.ca_dir / "root.pem"
    assert places.proxy != places.gateway


def test_a_folder_whose_name_is_hostile_to_yaml(tmp_path):
    folder = tmp_path / "a: [b] #'\"{"
    folder.mkdir()
    capture = folder / "x.pcap"
    config = load(made(folder, capture).config)
    assert config.state_dir == str(folder / "state")
    assert config.sensor.captures == (str(capture),)


def test_the_held_key_is_its_owners_alone_and_new_each_time(tmp_path):
    keys = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        places = made(tmp_path / name)
        file = tmp_path / name / "credentials" / "demo"
        assert file.read_text() == places.held_key
        assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)
        assert places.held_key not in places.config.read_text()
        keys.add(places.held_key)
    assert len(keys) == 2
