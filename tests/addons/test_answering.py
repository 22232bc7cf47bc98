"""A socket whose upgrade another service has answered: its messages are judged by that one's rules, too."""

import asyncio
import contextlib
import json
from types import SimpleNamespace

import pytest
from mitmproxy.test import tflow
from seam_world import TestAuthority
from socket_world import KEY, Socket, SocketServer, connected, head_of
from tests_support import HOST
from worker_world import worker_at
from wsproto.connection import ConnectionType

from addons.answering import answering
from appliance.config.catalogue import load_catalogue
from appliance.config.route_schema import ProviderEntry, RouteEntry, TargetEntry, filled
from appliance.config.schema import Config, Egress, Gateway, PolicyConfig
from appliance.model.names import Stage

NEAR, FAR = "near.example", "far.example"
PATH = "/v1/realtime?model=gpt-realtime"
PLAIN, MAIL = "hello there", "mail ada@example.com now"
BLOCKED = """rules:
  - id: no-mail-to-groq
    match: {services: [groq], labels: {entities: [EMAIL_ADDRESS]}}
    then: {disposition: block}
    reason: No addresses there.
"""
MOVED = """rules:
  - id: to-the-approved
    match: {services: [openai]}
    then: {disposition: redirect, route: talk}
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return TestAuthority(tmp_path_factory.mktemp("standin-ca"))


def item(text: str) -> str:
    content = [{"type": "input_text", "text": text}]
    return json.dumps({"type": "conversation.item.create", "item": {"role": "user", "content": content}})


def sections(authority, tmp_path, rules, server, *, first):
    """Two providers of one route: `first` cannot be dialled, the other is the server."""
    (tmp_path / "policy.yaml").write_text(rules)
    providers = {
        "a": ProviderEntry("openai", f"https://{NEAR}", "none"),
        "b": ProviderEntry("groq", f"https://{FAR}", "none"),
    }
    names = ("a", "b") if first else ("b",)
    route = filled(RouteEntry(targets=tuple(map(TargetEntry, names))), providers)
    hosts = {f"{NEAR}:443": "127.0.0.1:1", f"{FAR}:443": server.place, f"{HOST}:443": "127.0.0.1:1"}
    return {
        "policy": PolicyConfig(file=str(tmp_path / "policy.yaml")),
        "egress": Egress(ca_bundle=str(authority.path), hosts=hosts),
        "providers": providers,
        "gateway": Gateway(routes={"talk": route}),
    }


@contextlib.asynccontextmanager
async def at_gateway(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"GET /talk{PATH} HTTP/1.1", "host: 127.0.0.1", "connection: Upgrade", "upgrade: websocket"]
    lines += [f"sec-websocket-key: {KEY}", "sec-websocket-version: 13", "", ""]
    writer.write("\r\n".join(lines).encode())
    socket = Socket(reader, writer, ConnectionType.CLIENT)
    socket.status = int((await head_of(reader))[0].split()[1])
    try:
        yield socket
    finally:
        writer.transport.abort()


@contextlib.asynccontextmanager
async def talking(authority, tmp_path, rules, stage=Stage.ENFORCE, *, moved=False):
    async with asyncio.timeout(20), SocketServer(authority.context(FAR, alpn=["http/1.1"])) as server:
        provider = SimpleNamespace(ca=authority.path, port=1)
        made = sections(authority, tmp_path, rules, server, first=not moved)
        async with worker_at(tmp_path, provider, stage, **made) as worker:
            way = (
                connected(worker.proxy, HOST, "/v1/responses", trust=worker.trust)
                if moved
                else at_gateway(worker.gateway)
            )
            async with way as client:
                assert client.status == 101
                yield SimpleNamespace(worker=worker, client=client, server=await server.served.get())


def test_before_anybody_has_answered_it_is_the_first_target_and_without_a_route_nobody():
    providers = {"a": ProviderEntry("openai", f"https://{NEAR}"), "b": ProviderEntry("groq", f"https://{FAR}")}
    route = RouteEntry(targets=(TargetEntry("a"), TargetEntry("b")))
    config = Config(state_dir="/nowhere", providers=providers, gateway=Gateway(routes={"talk": route}))
    worker = SimpleNamespace(config=config, catalogue=load_catalogue(None))
    assert answering(worker, tflow.tflow(), "talk").service.id == "openai"
    assert answering(worker, tflow.tflow(), "") is None


async def test_after_a_failover_the_rules_of_the_other_service_hold(authority, tmp_path):
    async with talking(authority, tmp_path, BLOCKED) as world:
        for text in (PLAIN, MAIL):
            await world.client.send(item(text))
        assert PLAIN in await world.server.read()
        assert (await world.client.read()).code == 1008
        assert (await world.server.read()).code == 1001
        last = world.worker.events("open")[-1]
    assert last["facts"]["service"] == "openai"
    assert (last["verdict"]["effective"], last["sent_digest"]) == ("block", "")
    assert "No addresses there" in last["verdict"]["reason"]


async def test_in_stage_observe_it_goes_on(authority, tmp_path):
    async with talking(authority, tmp_path, BLOCKED, Stage.OBSERVE) as world:
        await world.client.send(item(MAIL))
        assert MAIL in await world.server.read()


async def test_where_a_redirect_led_messages_go_on_but_what_is_not_allowed_there(authority, tmp_path):
    async with talking(authority, tmp_path, MOVED + BLOCKED.removeprefix("rules:\n"), moved=True) as world:
        for text in (PLAIN, MAIL):
            await world.client.send(json.dumps({"type": "response.create", "model": "gpt-5", "input": text}))
        assert PLAIN in await world.server.read()
        assert (await world.client.read()).code == 1008
        assert (await world.server.read()).code == 1001
