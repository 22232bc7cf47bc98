"""A realtime conversation through the whole appliance: proxy, journal, store, decision."""

import asyncio
import contextlib
import json

import pytest
from hostile_world import Records
from socket_world import connected
from tests_support import HOST

pytestmark = pytest.mark.system
KEY = "sk-ant-api03-" + "A1b2C3d4E5" * 9 + "x"
REALTIME = "/v1/realtime?model=gpt-realtime"
SUBPROTOCOL = ("sec-websocket-protocol: realtime", "sec-websocket-extensions: permessage-deflate")


@contextlib.asynccontextmanager
async def conversation(appliance):
    async with (
        asyncio.timeout(30),
        connected(appliance.proxy, HOST, REALTIME, trust=appliance.trust(), extra=SUBPROTOCOL) as client,
    ):
        yield client


async def say(client, text: str) -> list[dict]:
    """One turn: what was said, and all events of the answer."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    await client.send(json.dumps({"type": "conversation.item.create", "item": item}))
    await client.send('{"type":"response.create"}')
    events: list[dict] = []
    while not events or events[-1]["type"] != "response.done":
        events.append(json.loads(await client.read()))
    return events


async def test_a_conversation_is_governed_turn_by_turn(appliance, provider):
    records, before = Records(appliance), len(provider.arrivals())
    async with conversation(appliance) as client:
        assert client.headers["sec-websocket-protocol"] == "realtime"
        assert "sec-websocket-extensions" not in client.headers
        first = await say(client, "What is noon?")
        second = await say(client, f"And this key, {KEY}?")
        await client.close()
        await client.read()
    said = "".join(event.get("delta", "") for event in first)
    assert said == next(event["text"] for event in first if event["type"] == "response.output_text.done")
    assert said == "What is noon?"
    assert "".join(event.get("delta", "") for event in second) == "And this key, <ANTHROPIC_API_KEY>?"
    upgrade, *messages = provider.arrivals()[before:]
    assert "sec-websocket-extensions" not in upgrade["headers"]
    assert KEY not in str(messages)
    found = records.exchange("completed", redactions=1)
    assert (found.service, found.api) == ("openai", "openai.realtime")
    records.exchange("completed", request_bytes=0)
    rows = records.all("exchanges")
    assert len(rows) == 3  # the socket itself, and two turns
    assert {row.outcome for row in rows} == {"completed"}


async def test_a_decision_to_block_ends_the_conversation(appliance):
    records = Records(appliance)
    async with conversation(appliance) as client:
        await say(client, "hello")
        await asyncio.to_thread(appliance.run, "decide", "block", "openai", "--reason", "not now", "--yes")
        while not hasattr(end := await client.read(), "code"):
            pass
        assert end.code == 1008
        await client.close(1008)
    await asyncio.to_thread(records.exchange, "blocked", api="openai.realtime")
    async with connected(appliance.proxy, HOST, REALTIME, trust=appliance.trust()) as client:
        assert client.status == 403
