"""What counts as a fault of ours: everything that is raised, but for what tells the process or the task to end.

Extension modules raise panics that are no `Exception`, and awaiting a cancelled future raises CancelledError in a task
that nobody has cancelled: let out of a hook, either would leave the flow hanging, unanswered and unrecorded.
"""

import asyncio


def fault_of(error: BaseException) -> BaseException:
    """`error`, to be told and closed upon; what is no fault is raised again. Call it where `error` is being handled."""
    if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)):
        raise error
    if isinstance(error, asyncio.CancelledError) and _wanted():
        raise error
    return error


def _wanted() -> bool:
    """Somebody has cancelled the task that runs."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
