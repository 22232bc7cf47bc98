"""Log lines of the supervisor and of its children, on stderr.

Rules: one event is one line; whatever a child or the network put into it is made inert first; a stderr that is gone
stops nothing.
"""

import contextlib
import logging
import sys
from typing import Final, override

from appliance.sanitise import one_line

_LIMIT: Final = 2_000


class _OneLine(logging.Formatter):
    """`time level name: message`, exception type and text included, as one inert line."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        told = record.getMessage()
        if record.exc_info and (error := record.exc_info[1]) is not None:
            told = f"{told} [{type(error).__name__}: {error}{_place(error)}]"
        moment = self.formatTime(record, "%Y-%m-%dT%H:%M:%S")
        return one_line(f"{moment} {record.levelname.lower()} {record.name}: {told}", _LIMIT)


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""


def configure(level: int = logging.INFO) -> None:
    """Log to stderr in this form, and only in this form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.raiseExceptions = False  # a broken stderr must not end in a traceback to the broken stderr


def pass_on(name: str, line: str) -> None:
    """A line of a child's stderr, with its name before it."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"[{name}] {one_line(line, _LIMIT)}\n")
        sys.stderr.flush()
