"""An edge and its central appliance in network namespaces: users reach providers by both, or not at all.

    user 10.77.0.1 (box `client`) --+-- switch --+-- central 10.77.0.2 (box `gnomon`): routes, keys, the store
                                    |            |
    edge 10.77.0.5 (box `branch`) --+            +-- provider 10.77.0.3

The edge does not know the provider by any name or address: whatever arrives there has gone by the central appliance.
"""

import json
import subprocess

import pytest
from peers_world import Peerage
from system import wire_world
from system.conftest import CLEAN, Appliance
from system.conftest import GNOMON as GNOMON_COMMAND
from system.operations_world import eventually, record
from system.wire_world import APPROVED, CLIENT, GNOMON, Wire, WireProvider, _tool
from tests_support import ROOT

from appliance.config.site_key import load_site_key
from appliance.model.pseudonym import Pseudonyms

pytestmark = [pytest.mark.system, pytest.mark.root, pytest.mark.timeout(240)]
EDGE = "10.77.0.5"
NAME, HOST = "central.test", "api.openai.com"
URL = f"https://{HOST}/v1/chat/completions"


class BranchWire(Wire):
    """The wire with one more box, the edge's; nobody but the central appliance knows where the provider is."""

    boxes = {**wire_world.ADDRESSES, "branch": (EDGE,)}

    def _furnish(self, box):
        super()._furnish(box)
        names = "127.0.0.1 localhost\n" + (f"{GNOMON} {NAME}\n" if box == "branch" else "")
        (wire_world.CONFIGURED / self.name(box) / "hosts").write_text(names)


class BoxAppliance(Appliance):
    """`gnomon up` in a box."""

    def __init__(self, wire, box, folder, provider, listen, extra):
        super().__init__(folder, provider)
        self.before = wire.inside(box)
        self.config.write_text(
            f"listen: {{{listen}, gateway: '127.0.0.1:4000'}}\n"
            f"state_dir: {folder}/state\nrun_dir: {folder}/run\nstage: enforce\ndrain_s: 3\n{extra}"
        )


class Branch:
    """A user behind an edge."""

    def __init__(self, wire, provider, central, edge):
        self.wire, self.provider, self.central, self.edge = wire, provider, central, edge

    def ask(self, model="stand-in", text="noon?", *, stream=False, box="client", url=URL):
        """One call of the user with curl: status and body."""
        body = json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]})
        words = [_tool("curl"), "-sSN", "--max-time", "40", "-H", "Content-Type: application/json", "-d", body]
        if url is URL:
            words += ["-x", f"http://{EDGE}:8080", "--cacert", str(self.edge.ca), "-H", "Authorization: Bearer sk-own"]
        done = self.wire.run(box, *words, "-w", "\n%{http_code}", url, timeout=60)
        answer, _, status = done.stdout.decode().rpartition("\n")
        return int(status), answer

    def rows(self, count, **request):
        """The newest exchanges of the central appliance's own records, once there are so many and all have ended."""

        def own():
            found = self.central.ask_store("exchanges", since=0, limit=500, **request)
            return [row for row in found if not row["worker"].startswith("peer.")]

        return eventually(own, lambda rows: len(rows) >= count and all(row["outcome"] for row in rows))

    def of_the_edge(self, count):
        def shipped():
            found = self.central.ask_store("exchanges", since=0, limit=500)
            return [row for row in found if row["worker"].startswith("peer.berlin")]

        return eventually(shipped, lambda rows: len(rows) >= count and all(row["outcome"] for row in rows))


@pytest.fixture(scope="module")
def branch(tmp_path_factory):
    if reason := wire_world.why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("branch")
    peerage = Peerage(folder / "peerage")
    here, there = folder / "edge", folder / "central"
    for one in (here, there):
        one.mkdir()
    (here / "rules.yaml").write_text(
        "rules:\n- {id: not-here, match: {models: [edge-only]}, then: {disposition: block}, reason: Not at this branch}"
    )
    (there / "rules.yaml").write_text(
        "rules:\n- {id: not-at-all, match: {models: [large], groups: [sales]}, then: {disposition: block},"
        " reason: Not for sales.}\n"
    )
    with BranchWire(mirrored=()) as wire:
        provider = WireProvider(wire, folder / "provider", APPROVED, HOST)
        mine = peerage.central(NAME)
        files = f"ca: {peerage.ca}, certificate: {mine}, key: {mine}"
        accept = "{berlin: {roles: [edge], may_assert: [users, groups, departments]}}"
        taking = (
            f"peers: {{journal: '{GNOMON}:9443', exchanges: '{GNOMON}:9444', accept: {accept}, {files}}}\n"
            f"egress: {{ca_bundle: {provider.ca}, hosts: {{'{HOST}:443': '{APPROVED}:443'}}}}\n"
            f"policy: {{file: {there}/rules.yaml}}\n"
            "gateway:\n  default_route: ours\n"
            f"  routes: {{ours: {{service: openai, target: 'https://{HOST}', credential: 'held:team'}}}}\n"
        )
        giving = (
            peerage.central_section(
                "edge", "berlin", f"{NAME}:9443", peerage.peer("berlin"), f"targets: ['{NAME}:9444'], "
            )
            + f"identity: {{addresses: [{{network: {CLIENT}, user: maria, groups: [sales]}},"
            + " {network: 127.0.0.1, user: tom}]}\n"
            + f"policy: {{file: {here}/rules.yaml}}\n"
            + "gateway:\n  default_route: ours\n"
            + f"  routes: {{ours: {{service: openai, target: 'https://{HOST}', credential: none}}}}\n"
        )
        central = BoxAppliance(wire, "gnomon", there, provider, "proxy: '127.0.0.1:8080'", taking)
        edge = BoxAppliance(
            wire, "branch", here, provider, f"proxy: '{EDGE}:8080', clients: [10.77.0.0/24, 127.0.0.1]", giving
        )
        (there / "state").mkdir(mode=0o700)
        command = [*GNOMON_COMMAND, "credential", "set", "team", "--config", str(central.config)]
        subprocess.run(command, input=b"sk-of-the-company\n", cwd=ROOT, env=CLEAN, capture_output=True, check=True)
        try:
            central.up()
            edge.up()
            yield Branch(wire, provider, central, edge)
        finally:
            edge.down()
            central.down()
            provider.stop()


def test_who_asks_at_the_edge_is_who_the_central_appliance_records(branch):
    before = len(branch.provider.arrivals())
    status, answer = branch.ask()
    assert status == 200, answer
    assert "choices" in json.loads(answer)
    row = branch.rows(1)[0]
    opened = record(branch.central, row["exchange"], "open")
    facts = opened["facts"]
    person = Pseudonyms(load_site_key(branch.central.folder / "state"))
    assert (facts["principal"], facts["client"]) == (person.person("maria"), person.address(CLIENT))
    assert (facts["groups"], facts["identity_method"], facts["host"]) == (["sales"], "address", HOST)
    at_edge = branch.of_the_edge(1)[0]
    assert opened["edits"] == [f"edge:{at_edge['exchange']}"], "both records can be joined"
    assert record(branch.central, at_edge["exchange"], "open")["edits"] == [f"central:{NAME}:9444"]
    arrival = branch.provider.arrivals()[before]
    assert arrival["authorization"] == "Bearer sk-own"
    assert not any(name.startswith("x-gnomon") for name in arrival["headers"])


def test_the_gateway_of_an_edge_uses_the_central_route_and_its_key(branch):
    """Asked on the edge's own machine, because its gateway listens there."""
    before = len(branch.provider.arrivals())
    status, answer = branch.ask(box="branch", url="http://127.0.0.1:4000/v1/chat/completions")
    assert status == 200, answer
    assert branch.provider.arrivals()[before]["authorization"] == "Bearer sk-of-the-company"
    row = branch.rows(2)[0]
    facts = record(branch.central, row["exchange"], "open")["facts"]
    assert (facts["listener"], facts["route"]) == ("gateway", "ours")


def test_a_block_at_the_edge_is_the_edges_own(branch):
    before = len(branch.rows(0))
    status, answer = branch.ask(model="edge-only")
    assert (status, json.loads(answer)["error"]["code"]) == (403, "policy_block")
    assert "Not at this branch" in answer
    assert len(branch.rows(0)) == before


def test_a_block_at_the_central_appliance_reaches_the_user_in_the_dialects_form(branch):
    arrivals = len(branch.provider.arrivals())
    status, answer = branch.ask(model="large")
    assert status == 403
    error = json.loads(answer)["error"]
    assert (error["code"], "Not for sales." in error["message"]) == ("policy_block", True)
    assert len(branch.provider.arrivals()) == arrivals


def test_a_stream_comes_as_it_is_said(branch):
    status, answer = branch.ask(stream=True)
    assert status == 200
    events = [line for line in answer.splitlines() if line.startswith("data: ")]
    assert len(events) > 2
    assert events[-1] == "data: [DONE]"


def test_what_was_used_is_counted_once(branch):
    """Records of both are in one store; tokens and cost are told by the central appliance alone."""
    own = branch.rows(2)
    shipped = branch.of_the_edge(len(own))
    assert {row["outcome"] for row in own} >= {"completed"}
    closes = [record(branch.central, row["exchange"], "close") for row in shipped]
    assert all(close.get("usage") is None and close.get("cost") is None for close in closes)
    told = [record(branch.central, row["exchange"], "close") for row in own if row["status"] == 200]
    assert all(close["usage"]["output_tokens"] > 0 for close in told)


def test_without_the_central_appliance_nothing_goes_until_it_is_back(branch):
    branch.central.down()
    status, answer = branch.ask()
    assert (status, json.loads(answer)["error"]["code"]) == (502, "connect_failed")
    branch.central.up()
    status, answer = branch.ask()
    assert status == 200, answer
    eventually(lambda: {row["outcome"] for row in branch.of_the_edge(1)}, lambda ends: "upstream_error" in ends)
