"""A sidecar and a central appliance in network namespaces: every call through the one is in the store of the other.

provider 10.77.0.3 --+-- switch --+-- central 10.77.0.2 (box `gnomon`): store, peers.journal
                     |            |
                     +------------+-- pod 10.77.0.5 (box `pod`): an application and its sidecar, on its loopback
"""

import json
import os
import signal
from pathlib import Path

import httpx
import pytest
from peers_world import Peerage
from system import wire_world
from system.conftest import Appliance, free_port
from system.operations_world import decide, eventually, record, status, through_gateway
from system.wire_world import APPROVED, GNOMON, Wire, WireProvider

from appliance.bus.errors import Unreachable

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]
POD = "10.77.0.5"
NAME, JOURNAL = "central.test", "central.test:9443"
ACCEPT = "{pod-a: {roles: [sidecar]}}"
HOST = "api.openai.com"


class PodWire(Wire):
    """The wire with one more box, which knows the central appliance by name."""

    boxes = {**wire_world.ADDRESSES, "pod": (POD,)}

    def _furnish(self, box):
        super()._furnish(box)
        with (wire_world.CONFIGURED / self.name(box) / "hosts").open("a") as hosts:
            hosts.write(f"{GNOMON} {NAME}\n")


class BoxAppliance(Appliance):
    """`gnomon up` in a box, its listeners on that box's loopback."""

    def __init__(self, wire, box, folder, provider, extra):
        super().__init__(folder, provider)
        self.before, self.proxy, self.gateway = wire.inside(box), 8080, 4000
        self.config.write_text(
            "listen: {proxy: '127.0.0.1:8080', gateway: '127.0.0.1:4000'}\n"
            f"state_dir: {folder}/state\nrun_dir: {folder}/run\nstage: enforce\ndrain_s: 3\n"
            f"egress: {{ca_bundle: {provider.ca}, hosts: {{'{HOST}:443': '{APPROVED}:443'}}}}\n{extra}"
        )


class Pod:
    """An application beside its sidecar, and the central appliance."""

    def __init__(self, wire, provider, central, sidecar):
        self.wire, self.provider, self.central, self.sidecar = wire, provider, central, sidecar
        self.answered = 0

    def ask(self, *, way="gateway", model="stand-in", start=False):
        """One call of the application with curl; its status, or the running program."""
        body = json.dumps({"model": model, "stream": start, "messages": [{"role": "user", "content": "noon?"}]})
        url = "http://127.0.0.1:4000/v1/chat/completions"
        words = ["curl", "-sSN", "--max-time", "30", "-H", "Content-Type: application/json"]
        words += ["-H", "Authorization: Bearer k"]
        if way == "proxy":
            url = f"https://{HOST}/v1/chat/completions"
            words += ["-x", "http://127.0.0.1:8080", "--cacert", str(self.sidecar.ca)]
        if start:
            return self.wire.start("pod", *words, "-d", body, url)
        done = self.wire.run("pod", *words, "-o", "/dev/null", "-w", "%{http_code}", "-d", body, url)
        self.answered += done.stdout == b"200"
        return done.stdout.decode()

    def rows(self):
        try:
            return self.central.ask_store("exchanges", since=0, limit=500)
        except Unreachable:
            return []

    def complete(self):
        """Every call that was answered is at central, once, with its end."""
        rows = eventually(self.rows, lambda rows: len(rows) >= self.answered and all(row["outcome"] for row in rows))
        assert len({row["exchange"] for row in rows}) == len(rows) == self.answered
        assert {row["worker"].rpartition(".")[0] for row in rows} == {"peer.pod-a"}
        return rows

    def shipped(self, *, connected):
        return eventually(lambda: status(self.sidecar), lambda now: [one.connected for one in now.peers] == [connected])


@pytest.fixture
def pod(tmp_path):
    if reason := wire_world.why_not():
        pytest.skip(reason)
    peerage = Peerage(tmp_path / "peerage")
    with PodWire(mirrored=()) as wire:
        provider = WireProvider(wire, tmp_path / "provider", APPROVED, HOST)
        taking = peerage.peers_section(f"{GNOMON}:9443", ACCEPT, peerage.central(NAME))
        giving = peerage.central_section("sidecar", "pod-a", JOURNAL, peerage.peer("pod-a"))
        central = BoxAppliance(wire, "gnomon", tmp_path / "central", provider, taking)
        sidecar = BoxAppliance(wire, "pod", tmp_path / "sidecar", provider, giving)
        try:
            central.up()
            sidecar.up()
            yield Pod(wire, provider, central, sidecar)
        finally:
            sidecar.down()
            central.down()
            provider.stop()


@pytest.mark.root
def test_calls_through_the_sidecar_are_at_central_through_every_death(pod):
    assert [pod.ask(way=way) for way in ("gateway", "proxy")] == ["200", "200"]
    rows = pod.complete()
    assert {row["listener"] for row in rows} == {"gateway", "proxy"}
    opened = record(pod.central, rows[0]["exchange"], "open")
    assert rows[0]["exchange"] == f"pod-a:{opened['exchange']}", "the record's own text is as the sidecar wrote it"
    assert sorted(pod.sidecar.pids()) == ["shipper", "w0"]
    assert not (pod.sidecar.folder / "state/store").exists()

    # The central appliance goes and comes back.
    pod.central.down()
    pod.shipped(connected=False)
    assert [pod.ask() for _ in range(3)] == ["200"] * 3
    eventually(lambda: status(pod.sidecar), lambda now: now.peers[0].behind > 0 and now.problems)
    pod.central.up()
    pod.complete()
    eventually(lambda: status(pod.sidecar), lambda now: now.peers[0].behind == 0 and not now.problems)

    # Its processes are killed while calls go on.
    for victim in ("store", "peers", "store"):
        pid = pod.central.pids().get(victim) or receiver_of(pod.central)
        assert pod.ask() == "200"
        os.kill(pid, signal.SIGKILL)
        assert pod.ask(way="proxy") == "200"
    pod.complete()
    peers = eventually(lambda: status(pod.central).peers, lambda peers: peers and peers[0].connected)
    assert [(one.name, one.role) for one in peers] == [("pod-a", "sidecar")]
    assert "peer pod-a (sidecar): connected" in pod.central.run("status").stdout.decode()


@pytest.mark.conformance
@pytest.mark.root
def test_a_decision_at_central_moves_the_traffic_of_the_sidecar(pod):
    assert pod.ask() == "200"
    decide(pod.central, "block", service="openai", reason="not here")
    eventually(pod.ask, lambda code: code == "403")
    rows = eventually(pod.rows, lambda rows: rows and rows[0]["outcome"] == "blocked")
    assert rows[0]["worker"] == "peer.pod-a.w0"


@pytest.mark.conformance
@pytest.mark.root
def test_what_a_killed_worker_left_arrives_with_its_lost_close(pod):
    stream = pod.ask(model="stand-in-hold", start=True)
    try:
        assert stream.stdout.readline()
        os.kill(pod.sidecar.pids()["w0"], signal.SIGKILL)
        rows = eventually(pod.rows, lambda rows: rows and rows[0]["outcome"])
        assert [row["outcome"] for row in rows] == ["lost"]
    finally:
        stream.kill()
        stream.wait()
        stream.stdout.close()
    eventually(pod.ask, lambda code: code == "200")


def receiver_of(appliance) -> int:
    """The pid of the process that takes records: a child of the supervisor that is in no plan."""
    children = Path(f"/proc/{status(appliance).pid}/task/{status(appliance).pid}/children").read_text().split()
    return next(int(pid) for pid in children if b"appliance.peers" in Path(f"/proc/{pid}/cmdline").read_bytes())


@pytest.mark.conformance
def test_a_full_journal_closes_and_opens_again_by_itself(tmp_path, provider):
    peerage, port = Peerage(tmp_path / "peerage"), free_port()
    taking = peerage.peers_section(f"127.0.0.1:{port}", ACCEPT, peerage.central("localhost"))
    giving = peerage.central_section("sidecar", "pod-a", f"localhost:{port}", peerage.peer("pod-a"))
    central = Appliance(tmp_path / "central", provider, extra=taking)
    sidecar = Appliance(tmp_path / "sidecar", provider, extra=giving + "journal: {max_bytes: 1048576}\n")
    tools = [{"type": "function", "function": {"name": f"{n:03}" + "t" * 60}} for n in range(128)]
    body = {"model": "stand-in", "messages": [{"role": "user", "content": "noon?"}], "tools": tools}
    try:
        sidecar.up()  # central has never been there
        codes = []
        with through_gateway(sidecar, headers={"Authorization": "Bearer k"}) as client:

            def ask():
                codes.append(client.post("/v1/chat/completions", json=body).status_code)
                return codes[-1]

            while ask() == httpx.codes.OK:
                assert len(codes) < 400, "it must close"
            for _ in range(1100):  # more than a worker may have reservations: each must have been given back
                ask()
            assert set(codes[-1101:]) == {httpx.codes.SERVICE_UNAVAILABLE}
            central.up()
            eventually(ask, lambda code: code == httpx.codes.OK)
        good = codes.count(httpx.codes.OK)
        rows = eventually(
            lambda: central.ask_store("exchanges", since=0, limit=500),
            lambda rows: len(rows) >= good and all(row["outcome"] for row in rows),
        )
        assert len({row["exchange"] for row in rows}) == len(rows) == good
        notes = {row["note"] for row in central.ask_store("notices", since=0)}
        assert any("journal" in note for note in notes), "the alarm has arrived too"
    finally:
        sidecar.down()
        central.down()
