"""Spawned tasks are kept, reported and cancelled."""

import asyncio
import gc
import logging

import pytest

from appliance.bus.tasks import cancel, spawn


async def test_a_failure_nobody_awaits_is_logged_with_its_name(caplog):
    async def fail():
        raise ValueError("why")

    task = spawn(fail(), "the-name")
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
        "task the-name failed: ValueError: why"
    ]


async def test_a_callback_may_take_the_failure(caplog):
    async def fail():
        raise ValueError("why")

    seen = []
    task = spawn(fail(), "x", seen.append)
    with pytest.raises(ValueError, match="why"):
        await task
    await asyncio.sleep(0)
    assert str(seen[0]) == "why"
    assert not caplog.records


async def test_a_task_lives_without_a_reference_and_cancel_waits():
    started, ended = asyncio.Event(), asyncio.Event()

    async def wait():
        started.set()
        try:
            await asyncio.Future()
        finally:
            await asyncio.sleep(0)
            ended.set()

    task = spawn(wait(), "x")
    await started.wait()
    gc.collect()
    await cancel(task, None)
    assert ended.is_set()
    assert task.cancelled()
