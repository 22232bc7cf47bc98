"""What commands say of edges, sidecars and their central appliance."""

import pytest
from peers_world import Peerage

from appliance import cli
from appliance.bus.control import PeerStanding, Status
from appliance.cli.control import _as_text
from appliance.model.names import Stage

SEEN = 1_767_258_000.0


@pytest.fixture
def sidecar(tmp_path):
    peerage = Peerage(tmp_path / "peerage")
    path = tmp_path / "gnomon.yaml"
    section = peerage.central_section("sidecar", "pod-a", "central:9443", peerage.peer("pod-a"))
    path.write_text(f"state_dir: {tmp_path}/s\nrun_dir: {tmp_path}/r\n{section}")
    return str(path)


def shown(role, *peers):
    status = Status("up", 1, 0.5, "0.1.0", Stage.OBSERVE, 1, 1, 1, "p", "g", "/s", 0, role=role, peers=peers)
    return _as_text(status).splitlines()


def test_status_lists_peers_when_they_were_seen_and_what_is_missing():
    lines = shown(
        "appliance",
        PeerStanding("berlin", "edge", connected=True, last_seen=SEEN, behind=1_234),
        PeerStanding("pod-a"),
    )
    assert lines[0].startswith("gnomon 0.1.0 is up")
    assert lines[-2:] == [
        "peer berlin (edge): connected, last seen 2026-01-01 09:00:00 UTC, 1,234 bytes of records not shipped",
        "peer pod-a (not seen in this run): away, nothing behind",
    ]


def test_status_of_a_sidecar_tells_how_far_it_has_shipped():
    lines = shown("sidecar", PeerStanding("c:9443", "central", behind=9, problem="Connection \x1b[31mrefused"))
    assert lines[0].startswith("gnomon 0.1.0 (sidecar) is up")
    assert lines[-1] == r"central c:9443: away, 9 bytes of records not shipped: Connection \x1b[31mrefused"


def test_words_of_a_central_appliance_among_the_problems_move_no_cursor():
    status = Status(
        "up", 1, 0.5, "0.1.0", Stage.OBSERVE, 1, 1, 1, "p", "g", "/s", 0, problems=("central: \x1b[2J\nup",)
    )
    assert _as_text(status).splitlines()[-1] == r"problem: central: \x1b[2J\x0aup"


@pytest.mark.parametrize("words", [["findings"], ["tui"], ["export", "--out", "x"]])
def test_who_asks_a_sidecar_for_records_is_sent_to_central(sidecar, capsys, words):
    assert cli.main([*words, "--config", sidecar]) == 2
    assert capsys.readouterr().err == (
        "gnomon: the records of this sidecar are at the central appliance (central:9443); ask there\n"
    )


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        (["--workers", "2"], "workers: a sidecar has one worker; set 1, or leave the key out"),
        (["--interface", "eth0"], "sensor.interfaces: a sidecar that ships its records watches no network"),
    ],
)
def test_flags_do_not_make_of_it_what_it_is_not(sidecar, capsys, flag, words):
    assert cli.main(["up", *flag, "--config", sidecar]) == 2
    assert f"gnomon: {words}" in capsys.readouterr().err
