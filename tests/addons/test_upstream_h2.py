"""HTTP/2 end to end through the seam: gRPC as its clients speak it, trailers, and ways out that must not be."""

import asyncio
import contextlib

import httpx
import pytest
from h2_world import H2Server, grpc, h2_client
from seam_world import TestAuthority, Upstream, http, running

from addons.upstream import cancel_stream
from addons.upstream.settings import SeamSettings

HOST = "a.test"
GRPC = (("content-type", "application/grpc+proto"), ("te", "trailers"))
OK = [(":status", "200"), ("content-type", "application/grpc+proto")]
DONE = [("grpc-status", "0"), ("grpc-message", "all well")]


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return TestAuthority(tmp_path_factory.mktemp("standin-ca"))


@pytest.fixture(scope="session")
def confdir(tmp_path_factory):
    return tmp_path_factory.mktemp("worker-ca")


@contextlib.asynccontextmanager
async def grpc_world(authority, confdir, script, *extra):
    """A client's end, through the seam, to a server that runs `script` for each stream."""
    async with (
        asyncio.timeout(10),
        H2Server(authority.context(HOST, alpn=["h2"]), script) as server,
        running(authority, confdir, {f"{HOST}:443": server.place}, extra=extra) as world,
        h2_client(world.listener.address[1], HOST, world.trust()) as client,
    ):
        yield client, world


class Streaming:
    """What the chain does for hosts that are no AI service: bodies stream both ways."""

    def requestheaders(self, flow) -> None:
        flow.request.stream = True
        flow.metadata["gnomon.cleared"] = True


async def echo(end, stream) -> None:
    """Every message back as it comes, then the status."""
    await end.next(stream)
    end.headers(stream, OK)
    while (event := await end.next(stream))[0] == "data":
        end.data(stream, event[1])
    end.headers(stream, DONE, end=True)


@pytest.mark.parametrize("size", [10, 300_000])
async def test_a_unary_call_keeps_its_status(authority, confdir, size):
    async with grpc_world(authority, confdir, echo) as (client, world):
        stream = client.open(HOST, "/pkg.Service/Call", *GRPC)
        body = grpc(b"x" * size)
        for at in range(0, len(body), 16_000):
            client.data(stream, body[at : at + 16_000])
            await asyncio.sleep(0)
        client.data(stream, b"", end=True)
        headers, answered, trailers = await client.whole(stream)
        assert headers["content-type"] == "application/grpc+proto"
        assert (answered, trailers) == (body, dict(DONE))
        assert world.chain.flows[0].request.headers["te"] == "trailers"


async def test_a_call_that_fails_at_once_keeps_its_status(authority, confdir):
    async def script(end, stream) -> None:
        while (await end.next(stream))[0] != "end":
            pass
        end.headers(stream, [*OK, ("grpc-status", "16"), ("grpc-message", "who are you")], end=True)

    async with grpc_world(authority, confdir, script) as (client, _):
        stream = client.open(HOST, "/pkg.Service/Call", *GRPC)
        client.data(stream, grpc(b"x"), end=True)
        headers, body, _trailers = await client.whole(stream)
        assert (headers["grpc-status"], headers["grpc-message"], body) == ("16", "who are you", b"")


async def test_messages_of_a_server_stream_come_as_they_are_sent(authority, confdir):
    go = asyncio.Event()

    async def script(end, stream) -> None:
        while (await end.next(stream))[0] != "end":
            pass
        end.headers(stream, OK)
        end.data(stream, grpc(b"first"))
        await go.wait()
        end.data(stream, grpc(b"second"))
        end.headers(stream, DONE, end=True)

    async with grpc_world(authority, confdir, script) as (client, _):
        stream = client.open(HOST, "/pkg.Service/List", *GRPC)
        client.data(stream, grpc(b"x"), end=True)
        assert (await client.next(stream))[0] == "headers"
        assert await client.next(stream) == ("data", grpc(b"first"))
        go.set()
        _, body, trailers = await client.whole(stream)
        assert (body, trailers) == (grpc(b"second"), dict(DONE))


async def test_both_sides_stream_where_nothing_is_inspected(authority, confdir):
    async with grpc_world(authority, confdir, echo, Streaming()) as (client, _):
        stream = client.open(HOST, "/pkg.Service/Talk", *GRPC)
        assert (await client.next(stream))[0] == "headers"  # before the client has said anything
        for word in (b"one", b"two", b"three"):
            client.data(stream, grpc(word))
            assert await client.next(stream) == ("data", grpc(word))
        client.data(stream, b"", end=True)
        assert await client.next(stream) == ("trailers", dict(DONE))


@pytest.mark.parametrize(("why", "status"), [("policy", "7"), ("drain", "14"), ("fault", "13")])
async def test_a_call_that_is_ended_here_is_told_its_status(authority, confdir, why, status):
    async def script(end, stream) -> None:
        end.headers(stream, OK)
        end.data(stream, grpc(b"first"))

    async with grpc_world(authority, confdir, script) as (client, world):
        stream = client.open(HOST, "/pkg.Service/List", *GRPC)
        client.data(stream, grpc(b"x"), end=True)
        await client.next(stream)
        assert (await client.next(stream))[0] == "data"
        assert cancel_stream(world.chain.flows[0], b"", why)
        kind, trailers = await client.next(stream)
        assert (kind, trailers["grpc-status"]) == ("trailers", status)
        assert await client.next(stream) == ("end",)


async def test_trailers_of_a_client_go_no_further(authority, confdir):
    seen = []

    async def script(end, stream) -> None:
        while (event := await end.next(stream))[0] != "end":
            seen.append(event[0])
        end.headers(stream, [(":status", "200")], end=True)

    async with grpc_world(authority, confdir, script) as (client, _):
        stream = client.open(HOST, "/v1/x")
        client.data(stream, b"body")
        client.headers(stream, [("x-secret", "hidden in a trailer")], end=True)
        assert (await client.whole(stream))[0][":status"] == "200"
        assert seen == ["headers", "data"]


async def test_trailers_of_an_http1_upstream_reach_an_http2_client(authority, confdir):
    async def script(_seen, reply) -> None:
        await reply.head(200, {"content-type": "application/grpc"})
        await reply.chunk(b"body")
        await reply.end(b"Grpc-Status: 0\r\nalt-svc: h3=:443\r\ntransfer-encoding: chunked\r\nx-a: 1\r\n")

    async with (
        asyncio.timeout(10),
        Upstream(authority, script, HOST) as upstream,
        running(authority, confdir, {f"{HOST}:443": upstream.place}) as world,
        h2_client(world.listener.address[1], HOST, world.trust()) as client,
    ):
        stream = client.open(HOST, "/v1/x", end=True)
        _, body, trailers = await client.whole(stream)
        assert (body, trailers) == (b"body", {"grpc-status": "0", "x-a": "1"})
        stream = client.open(HOST, "/v1/x", end=True)
        assert (await client.whole(stream))[1] == b"body"


async def test_an_altsvc_frame_does_not_pass(authority, confdir):
    async def script(end, stream) -> None:
        origin, value = b"https://a.test", b'h3=":443"'
        payload = len(origin).to_bytes(2, "big") + origin + value
        # Written by hand (RFC 7838 4): type 10, stream 0.
        end.raw(len(payload).to_bytes(3, "big") + b"\x0a\x00" + bytes(4) + payload)
        end.headers(stream, [(":status", "200")], end=True)

    arrived = []
    async with grpc_world(authority, confdir, script) as (client, _):
        take = client._take
        client._take = lambda event: (arrived.append(type(event).__name__), take(event))
        stream = client.open(HOST, "/v1/x", end=True)
        assert (await client.whole(stream))[0][":status"] == "200"
        assert "AlternativeServiceAvailable" not in arrived


@pytest.mark.parametrize("hint", [b"103 Early Hints\r\nalt-svc: h3=:443", b"100 Continue", b"102 Processing\r\nx: y"])
async def test_an_interim_answer_of_an_http1_upstream_is_swallowed(authority, confdir, hint):
    async def serve(reader, writer) -> None:
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 " + hint + b"\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=authority.context(HOST, alpn=["http/1.1"]))
    place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with (
        asyncio.timeout(10),
        running(authority, confdir, {f"{HOST}:443": place}) as world,
        httpx.AsyncClient(proxy=world.url, verify=world.trust(), timeout=10) as http,
    ):
        for _ in range(2):
            answer = await http.get(f"https://{HOST}/v1/x")
            assert (answer.status_code, answer.content) == (200, b"ok")
            assert "alt-svc" not in answer.headers
    server.close()


@pytest.mark.parametrize("protocol", ["websocket", "connect-udp", "connect-ip"])
async def test_an_extended_connect_is_refused_and_recorded(authority, confdir, protocol):
    async def script(_end, _stream) -> None:
        raise AssertionError

    async with grpc_world(authority, confdir, script) as (client, world):
        fields = ((":protocol", protocol), ("sec-websocket-version", "13"))
        client.open(HOST, "/.well-known/masque/udp/192.0.2.1/443/", *fields, method="CONNECT")
        assert (await client.next(0))[0] == "goodbye"
        assert [refusal.reason.value for refusal in world.chain.refusals] == ["malformed_request"]
        assert world.chain.flows == []


class Asked:
    """Answers `request_silent` as the test says."""

    def __init__(self, decide) -> None:
        self.decide = decide
        self.held: list[bytes] = []

    def request_silent(self, flow) -> None:
        self.held.append(flow.request.raw_content)
        self.decide(flow)


@contextlib.asynccontextmanager
async def silent_world(authority, confdir, script, decide):
    asked = Asked(decide)
    async with (
        asyncio.timeout(10),
        H2Server(authority.context(HOST, alpn=["h2"]), script) as server,
        running(
            authority,
            confdir,
            {f"{HOST}:443": server.place},
            extra=(asked,),
            settings=SeamSettings(call_silence_s=0.02),
        ) as world,
        h2_client(world.listener.address[1], HOST, world.trust()) as client,
    ):
        yield client, asked


@pytest.mark.parametrize("said", [b"", grpc(b"one"), grpc(b"one", b"", b"two")])
async def test_a_client_that_waits_in_its_request_is_asked_about_and_answered(authority, confdir, said):
    async def script(_end, _stream) -> None:
        raise AssertionError

    def refuse(flow) -> None:
        flow.response = http.Response.make(200, b"", {"content-type": "application/grpc", "grpc-status": "12"})
        del flow.response.headers["content-length"]

    async with silent_world(authority, confdir, script, refuse) as (client, asked):
        stream = client.open(HOST, "/pkg.Service/Talk", *GRPC)
        if said:
            client.data(stream, said)
        headers, body, _ = await client.whole(stream)
        assert (headers["grpc-status"], body) == ("12", b"")
        assert asked.held == [said]


async def test_a_client_that_waits_may_be_let_through(authority, confdir):
    def let(flow) -> None:
        flow.request.stream = True
        flow.metadata["gnomon.cleared"] = True

    async with silent_world(authority, confdir, echo, let) as (client, asked):
        stream = client.open(HOST, "/pkg.Service/Talk", *GRPC)
        client.data(stream, grpc(b"one"))
        assert (await client.next(stream))[0] == "headers"
        assert await client.next(stream) == ("data", grpc(b"one"))
        client.data(stream, grpc(b"two"))
        assert await client.next(stream) == ("data", grpc(b"two"))
        client.data(stream, b"", end=True)
        assert await client.next(stream) == ("trailers", dict(DONE))
        assert asked.held == [grpc(b"one")]


async def test_in_the_middle_of_a_message_nobody_is_asked(authority, confdir):
    def never(_flow) -> None:
        raise AssertionError

    async with silent_world(authority, confdir, echo, never) as (client, asked):
        first = client.open(HOST, "/pkg.Service/Call", *GRPC)
        client.data(first, grpc(b"one and more")[:-3])
        second = client.open(HOST, "/pkg.Service/Call", ("content-type", "application/json"))
        client.data(second, b"{}")
        await asyncio.sleep(0.1)  # several times the silence that would be asked about
        client.data(first, b"ore", end=True)
        client.data(second, b"", end=True)
        assert (await client.whole(first))[1] == grpc(b"one and more")
        assert (await client.whole(second))[1] == b"{}"
        assert asked.held == []
