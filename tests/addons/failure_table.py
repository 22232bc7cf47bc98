"""The failure matrix: what comes of an exchange when a part of the appliance, or a peer, fails. Data only.

`test_failure_matrix.py` makes every line happen in a running worker and compares; `failures_page.py` writes
docs/reference/failures.md from it.
"""

from typing import NamedTuple


class Outcome(NamedTuple):
    """What came of it; ` or ` parts what may be.

    `client`: `answer` (the same as without the fault), or status with refusal, or how much came and how it ended.
    `sent`: what the provider got: nothing, edited, as it came. `written`: records in the order of the journal.
    """

    client: str
    sent: str
    written: str


class Row(NamedTuple):
    """`label`: what is made to fail (see `failures_driven.py`), or whose doing it is; `after`: calls that go well.

    `answer`: any, stream or whole: for which answers the line holds. `observe` None: as in enforce; `NOT_CALLED`: the
    part plays no role there.
    """

    what: str
    label: str
    answer: str
    faults: tuple[str, ...]
    enforce: Outcome
    observe: Outcome | None = None
    after: int = 0


NOT_CALLED = Outcome("", "", "")
ANY = ("exception", "time-out", "out of memory", "panic", "cancelled")
DETECTOR = ("detector down", *ANY)
JOURNAL = ("disk", *ANY)

_FAULT = "notice guard_fault"
_CLOSED = Outcome("503 gateway_fault", "nothing", f"{_FAULT}, refusal internal_fault")
_PASSED = Outcome("answer", "as it came", f"{_FAULT}, open, close completed")
_WITNESSED = Outcome("answer", "as it came", f"open, {_FAULT}, close completed")
_GOES_ON = Outcome("answer", "as it came", f"open, {_FAULT}, close completed")
_WITHHELD = Outcome("503 gateway_fault", "edited", f"open, {_FAULT}, close failed_closed")
_WITHHELD_AFTER_RECORD = Outcome("503 gateway_fault", "edited", f"open, close failed_closed, {_FAULT}")
_CUT = Outcome("200 nothing of it, ended", "edited", f"open, {_FAULT}, close failed_closed")
_CUT_LATER = _CUT._replace(client="200 in part, ended or 200 nothing of it, ended")
_CUT_AT_END = _CUT._replace(client="200 in part, ended or answer")
_BROKEN = "200 in part, broken off or 200 nothing of it, broken off"
_READ_LATE = Outcome("answer", "as it came", f"open, close completed, {_FAULT}")


def _hook(what: str, label: str) -> Row:
    return Row(what, label, "any", ANY, _CLOSED, _PASSED)


def _judging(what: str, label: str, faults: tuple[str, ...] = ANY) -> Row:
    return Row(what, label, "any", faults, _CLOSED, _WITNESSED)


WAY_UP = (
    _hook("hook: who asks", "IdentityAddon.requestheaders"),
    Row(
        "hook: the gateway's route",
        "GatewayAddon.requestheaders",
        "any",
        ANY,
        _CLOSED,
        Outcome("503 internal_fault", "nothing", f"{_FAULT}, refusal internal_fault"),
    ),
    _hook("hook: agreement of names", "EgressAddon.requestheaders"),
    _hook("hook: the portal", "PortalAddon.requestheaders"),
    _hook("hook: an exchange begins", "ExchangeAddon.requestheaders"),
    _hook("hook: WebSocket upgrades", "WebsocketAddon.requestheaders"),
    Row(
        "hook: the whole request",
        "ExchangeAddon.request",
        "any",
        ANY,
        _CLOSED,
        Outcome("answer", "as it came", _FAULT),
    ),
    _judging("inspection of the body", "Inspector.request"),
    _judging("inspection beside the loop", "Beside.request", ("analyser down", *ANY)),
    _judging("a detector", "Detectors.look", DETECTOR),
    _judging("the facts", "Worker.facts"),
    _judging("the policy", "Policy.judge"),
    _judging("the ledger", "Ledger.reserve"),
    Row("the edit", "hiding.edited", "any", ANY, _CLOSED, _WITNESSED),
    Row(
        "the open record",
        "Telemetry.opened",
        "any",
        JOURNAL,
        _CLOSED,
        Outcome("answer", "as it came", _FAULT),
    ),
    Row(
        "the open record: no room left",
        "Telemetry.opened",
        "any",
        ("journal full",),
        Outcome("503 journal_full", "nothing", "refusal journal_full"),
        Outcome("answer", "as it came", _FAULT),
    ),
    Row("the journal, for good", "Journal.append", "any", JOURNAL, Outcome("503 gateway_fault", "nothing", ""),
        Outcome("answer", "as it came", "")),
    Row(
        "handing on, after the open record",
        "ExchangeAddon._forward",
        "any",
        ANY,
        Outcome("503 gateway_fault", "nothing", f"open, {_FAULT}, close failed_closed"),
        Outcome("answer", "as it came", f"open, {_FAULT}, close completed"),
    ),
    Row(
        "the dial",
        "Dialler.connect",
        "any",
        ("exception", "time-out", "out of memory", "panic"),
        Outcome("502 connect_failed", "nothing", "open, refusal internal_fault, close upstream_error"),
    ),
)  # fmt: skip

WAY_DOWN = (
    Row("hook: the answer's head", "StreamingAddon.responseheaders", "any", ANY, _WITHHELD, _GOES_ON),
    Row("choosing how it is followed", "Ways.follow", "any", ANY, _WITHHELD, _GOES_ON),
    Row("the watcher of texts", "Watching.watch", "stream", DETECTOR, _CUT_LATER, _GOES_ON),
    Row("a detector, on the first texts", "Watch.feed", "stream", DETECTOR, _CUT_LATER, _GOES_ON),
    Row("the dialect's reader", "EventReader.read", "stream", ANY, _CUT, _GOES_ON),
    Row("the dialect's reader, later", "EventReader.read", "stream", ANY, _CUT_LATER, _GOES_ON, after=1),
    Row("the editor", "StreamEditor.feed", "stream", ANY, _CUT, _GOES_ON),
    Row("the editor, later", "StreamEditor.feed", "stream", ANY, _CUT_LATER, _GOES_ON, after=1),
    Row("the editor, at the end", "StreamEditor.close", "stream", ANY, _CUT_AT_END, _GOES_ON),
    Row("reading a whole answer", "Inspector.response", "whole", DETECTOR, _WITHHELD_AFTER_RECORD, _READ_LATE),
    Row("editing a whole answer", "ResponseInspection.edited", "whole", ANY, _WITHHELD_AFTER_RECORD, NOT_CALLED),
    Row("hook: the end, of a held answer", "StreamingAddon.response", "whole", ANY, _WITHHELD, _GOES_ON),
    Row(
        "hook: the end, of a streamed answer",
        "StreamingAddon.response",
        "stream",
        ANY,
        Outcome("answer", "edited", f"open, {_FAULT}, close completed"),
        _GOES_ON,
    ),
    Row("making the close record, held", "close_record", "whole", ANY, _WITHHELD_AFTER_RECORD, _READ_LATE),
    Row(
        "making the close record, streamed",
        "close_record",
        "stream",
        ANY,
        Outcome("answer", "edited", f"open, close completed, {_FAULT}"),
        _READ_LATE,
    ),
    Row(
        "writing the close record, held",
        "Telemetry.closed",
        "whole",
        JOURNAL,
        Outcome("503 gateway_fault", "edited", f"open, {_FAULT}"),
        Outcome("answer", "as it came", f"open, {_FAULT}"),
    ),
    Row(
        "writing the close record, streamed",
        "Telemetry.closed",
        "stream",
        JOURNAL,
        Outcome("answer", "edited", f"open, {_FAULT}"),
        Outcome("answer", "as it came", f"open, {_FAULT}"),
    ),
)

PEERS = (
    Row(
        "the body cannot be read",
        "malformed body",
        "any",
        ("malformed body",),
        Outcome("400 malformed_request", "nothing", "refusal malformed_request"),
        Outcome("answer", "as it came", "open, close completed"),
    ),
    Row("the client leaves in its request", "asking", "any", ("client abort",), Outcome("closed", "nothing", "")),
    Row(
        "the client leaves in the answer",
        "hearing",
        "any",
        ("client abort",),
        Outcome("closed", "edited", "open, close client_abort"),
        Outcome("closed", "as it came", "open, close client_abort"),
    ),
    Row(
        "the provider ends before its answer",
        "before",
        "any",
        ("upstream abort",),
        Outcome("502 generic_server_error", "edited", "open, close upstream_error"),
        Outcome("502 generic_server_error", "as it came", "open, close upstream_error"),
    ),
    Row(
        "the provider ends half-way, streamed",
        "halfway",
        "stream",
        ("upstream abort",),
        Outcome(_BROKEN, "edited", "open, close upstream_abort"),
        Outcome(_BROKEN, "as it came", "open, close upstream_abort"),
    ),
    Row(
        "the provider ends half-way, held",
        "halfway",
        "whole",
        ("upstream abort",),
        Outcome("502 generic_server_error", "edited", "open, close upstream_abort"),
        Outcome(_BROKEN, "as it came", "open, close upstream_abort"),
    ),
)

SOCKETS = (
    Row(
        "a message of the client",
        "Socket._client",
        "socket",
        ANY,
        Outcome("closed with 1011", "nothing", f"open, {_FAULT}, close failed_closed"),
        Outcome("message", "as it came", f"open, {_FAULT}, close completed"),
    ),
    Row(
        "a message of the provider",
        "SocketAnswers.take",
        "socket",
        ANY,
        Outcome("closed with 1011", "edited", f"open, open, {_FAULT}, close failed_closed, close failed_closed"),
        Outcome("message", "as it came", f"open, open, {_FAULT}, close completed, close completed"),
    ),
)

OTHERS = (
    ("the store is away", "exchanges go on as ever; every record waits in the journal, in either stage"),
    ("no policy snapshot, or a damaged one, at the start", "the worker does not start (exit 2), in either stage"),
    (
        "a snapshot that is not there or cannot be compiled, while a worker runs",
        "the policy in force stays; notice `policy_refused`, an alarm",
    ),
)

EXCHANGES = (*WAY_UP, *WAY_DOWN, *PEERS)
