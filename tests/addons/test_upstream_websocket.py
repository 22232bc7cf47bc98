"""The WebSocket layer of the seam: real sockets, relays of the test's own."""

import asyncio
import contextlib

import pytest
import wsproto.events
from seam_world import TestAuthority, running
from socket_world import SocketServer, connected

from addons.upstream import RELAYS, UNREAD, Close, Relays, cancel_stream

BOUND = 100_000
HOST = "a.test"


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return TestAuthority(tmp_path_factory.mktemp("standin-ca"))


@pytest.fixture(scope="session")
def confdir(tmp_path_factory):
    return tmp_path_factory.mktemp("worker-ca")


def _on(message: bytes, _is_text: bool) -> list[bytes]:
    return [message]


class Recorder:
    """Relays that pass everything on and write down what they saw; a test replaces what it needs."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes, bool]] = []
        self.ends: list[tuple[int, str, bool | None]] = []
        self.ended = asyncio.Event()
        self.client = _on
        self.server = _on
        self.last: dict[str, list[bytes]] = {}
        self.flows: list = []

    def relays(self) -> Relays:
        def see(side):
            def relay(message, is_text):
                self.seen.append((side, message, is_text))
                return getattr(self, side)(message, is_text)

            return relay

        return Relays(see("client"), see("server"), lambda why: self.last.get(why, []), str.upper, BOUND)

    def request(self, flow) -> None:
        flow.metadata[RELAYS] = self.relays()
        self.flows.append(flow)

    def websocket_end(self, flow) -> None:
        socket = flow.websocket
        assert not socket.messages
        self.ends.append((socket.close_code, socket.close_reason, socket.closed_by_client))
        self.ended.set()


class Pair:
    """A client, the server's end of its socket, and what the relays saw."""

    def __init__(self, authority, confdir, *, extra=(), **server) -> None:
        self.recorder = Recorder()
        self._authority, self._confdir, self._extra, self._options = authority, confdir, extra, server
        self._stack = None

    async def __aenter__(self):
        self._stack = contextlib.AsyncExitStack()
        enter = self._stack.enter_async_context
        await enter(asyncio.timeout(10))
        tls = self._authority.context(HOST, alpn=["http/1.1"])
        server = await enter(SocketServer(tls, **self._options))
        hosts = {f"{HOST}:443": server.place}
        self.world = await enter(running(self._authority, self._confdir, hosts, extra=(self.recorder,)))
        port = self.world.listener.address[1]
        self.client = await enter(connected(port, HOST, "/v1/s", trust=self.world.trust(), extra=self._extra))
        self.server = await server.served.get() if self.client.status == 101 else None
        return self

    async def __aexit__(self, *failure):
        return await self._stack.__aexit__(*failure)


async def test_messages_of_both_kinds_pass_both_ways_and_none_is_kept(authority, confdir):
    async with Pair(authority, confdir) as pair:
        for message in ("hello", b"\x00\x01", "", "ünïcödé " * 5000):
            await pair.client.send(message)
            assert await pair.server.read() == message
            await pair.server.send(message)
            assert await pair.client.read() == message
        assert len(pair.recorder.seen) == 8
        await pair.client.close()
        assert (await pair.server.read()).code == 1000
        assert (await pair.client.read()).code == 1000
        assert pair.recorder.ends == [(1000, "", True)]


async def test_fragments_are_one_message_and_go_on_as_one(authority, confdir):
    async with Pair(authority, confdir) as pair:
        await pair.client.send("ä", "", "öü", "!")
        assert await pair.server.read() == "äöü!"
        assert pair.recorder.seen == [("client", "äöü!".encode(), True)]


async def test_a_relay_may_hold_edit_and_multiply(authority, confdir):
    held: list[bytes] = []

    def hold(message, _is_text):
        held.append(message)
        return [] if len(held) < 3 else [b"<1>", b"".join(held), b"<2>"]

    async with Pair(authority, confdir) as pair:
        pair.recorder.server = hold
        for piece in ("a", "b", "c"):
            await pair.server.send(piece)
        assert [await pair.client.read() for _ in range(3)] == ["<1>", "abc", "<2>"]


@pytest.mark.parametrize("side", ["client", "server"])
async def test_a_relay_may_close(authority, confdir, side):
    async with Pair(authority, confdir) as pair:
        setattr(pair.recorder, side, lambda _message, _is_text: Close(1008, "no " * 100, last=(b"goodbye",)))
        await getattr(pair, side).send("anything")
        assert (await pair.server.read()).code == 1001
        assert await pair.client.read() == "goodbye"
        end = await pair.client.read()
        assert (end.code, len(end.reason)) == (1008, 120)
        assert pair.recorder.ends == [(1008, "no " * 100, None)]
        await pair.client.close()  # the answer that ends the waiting
        assert await pair.client.reader.read() == b""


async def test_a_slow_relay_holds_up_what_follows_and_nothing_is_lost(authority, confdir):
    gate, order = asyncio.Event(), []

    async def later(message):
        await gate.wait()
        order.append(message)
        return [message]

    async with Pair(authority, confdir) as pair:
        pair.recorder.client = lambda message, _is_text: later(message) if message == b"slow" else [message]
        await pair.client.send("slow")
        for number in range(50):
            await pair.client.send(f"{number}" * 3000)
        await pair.server.send("meanwhile")
        gate.set()
        assert await pair.server.read() == "slow"
        for number in range(50):
            assert await pair.server.read() == f"{number}" * 3000
        assert await pair.client.read() == "meanwhile"


async def test_a_slow_relay_that_fails_closes(authority, confdir):
    async def fails(_message):
        raise ZeroDivisionError

    async with Pair(authority, confdir) as pair:
        pair.recorder.client = lambda message, _is_text: fails(message)
        await pair.client.send("x")
        assert (await pair.client.read()).code == 1011
        assert pair.recorder.ends == [(1011, "", None)]


@pytest.mark.parametrize(
    "pieces", [("x" * (BOUND + 1),), ("x" * 60_000, "x" * 60_000), ("",) * 5000 + ("x" * 101_000,)]
)
async def test_a_message_above_the_bound_ends_the_socket(authority, confdir, pieces):
    async with Pair(authority, confdir) as pair:
        await pair.client.send(*pieces)
        assert (await pair.client.read()).code == 1009
        assert (await pair.server.read()).code == 1001
        assert pair.recorder.seen == []


async def test_the_payload_of_a_ping_does_not_pass_and_its_answer_comes_back(authority, confdir):
    async with Pair(authority, confdir) as pair:
        await pair.client.event(wsproto.events.Ping(payload=b"secret"))
        ping = await pair.server.read()
        assert b"secret" not in bytes(ping.payload)
        await pair.server.event(wsproto.events.Pong(payload=b"unasked secret"))
        await pair.server.event(ping.response())
        assert bytes((await pair.client.read()).payload) == b"secret"
        await pair.server.event(wsproto.events.Ping(payload=b"you?"))
        await pair.client.event((await pair.client.read()).response())
        assert bytes((await pair.server.read()).payload) == b"you?"


async def test_the_reason_of_the_servers_close_is_handed_over_and_the_clients_does_not_pass(authority, confdir):
    async with Pair(authority, confdir) as pair:
        pair.recorder.last[""] = [b"what was held"]
        await pair.server.event(wsproto.events.CloseConnection(code=4001, reason="quiet"))
        assert await pair.client.read() == "what was held"
        end = await pair.client.read()
        assert (end.code, end.reason) == (4001, "QUIET")
        assert (await pair.server.read()).code == 4001
        assert pair.recorder.ends == [(4001, "quiet", False)]
    async with Pair(authority, confdir) as pair:
        await pair.client.event(wsproto.events.CloseConnection(code=1000, reason="secret"))
        end = await pair.server.read()
        assert (end.code, end.reason or "") == (1000, "")


async def test_who_vanishes_is_told_as_that(authority, confdir):
    async with Pair(authority, confdir) as pair:
        pair.server.drop()
        assert (await pair.client.read()).code == 1011
        assert pair.recorder.ends == [(1006, "", False)]
    async with Pair(authority, confdir) as pair:
        pair.client.drop()
        assert (await pair.server.read()).code == 1001
        assert pair.recorder.ends == [(1006, "", True)]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\x05hello", 1002),  # a client must mask
        (b"\xc1\x80\x00\x00\x00\x00", 1002),  # compressed, without the extension
        (b"\x83\x80\x00\x00\x00\x00", 1002),  # no such kind
        (b"\x80\x80\x00\x00\x00\x00", 1002),  # continues nothing
        (b"\x81\x82\x00\x00\x00\x00\xff\xfe", 1007),  # not UTF-8
        (b"\x89\xfe\x01\x00\x00\x00\x00\x00", 1002),  # a ping too long
    ],
)
async def test_a_breach_of_the_protocol_ends_the_socket(authority, confdir, frame, code):
    async with Pair(authority, confdir) as pair:
        await pair.client.raw(frame)
        assert (await pair.client.read()).code == code
        assert (await pair.server.read()).code == code
        assert [end[0] for end in pair.recorder.ends] == [code]
        assert pair.recorder.seen == []


@pytest.mark.parametrize(("why", "code"), [("drain", 1001), ("policy", 1008), ("fault", 1011)])
async def test_an_end_of_ours_is_told_with_its_code(authority, confdir, why, code):
    async with Pair(authority, confdir) as pair:
        pair.recorder.last[why] = [b"the end"]
        await pair.server.send("x")
        assert await pair.client.read() == "x"
        assert cancel_stream(pair.recorder.flows[0], b"", why)
        assert await pair.client.read() == "the end"
        assert (await pair.client.read()).code == code
        assert (await pair.server.read()).code == 1001
        assert pair.recorder.ends == [(code, why, None)]
        assert not cancel_stream(pair.recorder.flows[0], b"", why)


async def test_a_drain_ends_sockets_with_1001(authority, confdir):
    async with Pair(authority, confdir) as pair:
        draining = asyncio.ensure_future(pair.world.listener.drain(0.05))
        assert (await pair.client.read()).code == 1001
        await pair.client.close(1001)
        await draining


@pytest.mark.parametrize(
    ("answer", "extra"),
    [
        (("sec-websocket-extensions: permessage-deflate",), ()),
        (("upgrade: h2c",), ()),
        ((), ("sec-websocket-version: 8",)),
    ],
)
async def test_what_could_not_be_read_is_not_switched_to(authority, confdir, answer, extra):
    async with Pair(authority, confdir, answer=answer, extra=extra) as pair:
        assert pair.client.status == 502
        assert pair.recorder.ends == []


@pytest.mark.parametrize("unread", [True, False])
async def test_without_relays_bytes_pass_only_where_it_was_said(authority, confdir, unread):
    class Says:
        def request(self, flow) -> None:
            flow.metadata.update({UNREAD: True} if unread else {})

    tls = authority.context(HOST, alpn=["http/1.1"])
    async with (
        asyncio.timeout(10),
        SocketServer(tls, deflate=True) as server,
        running(authority, confdir, {f"{HOST}:443": server.place}, extra=(Says(),)) as world,
        connected(
            world.listener.address[1],
            HOST,
            "/",
            trust=world.trust(),
            extra=("sec-websocket-extensions: permessage-deflate",),
        ) as client,
    ):
        if not unread:
            assert client.status == 502
            return
        assert client.headers["sec-websocket-extensions"] == "permessage-deflate"
        far = await server.served.get()
        await far.raw(b"any bytes at all")
        assert await client.reader.readexactly(16) == b"any bytes at all"
        await client.raw(b"\x00" * 70_000)
        assert len(await far.reader.readexactly(70_000)) == 70_000
