"""The close record: what is written down of an exchange that has ended.

Rules: names that came from a provider are looked at like those of a client before they are written down; a number of
tokens that nobody told is counted here and says so; of what a central appliance has sent on, it tells tokens and cost.
"""

import time
from collections.abc import Callable

import msgspec
from mitmproxy import http

from addons.accounts import Told
from addons.booked import may_be_billed
from addons.carrying import lost_on_the_way
from addons.endings import FAULT
from addons.failclosed import HELD
from addons.naming import late_labels
from addons.ongoing import Account, Exchange, unread
from addons.upstream import attempts_of
from addons.worker import Worker
from appliance.inspect.scanning import merged
from appliance.inspect.tokens import by_sample
from appliance.model.detection import Label
from appliance.model.event import Attempt, ExchangeClosed, Usage
from appliance.model.names import DetectionKind, Outcome

MAX_NAMES = 128
MAX_FINISH = 64
CLIENT_ERROR = 400
_GOOD = 200
_BROKEN_OFF = frozenset({Outcome.CLIENT_ABORT, Outcome.UPSTREAM_ABORT, Outcome.BLOCKED, Outcome.DRAINED})
UNDECLARED_TOOL = "UNDECLARED_TOOL"
UNSCANNED_ANSWER = "UNSCANNED_ANSWER"
WATCHED_TOOL = "WATCHED_TOOL"
# Tools that providers run themselves; some are called by these names although the request lists them by a type.
HOSTED = frozenset(
    """
    web_search web_search_preview web_fetch file_search code_interpreter code_execution bash_code_execution
    text_editor_code_execution image_generation computer computer_use_preview local_shell shell apply_patch mcp
    tool_search tool_search_tool_regex tool_search_tool_bm25 google_search url_context memory python browser
    """.split()  # noqa: SIM905 - thirty lines otherwise
)
_WEB = ".web"  # apis of web chats, whose pages declare no tools


def close_record(
    worker: Worker, flow: http.HTTPFlow, exchange: Exchange, outcome: Outcome, reason: str, account: Account
) -> ExchangeClosed:
    """The record. Raises what a detector raises."""
    word, taken = worker.inspector.heads.word, exchange.answer.taken if exchange.answer else 0
    exchange.served = next((one for one in reversed(attempts_of(flow)) if one.status and one.service), None)
    exchange.usage = _usage(flow, exchange, account, outcome)
    told = account_of(worker, flow, exchange)
    charged = worker.meter.charged
    exchange.cost, exchange.told = charged.cost(exchange, exchange.usage, account.model), True
    attempts, cost = charged.apart(exchange, attempts_of(flow), exchange.usage, exchange.cost)
    return ExchangeClosed(
        exchange=exchange.id,
        ts=worker.telemetry.clock(),
        outcome=outcome,
        status=flow.response.status_code if flow.response else 0,
        response_bytes=taken,
        first_byte_ms=_milliseconds(exchange.started, exchange.first_byte),
        duration_ms=_milliseconds(exchange.started, time.perf_counter()) or 0.0,
        model_served=word(account.model) if account.model else None,
        usage=None if exchange.handed else exchange.usage,
        cost=None if exchange.handed else cost,
        coverage=account.coverage,
        attempts=attempts,
        reason=reason,
        labels=_labels(worker, exchange, account),
        redactions=account.redactions,
        edits=(*account.edits, *lost_on_the_way(exchange.carrying, account.lost, word)),
        tools_called=tuple(map(word, account.tools_called[:MAX_NAMES])),
        finish=tuple(word(one, MAX_FINISH) for one in account.finish[:MAX_NAMES]),
        gone_bytes=account.gone_bytes,
        late_labels=late_labels(exchange),
        sent=exchange.sent,
        account=told.kind,
        account_id=told.id,
    )


def account_of(worker: Worker, flow: http.HTTPFlow, exchange: Exchange) -> Told:
    """Whose account the answer names. An answer that was moved tells of the route's."""
    facts, response = exchange.facts, flow.response
    elsewhere = exchange.moved or (exchange.served and exchange.served.service != exchange.service.id)
    if response is None or elsewhere or facts is None or not exchange.first_byte:
        return Told()
    return worker.accounts.answered(response, exchange.service, facts.key_fingerprint)


def record_close(
    worker: Worker,
    flow: http.HTTPFlow,
    exchange: Exchange,
    outcome: Outcome,
    reason: str,
    account: Callable[[], Account],
) -> None:
    """Write the record; where it cannot be made, one that says so, and then the fault is told."""
    try:
        event = close_record(worker, flow, exchange, outcome, reason, account())
    except BaseException:
        if flow.metadata.get(HELD):  # the guard lets nothing out that is still held
            outcome, reason = Outcome.FAILED_CLOSED, FAULT
        worker.telemetry.closed(_bare(worker, flow, exchange, outcome, reason))
        raise
    worker.telemetry.closed(event)


def _bare(worker: Worker, flow: http.HTTPFlow, exchange: Exchange, outcome: Outcome, reason: str) -> ExchangeClosed:
    """What can be said without asking anybody: all of the answer counts as unread."""
    taken = exchange.answer.taken if exchange.answer else 0
    return ExchangeClosed(
        exchange=exchange.id,
        ts=worker.telemetry.clock(),
        outcome=outcome,
        status=flow.response.status_code if flow.response else 0,
        response_bytes=taken,
        first_byte_ms=_milliseconds(exchange.started, exchange.first_byte),
        duration_ms=_milliseconds(exchange.started, time.perf_counter()) or 0.0,
        coverage=unread(taken).coverage,
        attempts=attempts_of(flow),
        reason=reason,
        sent=exchange.sent,
    )


def _labels(worker: Worker, exchange: Exchange, account: Account) -> tuple[Label, ...]:
    """What the answer carried, tools that nobody declared, and that a rule minds what was not scanned."""
    more = list(exchange.restoration.labels()) if exchange.restoration else []
    undeclared = _undeclared(exchange, account)
    if undeclared:
        more.append(Label(UNDECLARED_TOOL, DetectionKind.OUTPUT, undeclared, 1.0))
    if exchange.facts is not None:
        late = worker.policy.late(exchange.facts, account.coverage, worker.telemetry.clock())
        if late:
            more.append(Label(UNSCANNED_ANSWER, DetectionKind.OUTPUT, len(late), 1.0))
        if called := worker.policy.called(exchange.facts, account.tools_called, worker.telemetry.clock()):
            more.append(Label(WATCHED_TOOL, DetectionKind.OUTPUT, len(called), 1.0))
    return merged(account.labels, more) if more else account.labels


def _undeclared(exchange: Exchange, account: Account) -> int:
    """How many functions the answer calls that its request did not declare.

    Tools of a hosted MCP server are named by that server, and those of a web chat by its own page.
    """
    facts = exchange.facts
    if exchange.api is None or exchange.api.endswith(_WEB) or facts is None or facts.hosted_mcp:
        return 0
    return sum(name not in exchange.declared and name not in HOSTED for name in account.tools_called)


def _usage(flow: http.HTTPFlow, exchange: Exchange, account: Account, outcome: Outcome) -> Usage | None:
    """As the provider told it, else counted from the texts of a call that was answered, or broke off.

    Of an answer that broke off the provider may have told what it had at its beginning. A request that went out and of
    which nothing came back may be billed, and one whose answer the client did not get: its texts are counted.
    """
    usage, broken = account.usage, outcome in _BROKEN_OFF
    answered = flow.response is not None and flow.response.status_code < CLIENT_ERROR
    if usage is None and not (answered and exchange.dialect and (account.chars or broken)):
        tried = [one for one in attempts_of(flow) if not one.denied]
        if not (tried and exchange.dialect and (may_be_billed(tried[-1]) or _withheld(tried[-1], answered=answered))):
            return None
    usage = usage or Usage(estimated=True)
    counted = by_sample(account.chars, account.sample)
    if usage.estimated or (broken and not account.finish and counted > usage.output_tokens):
        usage = msgspec.structs.replace(usage, output_tokens=max(counted, usage.output_tokens), estimated=True)
    if usage.estimated and not usage.input_tokens:
        usage = msgspec.structs.replace(usage, input_tokens=by_sample(exchange.asked_chars, exchange.asked_sample))
    return usage


def _withheld(attempt: Attempt, *, answered: bool) -> bool:
    """The provider has answered, and its client got something else, e.g. since nobody could read it: it is billed."""
    return not answered and _GOOD <= attempt.status < CLIENT_ERROR


def _milliseconds(since: float, until: float | None) -> float | None:
    return None if until is None else round((until - since) * 1000, 3)
