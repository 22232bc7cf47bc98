"""The reading half, inside the test: what it sends, when it drops, when it ends; and as a process, what it may."""

import errno
import math
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sensing import seen

from appliance.model.errors import EvidenceError, OperatorError
from appliance.model.names import ObservationKind
from discovery import files, report, watch
from discovery.report import Report
from discovery.watch import Outlet, Watch

PCAPS = Path(__file__).parents[2] / "pcaps"


def received(sock):
    sock.settimeout(20)
    with sock.makefile("rb") as stream:
        while head := stream.read(4):
            yield report.read(stream.read(report.length_of(head)))


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    yield ours, theirs
    signal.setitimer(signal.ITIMER_REAL, 0)
    ours.close()
    theirs.close()


class Engine:
    """Sees an observation in every frame that is not empty."""

    def __init__(self, **_how):
        self.expired = 0
        self.counters = type("Counters", (), {"packets": 0, "weird": {"odd": 0}})()

    def feed(self, ts, linktype, data):
        self.counters.packets += 1
        return [seen(ts=ts, sport=linktype)] if data else ()

    def expire(self, _now):
        self.expired += 1


@pytest.fixture
def engine(monkeypatch):
    monkeypatch.setattr(watch, "Engine", Engine)


def test_a_file_is_told_whole_and_in_order(pair, engine):
    ours, theirs = pair
    one = Watch(Outlet(ours, live=False), ours)
    batches = [[], [(float(n), 1, b"x") for n in range(3)], [(9.0, 1, b"")], [(10.0, 1, b"x")]]
    assert one.file(batches) == ""
    ours.shutdown(socket.SHUT_WR)
    told = list(received(theirs))
    assert told[0] == Report(begun=True)
    assert [each.ts for report_ in told for each in report_.observations] == [0.0, 1.0, 2.0, 10.0]
    assert (one.tally().packets, one.tally().observations, one.tally().weird) == (5, 4, {})


def test_damage_is_told_after_what_was_whole(pair, engine):
    ours, theirs = pair
    one = Watch(Outlet(ours, live=False), ours)

    def batches():
        yield [(1.0, 1, b"x")]
        raise EvidenceError("x.pcap: cut short at byte 7")

    assert one.file(batches()) == "x.pcap: cut short at byte 7"
    ours.shutdown(socket.SHUT_WR)
    assert sum(len(told.observations) for told in received(theirs)) == 1


def test_what_is_no_capture_never_begins(pair, engine):
    ours, _ = pair
    one = Watch(Outlet(ours, live=False), ours)

    def batches():
        raise OperatorError("x: not a capture file")
        yield

    with pytest.raises(OperatorError):
        one.file(batches())
    assert not select.select([pair[1]], [], [], 0)[0]


def test_a_file_stops_when_its_reader_has_heard_enough(pair, engine):
    ours, theirs = pair
    theirs.shutdown(socket.SHUT_WR)
    one = Watch(Outlet(ours, live=False), ours)
    assert one.file([[(1.0, 1, b"")]] * 1000) == "stopped before its end"
    assert one.tally().packets == 1


def test_a_file_waits_for_a_slow_reader_and_loses_nothing(pair, engine):
    ours, theirs = pair
    one = Watch(Outlet(ours, live=False), ours)
    count = 30_000
    heard = []
    reader = threading.Thread(target=lambda: heard.extend(received(theirs)))
    batches = [[(float(n), 1, b"x") for n in range(start, start + 1000)] for start in range(0, count, 1000)]
    feeder = threading.Thread(target=lambda: (one.file(batches), ours.shutdown(socket.SHUT_WR)))
    feeder.start()
    feeder.join(0.05)
    assert feeder.is_alive(), "nobody reads: it waits"
    reader.start()
    feeder.join(20)
    reader.join(20)
    assert [each.ts for told in heard for each in told.observations] == [float(n) for n in range(count)]


class Frames:
    """A live source that readiness is made for by hand."""

    def __init__(self, batches):
        self.readable, self.writable = os.pipe()
        self.batches, self.lost, self.downs = list(batches), 0, 0
        os.write(self.writable, b"x")

    def frames(self):
        batch = self.batches.pop(0) if self.batches else []
        if isinstance(batch, OSError):
            raise batch
        if not self.batches:
            os.read(self.readable, 1)
        return batch

    def drops(self):
        return self.lost

    def close(self):
        os.close(self.readable)
        os.close(self.writable)


def live(pair, frames):
    ours, _ = pair
    one = Watch(Outlet(ours, live=True), ours)
    thread = threading.Thread(target=lambda: setattr(one, "fault", one.live(frames, frames.readable)))
    thread.start()
    return one, thread


@pytest.fixture
def no_alarm(monkeypatch):
    monkeypatch.setattr(watch, "renew", lambda: None)  # an alarm needs the main thread


def test_live_packets_are_told_until_the_reader_closes_its_end(pair, engine, no_alarm, monkeypatch):
    monkeypatch.setattr(watch, "TALLY_S", 0)
    frames = Frames([[(1.0, 1, b"x")], [(2.0, 1, b"x"), (3.0, 1, b"")]])
    frames.lost, frames.downs = 5, 2
    one, thread = live(pair, frames)
    told, tally = [], None
    for each in received(pair[1]):
        told += [seen_.ts for seen_ in each.observations]
        tally = each.tally or tally
        if told == [1.0, 2.0] and tally and tally.observations == 2 and tally.missed:
            break
    pair[1].shutdown(socket.SHUT_WR)
    thread.join(20)
    assert one.fault == ""
    assert (tally.packets, tally.missed, tally.weird["interface_down"]) == (3, 5, 2)
    assert one._engine.expired
    frames.close()


def test_an_interface_that_is_gone_ends_it_with_words(pair, engine, no_alarm):
    frames = Frames([OSError(errno.ENODEV, "No such device")])
    one, thread = live(pair, frames)
    thread.join(20)
    assert one.fault == "No such device"
    frames.close()


def test_live_what_finds_no_room_is_dropped_and_counted(pair, engine, monkeypatch):
    monkeypatch.setattr(watch, "BACKLOG_BYTES", 100_000)
    outlet = Outlet(pair[0], live=True)
    many = [seen(sport=n % 60_000) for n in range(1000)]
    for _ in range(100):
        outlet.observations(many)
    assert 0 < outlet.held_back < 100_000
    assert len(outlet._waiting) < 1_000_000, "bounded"
    reader = threading.Thread(target=lambda: heard.extend(received(pair[1])))
    heard = []
    reader.start()
    outlet.finish()
    pair[0].shutdown(socket.SHUT_WR)
    reader.join(20)
    assert sum(len(told.observations) for told in heard) + outlet.held_back == 100_000


def test_a_reader_that_is_gone_ends_the_sending(pair):
    pair[1].close()
    for is_live in (True, False):
        outlet = Outlet(pair[0], live=is_live)
        with pytest.raises(BrokenPipeError):
            outlet.report(Report(begun=True))


# as a process


def start(path, *options):
    ours, theirs = socket.socketpair()
    fd = os.open(path, os.O_RDONLY)
    argv = [sys.executable, "-I", "-O", "-m", "discovery.watch", "--socket-fd", str(theirs.fileno())]
    argv += ["--capture-fd", str(fd), "--label", "some.pcap", *options]
    process = subprocess.Popen(argv, pass_fds=(theirs.fileno(), fd), stderr=subprocess.PIPE, env={})
    theirs.close()
    os.close(fd)
    return process, ours


def test_the_process_reads_a_capture_with_filtered_system_calls():
    process, sock = start(PCAPS / "openai-sdk.pcap")
    with sock:
        told = list(received(sock))
    assert process.wait(20) == 0
    assert process.stderr.read() == b""
    process.stderr.close()
    assert told[0].barred or os.uname().machine not in ("x86_64", "aarch64")
    assert told[1].begun
    assert (told[-1].ended, told[-1].fault) == (True, "")
    names = {one.server_name for each in told for one in each.observations}
    assert "api.openai.com" in names
    assert told[-1].tally.observations == sum(len(each.observations) for each in told)


@pytest.mark.parametrize("path", sorted(PCAPS.glob("*.pcap")), ids=lambda path: path.stem)
def test_what_it_gave_up_costs_no_observation(path):
    """A library that opens or asks for something only when it is first used would fail where nobody sees it."""
    engine = watch.Engine(hosts=True)
    expected = [one for frame in files.read(path) for one in engine.feed(*frame)]
    expected += engine.expire(math.inf)
    process, sock = start(path)
    with sock:
        told = list(received(sock))
    assert process.wait(20) == 0
    process.stderr.close()
    assert [one for each in told for one in each.observations] == expected
    assert told[-1].tally.weird == engine.counters.weird


def test_the_process_says_what_is_no_capture(tmp_path):
    (tmp_path / "x").write_bytes(b"no capture at all, but some text")
    process, sock = start(tmp_path / "x")
    with sock:
        told = list(received(sock))
    assert process.wait(20) == 2
    process.stderr.close()
    assert told[-1].refused.startswith("some.pcap: not a capture file")
    assert not any(each.begun for each in told)


def test_a_parser_that_never_returns_is_ended_by_its_alarm(tmp_path):
    program = (
        "import signal, socket, sys\n"
        "from discovery import watch\n"
        "watch.TURN_S = 0.05\n"
        "class Engine:\n"
        "    def __init__(self, **_): pass\n"
        "    def feed(self, *_):\n"
        "        while True: pass\n"
        "watch.Engine = Engine\n"
        "sock, other = socket.socketpair()\n"
        "watch.Watch(watch.Outlet(sock, live=False), sock).file([[(1.0, 1, b'x')]])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], timeout=60)
    assert done.returncode == -signal.SIGALRM


def test_it_loads_nothing_that_it_does_not_need():
    program = "import sys, discovery.watch; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=PCAPS.parent, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    unwanted = {"scapy", "asyncio", "ssl", "yaml", "duckdb", "mitmproxy", "multiprocessing", "http", "urllib"}
    assert set(done.stdout.decode().split()) & unwanted == set()


def test_a_flood_of_sizes_crowds_out_no_hello():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        outlet, size = Outlet(ours, live=True), seen(None, kind=ObservationKind.FLOW, bytes_up=1, ended="fin")
        for _ in range(300):
            outlet.observations([size] * 1_000)
        assert outlet.held_back
        before = outlet.held_back
        outlet.observations([seen(), size])
        assert outlet.held_back == before + 1


def test_the_second_ring_is_read_while_the_first_has_little(pair, engine, no_alarm, monkeypatch):
    monkeypatch.setattr(watch, "TALLY_S", 0)
    monkeypatch.setattr(watch, "BATCH", 2)
    order, followed = [], threading.Event()

    def follow(_, ts, *_rest):
        order.append(ts)
        followed.set()
        return ()

    monkeypatch.setattr(Engine, "follow", follow, raising=False)
    monkeypatch.setattr(Engine, "feed", lambda _, ts, *_rest: order.append(ts) or ())
    first = Frames([[(1.0, 1, b"x")] * 2, [(1.0, 1, b"x")] * 2, [(1.0, 1, b"x")]])
    second = Frames([[(2.0, 1, b"x")]])
    second.fileno = lambda: second.readable
    second.lost = 3
    one = Watch(Outlet(pair[0], live=True), pair[0], second=second)
    thread = threading.Thread(target=lambda: one.live(first, first.readable))
    thread.start()
    tally = next(each.tally for each in received(pair[1]) if each.tally and each.tally.weird)
    assert followed.wait(20)
    pair[1].shutdown(socket.SHUT_WR)
    thread.join(20)
    assert tally.weird == {"followed_lost": 3}
    assert (order, tally.missed) == ([1.0] * 5 + [2.0], 0)
    first.close()
    second.close()
