"""Background tasks that are neither forgotten nor silent.

Owns: the reference to every spawned task until it ends. Rules: an exception that nobody awaits is logged with the
task's name; cancellation is not an error.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_log = logging.getLogger("gnomon.tasks")
_running: set[asyncio.Task[Any]] = set()


def spawn[T](
    coro: Coroutine[Any, Any, T], name: str, on_error: Callable[[BaseException], None] | None = None
) -> asyncio.Task[T]:
    """Start `coro` on the running loop and keep it alive. `on_error` replaces the log line for an exception."""
    task = asyncio.get_running_loop().create_task(coro, name=name)
    _running.add(task)

    def ended(done: asyncio.Task[T]) -> None:
        _running.discard(done)
        if done.cancelled() or (error := done.exception()) is None:
            return
        if on_error is not None:
            on_error(error)
        else:
            _log.error("task %s failed: %s: %s", name, type(error).__name__, error, exc_info=error)

    task.add_done_callback(ended)
    return task


async def cancel(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel and wait until every task has really ended; their exceptions are reported by `spawn`."""
    alive = [task for task in tasks if task is not None and not task.done()]
    for task in alive:
        task.cancel()
    await asyncio.gather(*alive, return_exceptions=True)
