"""Log lines of the supervisor and of its children, on stderr: text for people, or one JSON object a line.

Rules: one event is one line; whatever a child or the network put into it is made inert first, in either form; a stderr
that is gone stops nothing. The objects hold `ts` (ISO 8601, UTC), `level`, `logger` and `message`; of a line of a
child's `logger` is the child's name, and its level is not known.
"""

import contextlib
import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, Literal, override

from appliance.sanitise import one_line

_LIMIT: Final = 2_000
type Form = Literal["text", "json"]


class _OneLine(logging.Formatter):
    """`time level name: message`, exception type and text included, as one inert line."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        moment = self.formatTime(record, "%Y-%m-%dT%H:%M:%S")
        return one_line(f"{moment} {record.levelname.lower()} {record.name}: {_message(record)}", _LIMIT)


class _OneObject(logging.Formatter):
    """The same as JSON."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        return _object(record.created, record.levelname.lower(), record.name, _message(record))


_form: Form = "text"


def configure(level: int = logging.INFO, form: Form = "text") -> None:
    """Log to stderr in this form, and only in this form."""
    global _form  # noqa: PLW0603 - the form of the one stderr
    _form = form
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneObject() if form == "json" else _OneLine())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.raiseExceptions = False  # a broken stderr must not end in a traceback to the broken stderr


def pass_on(name: str, line: str) -> None:
    """A line of a child's stderr, with its name before it."""
    if _form == "json":
        told = _object(datetime.now(UTC).timestamp(), "", name, line)
    else:
        told = f"[{name}] {one_line(line, _LIMIT)}"
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(told + "\n")
        sys.stderr.flush()


def _object(ts: float, level: str, logger: str, message: str) -> str:
    moment = datetime.fromtimestamp(ts, UTC).isoformat(timespec="milliseconds")
    told = {"ts": moment, "level": level, "logger": logger, "message": one_line(message, _LIMIT)}
    return json.dumps({name: value for name, value in told.items() if value})


def _message(record: logging.LogRecord) -> str:
    told = record.getMessage()
    if record.exc_info and (error := record.exc_info[1]) is not None:
        told = f"{told} [{type(error).__name__}: {error}{_place(error)}]"
    return told


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
