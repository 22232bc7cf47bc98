"""Several real processes on one file, some of them killed at every point of a change."""

import mmap
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.ledger.file import create
from appliance.ledger.ledger import Ledger
from appliance.ledger.table import CounterKey
from appliance.ledger.windows import Window

HERE = Path(__file__).parent
NOON = 1_700_000_000.0
LIMIT = 50_000
KEYS = [CounterKey(level, "s", Window.DAY, LIMIT) for level in ("organisation", "department", "user")]

# Takes five at a time until denied, settling each; prints how many it got.
SPENDER = """
import sys
from pathlib import Path
from appliance.ledger.windows import Window
from appliance.ledger.ledger import Ledger
from appliance.ledger.table import CounterKey, Denied
ledger = Ledger(Path(sys.argv[1]))
keys = [CounterKey(level, "s", Window.DAY, int(sys.argv[2])) for level in ("organisation", "department", "user")]
print("ready", flush=True); sys.stdin.readline()
granted = 0
while not isinstance(found := ledger.reserve(keys, (5, 5, 5), 1_700_000_000.0), Denied):
    granted += 5
    ledger.settle(found, (5, 5, 5))
print(granted, flush=True)
"""

# Never stops. Says each grant before it settles it; some stay out.
VICTIM = """
import os, sys
from pathlib import Path
from appliance.ledger.windows import Window
from appliance.ledger.ledger import Ledger
from appliance.ledger.table import CounterKey, Denied
ledger = Ledger(Path(sys.argv[1]))
keys = [CounterKey(level, "s", Window.DAY) for level in ("organisation", "department", "user")]
settled = 0
while True:
    ledger.reserve(keys, (1, 1, 1), 1_700_000_000.0) if settled % 50 == 7 and settled < 5000 else None
    ledger.settle(ledger.reserve(keys, (1, 1, 1), 1_700_000_000.0), (1, 1, 1))
    settled += 1
    os.write(1, b"x")
"""


def start(script, *given):
    command = [sys.executable, "-c", script, *map(str, given)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=False)


@pytest.mark.system
def test_four_processes_are_granted_exactly_the_limit(tmp_path):
    path = tmp_path / "c"
    create(path, slots=256, workers=8, notes=64)
    spenders = [start(SPENDER, path, LIMIT) for _ in range(4)]
    for spender in spenders:
        assert spender.stdout.readline() == b"ready\n"
    for spender in spenders:
        spender.stdin.write(b"\n")
        spender.stdin.flush()
    granted = [int(spender.communicate(timeout=100)[0]) for spender in spenders]
    assert sum(granted) == LIMIT
    with Ledger(path) as ledger:
        assert [ledger.used(key, NOON) for key in KEYS] == [LIMIT] * 3


@pytest.mark.system
@pytest.mark.parametrize("after", [1, 100, 777])
def test_kill_9_leaves_exactly_what_was_settled(tmp_path, after):
    path = tmp_path / "c"
    create(path, slots=256, workers=8, notes=1024)
    victims = [start(VICTIM, path) for _ in range(2)]
    told = 0
    for victim in victims:
        told += len(victim.stdout.read(after))
        victim.send_signal(signal.SIGKILL)
    for victim in victims:
        told += len(victim.stdout.read())
        victim.wait()
        victim.stdout.close()
        victim.stdin.close()
    with Ledger(path, claim=False) as ledger:
        ledger.refund_dead()
        used = {ledger.used(key, NOON) for key in KEYS}
        assert len(used) == 1  # never at one level only
        # A victim dies between settling and telling at most once.
        assert told <= used.pop() <= told + len(victims)
        assert ledger.refund_dead() == 0


class Killed(BaseException):
    pass


class Dying(mmap.mmap):
    """Ends its process at the n-th write: by SIGKILL, or in the test's own process by an exception.

    The exception stands for the kill because nothing on its way out writes: only the lock is released, as the kernel
    does for the dead. Two real kills below show that they agree.
    """

    left = 1 << 30
    really = False

    def __setitem__(self, where, what):
        if self.left == 0 and self.really:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.left == 0:
            raise Killed
        self.left -= 1
        super().__setitem__(where, what)


def doomed(ledger, at, *, really):
    made = Dying(ledger._file._fd, ledger._file.header.size)
    made.left, made.really = at, really
    ledger._file.map = ledger._table.buffer = made


def die_at(path, action, at, *, really=False):
    """One reservation stands settled (2), then `action` is killed before its write number `at`."""
    ledger = Ledger(Path(path))
    ledger.settle(ledger.reserve(KEYS, (2, 2, 2), NOON), (2, 2, 2))
    out = ledger.reserve(KEYS, (3, 3, 3), NOON) if action != "reserve" else None
    doomed(ledger, at, really=really)
    try:
        match action:
            case "reserve":
                ledger.reserve(KEYS, (3, 3, 3), NOON)
            case "extend":
                ledger.extend(out, (4, 4, 4), NOON)
            case "settle":
                ledger.settle(out, (1, 1, 1))
    except Killed:
        return False
    finally:
        ledger.close()
    return True


# Log, busy byte, note, three counters, busy byte: a change has happened once the busy byte is set, after write 1.
WRITES = 7
ABSENT_AND_WHOLE = {
    "reserve": ((2, 0, 2), (5, 1, 2)),
    "extend": ((5, 1, 2), (9, 1, 2)),
    "settle": ((5, 1, 2), (3, 0, 3)),
}


def fresh(tmp_path, name):
    path = tmp_path / name
    create(path, slots=64, workers=4, notes=8)
    return path


def left_behind(path):
    """What the counters say before and after the refund, and how many reservations were refunded."""
    with Ledger(path, claim=False) as ledger:
        (before,) = {ledger.used(key, NOON) for key in KEYS}
        refunded = ledger.refund_dead()
        (after,) = {ledger.used(key, NOON) for key in KEYS}
    return before, refunded, after


@pytest.mark.parametrize("action", ["reserve", "extend", "settle"])
def test_killed_between_any_two_writes_a_change_is_whole_or_absent(tmp_path, action):
    absent, whole = ABSENT_AND_WHOLE[action]
    for at in range(WRITES + 1):
        path = fresh(tmp_path, f"c{at}")
        assert die_at(path, action, at) == (at == WRITES)
        assert left_behind(path) == (absent if at < 2 else whole)


@pytest.mark.system
@pytest.mark.parametrize("at", [1, 4])
def test_a_real_kill_between_two_writes_leaves_the_same(tmp_path, at):
    path = fresh(tmp_path, "c")
    script = "import sys; sys.path.insert(0, sys.argv[1]); import test_ledger_processes as t; t.die_at(*sys.argv[2:4], "
    done = subprocess.run([sys.executable, "-c", f"{script}{at}, really=True)", HERE, path, "settle"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert left_behind(path) == ABSENT_AND_WHOLE["settle"][at > 1]


def test_a_refund_killed_between_any_two_writes_is_done_once(tmp_path):
    for at in range(2 * 6 + 1):
        path = fresh(tmp_path, f"c{at}")
        with Ledger(path) as lost:
            lost.settle(lost.reserve(KEYS, (2, 2, 2), NOON), (2, 2, 2))
            lost.reserve(KEYS, (3, 3, 3), NOON)
            lost.reserve(KEYS, (4, 4, 4), NOON)
        with Ledger(path, claim=False) as ledger:
            doomed(ledger, at, really=False)
            with pytest.raises(Killed):
                ledger.refund_dead()
        assert left_behind(path)[2] == 2


def test_a_repair_killed_between_any_two_writes_is_done_again(tmp_path):
    for at in range(5):
        path = fresh(tmp_path, f"c{at}")
        die_at(path, "reserve", 3)
        with Ledger(path, claim=False) as ledger:
            doomed(ledger, at, really=False)
            with pytest.raises(Killed):
                ledger.used(KEYS[0], NOON)
        assert left_behind(path) == (5, 1, 2)
