"""A stream that has ended leads back to itself no more, so that what it held is freed without a collection."""

import asyncio

import httpx
import pytest
from seam_world import TestAuthority, Upstream, running

from addons.upstream.plan import STREAM
from addons.upstream.stream import cancel_stream

TURNS = 20  # of the loop


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return TestAuthority(tmp_path_factory.mktemp("standin-ca"))


async def whole(seen, reply):
    await reply.whole(200, b"answer to " + seen.body)


@pytest.mark.parametrize("http2", [False, True])
async def test_a_finished_stream_is_let_go_while_its_connection_lives(authority, tmp_path, http2):
    async with (
        Upstream(authority, whole, "a.test") as a,
        running(authority, tmp_path, {"a.test:443": a.place}) as world,
        httpx.AsyncClient(proxy=world.url, verify=world.trust(), http2=http2, timeout=10) as client,
    ):
        streams = []
        world.chain.on_request = lambda flow: streams.append(flow.metadata[STREAM]())
        for number in range(3):
            answer = await client.post("https://a.test/", content=b"x" * 1000 + str(number).encode())
            assert answer.content.endswith(str(number).encode())
        for _ in range(TURNS):
            await asyncio.sleep(0)
        assert len(streams) == 3
        for stream in streams:
            assert getattr(stream.client_state, "__self__", None) is None
            assert getattr(stream.server_state, "__self__", None) is None
            assert stream not in stream.context.layers
            assert not cancel_stream(stream.flow)
        assert a.connections == (3 if http2 else 1)
