"""The supervisor's smaller parts: folders, locks, addresses, stage, children's words, the announcement."""

import asyncio
import os
import socket
import sys

import msgspec
import pytest

from appliance.bus.control import Status
from appliance.config.placement_schema import Peers
from appliance.config.schema import Config, Listen
from appliance.model.errors import OperatorError
from appliance.model.names import Stage
from appliance.supervisor import listeners, policy
from appliance.supervisor.announce import as_text
from appliance.supervisor.child import Child, Listener, describe
from appliance.supervisor.handover import VARIABLE, receive
from appliance.supervisor.instance import RUN_LOCK, Instance, holder, make_folders


@pytest.fixture
def config(tmp_path):
    return Config(state_dir=str(tmp_path / "s"), run_dir=str(tmp_path / "r"))


def test_folders_are_made_private_and_foreign_ones_left_alone(config, tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r").chmod(0o755)
    make_folders(config)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "r").stat().st_mode & 0o777 == 0o750, "an empty folder is narrowed"
    (tmp_path / "s" / "x").touch()
    (tmp_path / "s").chmod(0o755)
    with pytest.raises(OperatorError, match="chmod 700"):
        make_folders(config)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o755


def test_locks_tell_their_holder_and_a_crash(config, tmp_path):
    make_folders(config)
    lock = tmp_path / "r" / RUN_LOCK
    assert holder(lock) is None
    first = Instance.claim(config)
    assert holder(lock) == os.getpid()
    with pytest.raises(OperatorError, match=f"pid {os.getpid()}"):
        Instance.claim(config)
    first.release()
    assert holder(lock) is None
    second = Instance.claim(config)
    assert not second.succeeds
    second.release()
    lock.write_text("999999\n")
    third = Instance.claim(config)
    assert third.succeeds, "an earlier one did not end in good order"
    third.release()


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:8080", ("::1", 8080)),
        ("host", None),
        (":80", None),
        ("a:65536", None),
    ],
)
def test_addresses(text, pair):
    if pair is None:
        with pytest.raises(OperatorError, match="ADDRESS:PORT"):
            listeners.split_address(text)
    else:
        assert listeners.split_address(text) == pair


async def test_listeners_accept_before_anybody_serves_and_come_all_or_none():
    bound = await listeners.bind_all(Config(listen=Listen(proxy="127.0.0.1:0", gateway="127.0.0.1:0")))
    address = listeners.shown(bound["proxy"])
    with socket.create_connection(listeners.split_address(address)):
        pass
    for sock in bound.values():
        sock.close()
    with pytest.raises(OperatorError, match=r"listen\.gateway: cannot listen on 203\.0\.113\.1:1"):
        await listeners.bind_all(Config(listen=Listen(proxy=address, gateway="203.0.113.1:1")))
    listeners.bind("proxy", address).close()


async def test_the_listener_for_edges_comes_and_goes_with_its_section():
    files = {"ca": "ca", "certificate": "c", "key": "k", "accept": {}}
    plain = Config(listen=Listen(proxy="127.0.0.1:0", gateway="127.0.0.1:0"))
    peers = Peers(exchanges="127.0.0.1:0", **files)
    central = msgspec.structs.replace(plain, peers=peers)
    moved = msgspec.structs.replace(plain, peers=msgspec.structs.replace(peers, exchanges="[::1]:0"))
    for old, fresh, wanted in ((plain, central, ["exchanges"]), (central, moved, ["exchanges"]), (central, plain, [])):
        bound = await listeners.rebind(old, fresh)
        assert list(bound) == wanted
        for sock in bound.values():
            sock.close()
    bound = await listeners.bind_all(central, have=("proxy", "gateway"))
    address = listeners.shown(bound["exchanges"])
    taken = msgspec.structs.replace(central, peers=msgspec.structs.replace(peers, exchanges=address))
    with pytest.raises(OperatorError, match=rf"peers\.exchanges: {address} is in use"):
        await listeners.bind_all(taken)
    bound["exchanges"].close()


def test_the_stage_is_never_lowered_by_a_restart(config):
    assert policy.current_version(config) == 0
    first = policy.ensure(config, None)
    assert (first.version, first.stage) == (1, Stage.OBSERVE)
    assert policy.ensure(config, None).version == 1, "nothing new, no new number"
    raised = policy.change_stage(config, Stage.ENFORCE)
    assert (raised.version, raised.rules) == (2, first.rules)
    assert policy.ensure(config, None).stage is Stage.ENFORCE
    lowered = policy.ensure(config, Stage.OBSERVE)
    assert (lowered.version, lowered.stage, policy.current_version(config)) == (3, Stage.OBSERVE, 3)


def test_no_stage_without_a_policy(config):
    with pytest.raises(OperatorError, match="start the appliance first"):
        policy.change_stage(config, Stage.ENFORCE)


class Heard(Listener):
    def __init__(self):
        self.lines, self.is_ready, self.end = [], asyncio.Event(), asyncio.get_running_loop().create_future()

    def ready(self, _name):
        self.is_ready.set()

    def said(self, _name, line):
        self.lines.append(line)

    def exited(self, name, status, last):
        self.end.set_result((name, status, last))


def child(code):
    heard, (alive, held) = Heard(), os.pipe()
    made = Child.spawn("c", [sys.executable, "-Ic", code], heard, parent_fd=alive)
    os.close(alive)
    return heard, made, held


async def test_a_childs_life_is_heard_whole():
    code = (
        "import os,sys\n"
        "os.write(int(os.environ['GNOMON_READY_FD']), b'1')\n"
        "sys.stderr.write('one\\ntwo\\n'); sys.stdout.write('three'); sys.exit(7)"
    )
    heard, _, held = child(code)
    assert (await heard.end)[:2] == ("c", 7)
    os.close(held)
    await asyncio.wait_for(heard.is_ready.wait(), 5)
    assert sorted(heard.lines) == ["one", "three", "two"]


async def test_a_child_sees_its_supervisor_go_and_no_environment_of_ours(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    code = (
        "import os,sys\n"
        "sys.stderr.write('KEY' if 'OPENAI_API_KEY' in os.environ else 'clean'); sys.stderr.flush()\n"
        "assert os.read(int(os.environ['GNOMON_PARENT_FD']), 1) == b''"
    )
    heard, _, held = child(code)
    os.close(held)
    assert await heard.end == ("c", 0, "clean")


async def test_endless_output_is_bounded():
    heard, _, held = child("import sys\nfor _ in range(50): sys.stderr.write('x' * 10000)")
    assert (await heard.end)[1] == 0
    os.close(held)
    assert max(map(len, heard.lines)) <= 8192


def test_exit_statuses_in_words():
    assert [describe(3), describe(-9), describe(-250)] == ["exit 3", "killed by SIGKILL", "killed by signal 250"]


@pytest.mark.parametrize("note", ["", "x", '{"pid":1,"locks":[3,4],"lifeline":[5,6],"listeners":{}}'])
def test_only_our_own_handover_is_taken(note, monkeypatch):
    monkeypatch.setenv(VARIABLE, note)
    assert receive() is None
    assert VARIABLE not in os.environ


def test_the_announcement_can_be_followed():
    status = Status("up", 1, 0.5, "0.1.0", Stage.OBSERVE, 1, 1, 1, "127.0.0.1:8080", "127.0.0.1:4000", "/s", 0)
    text = as_text(status, " --config g.yaml", ["made a CA"])
    assert "HTTPS_PROXY=http://127.0.0.1:8080" in text
    assert "OPENAI_BASE_URL=http://127.0.0.1:4000/v1" in text
    assert "gnomon ca export --config g.yaml" in text
    assert text.endswith("note: made a CA")
