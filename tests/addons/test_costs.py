"""What detectors cost is journalled in sums that add up, and gives way to evidence."""

from types import SimpleNamespace

from tests_support import HOST
from worker_world import worker_at

from addons.costs import CostsAddon
from appliance.inspect.detect.statistics import Statistics, since, together
from appliance.journal.tail import JournalFull
from appliance.model.detection import DetectorCount

URL = f"https://{HOST}/v1/chat/completions"


class World:
    """A worker with counts that tests set, a clock, and a journal."""

    def __init__(self):
        self.here, self.beside, self.events, self.now, self.full = Statistics(), Statistics(), [], 100.0, False
        telemetry = SimpleNamespace(clock=lambda: self.now, worker="w0", counted=self._counted)
        inspector = SimpleNamespace(statistics=self.here.told)
        self.worker = SimpleNamespace(telemetry=telemetry, inspector=inspector, counted=None)
        world = self

        class Analyser:
            @property
            def counted(self):
                return world.beside.told()

        self.costs = CostsAddon(self.worker, Analyser())

    def _counted(self, event):
        if self.full:
            raise JournalFull
        self.events.append(event)


def test_sums_of_the_records_and_of_what_is_pending_are_the_whole():
    world = World()
    world.costs.roll_up()
    assert world.events == []
    world.here.ran("patterns", 0.5, 2)
    world.beside.ran("patterns", 0.25, 1)
    world.beside.failed("topics", 1.0, late=True)
    world.now = 200.0
    world.costs.roll_up()
    world.here.ran("patterns", 0.5, 0)
    assert world.worker.counted() == (DetectorCount("patterns", 1, 0, 0.5),)
    world.now = 300.0
    world.costs.done()
    first, second = world.events
    assert (first.since, first.ts, second.since, second.ts) == (100.0, 200.0, 200.0, 300.0)
    assert together(first.counts, second.counts) == together(world.here.told(), world.beside.told())
    assert world.worker.counted() == ()


def test_where_the_journal_is_full_counts_stay_pending():
    world = World()
    world.here.ran("patterns", 0.5, 2)
    world.full = True
    world.costs.roll_up()
    assert world.worker.counted() == world.here.told()
    world.full = False
    world.costs.done()
    assert world.events[0].counts == world.here.told()
    assert world.events[0].since == 100.0


def test_nothing_new_is_nothing():
    counts = (DetectorCount("a", 2, 1, 0.5, 1, 1),)
    assert since(counts, counts) == ()
    assert since(counts, ()) == counts


async def test_a_worker_leaves_its_counts_in_the_journal(provider, tmp_path):
    async with worker_at(tmp_path, provider) as worker, worker.client() as client:
        text = f"counted once, in {tmp_path}"
        await client.post(URL, json={"model": "stand-in", "messages": [{"role": "user", "content": text}]})
    (event,) = worker.events("detectors")
    counts = {one["name"]: one for one in event["counts"]}
    assert counts["patterns"]["texts"] >= 1
    assert counts["injection-model"]["seconds"] > 0
    assert event["since"] < event["ts"]
