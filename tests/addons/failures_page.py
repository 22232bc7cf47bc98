"""Writes docs/reference/failures.md: `python tests/addons/failures_page.py > docs/reference/failures.md`."""

import sys
from collections.abc import Iterable

from failure_table import NOT_CALLED, OTHERS, PEERS, SOCKETS, WAY_DOWN, WAY_UP, Outcome, Row

from appliance.inspect.dialects.registry import DIALECTS

HEAD = """# What happens when something fails

Each line was made to happen in a running worker, by `tests/addons/test_failure_matrix.py`, for every dialect:
{dialects}. What was observed is compared with the lines of this page, which is generated (`make docs`).

A fault is whatever a part raises: an exception, a time-out, out of memory, a panic of an extension module, a cancelled
task that nobody cancelled; where it applies also a detector that cannot finish, the analyser that is away, a journal
that is full, a disk that fails. Where no other word stands, what is observed is the same for all of them.

* **client** is what the client gets. `answer`: the same as when nothing fails. `in part`, `nothing of it`: how much of
  the answer came; `ended`: in the form of its dialect; `broken off`: without an end, so that the client can tell.
* **provider** is what the provider gets: `nothing`, `edited` (what is to be hidden is hidden), `as it came`.
* **written** are the records in the journal, in order. Where a close record could not be written, recovery writes one
  with outcome `lost` when the worker has ended.

In stage enforce a fault of ours closes: nothing passes that was not judged and recorded. In stage observe it is told
(notice `guard_fault`, an alarm) and the exchange passes. Stage enforce closes for every rule, also for one that only
observes: before the fault nobody knows which rules match.
"""
PARTS = (
    ("On the way up", "any dialect, answers in one piece and streamed", WAY_UP),
    (
        "On the way down",
        "streamed answers end where they are; answers in one piece are held until they are judged",
        WAY_DOWN,
    ),
    ("Peers", "a fault of theirs, not of ours", PEERS),
    ("WebSockets", "OpenAI realtime and responses, Gemini live", SOCKETS),
)


def render() -> str:
    """The page."""
    lines = [HEAD.format(dialects=", ".join(f"`{dialect.api}`" for dialect in DIALECTS))]
    for title, told, rows in PARTS:
        lines += [f"## {title}", "", f"{told[0].upper()}{told[1:]}.", "", *_table(rows), ""]
    lines += ["## The appliance as a whole", "", "| what | observed |", "|---|---|"]
    lines += [f"| {what} | {seen} |" for what, seen in OTHERS]
    return "\n".join(lines) + "\n"


def _table(rows: Iterable[Row]) -> list[str]:
    head = ["| what fails | stage | client | provider | written |", "|---|---|---|---|---|"]
    return head + [line for row in rows for line in _lines(row)]


def _lines(row: Row) -> list[str]:
    what = row.what if row in PEERS else f"{row.what} (`{row.label}`)"
    if row.faults == ("journal full",):
        what = f"{row.what} (`{row.label}`, journal full)"
    if row.observe is None or row.observe == row.enforce:
        return [_line(what, "both", row.enforce)]
    observe = _line("", "observe", row.observe) if row.observe is not NOT_CALLED else "| | observe | not called | | |"
    return [_line(what, "enforce", row.enforce), observe]


def _line(what: str, stage: str, seen: Outcome) -> str:
    return f"| {what} | {stage} | {seen.client} | {seen.sent} | {seen.written or 'nothing'} |"


if __name__ == "__main__":
    sys.stdout.write(render())
