"""Edges, sidecars and central appliances in the configuration: what goes together, and what is refused in words."""

import msgspec
import pytest
from peers_world import Peerage

from appliance.config import effective
from appliance.config.load import load
from appliance.config.placement_checks import checked
from appliance.config.schema import Config, MetricsConfig
from appliance.model.errors import OperatorError

ACCEPT = "{berlin: {roles: [edge], may_assert: [users, groups]}, pod-a: {roles: [sidecar]}}"


@pytest.fixture(scope="module")
def peerage(tmp_path_factory):
    world = Peerage(tmp_path_factory.mktemp("peerage"))
    world.files = {name: world.peer(name) for name in ("own", "pod-a")}
    return world


@pytest.fixture
def read(tmp_path, peerage):
    def config(text):
        path = tmp_path / "gnomon.yaml"
        certificate = peerage.files["own"]
        path.write_text(text.replace("FILES", f"ca: {peerage.ca}, certificate: {certificate}, key: {certificate}"))
        return load(path)

    return config


def refusal(read, text):
    with pytest.raises(OperatorError) as caught:
        read(text)
    return str(caught.value).partition("gnomon.yaml:")[2]


def test_a_sidecar_ships_and_has_no_store(read):
    config = read("role: sidecar\ncentral: {name: pod-a, journal: 'central.example:9443', FILES}\n")
    assert (config.role, config.ships_records, config.worker_count) == ("sidecar", True, 1)
    assert effective.decode(effective.encode(config)) == config


def test_an_edge_ships_only_where_it_is_told_where(read):
    text = "role: edge\nworkers: 2\ncentral: {name: berlin, targets: ['c1.example:9444', 'c2.example:9444']%s, FILES}\n"
    assert not read(text % "").ships_records
    assert read(text % ", journal: 'c1.example:9443'").ships_records


def test_a_central_appliance_names_its_peers(read):
    config = read(f"peers: {{journal: '0.0.0.0:9443', exchanges: '0.0.0.0:9444', accept: {ACCEPT}, FILES}}\n")
    assert config.peers.accept["berlin"].may_assert == ("users", "groups")
    assert not config.ships_records
    assert effective.decode(effective.encode(config)) == config


def test_paths_start_at_the_file(tmp_path, peerage):
    for name, source in (("ca.pem", peerage.ca), ("own.pem", peerage.files["own"])):
        (tmp_path / name).write_bytes(source.read_bytes())
        (tmp_path / name).chmod(0o600)
    path = tmp_path / "gnomon.yaml"
    path.write_text(
        "role: sidecar\ncentral: {name: a, journal: 'c:1', ca: ca.pem, certificate: own.pem, key: own.pem}\n"
    )
    central = load(path).central
    assert (central.ca, central.key) == (f"{tmp_path}/ca.pem", f"{tmp_path}/own.pem")


SIDECAR = "role: sidecar\ncentral: {name: pod-a, journal: 'central:9443', FILES}\n"
PEERS = "peers: {journal: '0.0.0.0:9443', accept: {pod-a: {roles: [sidecar]}}, FILES}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("role: sidecars\n", "not one of appliance, edge, sidecar"),
        ("role: sidecar\n", "1: role: sidecar: needs the section `central`"),
        ("role: edge\n", "1: role: edge: needs the section `central`"),
        ("central: {name: a, journal: 'c:1', FILES}\n", "central: belongs to an edge or a sidecar; set `role`"),
        (SIDECAR + "workers: 2\n", "3: workers: a sidecar has one worker"),
        (SIDECAR + "workers: 0\n", "3: workers: a sidecar has one worker"),
        (SIDECAR + "sensor: {interfaces: [eth0]}\n", "sensor.interfaces: a sidecar that ships its records watches no"),
        (SIDECAR + "sensor: {folder: x}\n", "sensor.folder: a sidecar that ships"),
        (SIDECAR + "metrics: {listen: '127.0.0.1:9464'}\n", "metrics.listen: the store is at the central appliance"),
        (SIDECAR + "store: {analyst_group: adm}\n", "store.analyst_group: the store is at"),
        (SIDECAR + PEERS, "peers: belongs to a central appliance; a sidecar has no peers"),
        (SIDECAR.replace("journal", "targets").replace("'central:9443'", "['c:1']"), "journal: is missing: a sidecar"),
        (SIDECAR.replace("FILES", "targets: ['c:1'], FILES"), "central.targets: belongs to an edge"),
        ("role: edge\ncentral: {name: a, journal: 'c:1', FILES}\n", "targets: is missing: an edge sends"),
        ("role: edge\ncentral: {name: a, targets: ['c'], FILES}\n", "central.targets.0: write host:port"),
        (SIDECAR.replace("pod-a", "Pod A"), "central.name: a name of at most 63 small letters"),
        (SIDECAR.replace("central:9443", "central:0"), "central.journal: the port must lie between"),
        (SIDECAR.replace("FILES", "ca: no.pem, certificate: no.pem, key: no.pem"), "no.pem: no such file"),
        ("peers: {accept: {a: {roles: [edge]}}, FILES}\n", "peers: nothing would listen"),
        (PEERS.replace("{pod-a: {roles: [sidecar]}}", "{}"), "peers.accept: nobody would be accepted"),
        (PEERS.replace("[sidecar]", "[]"), "peers.accept.pod-a.roles: name what it may be"),
        (PEERS.replace("[sidecar]", "[centre]"), "not one of edge, sidecar"),
        (PEERS.replace("[sidecar]", "[edge]"), "roles: an edge needs peers.exchanges"),
        (PEERS.replace("[sidecar]", "[sidecar], may_assert: [users]"), "may_assert: only an edge speaks for"),
        (PEERS.replace("journal", "exchanges"), "roles: a sidecar needs peers.journal"),
        (PEERS.replace("pod-a", "peer_1"), "a name of at most 63 small letters"),
        (PEERS.replace("0.0.0.0:9443", "127.0.0.1:8080"), "peers.journal: is the same address as listen.proxy"),
        (
            PEERS.replace("accept", "exchanges: '0.0.0.0:9443', accept"),
            "peers.exchanges: is the same address as peers.journal",
        ),
        (PEERS.replace("0.0.0.0:9443", "9443"), "peers.journal: write host:port"),
    ],
)
def test_what_cannot_work_is_refused_at_its_key(read, text, words):
    assert words in refusal(read, text)


def test_a_key_that_others_may_read_is_refused(read, peerage):
    peerage.files["own"].chmod(0o640)
    try:
        assert "can be read by others; run: chmod 600" in refusal(read, SIDECAR)
    finally:
        peerage.files["own"].chmod(0o600)


def test_flags_are_checked_like_the_file(read):
    config = read(SIDECAR)
    assert checked(config) is config
    with pytest.raises(OperatorError, match="workers: a sidecar has one worker"):
        checked(msgspec.structs.replace(config, workers=4))
    plain = Config(metrics=MetricsConfig(listen="127.0.0.1:0"), workers=4)
    assert checked(plain) is plain
