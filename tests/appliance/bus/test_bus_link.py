"""The worker's link to its supervisor, and what a child owes it."""

import asyncio
import os

from appliance.bus import control, lifeline
from appliance.bus.link import ControlLink
from appliance.bus.server import Reply, Server, Verb
from appliance.bus.verbs import Done


class Boss:
    def __init__(self, path):
        self.path, self.told, self.version = path, asyncio.Queue(), 1

    async def hello(self, request, _body, _peer):
        self.told.put_nowait(request)
        return Reply(control.Snapshot(self.version))

    async def note(self, request, _body, _peer):
        self.told.put_nowait(request)
        return Reply(Done())

    def server(self):
        verbs = {
            "hello": Verb(control.Hello, self.hello),
            "health": Verb(control.Health, self.note),
            "applied": Verb(control.Applied, self.note),
        }
        return Server(self.path / control.SOCKET, verbs, topics=frozenset({control.SNAPSHOT}))


async def test_a_link_greets_reports_hears_and_comes_back(tmp_path):
    boss, heard = Boss(tmp_path), asyncio.Queue()
    link = ControlLink(tmp_path, lambda: control.Health("w0", 1, active=3), heard.put_nowait, interval_s=600)
    link.start()  # nobody is there yet
    async with boss.server() as server:
        assert await boss.told.get() == control.Hello("w0", 1)
        assert await heard.get() == 1
        assert (await boss.told.get()).active == 3
        server.publish(control.SNAPSHOT, control.Snapshot(2))
        assert await heard.get() == 2
        await link.applied(2)
        assert await boss.told.get() == control.Applied("w0", 2)
        link.tell()
        assert isinstance(await boss.told.get(), control.Health)
    boss.version = 5
    async with boss.server():
        assert isinstance(await boss.told.get(), control.Hello)
        assert await heard.get() == 5, "a push missed meanwhile is made good"
    await link.applied(5)
    await link.close()


async def test_readiness_and_the_supervisors_end(monkeypatch):
    ready, ready_end = os.pipe()
    alive, held = os.pipe()
    monkeypatch.setenv(lifeline.READY_FD, str(ready_end))
    monkeypatch.setenv(lifeline.PARENT_FD, str(alive))
    lifeline.tell_ready()
    lifeline.tell_ready()
    assert os.read(ready, 9) == b"1"
    os.close(ready)
    gone = asyncio.Event()
    lifeline.on_parent_gone(gone.set)
    await asyncio.sleep(0)
    assert not gone.is_set()
    os.close(held)
    await gone.wait()
    lifeline.on_parent_gone(gone.set)
