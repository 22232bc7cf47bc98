"""One request over the targets of its plan: dialled, sent, given up for the next one before the first byte.

Theory of operation. mitmproxy's HttpStream asks for a connection once and takes whatever comes. Here that step runs
over the targets of the flow's plan. An answer with a status that the plan retries, a connection that breaks off and a
target that says nothing in time are abandoned before any hook has seen an answer: the client's first byte is always
from the answer that is kept. Rules: nothing is dialled for a flow without CLEARED; every attempt stands in the plan
once, with how it ended; a request whose body has not been kept goes to no second target once it was sent; a target
that was abandoned never speaks again (wire.py).
"""

import asyncio
import time
from collections import deque
from itertools import pairwise

from mitmproxy import http
from mitmproxy.proxy import commands, layer
from mitmproxy.proxy.layers.http import GetHttpConnection, HttpLayer, SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    RequestTrailers,
    ResponseHeaders,
    ResponseProtocolError,
)

from addons.faults import fault_of
from addons.upstream.conversing import ConversingStream
from addons.upstream.fields import found_fast
from addons.upstream.hooks import DETAIL_CHARS, PauseHook
from addons.upstream.plan import CLEARED, PLAN, DialMessage, Failure, FailureKind, Target, TargetPlan, Told
from addons.upstream.settings import settings_of, top_of
from addons.upstream.strict import unquoted
from appliance.model.event import Attempt

MIN_NAMED = 0.001  # seconds; shorter waits are none


class HeadTicket(commands.RequestWakeup):
    """A pending command that comes back when a target has said nothing for too long. `number`: of the attempt."""

    def __init__(self, number: int) -> None:
        super().__init__(0)
        self.number = number


class TryingStream(ConversingStream):
    """A stream that knows its targets."""

    _targets: deque[Target]
    _target: Target | None = None  # tried, and not recorded yet
    _told: Told | None = None
    _began = 0.0
    _tries = 0
    _goes = False  # the request has a connection to the target
    _timer_of_head: asyncio.TimerHandle | None = None

    def make_server_connection(self) -> layer.CommandGenerator[bool]:
        """Connect to the first target that can be reached."""
        if settings_of(self.context).guarded and not self.flow.metadata.get(CLEARED):
            yield from self.fail(FailureKind.NOT_CLEARED, "The request was not judged, so it was not forwarded.")
            return False
        plan = self._hop() or self.flow.metadata.get(PLAN)
        if isinstance(plan, Failure):
            yield from self.fail(plan.kind, plan.message)
            return False
        if not isinstance(plan, TargetPlan) or not plan.targets:
            request = self.flow.request
            plan = TargetPlan((Target(request.host, request.port, request.scheme),), follow_host=False)
        self.flow.metadata[PLAN] = plan
        self._targets = deque(plan.targets)
        return (yield from self._next_target(plan))

    def _hop(self) -> TargetPlan | Failure | None:
        """How the flow goes to a central appliance; None: it goes its own way."""
        hop = settings_of(self.context).hop
        if hop is None:
            return None
        try:
            return hop(self.flow)
        except Exception:  # noqa: BLE001 - what may go nowhere else must not go its own way
            return Failure(FailureKind.REFUSED, "The request could not be prepared for the central appliance.")

    def state_wait_for_response_headers(self, event: ResponseHeaders) -> layer.CommandGenerator[None]:
        """Keep the answer, or drop it for the next target."""
        plan: TargetPlan = self.flow.metadata[PLAN]
        event.response.headers = found_fast(event.response.headers)
        status, last = event.response.status_code, self._target
        self._attempted(plan, status, None, event.response.headers)
        if last is not None and status in plan.retry_statuses and not self.flow.request.stream:
            wait = self._wait(plan, last)
            if wait is not None:
                yield self.abandon("next target")
                yield from self._again(plan, wait)
                return
        if top_of(self.context).handler.draining and not self.flow.request.is_http2:
            event.response.headers["connection"] = "close"
        yield from super().state_wait_for_response_headers(event)

    def broken_off(self, event: ResponseProtocolError) -> layer.CommandGenerator[bool]:
        """Record an attempt that broke off before its head. True: the next target has the request."""
        plan = getattr(self, "flow", None) and self.flow.metadata.get(PLAN)
        waiting = self.server_state == self.state_wait_for_response_headers
        last = self._target
        if not waiting or not isinstance(plan, TargetPlan) or last is None:
            return False
        self._attempted(plan, 0, event.message[:DETAIL_CHARS].replace("by client", "by upstream"))
        wait = self._wait(plan, last) if self._resendable(plan) else None
        if wait is None:
            return False
        yield from self._again(plan, wait)
        return True

    def no_head(self, ticket: HeadTicket) -> layer.CommandGenerator[None]:
        """The target has said nothing in time: the next one, or the end."""
        plan = self.flow.metadata.get(PLAN)
        last = self._target
        waiting = self.server_state == self.state_wait_for_response_headers and self.client_state == self.state_done
        if ticket.number != self._tries or not waiting or not isinstance(plan, TargetPlan) or last is None:
            return
        told = f"{last.label} did not begin to answer within {plan.head_s:g} s"
        self._attempted(plan, 0, told)
        wait = self._wait(plan, last) if self._resendable(plan) else None
        yield self.abandon("no answer")
        if wait is None:
            yield from self.fail(FailureKind.TIMEOUT, told)
        else:
            yield from self._again(plan, wait)

    def given_up(self, why: str) -> None:
        """The client has left, or we end it, before the target has begun to answer: it has the request all the same."""
        plan = self.flow.metadata.get(PLAN) if hasattr(self, "flow") else None
        waiting = self.server_state == self.state_wait_for_response_headers and self.client_state == self.state_done
        if waiting and self._goes and isinstance(plan, TargetPlan) and self._target is not None:
            self._attempted(plan, 0, why, failed=False)

    def _resendable(self, plan: TargetPlan) -> bool:
        whole = self.client_state == self.state_done and not self.flow.request.stream
        return plan.resends and whole and bool(self.flow.live)

    def _wait(self, plan: TargetPlan, last: Target) -> float | None:
        """Seconds until the next target may be tried; None: none is."""
        if not self._targets:
            return None
        return plan.pause(last) if plan.pause is not None else 0.0

    def _next_target(self, plan: TargetPlan) -> layer.CommandGenerator[bool]:
        error: str = "no target"
        while self._targets:
            target, self._goes = self._targets.popleft(), False
            self._target = target
            self._tries, self._began = self._tries + 1, time.perf_counter()
            if (denied := _denial(plan, target)) is not None:
                error = DialMessage(denied, FailureKind.REFUSED)
                plan.attempts.append(Attempt(target.label, 0, denied, provider=target.name or None, denied=True))
                self._target = None
            elif not self._aim(plan, target):
                yield from self.fail(FailureKind.REFUSED, "The request could not be prepared for its target.")
                return False
            else:
                connection, error = yield GetHttpConnection(
                    (target.host, target.port), target.scheme == "https", self.flow.server_conn.via
                )
                if connection is not None:
                    if (yield from self.check_killed(True)):
                        return False
                    self.context.server = self.flow.server_conn = connection
                    self._goes = True
                    self._await_head(plan)
                    return True
                self._attempted(plan, 0, error[:DETAIL_CHARS], sent=False)
            wait = self._wait(plan, target)
            if wait is None:
                break
            if wait >= MIN_NAMED:
                yield PauseHook(wait)
        kind = error.kind if isinstance(error, DialMessage) else FailureKind.TLS
        yield from self.fail(kind, str(error))
        return False

    def _aim(self, plan: TargetPlan, target: Target) -> bool:
        data, self._told = self.flow.request.data, None
        data.host, data.port, data.scheme = target.host, target.port, target.scheme.encode()
        if plan.prepare is not None:
            try:
                self._told = plan.prepare(self.flow, target)
            except Exception:  # noqa: BLE001 - a key of the last target must not reach this one
                return False
        if plan.follow_host:
            self.flow.request.host_header = target.authority
        return True

    def _attempted(
        self,
        plan: TargetPlan,
        status: int,
        error: str | None = None,
        headers: http.Headers | None = None,
        *,
        sent: bool = True,
        failed: bool = True,
    ) -> None:
        """Record it. `sent`: the request went out. `failed`: that it ended so says something of the target."""
        target, self._target = self._target, None
        self.forget_timer()
        if target is None:
            return
        told = self._told or Told("")
        attempt = Attempt(
            target.label,
            status,
            unquoted(error) if error else None,
            told.service or None,
            told.model,
            round((time.perf_counter() - self._began) * 1000, 3),
            target.name or None,
            sent,
        )
        plan.attempts.append(attempt)
        if plan.ended is not None and failed:
            plan.ended(target, attempt, headers)

    def _again(self, plan: TargetPlan, wait: float) -> layer.CommandGenerator[None]:
        if wait >= MIN_NAMED:
            yield PauseHook(wait)
        if not (yield from self._next_target(plan)):
            return
        request = self.flow.request
        content = request.raw_content
        yield SendHttp(RequestHeaders(self.stream_id, request, not (content or request.trailers)), self.context.server)
        if content:
            yield SendHttp(RequestData(self.stream_id, content), self.context.server)
        if request.trailers:
            yield SendHttp(RequestTrailers(self.stream_id, request.trailers), self.context.server)
        yield SendHttp(RequestEndOfMessage(self.stream_id), self.context.server)

    def _await_head(self, plan: TargetPlan) -> None:
        """Have `no_head` called in time."""
        if plan.head_s is None or self.flow.request.stream:
            return
        ticket = HeadTicket(self._tries)
        for parent, child in pairwise(self.context.layers):
            if isinstance(parent, HttpLayer):
                parent.command_sources[ticket] = child
        handler = top_of(self.context).handler
        loop = asyncio.get_running_loop()
        self._timer_of_head = loop.call_later(plan.head_s, handler.ring, ticket)
        self._ticket = ticket

    def forget_timer(self) -> None:
        """Nobody waits for a head any more."""
        timer, self._timer_of_head = self._timer_of_head, None
        if timer is None:
            return
        timer.cancel()
        for parent in self.context.layers:
            if isinstance(parent, HttpLayer):
                parent.command_sources.pop(self._ticket, None)

    def abandon(self, why: str) -> SendHttp:
        """What has an upstream give up this stream."""
        return SendHttp(RequestProtocolError(self.stream_id, why, ErrorCode.CANCEL), self.context.server)

    def fail(self, kind: FailureKind, message: str) -> layer.CommandGenerator[None]:
        """End the flow with an answer of ours."""
        raise NotImplementedError


def _denial(plan: TargetPlan, target: Target) -> str | None:
    """Why a target may not be dialled; None: it may."""
    if plan.admits is None:
        return None
    try:
        return plan.admits(target)
    except Exception as error:  # noqa: BLE001 - what nobody can count goes nowhere
        return f"not counted: {type(fault_of(error)).__name__}"
