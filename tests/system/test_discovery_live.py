"""Discovery live: real clients to stand-ins, through the appliance and around it; the switch's own census is the truth.

Each client's way is known to the test, each connection to the kernel at the switch; what the store tells of them must
be the same: every connection, its service, governed or past the appliance and how, none twice and none invented.
"""

import json
import shutil
import sys
from collections import Counter
from typing import NamedTuple

import pytest
from system import wire_world
from system.discovery_world import DESK, FOREIGN, GNOMON, NAMES, PROXY, ROOT, STRANGER, Flow, town_on_the_wire
from system.operations_world import eventually

pytestmark = [pytest.mark.system, pytest.mark.root, pytest.mark.timeout(240)]
OWNERS = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gemini",
    "api.deepseek.com": "deepseek",
    "api.mistral.ai": "mistral",
    "api.groq.com": "groq",
    "api.cohere.com": "cohere",
    "slow.cohere.com": "cohere_web",
    "api.x.ai": "xai",
    "openrouter.ai": "openrouter",
    "api.together.xyz": "together",
    "api.perplexity.ai": "perplexity",
}
REJECTED = "pinned"
SIGHTINGS = ("tls", "quic", "http")
TOGETHER = "api.together.xyz"
SLOW = "slow.cohere.com"  # takes longer than a sensor gathers
LAST = "api.perplexity.ai"  # nobody uses it but who ends the day
AUTHORITY, OURS = "authority", "ours"  # whom a client trusts: its provider's authority, or the appliance's
SDK = ROOT / ".cache" / "conformance" / "sdk" / "bin" / "python"
DRIVER = ROOT / "tests" / "conformance" / "sdk_driver.py"
NODE = ROOT / "tests" / "conformance" / "node_client.mjs"


class Act(NamedTuple):
    """What a client does. `cause`: how its connections to providers come past the appliance; `fails`: it must.

    `requests`: in clear, on one connection.
    """

    box: str
    name: str
    command: tuple[object, ...]
    proxy: str = ""
    trust: str = AUTHORITY
    cause: str | None = "direct_address"
    fails: bool = False
    requests: int = 1


class Sighting(NamedTuple):
    """What the store should say of a connection, and what it says."""

    client: str
    service: str
    leg: str
    cause: str | None
    seen: str


class Day(NamedTuple):
    """What was done and what the store says of it."""

    town: object
    truth: Counter
    flows: dict[Flow, Act]
    rows: list[dict]


def asked(model, *, stream):
    case = "stream" if stream else "chat"
    return json.dumps(
        {"model": model, "stream": stream, "messages": [{"role": "user", "content": f"case:{case} noon?"}]}
    )


def curl(url, *more, model="gpt-4o", stream=False):
    words = (
        "-sS",
        "--fail",
        "--max-time",
        20,
        "-H",
        "content-type: application/json",
        "-d",
        asked(model, stream=stream),
    )
    return (wire_world._tool("curl"), *words, *more, url)


def chat(name, *more, **how):
    return curl(f"https://{name}/v1/chat/completions", *more, **how)


QUIC = """
import asyncio, sys
from aioquic.asyncio import connect
from aioquic.quic.configuration import QuicConfiguration
async def main():
    configuration = QuicConfiguration(is_client=True, alpn_protocols=["h3"])
    configuration.load_verify_locations(sys.argv[2])
    async with connect(sys.argv[1], 443, configuration=configuration) as client:
        reader, writer = await client.create_stream()
        writer.write(b"noon?")
        writer.write_eof()
        assert await reader.read() == b"noon?"
asyncio.run(main())
"""


def small_day():
    deepseek, xai = "api.deepseek.com", "api.x.ai"
    through = {"proxy": PROXY, "trust": OURS}
    yield Act("alice", deepseek, chat(deepseek), **through)
    yield Act("alice", deepseek, chat(deepseek, stream=True), **through)
    yield Act("alice", deepseek, chat(deepseek, *[f"https://{deepseek}/v1/chat/completions"] * 3), **through)
    yield Act("alice", deepseek, chat(deepseek, stream=True))
    yield Act("bob", deepseek, chat(deepseek))
    yield Act("bob", deepseek, chat(deepseek))
    yield Act("alice", "bank.example", chat("bank.example"))
    yield Act("alice", "bank.example", chat("bank.example"), proxy=PROXY)
    yield Act("bob", "api.cohere.com", chat("api.cohere.com"), proxy=STRANGER)
    yield Act("bob", SLOW, chat(SLOW), proxy=STRANGER)
    yield Act("alice", "desk", curl(f"http://{DESK}:11434/api/chat", model="llama3.2"))
    yield Act("bob", "desk", curl(f"http://{DESK}:11434/api/chat", model="slow"))
    yield Act("alice", xai, chat(xai, "--tls-max", "1.2"), proxy=PROXY, fails=True)
    yield Act("alice", xai, chat(xai, "--tls-max", "1.2"), cause=REJECTED)
    yield Act("bob", xai, chat(xai, "--tls-max", "1.2"))
    yield Act("bob", "api.groq.com", (sys.executable, "-c", QUIC, "api.groq.com", "AUTHORITY"))


OLLAMA = f"""
import ollama
client = ollama.Client(host="http://{DESK}:11434")
said = [{{"role": "user", "content": "noon?"}}]
assert client.chat(model="llama3.2", messages=said).message.content
assert list(client.chat(model="llama3.2", messages=said, stream=True))
"""


def long_day():
    """Everybody's own programs: a chat and a stream each, through, past, by a stranger, and to the desk."""
    through = {"proxy": PROXY, "trust": OURS}
    names = {"openai": "api.openai.com", "anthropic": "api.anthropic.com"}
    names["gemini"] = "generativelanguage.googleapis.com"
    for sdk, name in names.items():
        command = (SDK, DRIVER, sdk, "chat", "stream", "async")
        yield Act("alice", name, command, **through)
        yield Act("bob", name, command)
        yield Act("bob", name, command, proxy=STRANGER)
    if shutil.which("node"):
        node = ("node", NODE, "api.mistral.ai")
        yield Act("alice", "api.mistral.ai", node, **through)
        yield Act("bob", "api.mistral.ai", node)
        yield Act("bob", "api.mistral.ai", node, proxy=STRANGER)
    yield Act("alice", "desk", (SDK, "-c", OLLAMA), requests=2)
    router = "openrouter.ai"
    for _ in range(2):
        yield Act("alice", router, chat(router, "--tlsv1.3"), proxy=PROXY, fails=True)
    yield Act("alice", router, chat(router, "--tlsv1.3"), cause=REJECTED)
    if shutil.which("wget"):  # looks at the certificate when the handshake is over
        wget = ("wget", "-q", "--tries=1", "--ca-certificate", "AUTHORITY", "-O", "/dev/null", "--post-data")
        wget = (*wget, asked("gpt-4o", stream=False), f"https://{TOGETHER}/v1/chat/completions")
        yield Act("alice", TOGETHER, wget, proxy=PROXY, fails=True)
        yield Act("alice", TOGETHER, wget, proxy=PROXY, fails=True)
        yield Act("alice", TOGETHER, wget, cause=REJECTED)
    yield from small_day()


DAYS = {"curl": small_day, "twice": small_day, "everybody": long_day}
MORE = [pytest.param(name, marks=pytest.mark.conformance) for name in ("twice", "everybody")]


@pytest.fixture(scope="module", params=["curl", *MORE])
def day(request, tmp_path_factory):
    if reason := wire_world.why_not():
        pytest.skip(reason)
    if request.param == "everybody" and not SDK.exists():
        pytest.skip(f"{SDK} is not there: run `make conformance`")
    folder = tmp_path_factory.mktemp("town")
    with town_on_the_wire(folder, twice=request.param == "twice") as town:
        flows = {}
        before = set()
        for act in DAYS[request.param]():
            done = perform(town, act)
            assert (done.returncode != 0 or b'"error"' in done.stdout) == act.fails, (act, done.stderr, done.stdout)
            now = town.wire.census()
            assert now > before, act
            flows |= dict.fromkeys(now - before, act)
            before = now
        truth = Counter()
        for flow, act in flows.items():
            if (seen := expected(town, flow, act)) is not None:
                truth[seen] += act.requests
        yield Day(town, truth, flows, evening(town))


def perform(town, act):
    trust = town.authority if act.trust == AUTHORITY else town.appliance.ca
    command = [town.authority if word == "AUTHORITY" else word for word in act.command]
    return town.at(act.box, *command, proxy=act.proxy, trust=trust)


def evening(town):
    """All rows, once everything that was seen before a last sign has been told: repeats too."""
    for _ in range(2):
        assert town.at("alice", *chat(LAST)).returncode == 0
    told = {"service": "perplexity", "limit": 500}
    eventually(
        lambda: [row for row in town.appliance.ask_store("observations", **told) if row["seen"] == "tls"],
        lambda rows: sum(row["count"] for row in rows) == 2,
    )
    rows = town.appliance.ask_store("observations", limit=500)
    return [row for row in rows if row["service"] != "perplexity"]


def expected(town, flow, act):
    """What the store should say of a connection; None: nothing."""
    if flow.client == GNOMON or act.name == "bank.example":
        return None  # the appliance's own, and nobody's business
    client, service = town.digest(flow.client), OWNERS.get(act.name, "ollama")
    if flow.transport == "udp":
        return Sighting(client, service, "direct", "quic", "quic")
    if flow.server == GNOMON:
        return Sighting(client, service, "proxy", REJECTED if act.fails else None, "tls")
    if flow.server == FOREIGN:
        return Sighting(client, service, "direct", "tunnel", "http" if act.name == SLOW else "tls")
    if flow.server == DESK:
        return Sighting(client, service, "direct", "lan_model", "http")
    return Sighting(client, service, "direct", act.cause, "tls")


def told(day, *seen):
    """How often the store tells each sighting."""
    found = Counter()
    for row in day.rows:
        if row["seen"] in (seen or SIGHTINGS):
            key = Sighting(row["client"], row["service"], row["leg"], row["cause"], row["seen"])
            found[key] += row["count"]
    return found


def test_every_connection_is_told_once_with_its_way(day):
    assert told(day) == day.truth


def test_every_sighting_names_whom_it_was_to(day):
    places = {(day.town.digest(flow.client), flow.server, flow.port, named(act)) for flow, act in theirs(day)}
    found = {(row["client"], row["server"], row["port"], row["name"]) for row in day.rows if row["seen"] in SIGHTINGS}
    assert found == places


def test_questions_are_those_of_who_went_past(day):
    asked = {(flow.client, named(act)) for flow, act in theirs(day) if flow.server in NAMES.values()}
    found = {(row["client"], row["name"]) for row in day.rows if row["seen"] == "dns"}
    assert found == {(day.town.digest(client), name) for client, name in asked}
    assert {row["seen"] for row in day.rows} <= {*SIGHTINGS, "dns", "flow", "http_response"}


def test_nothing_is_told_of_the_appliance_and_of_what_is_no_ai(day):
    assert any(flow.client == GNOMON for flow in day.flows), "it spoke to providers"
    assert day.town.digest(GNOMON) not in {row["client"] for row in day.rows}
    journals = (day.town.appliance.folder / "state" / "journal").rglob("*.jsonl")
    lines = [line for path in journals if "sensor" in str(path) for line in path.read_bytes().splitlines()]
    assert not [line for line in lines if b"bank.example" in line]


def test_nothing_contradicts_itself(day):
    assert {row["contradicts"] for row in day.rows} == {None}


def test_sizes_go_to_their_connections(day):
    sized = Counter()
    for row in day.rows:
        sized[row["client"], row["service"], row["leg"], row["cause"]] += (row["bytes_down"] or 0) > 0
    for seen in day.truth:
        assert sized[seen[:4]] or seen.seen == "quic", seen


def test_shares_are_those_of_the_wire(day):
    through, past = Counter(), Counter()
    for seen, count in day.truth.items():
        if seen.leg == "direct":
            past[seen.service] += count
        elif seen.cause is None:
            through[seen.service] += count
    found = {row["key"]: row for row in day.town.appliance.ask_store("shares")}
    del found["perplexity"]
    told = {service: (row["through"], row["past"]) for service, row in found.items()}
    assert told == {service: (through[service], past[service]) for service in through | past}
    shares = {service: through[service] / (through[service] + past[service]) for service in through | past}
    assert {service: row["governed"] for service, row in found.items()} == pytest.approx(shares, abs=1e-4)


def test_findings_tell_who_goes_past(day):
    past = Counter()
    for seen, count in day.truth.items():
        past[seen.service] += count * (seen.leg == "direct")
    told = json.loads(day.town.appliance.run("findings", "--json", "--kind", "service_in_use").stdout)
    found = {one["subject"]: (one["governance"], one["bypass"]) for one in told if one["subject"] != "perplexity"}
    assert found == {service: ("bypass" if count else "governed", count) for service, count in past.items()}


def test_after_a_redirect_the_wire_says_whether_the_traffic_moved(day):
    town, service = day.town, "deepseek"
    before = sum(count for seen, count in day.truth.items() if (seen.service, seen.leg) == (service, "direct"))
    town.appliance.run("decide", "redirect", service, "--route", "ours", "--reason", "ours", "--yes")
    through = Act("alice", "api.deepseek.com", chat("api.deepseek.com", "-D", "-"), proxy=PROXY, trust=OURS)
    done = perform(town, through)
    assert b"ours" in done.stdout, "the answer names the route"
    moved = eventually(lambda: what_moved(town, service), lambda told: told["via"] == 1)
    assert (moved["past"], moved["before"]) == (0, before)
    assert "moved" in shown(town, service)
    assert "not moved" not in shown(town, service)
    assert perform(town, Act("bob", "api.deepseek.com", chat("api.deepseek.com"))).returncode == 0
    moved = eventually(lambda: what_moved(town, service), lambda told: told["past"] == 1)
    assert (moved["via"], moved["before"]) == (1, before)
    assert "not moved" in shown(town, service)


def shown(town, service, *more):
    told = json.loads(town.appliance.run("findings", "--json", "--kind", "service_in_use").stdout)
    [one] = [one["id"] for one in told if one["subject"] == service]
    return town.appliance.run("finding", one, *more).stdout.decode()


def what_moved(town, service):
    return json.loads(shown(town, service, "--json"))["detail"]["moved"]


def theirs(day):
    """Connections to AI services that are not the appliance's own."""
    return [(flow, act) for flow, act in day.flows.items() if expected(day.town, flow, act) is not None]


def named(act):
    return DESK if act.name == "desk" else act.name
