"""What a sensor tells its supervisor: at once, again and again, and whoever is there to hear it."""

import asyncio

from appliance.bus import control
from appliance.bus.control import Sensing
from appliance.bus.server import Reply, Server, Verb
from appliance.bus.tasks import cancel, spawn
from appliance.bus.verbs import Done
from discovery import standing
from discovery.losses import Losses

NINE = 1_767_258_000


class Boss:
    """control.sock with the one verb."""

    def __init__(self, folder):
        self.heard = asyncio.Queue()
        self.server = Server(folder / control.SOCKET, {"sensing": Verb(Sensing, self.hear)})

    async def hear(self, request, _body, _peer):
        self.heard.put_nowait(request)
        return Reply(Done())


def test_what_is_told():
    lost = Losses()
    assert standing.sensing("s", "ring in 1 process", lost, NINE) == Sensing("s", "ring in 1 process")
    lost.note(NINE, 7)
    lost.note(NINE + 1, 9)
    assert standing.sensing("s", "x" * 999, lost, NINE + 5.0) == Sensing(
        "s", "x" * control.MAX_MEANS, 9, NINE, 7, ((NINE, 7), (NINE + 1, 2))
    )


class Standing:
    """What is told: a number that grows each time it is asked for."""

    def __init__(self):
        self.asked = asyncio.Queue()
        self.count = 0

    def __call__(self):
        self.count += 1
        self.asked.put_nowait(self.count)
        return Sensing("s", "ring in 1 process", self.count)


async def test_every_supervisor_hears_it_again_and_again(tmp_path):
    told = Standing()
    task = spawn(standing.tell(tmp_path, told, interval_s=0.01), "tell")
    try:
        async with asyncio.timeout(20):
            await twice(told)  # to nobody
            for _ in range(2):
                boss = Boss(tmp_path)
                async with boss.server:
                    first, then = await boss.heard.get(), await boss.heard.get()
                assert 2 < first.lost_last_minute < then.lost_last_minute
                async with Server(tmp_path / control.SOCKET, {}):  # one that does not know the verb
                    await twice(told)
            assert not task.done()
    finally:
        await cancel(task)


async def twice(told):
    """Until it has been asked for and told once more."""
    while not told.asked.empty():
        told.asked.get_nowait()
    for _ in range(3):
        await told.asked.get()
