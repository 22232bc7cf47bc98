"""What a process has given up it does not have: asked of the kernel, in processes of their own."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.confine import privileges, syscalls
from appliance.model.errors import OperatorError

ROOT = Path(__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give anything up")
known_machine = pytest.mark.skipif(os.uname().machine not in syscalls._MACHINES, reason="no filter for this machine")


def told(program):
    """What `program` leaves in `result`, told over a pipe: later it may write nowhere else."""
    head = (
        "import os, json, socket, sys\n"
        "from appliance.confine import privileges\n"
        "from discovery.watch import confine\n"
        "status = open('/proc/self/status')\n"
        "out = int(sys.argv[1])\n"
    )
    tail = "\nos.write(out, json.dumps(result).encode())\n"
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as answer:
        process = subprocess.Popen(
            [sys.executable, "-c", head + program + tail, str(writing)], cwd=ROOT, pass_fds=(writing,)
        )
        os.close(writing)
        text = answer.read()
    assert process.wait(30) == 0
    return json.loads(text)


STATUS = (
    "fields = dict(line.split(':', 1) for line in status.read().splitlines() if ':' in line)\n"
    "result = {name: fields[name].split() for name in ('Uid', 'Gid', 'Groups', 'NoNewPrivs', 'Seccomp',"
    " 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')}\n"
)
NOTHING = {name: ["0" * 16] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}


@as_root
def test_the_keeper_keeps_its_user_and_no_capability():
    found = told("privileges.drop_capabilities()\n" + STATUS)
    assert found["Uid"] == ["0"] * 4
    assert found | NOTHING == found
    assert found["NoNewPrivs"] == ["1"]


@as_root
def test_the_watcher_is_nobody_with_nothing():
    uid, gid = privileges.user_ids("nobody")
    found = told(f"barred = confine(({uid}, {gid}))\n" + STATUS)
    assert (found["Uid"], found["Gid"], found["Groups"]) == ([str(uid)] * 4, [str(gid)] * 4, [])
    assert found | NOTHING == found
    assert found["NoNewPrivs"] == ["1"]
    assert found["Seccomp"] == (["2"] if os.uname().machine in syscalls._MACHINES else ["0"])


TRIES = """
def tried(act):
    try:
        act()
    except OSError as error:
        return error.errno
    except Exception as error:
        return type(error).__name__
    return "allowed"

near, far = socket.socketpair()
confine(None)
result = {name: tried(act) for name, act in {
    "open": lambda: open("/proc/self/stat"), "create": lambda: os.open("x", os.O_CREAT), "socket": socket.socket,
    "fork": os.fork, "exec": lambda: os.execv("/bin/true", ["true"]), "kill": lambda: os.kill(os.getppid(), 0),
    "setuid": lambda: os.setuid(0), "unshare": lambda: os.unshare(os.CLONE_NEWUSER), "chdir": lambda: os.chdir("/proc"),
    "uname": os.uname, "remove": lambda: os.unlink("/nowhere"), "memfd": lambda: os.memfd_create("x"),
    "filter": lambda: near.setsockopt(socket.SOL_SOCKET, 26, bytes(16)),
}.items()}
"""


@known_machine
def test_system_calls_that_reach_out_are_barred():
    assert set(told(TRIES).values()) == {1}, "EPERM, each"


@known_machine
def test_what_a_parser_needs_goes_on():
    program = (
        "one, two = socket.socketpair()\nconfine(None)\n"
        "one.send(b'x'); heard = two.recv(1)\n"
        "import time\n"
        "many = [bytes(1 << 20) for _ in range(64)]; del many\n"
        "result = [heard.decode(), time.time() > 0]\n"
    )
    assert told(program) == ["x", True]


def test_memory_is_bounded():
    program = (
        "confine(None)\ntry:\n    bytes(4 << 30); result = 'allowed'\nexcept MemoryError:\n    result = 'bounded'\n"
    )
    assert told(program) == "bounded"


@pytest.mark.parametrize(("name", "words"), [("nobody-here", "no user"), ("root", "is root")])
def test_the_user_must_be_somebody_who_owns_nothing(name, words):
    with pytest.raises(OperatorError, match=f"sensor.user: .*{words}"):
        privileges.user_ids(name)


@as_root
def test_without_the_right_to_change_users_packets_are_not_read_as_root():
    program = (
        "privileges.drop_capabilities()\n"
        "try:\n    confine((65534, 65534)); result = 'went on'\n"
        "except Exception as error:\n    result = str(error)\n"
    )
    assert "foreign bytes are never read as root" in told(program)


def run_filter(code, architecture, number):
    """A classic BPF machine with the instructions that are used."""
    data = struct.pack("=iIQ48x", number, architecture, 0)
    steps = list(struct.iter_unpack("=HBBI", code))
    at = accumulator = 0
    while True:
        operation, yes, no, value = steps[at]
        at += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("=I", data, value)[0]
        elif operation == 0x15:
            at += yes if accumulator == value else no
        elif operation == 0x35:
            at += yes if accumulator >= value else no
        else:
            assert operation == 0x06
            return value


@pytest.mark.parametrize(("machine", "architecture", "column"), [("x86_64", 0xC000003E, 0), ("aarch64", 0xC00000B7, 1)])
def test_the_filter_lets_through_its_list_and_nothing_else(machine, architecture, column):
    code = syscalls.program(machine)
    allowed = {numbers[column] for numbers in syscalls._CALLS.values()} - {-1}
    passed = {number for number in range(1000) if run_filter(code, architecture, number) == syscalls._ALLOW}
    assert passed == allowed
    assert run_filter(code, architecture, 500) == syscalls._REFUSE
    assert run_filter(code, 0x40000003, 0) == syscalls._KILL, "another architecture's numbers"
    assert run_filter(code, architecture, 0x40000000) == syscalls._REFUSE, "x32's numbers"
    assert len(code) // syscalls.INSTRUCTION < 256, "a jump is one byte"


def test_an_unknown_machine_has_no_filter():
    assert syscalls.program("riscv64") is None
