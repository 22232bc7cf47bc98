"""The supervisor with real processes: no connection refused through deaths, reloads and upgrades; clean ends."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from appliance.bus import control
from appliance.bus.client import BlockingClient
from appliance.bus.errors import RemoteError, Unreachable
from appliance.bus.verbs import Done
from appliance.config.schema import Config, Listen

pytestmark = pytest.mark.system
UP = str(Path(__file__).with_name("standin_up.py"))


class Appliance:
    """One running stand-in appliance."""

    def __init__(self, folder: Path, **config):
        self.folder = folder
        self.config = Config(state_dir=str(folder / "s"), run_dir=str(folder / "r"), **config)
        self.run_dir = folder / "r"
        self.run_dir.mkdir(mode=0o750, exist_ok=True)
        self.behave({})
        self.write(self.config)
        self.log = []

    def behave(self, behaviour):
        (self.run_dir / "behave.json").write_text(json.dumps(behaviour))

    def write(self, config):
        (self.folder / "config.json").write_bytes(msgspec.json.encode(config))

    def start(self):
        self.run_dir.chmod(0o750)
        self.process = subprocess.Popen(
            [sys.executable, UP, str(self.folder / "config.json")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OPENAI_API_KEY": "sk-test"},
        )
        self.said = threading.Event()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        return self

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line)
            self.said.set()

    def ready(self):
        line = self.process.stdout.readline()
        assert line, "".join(self.log)
        return msgspec.json.decode(line, type=control.Status)

    def call(self, verb, request, reply=Done):
        with BlockingClient(self.run_dir / control.SOCKET) as client:
            return client.call(verb, request, reply=reply)[0]

    def status(self):
        return self.call("status", control.StatusRequest(), control.Status)

    def until(self, happened):
        """Wait for a state that log lines announce."""
        while True:
            self.said.clear()
            with contextlib.suppress(Unreachable):
                if happened(found := self.status()):
                    return found
            assert self.said.wait(20), "".join(self.log)

    def end(self, *, ask=True):
        if ask and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        self.reader.join(20)
        self.process.stdout.close()
        self.process.stderr.close()
        return code


def _close(one):
    if hasattr(one, "process"):
        with contextlib.suppress(Unreachable, RemoteError):
            one.call("down", control.Down(now=True))
        with contextlib.suppress(ProcessLookupError):
            one.process.send_signal(signal.SIGTERM)
        one.end()


@pytest.fixture
def appliance(tmp_path):
    """Makes an appliance of one's own, for what ends it."""
    made = []

    def make(**config):
        config.setdefault("listen", Listen(proxy="127.0.0.1:0", gateway="127.0.0.1:0"))
        made.append(Appliance(tmp_path, **config))
        return made[-1]

    yield make
    for one in made:
        _close(one)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """An appliance that runs through many tests: whatever they do to it, it must serve the next one."""
    listen = Listen(proxy="127.0.0.1:0", gateway="127.0.0.1:0")
    one = Appliance(tmp_path_factory.mktemp("up"), listen=listen).start()
    one.ready()
    yield one
    _close(one)


@pytest.fixture
def one(shared):
    yield shared
    shared.behave({})
    shared.write(shared.config)
    shared.until(lambda status: status.phase == "up" and settled(status.workers)(status))


def greet(address):
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), 10) as sock:
        return sock.makefile().readline().split()


def workers(status):
    return {child.name: child for child in status.children if child.name != "store"}


def pids(status):
    return {child.pid for child in workers(status).values()}


def settled(count, but=()):
    def check(status):
        found = workers(status)
        return len(found) == count and all(child.state == "ready" and child.pid not in but for child in found.values())

    return check


def test_up_serves_tells_and_drains(appliance):
    one = appliance(workers=2).start()
    status = one.ready()
    assert (status.phase, status.workers, sorted(workers(status))) == ("up", 2, ["w0", "w1"])
    name, pid, *keys = greet(status.proxy)
    assert workers(status)[name].pid == int(pid)
    assert keys == [], "no key of the caller's environment reaches a child"
    assert greet(status.gateway)
    assert (one.run_dir / control.SOCKET).stat().st_mode & 0o777 == 0o600
    assert (one.run_dir / "effective.json").stat().st_mode & 0o777 == 0o600
    assert (one.folder / "s").stat().st_mode & 0o777 == 0o700
    one.call("down", control.Down())
    assert one.end(ask=False) == 0
    ends = (one.run_dir / "ends.txt").read_text().split()
    assert ends[-1] == "store"
    assert sorted(ends[:-1]) == ["w0", "w1"]
    assert not (one.run_dir / control.SOCKET).exists()
    assert any("[w0] w0 \\x1b[31mserves" in line for line in one.log)


def test_a_killed_worker_costs_no_connection(one):
    status = one.status()
    for _ in range(2):
        pid = int(greet(status.proxy)[1])
        os.kill(pid, signal.SIGKILL)
        greeted = [greet(status.proxy) for _ in range(5)]
        assert all(len(answer) == 2 for answer in greeted[1:]), "waits in the backlog, then is served"
        assert int(greeted[-1][1]) != pid
    assert one.status().restarts == status.restarts + 2


def test_a_killed_store_comes_back_and_workers_stay(one):
    before = one.status()
    store = next(child for child in before.children if child.name == "store")
    os.kill(store.pid, signal.SIGKILL)
    after = one.until(
        lambda status: any(c.name == "store" and c.state == "ready" and c.pid != store.pid for c in status.children)
    )
    assert pids(after) == pids(before)


def test_a_reload_replaces_workers_without_a_refused_connection(one):
    before = one.status()
    done, failures, count = threading.Event(), [], [0]

    def hammer():
        while not done.is_set():
            try:
                assert len(greet(before.proxy)) == 2
                count[0] += 1
            except (OSError, AssertionError) as error:
                failures.append(error)

    thread = threading.Thread(target=hammer)
    thread.start()
    one.write(msgspec.structs.replace(one.config, workers=2))
    one.call("reload", control.Reload(), control.Reloaded)
    one.until(settled(2, but=pids(before)))
    done.set()
    thread.join()
    assert not failures
    assert count[0] > 0


def test_a_bad_reload_changes_nothing(one):
    before = one.status()
    (one.folder / "config.json").write_text('{"wrkers": 1}')  # codespell:ignore
    with pytest.raises(RemoteError, match=r"config\.json:1: .*wrkers") as caught:  # codespell:ignore
        one.call("reload", control.Reload(), control.Reloaded)
    assert caught.value.kind == "operator"
    one.process.send_signal(signal.SIGHUP)
    after = one.until(lambda status: len(status.problems) > len(before.problems))
    assert "nothing has changed" in after.problems[-1]
    one.write(msgspec.structs.replace(one.config, state_dir="/elsewhere"))
    with pytest.raises(RemoteError, match="state_dir: cannot change"):
        one.call("reload", control.Reload(), control.Reloaded)
    assert one.status().children[-1].pid == before.children[-1].pid


def test_a_reload_may_move_a_listener_and_keeps_all_if_it_cannot(one):
    before = one.status()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        moved = msgspec.structs.replace(one.config, listen=Listen(proxy=address, gateway="127.0.0.1:0"))
        one.write(moved)
        with pytest.raises(RemoteError, match=f"{address} is in use by"):
            one.call("reload", control.Reload(), control.Reloaded)
    assert greet(before.proxy)
    one.call("reload", control.Reload(), control.Reloaded)
    after = one.until(settled(1, but=pids(before)))
    assert after.proxy == address
    assert greet(address)
    assert after.gateway == before.gateway


def test_an_upgrade_keeps_listeners_and_replaces_every_process_but_its_own(one):
    before = one.status()
    one.call("reload", control.Reload(upgrade=True), control.Reloaded)
    answers = [greet(before.proxy) for _ in range(20)]
    assert all(len(answer) == 2 for answer in answers)
    after = one.ready()
    assert (after.pid, after.proxy, after.gateway) == (before.pid, before.proxy, before.gateway)
    assert not {child.pid for child in before.children} & {child.pid for child in one.until(settled(1)).children}


def test_an_upgrade_to_a_configuration_that_cannot_start_is_refused(one):
    before = one.status()
    (one.folder / "config.json").write_text("{")
    one.call("reload", control.Reload(upgrade=True), control.Reloaded)
    after = one.until(lambda status: len(status.problems) > len(before.problems))
    assert "upgrade refused" in after.problems[-1]
    os.kill(min(pids(before)), signal.SIGKILL)
    one.until(settled(1, but=pids(before)))


def test_a_port_in_use_is_told_with_its_holder(appliance):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        one = appliance(listen=Listen(proxy=address, gateway="127.0.0.1:0")).start()
        assert one.end(ask=False) == 2
    assert one.log[-1].startswith(f"gnomon: listen.proxy: {address} is in use by")
    assert f"(pid {os.getpid()})" in one.log[-1]


def test_a_second_instance_is_refused_and_the_first_goes_on(one):
    status = one.status()
    second = Appliance(one.folder, listen=one.config.listen).start()
    assert second.end(ask=False) == 2
    assert f"another gnomon (pid {one.process.pid}) runs" in second.log[-1]
    assert greet(status.proxy)
    assert one.status().phase == "up"


@pytest.mark.parametrize("name", ["store", "w0"])
def test_a_child_that_refuses_to_start_ends_the_start_with_its_words(appliance, name):
    one = appliance()
    one.behave({name: {"exit": 2, "say": "a log line\ngnomon child: gnomon.duckdb: made by a newer release; use that"}})
    assert one.start().end(ask=False) == 2
    assert one.log[-1] == "gnomon: gnomon.duckdb: made by a newer release; use that\n"
    assert not (one.run_dir / control.SOCKET).exists()


def test_a_child_that_fails_again_and_again_ends_the_start(appliance):
    one = appliance()
    one.behave({"store": {"exit": 1, "say": "Traceback: boom"}})
    assert one.start().end(ask=False) == 2
    assert one.log[-1] == "gnomon: store does not start (exit 1); its last words: Traceback: boom\n"


def test_a_worker_that_cannot_restart_is_tried_again_and_again(one):
    status = one.status()
    one.behave({f"w{number}": {"exit": 2, "say": "broken"} for number in range(9)})
    os.kill(next(iter(workers(status).values())).pid, signal.SIGKILL)
    assert one.until(lambda found: found.restarts >= status.restarts + 3).phase == "up"
    one.behave({})
    assert len(greet(status.proxy)) == 2


def test_a_killed_supervisor_is_succeeded_on_the_same_addresses(appliance):
    one = appliance().start()
    status = one.ready()
    one.process.kill()
    one.process.wait()
    one.reader.join()
    one.process.stdout.close()
    one.process.stderr.close()
    listen = Listen(proxy=status.proxy, gateway=status.gateway)
    one.write(msgspec.structs.replace(one.config, listen=listen))
    after = one.start().ready()
    assert (after.proxy, after.gateway) == (status.proxy, status.gateway)
    assert len(greet(after.proxy)) == 2


def test_a_stranger_cannot_speak_for_a_child(one):
    for verb, told in (("health", control.Health("w0", 99)), ("sensing", control.Sensing("sensor0", "none"))):
        with pytest.raises(RemoteError, match=f"pid {os.getpid()} is not '(w|sensor)0'"):
            one.call(verb, told)


def test_snapshots_reach_the_workers(one):
    folder = one.folder / "s" / "policy"
    folder.mkdir()
    (folder / "current").symlink_to("policy-7.json")
    one.call("published", control.Published())
    # the stand-in writes nothing when it applies: ask until both have told
    deadline = threading.Event()
    for _ in range(500):
        found = one.status()
        if found.applied == found.workers:
            break
        deadline.wait(0.01)
    assert (found.policy_version, found.applied) == (7, found.workers)


def test_sigterm_twice_does_not_wait_for_the_drain(appliance):
    one = appliance(drain_s=600).start()
    status = one.ready()
    os.kill(workers(status)["w0"].pid, signal.SIGSTOP)
    one.process.send_signal(signal.SIGTERM)
    one.until(lambda found: found.phase == "draining")
    assert one.end() == 0
    assert any("killed by SIGKILL" in line for line in one.log)
