"""A bar for work that takes long, beside the answer.

Rules: on stderr only, and only where that is a terminal; elsewhere one plain line. Where nobody knows how far the work
really is, the bar follows the clock towards the time announced, and waits there (`progress`).
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from appliance.cli.output import hint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def progress(what: str, seconds: float) -> Iterator[None]:
    """Show that `what` goes on for about `seconds`, until the block ends."""
    if not sys.stderr.isatty():
        hint(what)
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, Task, TextColumn, TimeElapsedColumn
    from rich.progress_bar import ProgressBar

    class Clock(BarColumn):
        def render(self, task: Task) -> ProgressBar:
            return ProgressBar(total=seconds, completed=min(seconds, task.elapsed or 0.0), width=self.bar_width)

    columns = (TextColumn("{task.description}", markup=False), Clock(), TimeElapsedColumn())
    # Redirection would carry the answer from stdout to stderr.
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False, redirect_stderr=False) as shown:
        shown.add_task(what)
        yield


@contextmanager
def measured(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far work is that knows its size; only where stderr is a terminal. Yields what to call with each part."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False, transient=True) as shown:
        task = shown.add_task(what, total=total or None)
        yield lambda part: shown.advance(task, part)
