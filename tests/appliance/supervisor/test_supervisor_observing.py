"""The observer's life: with a real process, and a supervisor that only listens."""

import asyncio
import os
import signal
import sys

import msgspec
import pytest

from appliance.config.effective import write_effective
from appliance.config.schema import Config
from appliance.config.signals_schema import MetricsConfig, OtelConfig
from appliance.supervisor import observing as module
from appliance.supervisor.observing import Observing, wanted

SERVES = "import os, signal; os.write(int(os.environ['GNOMON_READY_FD']), b'1'); signal.pause()"
REFUSES = "import sys; sys.stderr.write('gnomon.observe: metrics.listen: is in use\\n'); sys.exit(2)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SERVES}; signal.pause()"


class Boss:
    def __init__(self, folder):
        self.config = Config(state_dir=str(folder), run_dir=str(folder), metrics=MetricsConfig(listen="127.0.0.1:0"))
        self.lifeline = os.pipe()
        self.problems, self.changed = [], asyncio.Event()

    def problem(self, text):
        self.problems.append(text)
        self.tell()

    def tell(self):
        self.changed.set()

    async def until(self, happened):
        async with asyncio.timeout(10):
            while not happened():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def boss(tmp_path):
    made = Boss(tmp_path)
    yield made
    for fd in made.lifeline:
        os.close(fd)


@pytest.fixture
async def observing(boss, monkeypatch):
    made = Observing(boss)
    spawn, was_ready = module.Child.spawn, made.ready
    made.program, made.pids = SERVES, []

    def instead(name, _argv, listener, *, parent_fd):
        child = spawn(name, [sys.executable, "-c", made.program], listener, parent_fd=parent_fd)
        made.pids.append(child.pid)
        return child

    def ready(name):
        was_ready(name)
        made.serves = made.pids[-1]
        boss.tell()

    monkeypatch.setattr(module.Child, "spawn", instead)
    made.ready, made.serves = ready, 0
    yield made
    await made.stop()


def lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_is_wanted_where_something_is_to_be_told():
    assert not wanted(Config())
    assert wanted(Config(metrics=MetricsConfig(listen="127.0.0.1:9464")))
    assert wanted(Config(otel=OtelConfig(endpoint="http://127.0.0.1:4318")))


async def test_it_is_started_again_when_it_dies_and_ends_when_told(boss, observing):
    observing.start()
    await boss.until(lambda: observing.serves)
    first = observing.serves
    os.kill(first, signal.SIGKILL)
    await boss.until(lambda: observing.serves != first)
    assert len(observing.pids) == 2
    assert boss.problems == []  # told while it was away, and taken back
    await observing.stop()
    assert not any(map(lives, observing.pids))


async def test_what_the_operator_must_do_is_a_problem_until_the_configuration_changes(boss, observing):
    observing.program = REFUSES
    observing.start()
    await boss.until(lambda: boss.problems)
    assert boss.problems == ["observer: metrics.listen: is in use"]
    await asyncio.wait([observing._task], timeout=5)
    assert (observing._task.cancelled(), len(observing.pids)) == (True, 1)
    observing.program = SERVES
    await observing.restart()
    await boss.until(lambda: observing.serves)
    assert boss.problems == []
    assert len(observing.pids) == 2


async def test_nothing_is_started_where_nothing_is_wanted(boss, observing):
    boss.config = msgspec.structs.replace(boss.config, metrics=MetricsConfig())
    observing.start()
    assert observing.pids == []
    await observing.stop()


async def test_one_that_does_not_end_is_killed(boss, observing, monkeypatch):
    monkeypatch.setattr(module, "END_S", 0.05)
    observing.program = STUBBORN
    observing.start()
    await boss.until(lambda: observing.serves)
    await observing.stop()
    assert not lives(observing.serves)


async def test_the_real_program_serves(boss, tmp_path):
    write_effective(boss.config, tmp_path)
    observing, served = Observing(boss), asyncio.Event()
    was_ready = observing.ready
    observing.ready = lambda name: (was_ready(name), served.set())
    observing.start()
    async with asyncio.timeout(20):
        await served.wait()
    await observing.stop()
    assert boss.problems == []
