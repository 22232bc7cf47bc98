"""The store's word of a new snapshot reaches the supervisor at once, also after the store was away."""

import asyncio

from appliance.bus.control import SNAPSHOT, Snapshot
from appliance.bus.server import Server
from appliance.bus.tasks import cancel, spawn
from appliance.supervisor.relay import SOCKET, relay


async def test_every_push_and_every_return_makes_it_look(tmp_path):
    looked = asyncio.Queue()
    task = spawn(relay(tmp_path, lambda: looked.put_nowait(None)), "relay")
    try:
        async with asyncio.timeout(20):
            for _life in range(2):
                async with Server(tmp_path / SOCKET, {}, topics=frozenset({SNAPSHOT})) as store:
                    await looked.get()  # subscribed: what was missed is made good
                    store.publish(SNAPSHOT, Snapshot(2))
                    await looked.get()
                    store.publish(SNAPSHOT, Snapshot(3))
                    await looked.get()
    finally:
        await cancel(task)
