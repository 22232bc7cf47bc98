"""WebSockets to AI services through a whole worker: what passes, what is hidden, what ends, what is written down."""

import asyncio
import contextlib
import json
from types import SimpleNamespace

import pytest
import wsproto.events
from seam_world import TestAuthority
from socket_world import SocketServer, connected
from tests_support import HOST
from worker_world import worker_at

from addons.socket_answers import SocketAnswers
from appliance.config.schema import Egress, Identity, PolicyConfig
from appliance.config.site_key import load_site_key
from appliance.identity import virtual_key_file
from appliance.identity.virtual_keys import VirtualKey
from appliance.inspect.stream.editor import StreamEditor
from appliance.model.names import Stage

KEY = "sk-ant-api03-" + "A1b2C3d4E5" * 9 + "x"
MAIL = "ada@example.com"
REALTIME = "/v1/realtime?model=gpt-realtime"
UNKNOWN = "/v1/some/socket"
KEYS = Identity(virtual_keys=True)
BLOCK = """rules:
  - id: no-mail
    match: {ai: true, labels: {entities: [EMAIL_ADDRESS]}}
    then: {disposition: block}
    reason: No addresses.
  - id: no-cards-back
    match: {ai: true, labels: {entities: [CREDIT_CARD]}, directions: [response]}
    then: {disposition: block}
    reason: No cards.
"""


BY_MODEL = """rules:
  - id: careful
    match: {ai: true, models: [careful], labels: {entities: [EMAIL_ADDRESS]}, directions: [response]}
    then: {disposition: redact}
    reason: No addresses.
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return TestAuthority(tmp_path_factory.mktemp("standin-ca"))


@contextlib.asynccontextmanager
async def socket(authority, tmp_path, path=REALTIME, *, stage=Stage.ENFORCE, rules="", extra=(), **sections):
    """A worker, a client's end and the server's end of one socket through it."""
    if rules:
        (tmp_path / "policy.yaml").write_text(rules)
        sections["policy"] = PolicyConfig(file=str(tmp_path / "policy.yaml"))
    async with asyncio.timeout(20), SocketServer(authority.context(HOST, alpn=["http/1.1"])) as server:
        provider = SimpleNamespace(ca=authority.path, port=server.port)
        async with (
            worker_at(tmp_path, provider, stage, **sections) as worker,
            connected(worker.proxy, HOST, path, trust=worker.trust, extra=extra) as client,
        ):
            far = await server.served.get() if client.status == 101 else None
            yield SimpleNamespace(worker=worker, client=client, server=far, served=server.served)


async def ended(world, code: int = 1000) -> None:
    """End a socket as clients do, and wait until the worker has."""
    await world.client.close(code)
    while not hasattr(await world.client.read(), "code"):
        pass


def item(text: str) -> str:
    content = [{"type": "input_text", "text": text}]
    return json.dumps(
        {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content}}
    )


def delta(text: str) -> str:
    place = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
    return json.dumps({"type": "response.output_text.delta", "event_id": "e", **place, "delta": text})


def finished(text: str) -> list[str]:
    place = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
    usage = {"total_tokens": 14, "input_tokens": 9, "output_tokens": 5}
    done = {"id": "r", "object": "realtime.response", "status": "completed", "output": [], "usage": usage}
    return [
        json.dumps({"type": "response.output_text.done", "event_id": "e", **place, "text": text}),
        json.dumps({"type": "response.done", "event_id": "e", "response": done}),
    ]


def opened_bytes(events: list[dict]) -> int:
    return sum(event["facts"]["coverage"]["length"] for event in events)


def balanced(coverage: dict) -> bool:
    parts = coverage["structure"] + coverage["text_scanned"]
    return parts + sum(coverage["text_unscanned"].values()) + sum(coverage["opaque"].values()) == coverage["length"]


async def test_a_call_is_redacted_both_ways_and_every_byte_is_accounted_for(authority, tmp_path):
    said, heard = [item(f"mail {MAIL} and {KEY}"), '{"type":"response.create"}', item("and now?")], []
    async with socket(authority, tmp_path, extra=("sec-websocket-extensions: permessage-deflate",)) as world:
        assert "sec-websocket-extensions" not in world.server.headers
        for message in said:
            await world.client.send(message)
            heard.append(await world.server.read())
        assert json.loads(heard[0])["item"]["content"][0]["text"] == "mail <EMAIL_ADDRESS> and <ANTHROPIC_API_KEY>"
        assert heard[1:] == said[1:]
        text = f"your key {KEY} is safe"
        answers = [delta(text[at : at + 5]) for at in range(0, len(text), 5)] + finished(text)
        for answer in answers:
            await world.server.send(answer)
        got = []
        while not got or got[-1]["type"] != "response.done":
            got.append(json.loads(await world.client.read()))
        assert "".join(one.get("delta", "") for one in got) == "your key <ANTHROPIC_API_KEY> is safe"
        assert got[-2]["text"] == "your key <ANTHROPIC_API_KEY> is safe"
        await world.client.send('{"type":"input_audio_buffer.append","audio":"' + "A" * 4000 + '"}')
        await world.server.read()
        await ended(world)
        opens, closes = world.worker.events("open"), world.worker.events("close")
        journal = world.worker.journal()
    assert KEY not in journal
    assert MAIL not in journal
    assert [event["facts"]["api"] for event in opens] == ["openai.realtime"] * 3
    assert {event["outcome"] for event in closes} == {"completed"}
    assert [event["redactions"] for event in opens] == [0, 2, 0]
    assert {label["entity"] for label in opens[1]["facts"]["labels"]} >= {"EMAIL_ADDRESS", "ANTHROPIC_API_KEY"}
    sent = [event["sent"] for event in closes if event["sent"]]
    everything = [*said, '{"type":"input_audio_buffer.append","audio":"' + "A" * 4000 + '"}']
    assert opened_bytes(opens) + sum(one["length"] for one in sent) == sum(map(len, everything))
    assert sum(event["coverage"]["length"] for event in closes) == sum(map(len, answers))
    assert all(balanced(one) for one in [*sent, *(event["coverage"] for event in closes)])
    answered = next(event for event in closes if event["usage"])
    assert answered["exchange"] == opens[2]["exchange"]
    assert answered["usage"]["output_tokens"] == 5
    assert answered["finish"] == ["completed"]
    assert [label["entity"] for label in answered["labels"]] == ["ANTHROPIC_API_KEY"]
    assert answered["redactions"] >= 1


@pytest.mark.parametrize("path", [REALTIME, UNKNOWN])
async def test_where_nothing_is_found_messages_pass_byte_by_byte(authority, tmp_path, path):
    async with socket(authority, tmp_path, path) as world:
        for message in (item("hello"), '{ "type" : "x" , "a" : [ 1, 2 ] }'):
            await world.client.send(message)
            assert await world.server.read() == message
            await world.server.send(message)
            assert await world.client.read() == message


async def test_messages_that_no_dialect_knows_are_read_all_the_same(authority, tmp_path):
    async with socket(authority, tmp_path, UNKNOWN) as world:
        await world.client.send(f"no json, but {MAIL} and {KEY}")
        assert await world.server.read() == "no json, but <EMAIL_ADDRESS> and <ANTHROPIC_API_KEY>"
        await world.client.send(f'{{"deep":[{{"k":"{KEY}"}}]}}'.encode())
        assert await world.server.read() == b'{"deep":[{"k":"<ANTHROPIC_API_KEY>"}]}'
        await world.server.send(f'{{"said":"{KEY}"}}')
        assert await world.client.read() == '{"said":"<ANTHROPIC_API_KEY>"}'
        await world.server.send(f"also in bytes: {KEY}".encode())
        assert await world.client.read() == b"also in bytes: <ANTHROPIC_API_KEY>"
        await world.client.send(b"\x00\x01\x02")
        assert await world.server.read() == b"\x00\x01\x02"
        await ended(world)
        opens, closes = world.worker.events("open"), world.worker.events("close")
    assert [event["facts"].get("labels", []) != [] for event in opens] == [False, True, True, False]
    assert opens[3]["facts"]["coverage"]["opaque"] == {"binary": 3}
    assert sum(event["redactions"] for event in closes) == 2


async def test_what_a_later_call_wants_hidden_is_hidden_from_then_on(authority, tmp_path):
    async with socket(authority, tmp_path, UNKNOWN, rules=BY_MODEL) as world:
        await world.server.send(f"mail {MAIL}")
        assert await world.client.read() == f"mail {MAIL}"
        await world.client.send('{"model":"careful","text":"hello"}')
        await world.server.read()
        await world.client.send('{"model":"other","text":"hello"}')
        await world.server.read()
        await world.server.send(f"mail {MAIL}")
        assert await world.client.read() == "mail <EMAIL_ADDRESS>"


async def test_after_a_fault_in_observe_the_rest_passes_unread_and_is_counted_so(authority, tmp_path, monkeypatch):
    faults = iter([ZeroDivisionError])
    feed = StreamEditor.feed

    def failing(editor, data):
        for fault in faults:
            raise fault
        return feed(editor, data)

    monkeypatch.setattr(StreamEditor, "feed", failing)
    async with socket(authority, tmp_path, stage=Stage.OBSERVE) as world:
        for words in ("one", "two"):
            await world.server.send(delta(words))
            assert await world.client.read() == delta(words)
        await ended(world)
        (close,) = world.worker.events("close")
    assert close["coverage"]["opaque"] == {"inspection_failed": len(delta("one")) + len(delta("two"))}


async def test_a_large_message_is_read_beside_the_loop_and_order_holds(authority, tmp_path):
    large = item("plain words " * 10_000 + MAIL)
    async with socket(authority, tmp_path) as world:
        await world.client.send(large)
        await world.client.send(item("then this"))
        first = json.loads(await world.server.read())
        assert first["item"]["content"][0]["text"].endswith("words <EMAIL_ADDRESS>")
        assert await world.server.read() == item("then this")


async def test_a_message_that_policy_blocks_goes_nowhere_and_ends_the_socket(authority, tmp_path):
    async with socket(authority, tmp_path, rules=BLOCK) as world:
        await world.client.send(item("fine"))
        assert await world.server.read() == item("fine")
        await world.client.send(item(f"mail {MAIL}"))
        end = await world.client.read()
        reference = world.worker.events("open")[-1]["exchange"]
        assert (end.code, end.reason) == (1008, f"not let through by policy; reference {reference}")
        assert (await world.server.read()).code == 1001
        closes = {event["exchange"]: event for event in world.worker.events("close")}
        opens = world.worker.events("open")
    assert [event["sent_digest"] == "" for event in opens] == [False, False, True]
    assert [closes[event["exchange"]]["outcome"] for event in opens] == ["blocked"] * 3
    assert closes[reference]["reason"] == "policy_block"
    assert opens[-1]["verdict"]["rule"] == "no-mail"


async def test_an_answer_that_policy_ends_closes_before_it_leaves(authority, tmp_path):
    async with socket(authority, tmp_path, rules=BLOCK) as world:
        await world.client.send(item("a card please"))
        await world.server.read()
        text = "gladly: 4111 1111 1111 1111 is one"
        for at in range(0, len(text), 6):
            await world.server.send(delta(text[at : at + 6]))
        seen = ""
        while not hasattr(end := await world.client.read(), "code"):
            seen += json.loads(end).get("delta", "")
        assert end.code == 1008
        assert "gladly: ".startswith(seen)
        assert {event["outcome"] for event in world.worker.events("close")} == {"blocked"}
        assert {event["reason"].partition(":")[0] for event in world.worker.events("close")} == {"rule"}


async def test_in_stage_observe_nothing_changes_and_all_is_recorded(authority, tmp_path):
    async with socket(authority, tmp_path, stage=Stage.OBSERVE) as world:
        await world.client.send(item(f"{MAIL} {KEY}"))
        assert await world.server.read() == item(f"{MAIL} {KEY}")
        await world.server.send(delta(KEY))
        assert await world.client.read() == delta(KEY)
        await ended(world)
        opens, closes = world.worker.events("open"), world.worker.events("close")
    assert opens[1]["verdict"]["disposition"] == "redact"
    assert opens[1]["redactions"] == 0
    assert ["ANTHROPIC_API_KEY" in str(event["labels"]) for event in closes] == [True, False]


@pytest.mark.parametrize(
    ("message", "reason"),
    [("{not json", "malformed_request"), ('{"a":1,"a":' + "[" * 600 + "]" * 600 + "}", "malformed_request")],
)
async def test_a_message_that_cannot_be_read_ends_the_socket(authority, tmp_path, message, reason):
    async with socket(authority, tmp_path) as world:
        await world.client.send(message)
        assert (await world.client.read()).code == 1008
        assert (await world.server.read()).code == 1001
        assert [event["reason"] for event in world.worker.events("refusal")] == [reason]


async def test_a_message_above_the_bound_ends_the_socket(authority, tmp_path):
    hosts = {}
    async with SocketServer(authority.context(HOST, alpn=["http/1.1"])) as server:
        hosts = {f"{HOST}:443": server.place}
        egress = Egress(ca_bundle=str(authority.path), hosts=hosts, max_body_bytes=1000)
        provider = SimpleNamespace(ca=authority.path, port=server.port)
        async with (
            asyncio.timeout(20),
            worker_at(tmp_path, provider, egress=egress) as worker,
            connected(worker.proxy, HOST, REALTIME, trust=worker.trust) as client,
        ):
            await client.send(item("x" * 1000))
            assert (await client.read()).code == 1009
            assert [event["outcome"] for event in worker.events("close")] == ["blocked"]


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("side", ["client", "server"])
async def test_a_fault_closes_in_enforce_and_passes_in_observe(authority, tmp_path, monkeypatch, stage, side):
    def fails(*_arguments):
        raise ZeroDivisionError(KEY)

    async with socket(authority, tmp_path, stage=stage) as world:
        if side == "client":
            from appliance.inspect.inspection import Inspector

            monkeypatch.setattr(Inspector, "request", fails)
        else:
            monkeypatch.setattr(SocketAnswers, "_taken", fails)
        near, far = (world.client, world.server) if side == "client" else (world.server, world.client)
        await near.send(item("anything"))
        if stage is Stage.ENFORCE:
            assert (await world.client.read()).code == 1011
            assert [event["outcome"] for event in world.worker.events("close")] == ["failed_closed"]
        else:
            assert await far.read() == item("anything")
            await ended(world)
            (close,) = world.worker.events("close")
            passed = close["sent"] if side == "client" else close["coverage"]
            assert passed["opaque"] == {"inspection_failed": len(item("anything"))}
        assert [event["note"] for event in world.worker.events("notice")] == ["guard_fault"]
        assert KEY not in world.worker.journal()


async def test_who_leaves_is_written_down(authority, tmp_path):
    async with socket(authority, tmp_path) as world:
        await world.client.send(item("hello"))
        await world.server.read()
        world.server.drop()
        assert (await world.client.read()).code == 1011
        assert [event["outcome"] for event in world.worker.events("close")] == ["upstream_abort"] * 2
    async with socket(authority, tmp_path / "again") as world:
        world.client.drop()
        assert (await world.server.read()).code == 1001
        assert [event["outcome"] for event in world.worker.events("close")] == ["client_abort"]


async def test_what_is_hidden_stays_hidden_in_a_close_reason(authority, tmp_path):
    async with socket(authority, tmp_path) as world:
        await world.server.event(wsproto.events.CloseConnection(code=4000, reason=f"bad key {KEY[:108]}"))
        end = await world.client.read()
        assert end.code == 4000
        assert KEY[:40] not in end.reason


async def test_a_drain_ends_sockets_with_1001(authority, tmp_path):
    async with asyncio.timeout(20), SocketServer(authority.context(HOST, alpn=["http/1.1"])) as server:
        manager = worker_at(tmp_path, SimpleNamespace(ca=authority.path, port=server.port), drain_s=0.1)
        worker = await manager.__aenter__()
        async with connected(worker.proxy, HOST, REALTIME, trust=worker.trust) as client:
            await client.send(item("hello"))
            await (await server.served.get()).read()
            leaving = asyncio.ensure_future(manager.__aexit__(None, None, None))
            assert (await client.read()).code == 1001
            await client.close(1001)
            await leaving
        assert {event["outcome"] for event in worker.events("close")} == {"drained"}


async def test_a_refused_upgrade_is_one_exchange(authority, tmp_path, provider):
    async with (
        worker_at(tmp_path, provider) as worker,
        connected(worker.proxy, HOST, "/v1/realtime?model=stand-in-refuse", trust=worker.trust) as client,
    ):
        assert client.status == 403
        assert await client.reader.readexactly(2) == b"{}"
        assert len(worker.events("open")) == len(worker.events("close")) == 1


async def test_a_socket_to_no_ai_service_passes_unread(authority, tmp_path):
    async with SocketServer(deflate=True) as server:
        hosts = {"plain.example.test:80": server.place}
        provider = SimpleNamespace(ca=authority.path, port=server.port)
        async with (
            asyncio.timeout(20),
            worker_at(tmp_path, provider, egress=Egress(hosts=hosts)) as worker,
            connected(
                worker.proxy,
                "plain.example.test",
                "/chat",
                extra=("sec-websocket-extensions: permessage-deflate",),
            ) as client,
        ):
            assert client.headers["sec-websocket-extensions"] == "permessage-deflate"
            far = await server.served.get()
            await client.raw(b"\xff anything")
            assert await far.reader.readexactly(10) == b"\xff anything"
            assert worker.journal() == ""


@pytest.mark.parametrize(
    ("path", "messages"),
    [
        (UNKNOWN, [item("how warm is it?")]),
        ("/v1/realtime", [item("how warm is it?")]),
        (REALTIME, ['{"type":"session.update","session":{"model":"gpt-realtime-pro"}}']),
    ],
)
async def test_a_key_for_certain_models_says_nothing_on_a_socket_whose_model_is_another_or_unread(
    authority, tmp_path, path, messages
):
    async with socket(authority, tmp_path, path, extra=(limited(tmp_path),), identity=KEYS) as world:
        assert world.client.status == 101
        await world.client.send(messages[0])
        assert (await world.client.read()).code == 1008
        assert (await world.server.read()).code == 1001
    assert world.worker.events("close")[0]["outcome"] == "blocked"


async def test_what_a_socket_has_named_once_is_its_model(authority, tmp_path):
    said = ['{"type":"session.update","session":{"model":"gpt-realtime"}}', item("how warm is it?")]
    async with socket(authority, tmp_path, "/v1/realtime", extra=(limited(tmp_path),), identity=KEYS) as world:
        for message in said:
            await world.client.send(message)
            assert await world.server.read() == message
        await ended(world)
    assert world.worker.events("open")[-1]["facts"]["model"] == "gpt-realtime"


def limited(tmp_path) -> str:
    """The header with a key for one model."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    made = VirtualKey(id="", owner="maria", salt="", digest="", created=1.0, models=("gpt-realtime",))
    return f"x-gnomon-key: {virtual_key_file.mint(state, load_site_key(state), made)[0]}"
