"""Server and clients over real sockets: answers, refusals, limits, pushes, credentials, the socket file."""

import asyncio
import contextlib
import logging
import os
import socket
import stat
import threading
from pathlib import Path

import msgspec
import pytest

from appliance.bus import framing
from appliance.bus.client import AsyncClient, BlockingClient
from appliance.bus.errors import RemoteError, Unreachable
from appliance.bus.server import Limits, Peer, Reply, Server, Verb
from appliance.model.errors import EvidenceError, OperatorError


class Ask(msgspec.Struct, forbid_unknown_fields=True):
    word: str = ""


class Told(msgspec.Struct):
    word: str
    pid: int = 0
    user: str = ""


class Gate:
    """A handler that waits to be let through, and counts."""

    def __init__(self):
        self.open, self.entered, self.done = asyncio.Event(), asyncio.Semaphore(0), asyncio.Semaphore(0)
        self.inside = self.most = 0

    async def __call__(self, request, _body, _peer):
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.entered.release()
        await self.open.wait()
        self.inside -= 1
        self.done.release()
        return Reply(Told(request.word))


async def echo(request: Ask, body: bytes, peer: Peer) -> Reply:
    return Reply(Told(request.word, peer.pid, peer.user), body)


async def fail(request: Ask, _body: bytes, _peer: Peer) -> Reply:
    raise {
        "operator": OperatorError("x.yaml:3: no"),
        "evidence": EvidenceError("damaged"),
        "own": RemoteError("gap", "17"),
        "inside": RuntimeError("secret-detail"),
    }[request.word]


@contextlib.asynccontextmanager
async def serving(folder: Path, *, extra=None, **options):
    verbs = {"echo": Verb(Ask, echo), "fail": Verb(Ask, fail), **(extra or {})}
    async with Server(folder / "t.sock", verbs, **options) as server, AsyncClient(folder / "t.sock") as client:
        yield server, client


async def test_a_call_is_answered_with_the_peers_credentials(tmp_path):
    async with serving(tmp_path) as (_, client):
        reply, body = await client.call("echo", Ask("hé"), b"\0raw", reply=Told)
        assert (reply.word, reply.pid, body) == ("hé", os.getpid(), b"\0raw")
        assert reply.user == Peer(0, os.getuid(), 0).user


async def test_many_calls_at_once_each_get_their_own_answer(tmp_path):
    async with serving(tmp_path) as (_, client):
        answers = await asyncio.gather(*(client.call("echo", Ask(str(n)), reply=Told) for n in range(200)))
        assert [reply.word for reply, _ in answers] == [str(n) for n in range(200)]


@pytest.mark.parametrize(
    ("verb", "word", "kind", "message"),
    [
        ("fail", "operator", "operator", "x.yaml:3: no"),
        ("fail", "evidence", "evidence", "damaged"),
        ("fail", "own", "gap", "17"),
        ("nothing", "", "unknown_verb", "no verb 'nothing'"),
        ("subscribe", "", "malformed", "unknown field"),
    ],
)
async def test_refusals_carry_their_kind(tmp_path, verb, word, kind, message):
    async with serving(tmp_path) as (_, client):
        with pytest.raises(RemoteError, match=message) as caught:
            await client.call(verb, Ask(word), reply=Told)
        assert caught.value.kind == kind
        assert (await client.call("echo", Ask("on"), reply=Told))[0].word == "on"


async def test_an_internal_fault_is_logged_and_not_shown(tmp_path, caplog):
    async with serving(tmp_path) as (_, client):
        with pytest.raises(RemoteError) as caught:
            await client.call("fail", Ask("inside"), reply=Told)
    assert caught.value.kind == "internal"
    assert "secret-detail" not in str(caught.value)
    assert any(record.exc_info for record in caplog.records if record.levelno == logging.ERROR)


async def test_unknown_fields_and_wrong_types_are_refused(tmp_path):
    async with serving(tmp_path) as (_, client):
        for bad in (Told("x"), msgspec.defstruct("Bad", [("word", int)])(3)):
            with pytest.raises(RemoteError, match="malformed"):
                await client.call("echo", bad, reply=Told)


async def test_garbage_ends_the_connection_with_words(tmp_path):
    async with serving(tmp_path):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "t.sock")
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        (message,) = framing.Decoder().feed(await reader.read())
        assert message.fault.kind == "malformed"
        writer.close()
        await writer.wait_closed()


async def test_calls_in_flight_are_bounded(tmp_path):
    gate = Gate()
    limits = Limits(in_flight=3)
    async with serving(tmp_path, extra={"gate": Verb(Ask, gate)}, limits=limits) as (_, client):
        calls = [asyncio.ensure_future(client.call("gate", Ask(), reply=Told)) for _ in range(10)]
        for _ in range(3):
            await gate.entered.acquire()
        gate.open.set()
        await asyncio.gather(*calls)
        assert gate.most == 3


async def test_connections_are_bounded_and_come_free(tmp_path):
    async with serving(tmp_path, limits=Limits(connections=1)) as (_, client):
        await client.call("echo", Ask(), reply=Told)
        async with AsyncClient(tmp_path / "t.sock") as second:
            with pytest.raises(RemoteError, match="busy"):
                await second.call("echo", Ask(), reply=Told)
        await client.close()
        async with AsyncClient(tmp_path / "t.sock") as third:
            for _ in range(100):  # the server learns of the leave when it next runs
                try:
                    await third.call("echo", Ask(), reply=Told)
                    break
                except RemoteError:
                    await asyncio.sleep(0)
            else:
                pytest.fail("the place never came free")


async def test_strangers_are_turned_away(tmp_path):
    async with serving(tmp_path, allow=lambda peer: peer.pid != os.getpid()) as (_, client):
        with pytest.raises(RemoteError, match="forbidden"):
            await client.call("echo", Ask(), reply=Told)
        with BlockingClient(tmp_path / "t.sock") as blocking, pytest.raises(RemoteError, match="forbidden"):
            await asyncio.to_thread(blocking.call, "echo", Ask(), reply=Told)


async def test_idle_and_half_a_frame_are_ended_but_not_a_subscriber(tmp_path):
    limits = Limits(idle_s=0.05, frame_s=0.05)
    async with serving(tmp_path, topics=frozenset({"news"}), limits=limits) as (server, client):
        heard = asyncio.Queue()
        await client.subscribe("news", Told, lambda head, _body: heard.put_nowait(head.word))
        for sent in (b"", b"\0\0\0"):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "t.sock")
            writer.write(sent)
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        assert server.publish("news", Told("still here")) == 1
        assert await heard.get() == "still here"


async def test_pushes_reach_subscribers_only(tmp_path):
    async with serving(tmp_path, topics=frozenset({"news"})) as (server, client):
        heard = asyncio.Queue()
        await client.call("echo", Ask(), reply=Told)
        assert server.publish("news", Told("nobody")) == 0
        await client.subscribe("news", Told, lambda head, body: heard.put_nowait((head.word, body)))
        assert server.publish("news", Told("n"), b"b") == 1
        assert await heard.get() == ("n", b"b")
        with pytest.raises(RemoteError, match="unknown_topic"):
            await client.subscribe("rumour", Told, print)


async def test_a_subscriber_that_does_not_read_is_cut_off(tmp_path):
    async with serving(tmp_path, topics=frozenset({"news"})) as (server, _):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(tmp_path / "t.sock"))
        request = framing.Message(1, "subscribe", msgspec.Raw(b'{"topic":"news"}'))
        sock.sendall(framing.encode(request))
        assert await asyncio.to_thread(sock.recv, 4096)
        rounds = 0
        while server.publish("news", Told("x"), b"x" * 1_000_000):
            rounds += 1
            assert rounds < 20
            await asyncio.sleep(0)
        sock.close()


async def test_a_call_under_way_ends_though_its_caller_left(tmp_path):
    gate = Gate()
    async with serving(tmp_path, extra={"gate": Verb(Ask, gate)}) as (_, client):
        call = asyncio.ensure_future(client.call("gate", Ask(), reply=Told))
        await gate.entered.acquire()
        await client.close()
        with pytest.raises(Unreachable):
            await call
        gate.open.set()
        await gate.done.acquire()


async def test_a_client_finds_a_server_that_came_back(tmp_path):
    client, lost = AsyncClient(tmp_path / "t.sock"), asyncio.Event()
    with pytest.raises(Unreachable, match=r"t\.sock"):
        await client.call("echo", Ask(), reply=Told)
    blocking = BlockingClient(tmp_path / "t.sock")
    for word in ("one", "two"):
        lost.clear()
        client.on_lost = lost.set
        async with Server(tmp_path / "t.sock", {"echo": Verb(Ask, echo)}):
            assert (await client.call("echo", Ask(word), reply=Told))[0].word == word
            assert (await asyncio.to_thread(blocking.call, "echo", Ask(word), reply=Told))[0].word == word
        await lost.wait()
        with pytest.raises(Unreachable):
            await asyncio.to_thread(blocking.call, "echo", Ask(word), reply=Told)
    await client.close()
    blocking.close()


async def test_time_runs_out_and_a_late_answer_is_never_mistaken(tmp_path):
    gate = Gate()
    async with serving(tmp_path, extra={"gate": Verb(Ask, gate)}) as (_, client):
        with pytest.raises(Unreachable, match="in time"):
            await client.call("gate", Ask("late"), reply=Told, within=0.02)
        with BlockingClient(tmp_path / "t.sock") as blocking:
            with pytest.raises(Unreachable):
                await asyncio.to_thread(blocking.call, "gate", Ask("late"), reply=Told, within=0.02)
            gate.open.set()
            assert (await asyncio.to_thread(blocking.call, "echo", Ask("b"), reply=Told))[0].word == "b"
        assert (await client.call("echo", Ask("a"), reply=Told))[0].word == "a"


async def test_one_blocking_client_serves_many_threads(tmp_path):
    async with serving(tmp_path):
        with BlockingClient(tmp_path / "t.sock") as blocking:
            asked = [asyncio.to_thread(blocking.call, "echo", Ask(str(n)), reply=Told) for n in range(50)]
            assert [reply.word for reply, _ in await asyncio.gather(*asked)] == [str(n) for n in range(50)]


async def test_a_large_body_passes_and_one_too_large_is_refused_before_sending(tmp_path):
    async with serving(tmp_path) as (_, client):
        body = os.urandom(3_000_000)
        assert (await client.call("echo", Ask(), body, reply=Told))[1] == body
        with pytest.raises(Exception, match="limit"):
            await client.call("echo", Ask(), bytes(framing.MAX_FRAME), reply=Told)


@pytest.mark.parametrize("umask", [0o000, 0o077])
async def test_the_file_has_its_mode_from_the_start(tmp_path, umask, monkeypatch):
    seen = []
    real = socket.socket.bind

    def bind(sock, name):
        real(sock, name)
        seen.append(stat.S_IMODE(Path(name).stat().st_mode))

    monkeypatch.setattr("socket.socket.bind", bind)
    before = os.umask(umask)
    try:
        async with Server(tmp_path / "t.sock", {}, mode=0o660):
            assert stat.S_IMODE((tmp_path / "t.sock").stat().st_mode) == 0o660
        assert seen[0] & ~0o660 == 0
    finally:
        os.umask(before)
    assert list(tmp_path.iterdir()) == []


async def test_stale_files_are_replaced_and_living_ones_are_not(tmp_path):
    path = tmp_path / "t.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with Server(path, {"echo": Verb(Ask, echo)}), AsyncClient(path) as client:
        assert (await client.call("echo", Ask("a"), reply=Told))[0].word == "a"
        with pytest.raises(OperatorError, match="another process listens"):
            await Server(path, {}).start()
        assert (await client.call("echo", Ask("b"), reply=Told))[0].word == "b"
    path.write_text("precious")
    with pytest.raises(OperatorError, match="not a socket"):
        await Server(path, {}).start()
    assert path.read_text() == "precious"


async def test_closing_leaves_a_successors_file(tmp_path):
    first = Server(tmp_path / "t.sock", {})
    await first.start()
    (tmp_path / "t.sock").unlink()
    async with Server(tmp_path / "t.sock", {"echo": Verb(Ask, echo)}):
        await first.close()
        async with AsyncClient(tmp_path / "t.sock") as client:
            assert (await client.call("echo", Ask("a"), reply=Told))[0].word == "a"


async def test_unknown_groups_and_folders_are_told(tmp_path):
    with pytest.raises(OperatorError, match="no group 'nobody-knows'"):
        await Server(tmp_path / "t.sock", {}, group="nobody-knows").start()
    with pytest.raises(OperatorError, match="cannot make the socket"):
        await Server(tmp_path / "no" / "t.sock", {}).start()
    assert list(tmp_path.iterdir()) == []


async def test_paths_longer_than_a_socket_address(tmp_path):
    folder = tmp_path / ("d" * 120)
    folder.mkdir()
    async with serving(folder) as (_, client):
        assert (await client.call("echo", Ask("far"), reply=Told))[0].word == "far"
        with BlockingClient(folder / "t.sock") as blocking:
            assert (await asyncio.to_thread(blocking.call, "echo", Ask("b"), reply=Told))[0].word == "b"


def test_a_blocking_client_survives_a_server_that_closes_at_once(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener, BlockingClient(tmp_path / "t.sock") as client:
        listener.bind(str(tmp_path / "t.sock"))
        listener.listen()

        def slam():
            listener.accept()[0].close()

        thread = threading.Thread(target=slam)
        thread.start()
        with pytest.raises(Unreachable):
            client.call("echo", Ask(), reply=Told)
        thread.join()
