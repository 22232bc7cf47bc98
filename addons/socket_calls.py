"""The client's half of a governed WebSocket: each message judged like a request of its own, and what is written of it.

Theory of operation. The upgrade is an exchange that lives as long as the socket. A message that holds text, or that
policy does not let pass, begins a further exchange: opened before it goes on, with its own facts, verdict and
reservation; it ends when its answer has told so, when the next one begins, or with the socket. A message without text
(sound, a control event of the format) belongs to whatever is current, and is counted in `ExchangeClosed.sent`.
Rules: conservation: the lengths of all opened coverages and of all `sent` are the bytes of all messages; a message that
is not allowed is never forwarded, its exchange is recorded and the socket closes; a message is judged by the policy in
force when it comes, and by the service that answers (answering.py).
"""

import hashlib
import time
from dataclasses import replace

import msgspec
from mitmproxy import http

from addons.answering import judged
from addons.closing import record_close
from addons.hiding import NO_DIGEST, CannotHide, as_told, digest_of, edited
from addons.obliging import check_message
from addons.ongoing import LATE, WAIT, Exchange, How, unread
from addons.remembering import SocketMemory
from addons.socket_answers import SocketAnswers, Tally, Wanted, since
from addons.upstream import Close, Sent
from addons.worker import Worker
from appliance.inspect.accounts import NOTHING, plus, sound
from appliance.inspect.dialects.registry import by_api
from appliance.inspect.inspection import Edited, Inspection
from appliance.journal.tail import JournalFull
from appliance.model.detection import Coverage
from appliance.model.event import ExchangeOpened
from appliance.model.facts import Facts, Verdict
from appliance.model.names import Outcome, RefusalReason, Stage

READABLE = frozenset({None, "duplicate_key"})
VIOLATION, TRY_LATER = 1008, 1013


class SocketCalls:
    """The exchanges of one socket. `exchange` is that of the upgrade; `answers` follows what the provider says."""

    def __init__(self, worker: Worker, flow: http.HTTPFlow, exchange: Exchange, answers: SocketAnswers) -> None:
        self._worker, self._flow, self._exchange, self._answers = worker, flow, exchange, answers
        self._rest = exchange.answer = Tally()
        self._tallies: dict[str, Tally] = {exchange.id: self._rest}
        self._current = exchange
        self._seen = answers.account()
        self._seen_bytes = self._finished = 0
        self._memory = SocketMemory(worker.remembering, answers.restoration, lambda: answers.begun)
        self.beside = How()  # how other processes read the message that is being judged
        self._model = exchange.facts.model if exchange.facts else None  # what was named last

    def take(self, message: bytes, inspection: Inspection) -> Sent:
        """What goes on to the provider for one message. Raises what a detector or the journal raises."""
        worker = self._worker
        if inspection.problem not in READABLE and worker.stage is Stage.ENFORCE:
            return self._refused(RefusalReason.MALFORMED_REQUEST, f"message cannot be read: {inspection.problem}")
        facts = self._facts(inspection, len(message))
        verdict, forwards = judged(worker, self._flow, self._exchange, facts)
        if forwards and not says_something(inspection):
            self._join(inspection.coverage)
            return [message]
        call = self._begun(facts, verdict, inspection)
        turned = worker.meter.book(call, facts, inspection, editable=False)
        if turned is not None:
            return self._refused(RefusalReason.QUOTA, turned.message, TRY_LATER)
        try:
            return self._judged(call, message, inspection, forwards=forwards)
        except BaseException as fault:
            if call.opened:
                raise
            worker.meter.settle(call, used=False)
            if not isinstance(fault, JournalFull) or worker.stage is not Stage.ENFORCE:
                raise  # counted as a fault, and in stage observe passed
            return self._refused(RefusalReason.JOURNAL_FULL, "nothing can be recorded", TRY_LATER)

    def _judged(self, call: Exchange, message: bytes, inspection: Inspection, *, forwards: bool) -> Sent:
        """Edit, journal, and only then let go; what came before belongs to what is current until then."""
        assert call.facts  # noqa: S101 - it has begun with them
        assert call.verdict  # noqa: S101 - likewise
        self._grown()
        sent = Edited(message)
        if forwards:
            try:
                self._memory.recall(call, inspection)
                renaming = self._worker.renaming(call.verdict, self._answers.restoration)
                check_message(call.verdict, inspection)
                sent = edited(inspection, call.verdict, message, usage=False, signed=False, renaming=renaming)
            except CannotHide as fault:
                forwards, call.cut_detail = False, fault.word
        self._open(call, as_told(call.facts, inspection, call.verdict), message, sent, forwards=forwards)
        if not forwards:
            return self._turned_away(call)
        self._follow(call)
        if self._worker.naming and LATE in self.beside:
            self._worker.naming.later(call, inspection, self.beside)
        return [sent.body]

    def waits(self, inspection: Inspection, size: int) -> bool:
        """Whether other processes are to read this message before the verdict on it."""
        naming = self._worker.naming
        self.beside = naming.how(inspection, lambda: self._facts(inspection, size)) if naming else How()
        return WAIT in self.beside

    def unread(self, size: int) -> None:
        """A message came that nobody could read."""
        self._join(Coverage(size, opaque={"inspection_failed": size} if size else {}))

    def heard(self) -> None:
        """The provider has said something: it counts to what is current, which may have ended with it."""
        current = self._current
        if current.first_byte is None:
            current.first_byte = time.perf_counter()
        finished = self._answers.finished
        if finished > self._finished:
            self._finished = finished
            self._grown()
            self.end_call(Outcome.COMPLETED, "")

    def end_call(self, outcome: Outcome, reason: str) -> None:
        """End what is current, if it is not the socket itself."""
        ended, self._current = self._current, self._exchange
        if ended is not self._exchange:
            self._close(ended, outcome, reason)

    def end(self, outcome: Outcome, reason: str) -> None:
        """The socket is over. Whatever fails on the way, every record is written."""
        self._worker.running.pop(self._exchange.id, None)
        try:
            self._grown()
        finally:
            try:
                self.end_call(outcome, reason)
            finally:
                self._close(self._exchange, outcome, reason)

    def _grown(self) -> None:
        """Hand what has come since to what is current; what nobody can account for counts as unread."""
        size, tally = self._answers.taken, self._tallies[self._current.id]
        more, self._seen_bytes = size - self._seen_bytes, size
        try:
            now = self._answers.account()
        except BaseException:
            tally.add(more, unread(more))
            raise
        grown = since(now, self._seen)
        if not sound(grown.coverage):  # a fault has made unread what had been read for an earlier call
            grown = replace(grown, coverage=unread(more).coverage)
        tally.add(more, grown)
        self._seen = now

    def _facts(self, inspection: Inspection, size: int) -> Facts:
        own, worker = self._exchange, self._worker
        facts = worker.facts(self._flow, own.service, own.principal, inspection, size)
        self._model = facts.model or self._model
        return msgspec.structs.replace(
            facts,
            model=self._model,
            conversation=facts.conversation or worker.telemetry.pseudonyms.conversation(f"socket|{own.id}"),
        )

    def _begun(self, facts: Facts, verdict: Verdict, inspection: Inspection) -> Exchange:
        own, worker = self._exchange, self._worker
        return Exchange(
            id=worker.telemetry.exchange_id(),
            service=own.service,
            principal=own.principal,
            stage=worker.stage,
            started=time.perf_counter(),
            host=own.host,
            call=own.call,
            dialect=by_api(inspection.api),
            facts=facts,
            verdict=verdict,
            stream=inspection.stream,
            declared=frozenset(inspection.view.tools_declared) | own.declared,
            asked_chars=inspection.chars,
            asked_sample=inspection.sample,
            moved=own.moved,
        )

    def _open(self, call: Exchange, facts: Facts, message: bytes, sent: Edited, *, forwards: bool) -> None:
        assert call.verdict  # noqa: S101 - it has begun with one
        digest = hashlib.sha256(message).hexdigest() if message else NO_DIGEST
        event = ExchangeOpened(
            exchange=call.id,
            ts=self._worker.telemetry.clock(),
            worker=self._worker.telemetry.worker,
            facts=facts,
            verdict=call.verdict,
            body_digest=digest,
            sent_digest=digest_of(sent.body if forwards else None, message, digest),
            edits=sent.edits,
            redactions=sent.redactions,
            inspect_ms=round((time.perf_counter() - call.started) * 1000, 3),
        )
        self._worker.telemetry.opened(event, call.principal)
        call.opened = True

    def _follow(self, call: Exchange) -> None:
        """From now on `call` is current."""
        before, self._current = self._current, call
        call.answer = self._tallies[call.id] = Tally()
        self._exchange.declared = call.declared  # tools stay declared for the rest of the socket
        self._answers.want(Wanted(call.hides, call.ends))
        if before is not self._exchange:
            self._close(before, Outcome.COMPLETED, "")

    def _turned_away(self, call: Exchange) -> Close:
        assert call.verdict  # noqa: S101 - it has begun with one
        call.answer = self._tallies[call.id] = Tally()
        reason = call.cut_detail or f"policy_{call.verdict.effective.value}"
        self._close(call, Outcome.BLOCKED, reason)
        return self._closing(VIOLATION, f"not let through by policy; reference {call.id}")

    def _refused(self, reason: RefusalReason, message: str, code: int = VIOLATION) -> Close:
        own, worker = self._exchange, self._worker
        listener, port = worker.listener(self._flow), self._flow.request.port
        worker.telemetry.refused(reason, own.principal, own.host, port, detail=message, listener=listener)
        return self._closing(code, message)

    def _closing(self, code: int, message: str) -> Close:
        self._exchange.cut = self._exchange.cut or "policy"
        return Close(code, message, tuple(self._answers.last("policy")))

    def _join(self, coverage: Coverage) -> None:
        current = self._current
        current.sent = plus(current.sent or NOTHING, coverage)

    def _close(self, exchange: Exchange, outcome: Outcome, reason: str) -> None:
        """Record and settle, once."""
        if exchange.closed:
            return
        exchange.closed = True
        self._memory.keep(exchange)
        if exchange is self._exchange and self._answers.restoration.values:
            exchange.restoration = self._answers.restoration  # its record tells what became of all names of the socket
        tally = self._tallies.pop(exchange.id)
        try:
            record_close(self._worker, self._flow, exchange, outcome, reason, tally.account)
        finally:
            self._worker.meter.settle(exchange, used=outcome is not Outcome.FAILED_CLOSED)


def says_something(inspection: Inspection) -> bool:
    """It holds text, or a file; sound comes in many small pieces, which are no calls of their own."""
    coverage = inspection.coverage
    files = any(not upload.media_type.startswith("audio/") for upload in inspection.uploads)
    return bool(coverage.text_scanned or coverage.text_unscanned or inspection.labels or files)
