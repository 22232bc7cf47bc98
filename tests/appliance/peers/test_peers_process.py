"""The processes themselves: a receiver that is killed again and again loses nothing and doubles nothing."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import msgspec
import pytest

from appliance.bus import ingest
from appliance.bus.client import BlockingClient
from appliance.bus.control import Peering
from appliance.bus.server import Reply, Server, Verb
from appliance.bus.verbs import Done
from appliance.config.effective import write_effective
from appliance.config.schema import Config
from appliance.journal.ship import ShipThread
from appliance.peers import central_link
from appliance.peers.forwarder import Forwarder

KILLS = 3


class Process:
    """`python -m appliance.peers` with its ready byte."""

    def __init__(self, run_dir):
        self.run_dir, self.child = run_dir, None

    async def start(self):
        ready, end = os.pipe()
        environment = {**os.environ, "GNOMON_READY_FD": str(end)}
        command = [sys.executable, "-I", "-m", "appliance.peers", "--run-dir", str(self.run_dir)]
        self.child = await asyncio.create_subprocess_exec(*command, pass_fds=(end,), env=environment)
        os.close(end)
        told = await asyncio.to_thread(os.read, ready, 1)
        os.close(ready)
        assert told == b"1"

    async def end(self, number=signal.SIGTERM):
        if self.child is not None and self.child.returncode is None:
            self.child.send_signal(number)
            await self.child.wait()
        return self.child.returncode if self.child else 0


@pytest.fixture
async def port():
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    number = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return number


async def test_a_receiver_that_is_killed_while_it_takes(peers, store, sidecar, journal, port, monkeypatch):
    monkeypatch.setattr(central_link, "LONGEST_PAUSE_S", 0.05)
    listens = msgspec.structs.replace(peers, journal=f"127.0.0.1:{port}")
    write_effective(Config(state_dir=str(store.run_dir), run_dir=str(store.run_dir), peers=listens), store.run_dir)
    receiver, writes = Process(store.run_dir), journal()
    forwarder = Forwarder(sidecar(port), lambda: None)
    await forwarder.start()
    client = BlockingClient(Path(sidecar(port).run_dir) / ingest.SOCKET)
    thread = ShipThread(writes, ingest.sender(client))
    thread.start()
    try:
        for _ in range(KILLS):
            await receiver.start()
            before = store.frames
            writes.write(700)  # more than one batch
            await store.until(before + 1)
            await receiver.end(signal.SIGKILL)
        await receiver.start()
        while store.ingest.mark("w0", 7, "pod-a").seq < writes.seq:
            await store.until(store.frames + 1)
    finally:
        await asyncio.to_thread(thread.stop, 10.0)
        client.close()
        await forwarder.close()
        assert await receiver.end() == 0
    assert store.exchanges() == [f"pod-a:x{n}" for n in range(KILLS * 700)]


async def test_both_tell_the_supervisor_how_they_stand(peers, store, sidecar, port):
    told: dict[str, Peering] = {}
    connected = asyncio.Event()

    async def peering(request, _body, _peer):
        told[request.process] = request
        if {name for name, one in told.items() if any(peer.connected for peer in one.peers)} == {"peers", "shipper"}:
            connected.set()
        return Reply(Done())

    listens = msgspec.structs.replace(peers, journal=f"127.0.0.1:{port}")
    side = sidecar(port)
    write_effective(Config(state_dir=str(store.run_dir), run_dir=str(store.run_dir), peers=listens), store.run_dir)
    write_effective(side, Path(side.run_dir))
    processes = Process(store.run_dir), Process(side.run_dir)
    async with contextlib.AsyncExitStack() as stack:
        for folder in (store.run_dir, Path(side.run_dir)):
            await stack.enter_async_context(Server(folder / "control.sock", {"peering": Verb(Peering, peering)}))
        for process in processes:
            await process.start()
            stack.push_async_callback(process.end)
        async with asyncio.timeout(20):
            await connected.wait()
    (central,) = told["shipper"].peers
    assert (central.name, central.role) == (f"localhost:{port}", "central")
    assert [one.name for one in told["peers"].peers if one.connected] == ["pod-a"]


async def test_what_cannot_be_is_said_in_a_line_and_exit_2(tmp_path):
    write_effective(Config(state_dir=str(tmp_path), run_dir=str(tmp_path)), tmp_path)
    command = [sys.executable, "-I", "-m", "appliance.peers", "--run-dir", str(tmp_path)]
    child = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, errors = await child.communicate()
    assert child.returncode == 2
    assert errors == b"gnomon.peers: peers.journal: nothing is to be taken\n"
