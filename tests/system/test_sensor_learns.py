"""What a running sensor learns of its surroundings: rotated captures, a site's advisories, programs at the proxy."""

import json
import os
import shutil
import signal
import sys

import pytest
from system import wire_world
from system.operations_world import eventually
from system.test_sensor import capturing, digest, hello, processes, seen, status_json, until_seen
from system.wire_world import CLIENT, GNOMON, PROXY_PORT, UNAPPROVED, site_on_the_wire
from tests_support import ROOT

pytestmark = [pytest.mark.system, pytest.mark.root]
PCAP = ROOT / "pcaps" / "openai-sdk.pcap"
OWN = """\
advisories:
- {id: SITE-1, title: prompts were sold, kind: compromise, severity: critical, published: 2026-05-01,
   sources: ["https://intranet.example/1"], names: [.anthropic.com]}
"""
# One program, in one interpreter, so that all its handshakes are alike: through the proxy, then to an address alone.
PROGRAM = """\
import socket, ssl, sys
context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
proxy, port, address, times = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
for _ in range(times):
    with socket.create_connection((proxy, port), 10) as plain:
        plain.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\\r\\nHost: api.openai.com:443\\r\\n\\r\\n")
        assert b" 200 " in plain.recv(4096)
        with context.wrap_socket(plain, server_hostname="api.openai.com") as inner:
            inner.sendall(b"GET /v1/models HTTP/1.1\\r\\nHost: api.openai.com\\r\\nUser-Agent: AcmeBot/2\\r\\n\\r\\n")
            assert inner.recv(4096).startswith(b"HTTP/1.1 ")
if not times:
    with socket.create_connection((address, 443), 10) as plain:
        context.wrap_socket(plain).close()
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if reason := wire_world.why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("learns")
    (folder / "captures").mkdir()
    (folder / "own.yaml").write_text("")
    settings = f"interfaces: [span0], folder: {folder}/captures, folder_settled_s: 0, advisories: {folder}/own.yaml"
    with site_on_the_wire(folder / "site", f"sensor: {{{settings}}}\n") as made:
        made.captures, made.own = folder / "captures", folder / "own.yaml"
        yield made


def program(site, times):
    done = site.wire.run("client", sys.executable, "-c", PROGRAM, GNOMON, PROXY_PORT, UNAPPROVED, times)
    assert done.returncode == 0, done.stderr


def of(site, source):
    return next(one for one in status_json(site.appliance)["sensors"] if one["source"] == source)


def test_a_capture_that_is_rotated_into_the_folder_is_recorded_and_the_status_says_so(site):
    shutil.copy(PCAP, site.captures / "a.tmp")
    (site.captures / "a.tmp").rename(site.captures / "eth0.pcap")
    rows = until_seen(site.appliance, source="eth0.pcap")
    assert {row["service"] for row in rows} == {"openai"}
    told = eventually(lambda: of(site, str(site.captures)), lambda one: "1 read" in one["means"])
    assert told["state"] == "capturing"
    assert told["means"].startswith("reading rotated captures: 1 read, last eth0.pcap")
    shown = site.appliance.run("status", check=False).stdout.decode()
    assert f"on {site.captures}: capturing" in shown
    assert "last eth0.pcap" in shown


def test_a_program_met_at_the_proxy_is_hinted_where_it_goes_past_without_a_name(site):
    program(site, 3)
    recording, _ = next(pids for name, pids in processes(site.appliance).items() if name == "sensor0")
    os.kill(recording, signal.SIGKILL)  # what lives reads the table twice a minute, what begins at once
    eventually(lambda: processes(site.appliance), lambda now: now.get("sensor0", (recording,))[0] != recording)
    eventually(lambda: capturing(site.appliance, 2), bool)

    def hinted():
        program(site, 0)  # again: the table is read at the first tick
        return seen(site.appliance, service="unnamed")

    row = eventually(hinted, bool)[0]
    assert (row["leg"], row["server"], row["seen"], row["confidence"]) == ("direct", UNAPPROVED, "flow", 0.2)
    assert row["evidence"][0].endswith("such handshakes at the proxy were with AI services, by AcmeBot")
    assert row["client"] == digest(site.appliance, CLIENT)


def test_a_sites_advisory_is_taken_up_by_a_reload_and_raises_its_finding(site):
    site.own.write_text(OWN.replace("critical", "grave"))
    before = processes(site.appliance)
    refused = site.appliance.run("reload", check=False)
    assert refused.returncode != 0
    assert "own.yaml:2: advisories.0.severity: not one of" in refused.stderr.decode()
    assert processes(site.appliance) == before
    site.own.write_text(OWN)
    site.appliance.run("reload")
    eventually(lambda: capturing(site.appliance, 2) and not shared(site, before), bool)
    hello(site, "api.anthropic.com", UNAPPROVED)
    rows = until_seen(site.appliance, service="anthropic")
    assert any("advisory SITE-1 (critical, 2026-05-01): prompts were sold" in row["evidence"] for row in rows)
    found = eventually(lambda: compromised(site), bool)
    assert [(one["subject"], one["severity"]) for one in found] == [("anthropic", "critical")]


def compromised(site):
    rows = json.loads(site.appliance.run("findings", "--json", check=False).stdout)
    return [one for one in rows if one["kind"] == "compromised"]


def shared(site, before):
    now = processes(site.appliance)
    return {pid for pids in before.values() for pid in pids} & {pid for pids in now.values() for pid in pids}
