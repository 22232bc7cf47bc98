"""The recording half: believes reports in form only, journals what matters, loses nothing, and ends as it should."""

import asyncio
import socket

import pytest
from sensing import Journal, seen, sensor, until

from appliance.model.errors import OperatorError
from discovery import keeper as keeping
from discovery import report
from discovery.keeper import Keeper
from discovery.report import Report, Tally

ENDED = report.frame(Report(ended=True, tally=Tally(7, 3)))
BEGUN = report.frame(Report(begun=True, barred=True))


class Note:
    """A file's progress in memory."""

    def __init__(self, records=0):
        self.records, self.done = records, False
        self.count = 0

    def recorded(self):
        self.count += 1

    def finish(self):
        self.done = True


class World:
    """A keeper at one end of a socket; the test is the watcher at the other."""

    def __init__(self, **options):
        ours, self.theirs = socket.socketpair()
        self.theirs.setblocking(False)
        self.journal, self.begun = Journal(), []
        self.sensor = options.pop("sensor", None) or sensor()
        self.keeper = Keeper(self.sensor, self.journal, ours, begun=lambda: self.begun.append(1), **options)
        self.task = asyncio.ensure_future(self.keeper.run())

    async def say(self, *frames):
        loop = asyncio.get_running_loop()
        for data in frames:
            await loop.sock_sendall(self.theirs, data)

    async def end(self, *frames):
        await self.say(*frames)
        self.theirs.close()
        async with asyncio.timeout(20):
            return await self.task


def observed(world):
    return [(event.name, event.count) for event in world.journal.of("Observed")]


async def test_what_is_heard_is_journalled_with_its_person():
    world = World()
    seen_frames = report.frames([seen(), seen("example.org"), seen("chatgpt.com", src="10.0.0.10")])
    assert await world.end(BEGUN, *seen_frames, ENDED)
    assert observed(world) == [("api.openai.com", 1), ("chatgpt.com", 1)]
    persons = [persons for event, persons in world.journal.lines if type(event).__name__ == "Observed"]
    assert [list(one.values()) for one in persons] == [["10.0.0.9"], ["10.0.0.10"]]
    assert [list(one) for one in persons] == [[event.client] for event in world.journal.of("Observed")]
    assert world.begun == [1]
    assert world.journal.notes() == ["capture_began", "capture_ended"]
    assert world.journal.of("Notice")[-1].detail == "eth0: 7 packets, 3 observations, 2 of AI services, 2 records"


async def test_repeats_are_flushed_at_the_end_of_a_live_capture():
    world = World()
    assert await world.end(BEGUN, *report.frames([seen(ts=1000.0 + n) for n in range(5)]), ENDED)
    assert observed(world) == [("api.openai.com", 1), ("api.openai.com", 4)]


async def test_time_alone_brings_repeats_to_the_journal(monkeypatch):
    monkeypatch.setattr(keeping, "TICK_S", 0.001)
    now = [1000.0]
    refreshed = []
    world = World(clock=lambda: now[0], refresh=refreshed.append)
    await world.say(BEGUN, *report.frames([seen(ts=1000.0), seen(ts=1001.0)]))
    await until(lambda: observed(world))
    now[0] = 1400.0
    await until(lambda: len(observed(world)) == 2)
    assert refreshed[0] is world.sensor
    assert await world.end(ENDED)
    assert observed(world) == [("api.openai.com", 1)] * 2


@pytest.mark.parametrize(
    "junk",
    [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x03abc", report.frame(Report())[:4] + b"\xc1" * 40],
    ids=["too long", "empty", "no report", "garbage"],
)
async def test_junk_ends_the_watcher_with_an_alarm_and_what_was_heard_stays(junk):
    world = World()
    await world.say(BEGUN, *report.frames([seen()]), junk)
    async with asyncio.timeout(20):
        assert await world.task is False
    assert world.journal.notes() == ["capture_began", "watcher_junk", "capture_ended"]
    assert [one.severity for one in world.journal.of("Notice")][1] == "alarm"
    assert observed(world) == [("api.openai.com", 1)]
    assert world.theirs.recv(1) == b"", "the other end is closed"
    world.theirs.close()


async def test_a_watcher_that_dies_is_told_and_what_repeats_is_kept():
    world = World()
    assert await world.end(BEGUN, *report.frames([seen(), seen()])) is False
    assert "watcher_died" in world.journal.notes()
    assert observed(world) == [("api.openai.com", 1)] * 2


async def test_what_is_no_capture_ends_it_with_words():
    world = World()
    with pytest.raises(OperatorError, match=r"x\.pcap: not a capture \\x1b"):
        await world.end(report.frame(Report(refused="x.pcap: not a capture \x1b[31m")))
    assert world.begun == []


async def test_a_stop_lets_the_watcher_tell_its_last():
    world = World()
    await world.say(BEGUN)
    await until(lambda: world.begun)
    world.keeper.stop()
    world.keeper.stop()
    loop = asyncio.get_running_loop()
    assert await loop.sock_recv(world.theirs, 1) == b"", "told to end"
    assert await world.end(*report.frames([seen()]), ENDED) is True
    assert observed(world) == [("api.openai.com", 1)]


async def test_a_watcher_that_does_not_end_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(keeping, "LAST_S", 0.01)
    world = World()
    await world.say(BEGUN)
    await until(lambda: world.begun)
    world.keeper.stop()
    async with asyncio.timeout(20):
        assert await world.task is True
    world.theirs.close()


async def test_a_full_journal_stops_the_hearing_and_loses_nothing(monkeypatch):
    monkeypatch.setattr(keeping, "FULL_S", 0.001)
    world = World()
    world.journal.full = 25
    assert await world.end(BEGUN, *report.frames([seen(), seen("chatgpt.com")]), ENDED)
    assert observed(world) == [("api.openai.com", 1), ("chatgpt.com", 1)]


async def test_a_journal_that_fills_raises_one_alarm(monkeypatch):
    monkeypatch.setattr(keeping, "TICK_S", 0.001)
    world = World()
    world.journal.fill = 0.85
    await world.say(BEGUN)
    await until(lambda: "journal_filling" in world.journal.notes())
    await asyncio.sleep(0.01)
    assert await world.end(ENDED)
    assert world.journal.notes().count("journal_filling") == 1


async def test_counters_are_told_when_they_grow_and_a_loss_is_a_warning():
    world = World(clock=lambda: 1_767_258_003.5)
    odd = {"bad_hello": 2}
    told = [Report(tally=Tally(5, 1, 0, 0, odd)), Report(tally=Tally(9, 1, 4, 0, odd))]
    told.append(Report(tally=Tally(9, 1, 4, 0, odd | {"interface_down": 1})))
    await world.say(BEGUN)
    for one, severity, detail in (
        (told[0], "info", "eth0: weird.bad_hello 2"),
        (told[0], None, None),
        (told[1], "warning", "eth0: missed 4; lost 4 at 09:00:03"),
        (told[2], "warning", "eth0: weird.interface_down 1"),
    ):
        await world.say(report.frame(one))
        await until(lambda one=one: world.keeper.tally == one.tally)
        before = len(world.journal.of("Notice"))
        await world.keeper._tell_counters()
        notices = world.journal.of("Notice")[before:]
        assert [(notice.severity, notice.detail) for notice in notices] == ([(severity, detail)] if severity else [])
    await world.end(ENDED)


class TestAFile:
    async def test_it_is_noted_record_by_record_and_finished_at_its_end(self):
        note = Note()
        world = World(progress=note)
        assert await world.end(BEGUN, *report.frames([seen(), seen(), seen("chatgpt.com")]), ENDED)
        assert observed(world) == [("api.openai.com", 1), ("chatgpt.com", 1), ("api.openai.com", 1)]
        assert (note.count, note.done) == (3, True)

    @pytest.mark.parametrize("already", range(4))
    async def test_after_a_death_exactly_the_rest_is_recorded(self, already):
        note = Note(already)
        world = World(progress=note)
        assert await world.end(BEGUN, *report.frames([seen(), seen(), seen("chatgpt.com")]), ENDED)
        assert observed(world) == [("api.openai.com", 1), ("chatgpt.com", 1), ("api.openai.com", 1)][already:]
        assert note.count == 3 - already

    async def test_one_that_is_cut_short_is_told_and_finished(self):
        note = Note()
        world = World(progress=note)
        last = report.frame(Report(ended=True, tally=Tally(1, 1), fault="x.pcap: cut short at byte 99"))
        assert await world.end(BEGUN, *report.frames([seen()]), last)
        assert world.journal.notes() == ["capture_began", "capture_fault", "capture_ended"]
        assert note.done

    async def test_one_that_was_stopped_in_the_middle_is_not_finished_and_not_flushed(self):
        note = Note()
        world = World(progress=note)
        await world.say(BEGUN, *report.frames([seen(), seen()]))
        await until(lambda: observed(world))
        world.keeper.stop()
        assert await world.end(report.frame(Report(ended=True, fault="stopped before its end")))
        assert observed(world) == [("api.openai.com", 1)]
        assert not note.done

    async def test_its_time_is_that_of_its_packets(self, monkeypatch):
        monkeypatch.setattr(keeping, "TICK_S", 0.001)
        world = World(progress=Note(), clock=lambda: 2e9)
        await world.say(BEGUN, *report.frames([seen(ts=5.0), seen(ts=6.0)]))
        await until(lambda: observed(world))
        await asyncio.sleep(0.01)
        assert observed(world) == [("api.openai.com", 1)]
        assert await world.end(*report.frames([seen("chatgpt.com", ts=400.0)]), ENDED)
        assert observed(world) == [("api.openai.com", 1)] * 2 + [("chatgpt.com", 1)]


class Parts(World):
    """A keeper of a capture that two watchers share."""

    def __init__(self, **options):
        other, self.other = socket.socketpair()
        self.other.setblocking(False)
        super().__init__(others=(other,), means="ring", **options)

    async def tell(self, *frames):
        for data in frames:
            await asyncio.get_running_loop().sock_sendall(self.other, data)


async def test_watchers_that_share_a_capture_are_one():
    world = Parts()
    await world.say(BEGUN)
    await world.say(*report.frames([seen()]))
    await until(lambda: observed(world))
    assert world.begun == [], "one half does not see yet"
    await world.tell(BEGUN, *report.frames([seen("chatgpt.com")]), report.frame(Report(tally=Tally(2, 1, 5))))
    await until(lambda: world.keeper.tally.packets == 2)
    assert world.begun == [1]
    await world.tell(report.frame(Report(ended=True, tally=Tally(2, 1, 5))))
    world.other.close()
    assert await world.end(ENDED)
    assert world.journal.notes() == ["capture_began", "sensor_counters", "capture_ended"]
    began, lost, ended = (notice.detail for notice in world.journal.of("Notice"))
    assert began == "eth0 by ring"
    assert "missed 5" in lost
    assert ended.startswith("eth0: 9 packets, 4 observations, 2 of AI")


async def test_when_one_watcher_dies_the_capture_ends_and_says_so():
    world = Parts()
    await world.say(BEGUN)
    await world.tell(BEGUN)
    await until(lambda: world.begun)
    world.other.close()
    async with asyncio.timeout(20):
        assert not await world.task
    assert "watcher_died" in world.journal.notes()
    world.theirs.close()


async def test_a_clock_that_fails_ends_the_recording_aloud(monkeypatch):
    monkeypatch.setattr(keeping, "TICK_S", 0.0)

    def broken(_):
        raise OSError("no space")

    world = World(refresh=broken)
    with pytest.raises(OSError, match="no space"):
        async with asyncio.timeout(20):
            await world.task
    world.theirs.close()


async def test_seconds_with_losses_are_journalled_every_ten_seconds_and_at_the_end(monkeypatch):
    monkeypatch.setattr(keeping, "TICK_S", 0.001)
    now = [1000.0]
    world = World(clock=lambda: now[0])
    await world.say(BEGUN, report.frame(Report(tally=Tally(100, missed=7))))
    await until(lambda: world.keeper.tally.missed)
    now[0] = 1004.0
    await world.say(report.frame(Report(tally=Tally(150, missed=9))))
    await until(lambda: world.keeper.tally.missed == 9)
    now[0] = 1011.0
    await until(lambda: world.journal.of("PacketsLost"))
    [told] = world.journal.of("PacketsLost")
    assert (told.sensor, told.source) == ("sensor0", "eth0")
    now[0] = 1013.0
    assert await world.end(report.frame(Report(ended=True, tally=Tally(151, missed=12))))
    seconds = [each for one in world.journal.of("PacketsLost") for each in one.seconds]
    assert [(one.second, one.dropped, one.passed) for one in seconds] == [(1000, 7, 100), (1004, 2, 50), (1013, 3, 1)]
    assert sum(one.dropped for one in seconds) == 12


class Following:
    """Takes what is of interest; `fault`: what the kernel says."""

    def __init__(self, fault=None):
        self.noted, self.fault = [], fault

    def note(self, wanted):
        self.noted += wanted

    def renew(self, _now):
        if self.fault:
            raise self.fault


async def test_what_is_of_interest_is_followed():
    following = Following()
    world = World(following=following)
    assert await world.end(BEGUN, *report.frames([seen(), seen(None, dst="192.0.2.7")]), ENDED)
    assert following.noted == [("192.0.2.1", False), ("192.0.2.7", True)]


async def test_a_second_ring_that_takes_no_filter_is_given_up_with_words():
    world = World(following=Following(PermissionError(1, "Operation not permitted")))
    assert await world.end(BEGUN, *report.frames([seen(), seen(sport=7)]), ENDED)
    told = [one for one in world.journal.of("Notice") if one.note == "not_followed"]
    assert [(one.severity, one.detail) for one in told] == [
        ("warning", "eth0: connections that go on: Operation not permitted")
    ]
    assert observed(world)
