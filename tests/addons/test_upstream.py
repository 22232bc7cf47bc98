"""Contract of the seam: real TLS upstreams, real clients, one lean master."""

import asyncio
import contextlib
import ssl

import httpx
import pytest
from seam_world import HTTPMode, TestAuthority, Upstream, layers, running

from addons.upstream import FAILURE, PLAN, Target, TargetPlan, attempts_of, cancel_stream
from addons.upstream.settings import SeamSettings
from appliance.model.names import RefusalReason

BODY = b'{"messages":[{"role":"user","content":"hello"}]}'


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return TestAuthority(tmp_path_factory.mktemp("standin-ca"))


@pytest.fixture(scope="session")
def confdir(tmp_path_factory):
    return tmp_path_factory.mktemp("worker-ca")


def client(world, *, http2: bool = False) -> httpx.AsyncClient:
    return httpx.AsyncClient(proxy=world.url, verify=world.trust(), http2=http2, timeout=10)


async def ok(seen, reply):
    await reply.whole(200, b"answer to " + seen.body)


def status(code: int):
    async def script(_seen, reply):
        await reply.whole(code, b'{"error":"busy"}')

    return script


def sse(release: asyncio.Event):
    async def script(seen, reply):
        if seen.path == "/warm":  # so that the client knows that it speaks HTTP/2, and shares its connection
            await reply.whole(200)
            return
        await reply.head(200, {"content-type": "text/event-stream"})
        await reply.chunk(b"data: first\n\n")
        await release.wait()
        await reply.chunk(b"data: last\n\n")
        await reply.end()

    return script


async def test_twenty_requests_of_one_client_use_one_upstream_connection(authority, confdir):
    async with (
        Upstream(authority, ok, "a.test") as a,
        running(authority, confdir, {"a.test:443": a.place}) as world,
        client(world) as http,
    ):
        for number in range(20):
            answer = await http.post("https://a.test/v1/x", content=BODY + str(number).encode())
            assert answer.content == b"answer to " + BODY + str(number).encode()
        assert a.connections == 1
        assert {seen.sni for seen in a.seen} == {"a.test"}
        assert {seen.host for seen in a.seen} == {"a.test"}


async def test_twenty_event_streams_of_one_http2_client_start_before_any_may_end(authority, confdir):
    release = asyncio.Event()
    async with (
        Upstream(authority, sse(release), "a.test") as a,
        running(authority, confdir, {"a.test:443": a.place}) as world,
        client(world, http2=True) as http,
        asyncio.timeout(10),
    ):
        started = asyncio.Barrier(21)
        assert (await http.get("https://a.test/warm")).http_version == "HTTP/2"

        async def one() -> bytes:
            async with http.stream("POST", "https://a.test/v1/x", content=BODY) as answer:
                lines = answer.aiter_bytes()
                first = await anext(lines)
                await started.wait()
                return first + b"".join([chunk async for chunk in lines])

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one()) for _ in range(20)]
            await started.wait()
            release.set()
        assert {task.result() for task in tasks} == {b"data: first\n\ndata: last\n\n"}
        assert len({flow.client_conn.id for flow in world.chain.flows}) == 1


@pytest.mark.parametrize("upstream_alpn", ["http/1.1", "h2"])
async def test_cutting_one_stream_leaves_its_siblings(authority, confdir, upstream_alpn):
    release = asyncio.Event()
    async with (
        Upstream(authority, sse(release), "a.test", alpn=upstream_alpn) as a,
        running(authority, confdir, {"a.test:443": a.place}) as world,
        client(world, http2=True) as http,
        asyncio.timeout(10),
    ):
        started = asyncio.Barrier(4)
        assert (await http.get("https://a.test/warm")).http_version == "HTTP/2"

        async def one(name: str) -> bytes:
            async with http.stream("POST", f"https://a.test/{name}", content=BODY) as answer:
                lines = answer.aiter_bytes()
                first = await anext(lines)
                await started.wait()
                return first + b"".join([chunk async for chunk in lines])

        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(one(name)) for name in ("a", "b", "c")}
            await started.wait()
            flow = next(flow for flow in world.chain.flows if flow.request.path == "/b")
            assert cancel_stream(flow, b"data: cut\n\n", "policy")
            assert await tasks["b"] == b"data: first\n\ndata: cut\n\n"
            await next(seen for seen in a.seen if seen.path == "/b").reset.wait()
            assert [seen.path for seen in a.seen if seen.reset.is_set()] == ["/b"]
            release.set()
        assert tasks["a"].result() == tasks["c"].result() == b"data: first\n\ndata: last\n\n"
        ends = {flow.request.path: kind for kind, flow in world.chain.ends}
        assert ends == {"/warm": "response", "/a": "response", "/b": "error", "/c": "response"}
        assert len({flow.client_conn.id for flow in world.chain.flows}) == 1
        assert flow.error.msg == "policy"
        assert not cancel_stream(flow)


async def test_a_stream_callable_can_cut_its_own_stream(authority, confdir):
    release = asyncio.Event()
    async with (
        Upstream(authority, sse(release), "a.test") as a,
        running(authority, confdir, {"a.test:443": a.place}) as world,
        client(world) as http,
        asyncio.timeout(10),
    ):

        def tee(flow):
            def on_chunk(_chunk: bytes) -> list[bytes]:
                cancel_stream(flow, b"data: cut\n\n")
                return []

            return on_chunk

        world.chain.stream = tee
        answer = await http.post("https://a.test/", content=BODY)
        assert answer.content == b"data: cut\n\n"
        await a.seen[0].reset.wait()
        release.set()
        world.chain.stream = lambda _flow: True
        assert (await http.post("https://a.test/", content=BODY)).status_code == 200
        assert len({flow.client_conn.id for flow in world.chain.flows}) == 1


async def test_a_redirect_in_mid_connection_moves_one_stream_only(authority, confdir):
    async with (
        Upstream(authority, ok, "a.test") as a,
        Upstream(authority, ok, "b.test") as b,
        running(authority, confdir, {"a.test:443": a.place, "b.test:443": b.place}) as world,
        client(world) as http,
    ):

        def redirect(flow):
            if flow.request.path == "/2":
                flow.request.host = "b.test"

        world.chain.on_request = redirect
        for number in range(4):
            assert (await http.post(f"https://a.test/{number}", content=BODY)).status_code == 200
        assert [seen.path for seen in a.seen] == ["/0", "/1", "/3"]
        assert [(seen.path, seen.sni, seen.host) for seen in b.seen] == [("/2", "b.test", "b.test")]
        assert a.connections == b.connections == 1


def plan(*targets: tuple[str, int], **options):
    def assign(flow):
        flow.metadata[PLAN] = TargetPlan(
            tuple(Target(host, port) for host, port in targets), frozenset({500, 502, 503, 504, 529}), **options
        )

    return assign


@pytest.mark.parametrize(("http2", "upstream_alpn"), [(False, "http/1.1"), (True, "http/1.1"), (True, "h2")])
async def test_next_target_on_connect_error_and_on_503(authority, confdir, http2, upstream_alpn):
    release = asyncio.Event()
    release.set()
    async with (
        Upstream(authority, status(503), "a.test", alpn=upstream_alpn) as a,
        Upstream(authority, sse(release), "b.test", alpn=upstream_alpn) as b,
        running(
            authority,
            confdir,
            {"dead.test:443": "127.0.0.1:1", "a.test:443": a.place, "b.test:443": b.place},
        ) as world,
        client(world, http2=http2) as http,
        asyncio.timeout(10),
    ):
        world.chain.on_request = plan(("dead.test", 443), ("a.test", 443), ("b.test", 443))
        for _ in range(3):
            answer = await http.post("https://api.test/v1", content=BODY)
            assert answer.content == b"data: first\n\ndata: last\n\n"
        assert [seen.body for seen in b.seen] == [BODY] * 3
        assert {seen.host for seen in b.seen} == {"b.test"}
        attempts = attempts_of(world.chain.flows[0])
        assert [(attempt.target, attempt.status) for attempt in attempts] == [
            ("dead.test:443", 0),
            ("a.test:443", 503),
            ("b.test:443", 200),
        ]
        assert "cannot be reached" in attempts[0].error
        assert [kind for kind, _ in world.chain.ends] == ["response"] * 3


@pytest.mark.parametrize("upstream_alpn", ["http/1.1", "h2"])
async def test_the_same_target_may_be_tried_twice_on_one_connection(authority, confdir, upstream_alpn):
    answers = iter([503, 200, 503, 200])

    async def script(seen, reply):
        await reply.whole(next(answers), seen.body)

    async with (
        Upstream(authority, script, "a.test", alpn=upstream_alpn) as a,
        running(authority, confdir, {"a.test:443": a.place}) as world,
        client(world, http2=True) as http,
        asyncio.timeout(10),
    ):
        world.chain.on_request = plan(("a.test", 443), ("a.test", 443))
        for _ in range(2):
            answer = await http.post("https://a.test/v1", content=BODY)
            assert (answer.status_code, answer.content) == (200, BODY)
        assert len(a.seen) == 4


async def test_the_last_status_reaches_the_client(authority, confdir):
    async with (
        Upstream(authority, status(503), "a.test") as a,
        Upstream(authority, status(529), "b.test") as b,
        running(authority, confdir, {"a.test:443": a.place, "b.test:443": b.place}) as world,
        client(world) as http,
    ):
        world.chain.on_request = plan(("a.test", 443), ("b.test", 443))
        answer = await http.post("https://api.test/v1", content=BODY)
        assert (answer.status_code, answer.content) == (529, b'{"error":"busy"}')
        world.chain.on_request = lambda flow: flow.metadata.__setitem__(
            PLAN, TargetPlan((Target("a.test", 443), Target("b.test", 443)))
        )
        assert (await http.post("https://api.test/v1", content=BODY)).status_code == 503


async def never(_seen, _reply):
    await asyncio.Event().wait()


async def breaks_off(_seen, _reply):
    raise ConnectionError


@pytest.mark.parametrize(("http2", "upstream_alpn"), [(False, "http/1.1"), (True, "http/1.1"), (True, "h2")])
async def test_a_target_that_says_nothing_is_given_up_for_the_next(authority, confdir, http2, upstream_alpn):
    async with (
        Upstream(authority, never, "a.test", alpn=upstream_alpn) as a,
        Upstream(authority, ok, "b.test", alpn=upstream_alpn) as b,
        running(authority, confdir, {"a.test:443": a.place, "b.test:443": b.place}) as world,
        client(world, http2=http2) as http,
        asyncio.timeout(10),
    ):
        world.chain.on_request = plan(("a.test", 443), ("b.test", 443), resends=True, head_s=0.05)
        for _ in range(3):
            assert (await http.post("https://api.test/v1", content=BODY)).content == b"answer to " + BODY
        await a.seen[0].reset.wait()
        attempts = attempts_of(world.chain.flows[0])
        assert [(one.target, one.status) for one in attempts] == [("a.test:443", 0), ("b.test:443", 200)]
        assert "did not begin to answer within 0.05 s" in attempts[0].error
        assert attempts[0].ms >= 50
        world.chain.on_request = plan(("a.test", 443), resends=True, head_s=0.05)
        answer = await http.post("https://api.test/v1", content=BODY)
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "connect_timeout")


async def test_a_connection_that_breaks_off_is_tried_elsewhere_only_where_the_plan_says_so(authority, confdir):
    async with (
        Upstream(authority, breaks_off, "a.test") as a,
        Upstream(authority, ok, "b.test") as b,
        running(authority, confdir, {"a.test:443": a.place, "b.test:443": b.place}) as world,
        client(world) as http,
    ):
        world.chain.on_request = plan(("a.test", 443), ("b.test", 443))
        assert (await http.post("https://api.test/v1", content=BODY)).status_code == 502
        assert b.seen == []
        world.chain.on_request = plan(("a.test", 443), ("b.test", 443), resends=True)
        assert (await http.post("https://api.test/v1", content=BODY)).content == b"answer to " + BODY
        assert [kind for kind, _ in world.chain.ends] == ["error", "response"]


async def test_the_plan_decides_whether_and_when_there_is_another_try(authority, confdir):
    ended, waits = [], [0.02, None]

    def told(target, attempt, headers):
        ended.append((target.host, attempt.status, headers is not None))

    async with (
        Upstream(authority, status(503), "a.test") as a,
        running(authority, confdir, {"a.test:443": a.place, "dead.test:443": "127.0.0.1:1"}) as world,
        client(world) as http,
    ):
        order = (("dead.test", 443), ("a.test", 443), ("a.test", 443))
        world.chain.on_request = plan(*order, ended=told, pause=lambda _target: waits.pop(0))
        assert (await http.post("https://api.test/v1", content=BODY)).status_code == 503
        assert ended == [("dead.test", 0, False), ("a.test", 503, True)]
        assert waits == []


async def test_a_failed_dial_is_told_and_not_remembered(authority, confdir):
    hosts = {"a.test:443": "127.0.0.1:1"}
    async with running(authority, confdir, hosts) as world, client(world) as http:
        answer = await http.post("https://a.test/v1", content=BODY)
        assert answer.status_code == 502
        assert answer.json()["error"]["code"] == "connect_failed"
        assert "127.0.0.1" not in answer.text
        async with Upstream(authority, ok, "a.test") as a:
            world.listener._dialler._hosts[("a.test", 443)] = ("127.0.0.1", a.port)
            assert (await http.post("https://a.test/v1", content=BODY)).status_code == 200
        assert len({flow.client_conn.id for flow in world.chain.flows}) == 1
        assert [kind for kind, _ in world.chain.ends] == ["error", "response"]


async def test_the_last_connect_error_reaches_the_client_after_a_dropped_status(authority, confdir):
    async with (
        Upstream(authority, status(503), "a.test") as a,
        running(authority, confdir, {"a.test:443": a.place, "dead.test:443": "127.0.0.1:1"}) as world,
        client(world) as http,
    ):
        world.chain.on_request = plan(("a.test", 443), ("dead.test", 443))
        answer = await http.post("https://api.test/v1", content=BODY)
        assert answer.status_code == 502
        assert [attempt.status for attempt in attempts_of(world.chain.flows[0])] == [503, 0]


async def test_an_untrusted_upstream_is_an_error_of_kind_tls(authority, confdir, tmp_path):
    stranger = TestAuthority(tmp_path)
    async with (
        Upstream(stranger, ok, "a.test") as a,
        running(authority, confdir, {"a.test:443": a.place}) as world,
        client(world) as http,
    ):
        answer = await http.post("https://a.test/v1", content=BODY)
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "tls_failed")
        assert a.seen == []


@pytest.mark.parametrize(
    "addresses", [["10.0.0.5"], ["93.184.216.34", "127.0.0.1"], ["169.254.169.254"], ["::ffff:10.0.0.5"]]
)
async def test_a_name_with_a_private_address_is_refused(authority, confdir, addresses):
    async def resolver(_host, _port):
        return addresses

    async with running(authority, confdir, {}, resolver=resolver) as world, client(world) as http:
        answer = await http.post("https://inside.test/v1", content=BODY)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "private_address")
        refusal = world.chain.refusals[0]
        assert (refusal.reason, refusal.host, refusal.port) == (RefusalReason.PRIVATE_ADDRESS, "inside.test", 443)
        assert world.chain.flows[0].metadata[FAILURE].kind == "private_address"
        assert [kind for kind, _ in world.chain.ends] == ["error"]


async def test_nothing_is_dialled_for_a_flow_that_was_not_cleared(authority, confdir):
    async with (
        Upstream(authority, ok, "a.test") as a,
        running(authority, confdir, {"a.test:443": a.place}) as world,
        client(world) as http,
    ):
        world.chain.clear = False
        answer = await http.post("https://a.test/v1", content=BODY)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_cleared")
        assert a.connections == 0


async def test_a_hook_that_raises_closes_the_flow(authority, confdir, caplog):
    class Broken:
        def request(self, flow):
            raise ValueError(flow.request.text)

    async with (
        Upstream(authority, ok, "a.test") as a,
        running(authority, confdir, {"a.test:443": a.place}, extra=(Broken(),)) as world,
        client(world) as http,
    ):
        with pytest.raises(httpx.RemoteProtocolError):
            await http.post("https://a.test/v1", content=BODY)
        assert a.connections == 0
    assert "hello" not in caplog.text
    assert "ValueError" in caplog.text


async def test_trailers_of_an_http1_upstream_are_dropped(authority, confdir):
    async def script(_seen, reply):
        await reply.head(200, {"content-type": "text/plain"})
        await reply.chunk(b"body")
        await reply.end(b"x-checksum: 1\r\n")

    async with (
        Upstream(authority, script, "a.test") as a,
        running(authority, confdir, {"a.test:443": a.place}) as world,
        client(world) as http,
        asyncio.timeout(10),
    ):
        for _ in range(2):
            assert (await http.post("https://a.test/v1", content=BODY)).content == b"body"
        assert a.connections == 1


async def raw(world, data: bytes) -> bytes:
    port = world.listener.address[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    with contextlib.suppress(ConnectionError):
        writer.write(data)
        while chunk := await reader.read(65536):
            answer += chunk
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    return answer


async def test_requests_sent_ahead_are_answered_in_order(authority, confdir):
    async def script(seen, reply):
        await reply.whole(200, f"answer to {seen.path};".encode())

    async with (
        Upstream(authority, script, tls=False) as plain,
        running(authority, confdir, {"p.test:80": plain.place}) as world,
        asyncio.timeout(10),
    ):
        ahead = [b"GET http://p.test/%d HTTP/1.1\r\nHost: p.test\r\n" % number for number in range(3)]
        answer = await raw(world, b"\r\n".join(ahead) + b"Connection: close\r\n\r\n")
        places = [answer.index(b"answer to /%d;" % number) for number in range(3)]
        assert places == sorted(places)
        assert [flow.request.path for flow in world.chain.flows] == ["/0", "/1", "/2"]


async def test_an_addon_may_answer_later_and_hooks_run_once(authority, confdir):
    class Late:
        calls = 0

        async def request(self, _flow):
            self.calls += 1
            await asyncio.sleep(0)

    late = Late()
    async with (
        Upstream(authority, ok, "a.test") as a,
        running(authority, confdir, {"a.test:443": a.place}, extra=(late,)) as world,
        client(world, http2=True) as http,
    ):
        for _ in range(3):
            assert (await http.post("https://a.test/v1", content=BODY)).status_code == 200
        assert late.calls == len(world.chain.flows) == 3


@pytest.mark.parametrize(
    ("request_", "code", "reason"),
    [
        (b"GET http://a.test/ HTTP/1.1\r\nX: " + b"a" * 70_000, 431, RefusalReason.HEAD_TOO_LARGE),
        (b"GET http://a.test/ HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431, RefusalReason.HEAD_TOO_LARGE),
        (b"nonsense\r\n\r\n", 400, RefusalReason.MALFORMED_REQUEST),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400, RefusalReason.MALFORMED_REQUEST),
        (
            b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            RefusalReason.SMUGGLING,
        ),
        (b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 99999999\r\n\r\nx", 413, RefusalReason.BODY_TOO_LARGE),
    ],
)
async def test_what_is_out_of_bounds_is_answered_and_recorded(authority, confdir, request_, code, reason):
    async with running(authority, confdir, {}) as world, asyncio.timeout(10):
        answer = await raw(world, request_)
        assert answer.startswith(b"HTTP/1.1 %d " % code)
        assert b"mitmproxy" not in answer
        assert [refusal.reason for refusal in world.chain.refusals] == [reason]
        assert world.chain.flows == []


async def test_a_growing_body_is_refused(authority, confdir):
    settings = SeamSettings(max_body_bytes=1000)
    head = b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with running(authority, confdir, {}, settings=settings) as world, asyncio.timeout(10):
        answer = await raw(world, head + b"400\r\n" + b"a" * 1024 + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert [refusal.reason for refusal in world.chain.refusals] == [RefusalReason.BODY_TOO_LARGE]


async def test_the_gateway_is_not_a_proxy(authority, confdir):
    settings = SeamSettings(listener="gateway")
    async with running(authority, confdir, {}, settings=settings) as world, asyncio.timeout(10):
        answer = await raw(world, b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert world.chain.refusals[0].listener == "gateway"


async def test_neither_tls_nor_http_in_a_tunnel_closes(authority, confdir):
    async with running(authority, confdir, {}) as world, asyncio.timeout(10):
        answer = await raw(world, b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\nSSH-2.0-x\r\n")
        assert b"200" in answer
        assert [refusal.reason for refusal in world.chain.refusals] == [RefusalReason.NOT_TLS_IN_TUNNEL]


async def test_a_sealed_tunnel_is_dialled_by_the_seam_and_summed_up(authority, confdir):
    class Seal:
        def tls_clienthello(self, data):
            data.ignore_connection = True

    own = ssl.create_default_context(cafile=str(authority.path))
    own.verify_flags &= ~ssl.VERIFY_X509_STRICT
    async with (
        Upstream(authority, ok, "a.test") as a,
        running(authority, confdir, {"a.test:443": a.place}, extra=(Seal(),)) as world,
        asyncio.timeout(10),
    ):
        async with httpx.AsyncClient(proxy=world.url, verify=own) as http:
            assert (await http.post("https://a.test/v1", content=BODY)).content == b"answer to " + BODY
        await world.chain.tunnel_ended.wait()
        assert world.chain.flows == []
        tunnel = world.chain.tunnels[0]
        assert tunnel.bytes_up > len(BODY)
        assert tunnel.bytes_down > len(BODY)


async def test_a_stock_layer_chosen_by_an_addon_is_replaced(authority, confdir):
    class Stock:
        def next_layer(self, nextlayer):
            context = nextlayer.context
            if context.client.tls_established:
                nextlayer.layer = layers.HttpLayer(context, HTTPMode.transparent)
            elif len(context.layers) > 1:
                nextlayer.layer = layers.ServerTLSLayer(context)
                nextlayer.layer.child_layer = layers.ClientTLSLayer(context)

    async with (
        Upstream(authority, ok, "a.test") as a,
        running(authority, confdir, {"a.test:443": a.place}, extra=(Stock(),)) as world,
        client(world) as http,
    ):
        world.chain.clear = False
        assert (await http.post("https://a.test/v1", content=BODY)).json()["error"]["code"] == "not_cleared"
        world.chain.clear = True
        assert (await http.post("https://a.test/v1", content=BODY)).status_code == 200


async def test_drain_lets_streams_finish_and_ends_the_rest(authority, confdir):
    release = asyncio.Event()
    async with (
        Upstream(authority, sse(release), "a.test") as a,
        running(authority, confdir, {"a.test:443": a.place}) as world,
        client(world) as http,
        asyncio.timeout(10),
    ):
        async with http.stream("POST", "https://a.test/x", content=BODY) as answer:
            chunks = answer.aiter_bytes()
            assert await anext(chunks) == b"data: first\n\n"
            assert world.listener.active() == 1
            drain = asyncio.ensure_future(world.listener.drain(0, lambda _flow: b"data: drained\n\n"))
            assert b"".join([chunk async for chunk in chunks]) == b"data: drained\n\n"
        await drain
        assert world.chain.ends[0][1].error.msg == "drain"
        with pytest.raises(httpx.ConnectError):
            await http.post("https://a.test/x", content=BODY)


async def test_drain_ends_as_soon_as_the_last_stream_has(authority, confdir):
    release = asyncio.Event()
    async with (
        Upstream(authority, sse(release), "a.test") as a,
        running(authority, confdir, {"a.test:443": a.place}) as world,
        client(world) as http,
        asyncio.timeout(10),
    ):
        async with http.stream("POST", "https://a.test/x", content=BODY) as answer:
            chunks = answer.aiter_bytes()
            await anext(chunks)
            drain = asyncio.ensure_future(world.listener.drain(100))
            await asyncio.sleep(0)
            release.set()
            assert b"".join([chunk async for chunk in chunks]) == b"data: last\n\n"
        await drain
        assert [kind for kind, _ in world.chain.ends] == ["response"]
