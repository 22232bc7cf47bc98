"""The sensor at work: real handshakes between namespaces, its two processes and what they may, deaths, and no rights.

A mirrored port shows the client's packets on `span0`; `eth0` shows the appliance's own. What is asked of the store is
asked when a later sighting has arrived, so that an absence is one.
"""

import json
import os
import pwd
import shutil
import signal
import socket
from pathlib import Path

import pytest
from system import wire_world
from system.operations_world import eventually, status
from system.wire_world import CLIENT, GNOMON, UNAPPROVED, site_on_the_wire
from tests_support import ROOT, Provider

from appliance.config.site_key import load_site_key
from appliance.model.pseudonym import Pseudonyms

pytestmark = pytest.mark.system
PCAP = ROOT / "pcaps" / "mixed-office.pcap"
SETTINGS = "sensor: {interfaces: [span0, eth0]}\n"
NOBODY = "nobody"


def sensors(appliance):
    return {one["source"]: one for one in status_json(appliance)["sensors"]}


def status_json(appliance):
    return json.loads(appliance.run("status", "--json", check=False).stdout)


def seen(appliance, **asked):
    """Stored observations, oldest first."""
    return sorted(appliance.ask_store("observations", limit=500, **asked), key=lambda row: row["n"])


def digest(appliance, address):
    return Pseudonyms(load_site_key(appliance.folder / "state")).address(address)


def until_seen(appliance, count=1, **asked):
    return eventually(lambda: seen(appliance, **asked), lambda rows: len(rows) >= count)


def processes(appliance):
    """Sensor name -> (pid of the process that records, pid of the one that reads)."""
    found = {}
    for name, pid in appliance.pids().items():
        if name.startswith("sensor"):
            readers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            if readers:  # else it has just died, and who records has not ended yet
                found[name] = (pid, int(readers[0]))
    return found


def capturing(appliance, count):
    found = [one for one in status_json(appliance)["sensors"] if one["state"] == "capturing"]
    return len(found) == count


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if reason := wire_world.why_not():
        pytest.skip(reason)
    with site_on_the_wire(tmp_path_factory.mktemp("sensor"), SETTINGS) as made:
        yield made


def hello(site, name, address, *, times=1):
    """A TLS handshake of the client past the appliance, with any name."""
    program = (
        "import socket, ssl, sys\n"
        "context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE\n"
        f"for _ in range({times}):\n"
        f"    with socket.create_connection(({address!r}, 443), 10) as plain:\n"
        f"        context.wrap_socket(plain, server_hostname={name!r}).close()\n"
    )
    done = site.wire.run("client", shutil.which("python3"), "-c", program)
    assert done.returncode == 0, done.stderr


@pytest.mark.root
class TestOnTheWire:
    def test_a_handshake_past_the_appliance_is_seen_as_direct(self, site):
        hello(site, "api.anthropic.com", UNAPPROVED)
        [row] = until_seen(site.appliance, service="anthropic")
        assert (row["leg"], row["seen"], row["source"]) == ("direct", "tls", "span0")
        assert (row["name"], row["server"], row["port"]) == ("api.anthropic.com", UNAPPROVED, 443)
        assert row["client"] == digest(site.appliance, CLIENT)
        assert row["ja4"].startswith("t13d")

    def test_the_appliances_own_connections_are_not_seen(self, site):
        for name in ("api.openai.com", "api.deepseek.com"):
            done = site.through(f"https://{name}/v1/models")
            assert done.returncode == 0, done.stderr
        # `eth0` has seen the second request: what the first one made the appliance send came before
        until_seen(site.appliance, service="deepseek", source="eth0")
        rows = [row for row in seen(site.appliance) if row["name"] in ("api.openai.com", "api.deepseek.com")]
        assert {row["leg"] for row in rows} == {"proxy"}
        assert {row["client"] for row in rows} == {digest(site.appliance, CLIENT)}
        assert digest(site.appliance, GNOMON) not in {row["client"] for row in seen(site.appliance)}

    def test_each_way_has_its_cause_and_its_sizes(self, site):
        hello(site, "api.perplexity.ai", UNAPPROVED)
        [past] = until_seen(site.appliance, service="perplexity", source="span0")
        assert (past["leg"], past["cause"], past["contradicts"]) == ("direct", "direct_address", None)
        assert past["bytes_up"] > 300, "a hello and more"
        assert past["bytes_down"] > 500, "a certificate and more"
        done = site.through("https://api.deepseek.com/v1/models")
        assert done.returncode == 0, done.stderr
        rows = until_seen(site.appliance, service="deepseek", source="span0")
        assert {(row["leg"], row["cause"]) for row in rows} == {("proxy", None)}
        shares = {row["key"]: row for row in site.appliance.ask_store("shares")}
        assert (shares["perplexity"]["through"], shares["perplexity"]["governed"]) == (0, 0.0)
        assert (shares["deepseek"]["past"], shares["deepseek"]["governed"]) == (0, 1.0)

    def test_the_client_stands_among_the_hosts_with_what_it_used(self, site):
        hello(site, "api.anthropic.com", UNAPPROVED)
        [one] = eventually(
            lambda: json.loads(site.appliance.run("hosts", "--text", CLIENT, "--json").stdout)["hosts"],
            lambda found: found and found[0]["mac"] and "anthropic" in found[0]["services"],
        )
        assert one["address"] == digest(site.appliance, CLIENT)
        assert one["past"] >= 1
        assert one["vendor"] == "random", "interfaces of namespaces make their addresses up"

    def test_what_is_no_ai_service_is_not_kept(self, site):
        hello(site, "bank.example", UNAPPROVED)
        hello(site, "api.mistral.ai", UNAPPROVED)
        until_seen(site.appliance, service="mistral")
        assert not [row for row in seen(site.appliance) if "bank" in row["name"]]
        journals = b"".join(path.read_bytes() for path in (site.appliance.folder / "state/journal").rglob("*.jsonl"))
        assert b"bank.example" not in journals
        assert b"api.mistral.ai" in journals

    def test_neither_process_can_do_more_than_it_must(self, site):
        for recording, reading in processes(site.appliance).values():
            keeper, watcher = fields(recording), fields(reading)
            assert keeper["Uid"] == ["0"] * 4
            for sets in (keeper, watcher):
                assert {sets[name][0] for name in sets if name.startswith("Cap")} == {"0" * 16}
                assert sets["NoNewPrivs"] == ["1"]
            uid = pwd.getpwnam(NOBODY).pw_uid
            assert watcher["Uid"] == [str(uid)] * 4
            assert watcher["Groups"] == []
            assert watcher["Seccomp"] == (["2"] if os.uname().machine in ("x86_64", "aarch64") else ["0"])
            held = [str(fd.readlink()) for fd in Path(f"/proc/{reading}/fd").iterdir()]
            assert sum(one.startswith("socket:") for one in held) == 3, held  # the reader, and two rings
            assert all(one == "/dev/null" or one.startswith("socket:") for one in held), held

    @pytest.mark.parametrize("whom", [0, 1], ids=["recording", "reading"])
    def test_a_killed_sensor_comes_back_without_a_record_twice(self, site, whom):
        name, service = (("api.groq.com", "groq"), ("api.cohere.com", "cohere"))[whom]
        hello(site, name, UNAPPROVED, times=3)
        [first] = until_seen(site.appliance, service=service)
        before = processes(site.appliance)
        for pids in before.values():
            os.kill(pids[whom], signal.SIGKILL)
        eventually(lambda: alive(site.appliance, before), bool)
        hello(site, "api.together.xyz" if whom else "api.x.ai", UNAPPROVED)
        until_seen(site.appliance, service="together" if whom else "xai")
        rows = seen(site.appliance, service=service)
        assert rows[0] == first
        assert sum(row["count"] for row in rows) <= 3
        assert len(rows) == 1 if whom == 0 else len(rows) <= 2, "repeats die with who counted them, or are flushed"

    def test_analysts_hear_of_the_sensors(self, site):
        from appliance.bus.client import BlockingClient
        from appliance.store.finding_pages import ApplianceRequest, ApplianceState

        def told():
            with BlockingClient(site.appliance.folder / "run" / "analyst.sock") as client:
                return client.call("appliance", ApplianceRequest(), reply=ApplianceState)[0]

        found = eventually(told, lambda state: [one.state for one in state.sensors] == ["capturing"] * 2)
        assert [one.source for one in found.sensors] == ["span0", "eth0"]
        captures = eventually(told, lambda state: all(one.means for one in state.sensors)).sensors
        assert all(one.means.startswith(("ring in", "socket in")) for one in captures)
        assert (found.phase, found.stage, found.routes) == ("up", "enforce", ("openai",))
        assert all(worker.ready and worker.applied == found.version for worker in found.workers)


def alive(appliance, before):
    now = processes(appliance) if capturing(appliance, 2) else {}
    old = {pid for pids in before.values() for pid in pids}
    return len(now) == 2 and not {pid for pids in now.values() for pid in pids} & old


def fields(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    pairs = (line.split(":", 1) for line in lines)
    wanted = {"Uid", "Groups", "NoNewPrivs", "Seccomp", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}
    return {name: rest.split() for name, rest in pairs if name in wanted}


@pytest.fixture
def appliance(tmp_path, appliance_class):
    provider = Provider(tmp_path / "provider")
    one = appliance_class(tmp_path / "gnomon", provider)
    yield one
    one.down()
    provider.stop()


def serves(one):
    with socket.create_connection(("127.0.0.1", one.gateway), 10) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return sock.recv(1000).startswith(b"HTTP/1.1 ")


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="needs the program setpriv")
def test_without_the_right_to_capture_one_line_says_what_to_do_and_the_rest_runs(appliance):
    if os.geteuid() == 0:
        appliance.before = ["setpriv", "--bounding-set", "-net_raw"]
    appliance.config.write_text(appliance.config.read_text() + "sensor: {interfaces: [lo]}\n")
    appliance.up()
    found = status_json(appliance)
    assert found["phase"] == "up"
    [problem] = found["problems"]
    assert "lo: no right to capture" in problem
    assert "--pcap" in problem
    assert sensors(appliance)["lo"]["state"] == "failed"
    assert serves(appliance)
    assert sum("no right to capture" in line and "sensor0]" in line for line in appliance.lines) == 1


def test_a_capture_file_becomes_observations_once(appliance):
    appliance.config.write_text(appliance.config.read_text() + f"sensor: {{captures: ['{PCAP}']}}\n")
    appliance.up()
    eventually(lambda: sensors(appliance)[str(PCAP)]["state"], lambda state: state == "finished")
    rows = eventually(lambda: seen(appliance), lambda rows: len(rows) > 5)
    assert {row["source"] for row in rows} == {PCAP.name}
    keys = [(row["client"], row["service"], row["seen"], row["name"], row["ts"]) for row in rows]
    assert len(keys) == len(set(keys))
    before = len(rows)
    told = eventually(
        lambda: json.loads(appliance.run("hosts", "--text", "intranet", "--json").stdout), lambda told: told["hosts"]
    )
    [one] = told["hosts"]
    assert (told["persons"][one["address"]], told["persons"][one["names"][-1]]) == ("10.20.0.3", "intranet.example")
    assert (one["vendor"], one["told_by"]) == ("random", ["tls"])
    assert one["address"] == digest(appliance, "10.20.0.3")
    users = json.loads(appliance.run("hosts", "--ai", "--json").stdout)
    assert {each["address"] for each in users["hosts"]} == {row["client"] for row in rows}
    assert b"service_in_use" in appliance.run("host", users["hosts"][0]["address"]).stdout
    assert appliance.run("reload").returncode == 0
    eventually(lambda: {child.state for child in status(appliance).children}, lambda told: told == {"ready"})
    appliance.run("reload", "--upgrade")
    eventually(lambda: status_json(appliance), lambda told: told["phase"] == "up" and not told["restarts"])
    eventually(lambda: sensors(appliance)[str(PCAP)]["state"], lambda state: state == "finished")
    assert len(seen(appliance)) == before, "a file that was read is not read again in this run"


@pytest.mark.conformance
def test_flags_name_sources_for_one_run(appliance):
    command = [*appliance.before, "--interface", "nope0", "--pcap", str(PCAP)]
    appliance.before = ["sh", "-c", 'exec "$@" ' + " ".join(command), "sh"]
    appliance.up()
    found = sensors(appliance)
    assert set(found) == {"nope0", str(PCAP)}
    assert found["nope0"]["state"] == "failed"
    assert "no such network interface" in found["nope0"]["problem"]
