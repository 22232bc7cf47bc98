"""One governed model call: inspected, judged, reserved, journalled, edited, and only then let go upstream.

Theory of operation. `requestheaders` decides whether a flow is an exchange at all and whether its body must be held;
`request` runs the chain of `govern` and ends in exactly one of two ways: the flow carries `CLEARED`, or it has an
answer of ours. The open record is written before that decision leaves this file; `addons/streaming.py` writes the
close.
Rules: an exchange keeps the policy it began with; a verdict is never computed twice, only held against the rules of
the other service where it redirects; whatever goes wrong inside inspection or journalling raises, and the guard around
every hook closes (stage enforce) or counts and passes (observe).
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable
from dataclasses import replace

import msgspec
from mitmproxy import http

from addons.affording import Affording
from addons.analysing import wants
from addons.central import handed_edit
from addons.edges import edge_edit
from addons.failclosed import CLEARED, FAULTED
from addons.faults import fault_of
from addons.hiding import NO_DIGEST, CannotHide, as_told, digest_of, edited, mirrors
from addons.keys import Sender
from addons.leading import Choice, Leading
from addons.naming import read_late
from addons.notices import Notices
from addons.obliging import apply_to_heads, obliged
from addons.ongoing import EXCHANGE, WAIT, Exchange
from addons.redirect import Move, Stuck
from addons.routing import Routing
from addons.settling import check, chooser, is_settled, settling
from addons.tenants import edit_of, restrict
from addons.turning_away import TurningAway
from addons.upstream import RELAYS, UNREAD
from addons.websocket import is_upgrade
from addons.worker import ROUTE, Worker
from appliance.inspect.dialects import Call
from appliance.inspect.dialects.asking_usage import asks_usage
from appliance.inspect.dialects.registry import by_api
from appliance.inspect.inspection import INCLUDE_USAGE, Edited, Inspection
from appliance.inspect.pseudonyms import Renaming, Restoration
from appliance.journal.tail import JournalFull
from appliance.model.catalogue import Service
from appliance.model.event import ExchangeOpened
from appliance.model.facts import Facts, Verdict
from appliance.model.names import Disposition, RefusalReason, Stage
from appliance.route.bodyheaders import after_edit, mirrored
from appliance.route.credentials import is_credential_parameter
from appliance.route.held import PREFIX
from appliance.route.native import native_path
from appliance.route.signed import signature_breaks, signature_covers_target

IN_THREAD_BYTES = 64 * 1024  # larger bodies are scanned beside the loop, so that small ones are not held up
READABLE = frozenset({None, "duplicate_key"})  # problems with which a body was still read whole
FULL = "The audit journal is full: nothing can be recorded"
FORWARDING = frozenset({Disposition.ALLOW, Disposition.OBSERVE, Disposition.REDACT, Disposition.PSEUDONYMISE})


class ExchangeAddon:
    """Hooks of the way up."""

    def __init__(self, worker: Worker, sender: Sender, notices: Notices, routing: Routing) -> None:
        self._worker = worker
        self._sender = sender
        self._away = TurningAway(worker, notices)
        self._affording = Affording(worker, self._away, routing)
        self._leading = Leading(worker, sender, routing)
        config = worker.config
        self._handed = handed_edit(config.central) if config.role == "edge" and config.central else ()

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Decide between tunnel-through and exchange; the body of an exchange is held until it is judged."""
        if flow.response or flow.error or not flow.live:
            return
        worker = self._worker
        if worker.listener(flow) == "gateway" and ROUTE not in flow.metadata:  # a hook before has failed
            self._away.refuse(flow, 503, RefusalReason.INTERNAL_FAULT, "The gateway could not find a route")
            return
        service = worker.service_of(flow)
        if service is None:
            restrict(worker, flow, None)
            flow.request.stream = True
            flow.metadata[CLEARED] = flow.metadata[UNREAD] = True
            return
        if _is_websocket(flow) and not is_upgrade(flow.request) and worker.stage is Stage.ENFORCE:
            self._away.refuse(
                flow, 403, RefusalReason.WEBSOCKET, "This WebSocket cannot be inspected in the form asked for"
            )
            return
        if not is_upgrade(flow.request):  # e.g. h2c: what would follow could not be read
            flow.metadata[UNREAD] = worker.stage is Stage.OBSERVE
            if worker.stage is Stage.ENFORCE:
                flow.request.headers.pop("upgrade", None)
        if not _signs_coding(flow.request):
            flow.request.headers["accept-encoding"] = "identity"
        self._begin(flow, service)

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """Run the chain; afterwards the flow is cleared or answered. A large body is inspected beside the loop."""
        if flow.response or flow.error:
            return None
        exchange = flow.metadata.get(EXCHANGE) or self._begun_late(flow)
        if exchange is None or exchange.opened:
            return None
        raw, request = flow.request.raw_content or b"", flow.request
        exchange.call = Call(request.method, request.path, request.headers.get("content-type", ""))
        try:
            if len(raw) > IN_THREAD_BYTES or self._worker.external or self._elsewhere(flow, exchange, raw):
                return self._govern_later(flow, exchange, raw)
            inspection = self._inspect(flow, exchange, raw)
            if self._waits(flow, exchange, raw, inspection):
                return self._govern_later(flow, exchange, raw, inspection)
            self.govern(flow, exchange, raw, inspection)
        except BaseException as error:
            fault_of(error)
            self._witness(flow, exchange, raw)
            raise
        return None

    async def _govern_later(
        self, flow: http.HTTPFlow, exchange: Exchange, raw: bytes, waiting: Inspection | None = None
    ) -> None:
        """`waiting`: it has been inspected, and waits for what other processes read."""
        try:
            inspection = waiting or await self._inspect_beside(flow, exchange, raw)
            if self._worker.naming and (waiting or self._waits(flow, exchange, raw, inspection)):
                inspection = await self._worker.naming.named(inspection, exchange.beside)
            if self._worker.external is not None:
                inspection = await self._worker.external.judged(flow, inspection, acts=exchange.stage is Stage.ENFORCE)
            self.govern(flow, exchange, raw, inspection)
        except BaseException as error:
            fault_of(error)
            self._witness(flow, exchange, raw)
            raise

    def _waits(self, flow: http.HTTPFlow, exchange: Exchange, raw: bytes, inspection: Inspection) -> bool:
        """Whether other processes are to read it before the verdict; sets whether they read it at all."""
        worker = self._worker
        if worker.naming is None or is_settled(inspection):
            return False
        exchange.beside = worker.naming.how(
            inspection, lambda: worker.facts(flow, exchange.service, exchange.principal, inspection, len(raw))
        )
        return WAIT in exchange.beside

    def _begun_late(self, flow: http.HTTPFlow) -> Exchange | None:
        """An exchange whose beginning failed: in stage observe it passes, and is recorded like any other."""
        service = self._worker.service_of(flow) if FAULTED in flow.metadata else None
        return self._begin(flow, service) if service is not None else None

    def _begin(self, flow: http.HTTPFlow, service: Service) -> Exchange:
        worker = self._worker
        exchange = flow.metadata[EXCHANGE] = Exchange(
            id=worker.telemetry.exchange_id(),
            service=service,
            principal=worker.principal(flow),
            stage=worker.stage,
            started=time.perf_counter(),
            host=worker.named_host(flow),
            handed=bool(self._handed),
        )
        return exchange

    def _witness(self, flow: http.HTTPFlow, exchange: Exchange, raw: bytes) -> None:
        """A fault has ended the chain: open the record of what passes unjudged. What is closed the guard records."""
        if exchange.opened or self._worker.stage is Stage.ENFORCE:
            return
        facts = self._worker.bare_facts(flow, exchange.service, exchange.principal, len(raw))
        verdict = Verdict(Disposition.OBSERVE, Disposition.OBSERVE, Stage.OBSERVE, reason="inspection failed")
        self._open(exchange, facts, verdict, raw, raw, 0, (*edge_edit(flow), *self._handed))

    def govern(self, flow: http.HTTPFlow, exchange: Exchange, raw: bytes, inspection: Inspection) -> None:
        """Judge, reserve, journal, edit what was inspected: in this order, each once."""
        worker, path = self._worker, flow.request.path
        exchange.dialect, exchange.stream = by_api(inspection.api), inspection.stream
        exchange.declared = frozenset(inspection.view.tools_declared)
        inspection = inspection.of_target(path, worker.inspector.target(path, is_credential_parameter))
        exchange.asked_chars, exchange.asked_sample = inspection.chars, inspection.sample
        exchange.expected = worker.expected(exchange.service, exchange.host, inspection)
        inspection = worker.with_leaks(inspection)
        unread = inspection.problem not in READABLE and RELAYS not in flow.metadata  # of an upgrade there is no body
        if unread and exchange.stage is Stage.ENFORCE:
            said = f"The body cannot be read: {inspection.problem}"
            self._away.refuse(flow, 400, RefusalReason.MALFORMED_REQUEST, said)
            return
        facts = worker.facts(flow, exchange.service, exchange.principal, inspection, len(raw))
        facts = worker.habit(facts, inspection)
        verdict = exchange.verdict = worker.judge(facts, exchange.service)
        check(inspection, verdict)
        exchange.facts = facts
        move, choice, verdict = self._leading.way(flow, exchange, verdict, raw, whole=inspection.problem is None)
        if not self._affording.lets(flow, exchange, inspection, move, choice):
            return
        try:
            sent = self._edited(flow, exchange, inspection, verdict, move, choice)
            over, move, verdict = self._leading.led(
                self._affording.counted(flow, exchange, choice), exchange, move, verdict, inspection, sent
            )
        except CannotHide as fault:
            move, over, sent = None, None, Edited(raw)
            verdict = _blocked(verdict, fault)
        exchange.verdict = verdict
        forwards = verdict.effective in FORWARDING or isinstance(move, Move)
        edits = (*self._by_way(flow, exchange, move, forwards=forwards), *sent.edits, *(over.edits if over else ()))
        goes = over.sent(sent.body) if over else sent.body
        try:
            told = as_told(facts, inspection, verdict)
            self._open(exchange, told, verdict, raw, goes if forwards else None, sent.redactions, edits)
        except JournalFull:
            if exchange.stage is not Stage.ENFORCE:
                raise  # counted as a fault, and passed
            self._away.refuse(flow, 503, RefusalReason.JOURNAL_FULL, FULL)
            return
        if not forwards:
            self._away.blocked(flow, exchange, verdict, move if isinstance(move, Stuck) else None)
            return
        self._lead(flow, exchange, move, sent.target)
        exchange.drop_usage = INCLUDE_USAGE in sent.edits
        if sent.redactions:
            fields = mirrored(
                flow.request.headers.fields, dict(mirrors(inspection, verdict, self._renaming(exchange, verdict)))
            )
            flow.request.headers = http.Headers(fields)
        self._forward(flow, exchange, raw, sent.body)
        if over:
            over.take(flow)
        if worker.remembering:
            worker.remembering.grown(exchange, exchange.restoration)
        worker.running[exchange.id] = flow
        read_late(worker, exchange, facts, inspection)

    def _lead(self, flow: http.HTTPFlow, exchange: Exchange, move: Move | Stuck | None, target: str | None) -> None:
        """Send the flow where it goes; `target`: path and query without what is hidden of them."""
        if target is not None:
            flow.request.path = target
        if not isinstance(move, Move):
            restrict(self._worker, flow, exchange.service)
            return
        if target is not None and move.path is not None:
            move = replace(move, path=native_path(exchange.service, move.service, target))
        move.apply(flow, self._sender)
        exchange.moved = move.route

    def _by_way(
        self, flow: http.HTTPFlow, exchange: Exchange, move: Move | Stuck | None, *, forwards: bool
    ) -> tuple[str, ...]:
        """What the way changes, in the words of the open record."""
        ends = (*edge_edit(flow), *(self._handed if forwards else ()))
        if isinstance(move, Move):
            return (*move.edits, *ends)
        route = flow.metadata.get(ROUTE)
        credential = self._worker.config.gateway.routes[route].credential if route else ""
        stripped = ("credentials_stripped", credential) if credential.startswith(PREFIX) else ()
        return (*stripped, *edit_of(self._worker, flow, exchange.service), *ends)

    def _inspect(self, flow: http.HTTPFlow, exchange: Exchange, raw: bytes) -> Inspection:
        coding = flow.request.headers.get("content-encoding")
        enough = chooser(settling(self._worker, flow, exchange))
        return self._worker.inspector.request(exchange.call, coding, raw, exchange.service.dialect, enough)

    def _elsewhere(self, flow: http.HTTPFlow, exchange: Exchange, raw: bytes) -> bool:
        """Whether the analyser is to read a body."""
        coding = flow.request.headers.get("content-encoding")
        return self._worker.analyse is not None and wants(exchange.call.content_type, coding, raw)

    async def _inspect_beside(self, flow: http.HTTPFlow, exchange: Exchange, raw: bytes) -> Inspection:
        """The same off the loop: in the analyser what is large or needs a parser of documents, else on a thread."""
        analyse = self._worker.analyse
        if analyse is None or not self._elsewhere(flow, exchange, raw):
            return await asyncio.to_thread(self._inspect, flow, exchange, raw)
        coding = flow.request.headers.get("content-encoding")
        texts = self._worker.naming is not None and self._worker.naming.wanted
        enough = settling(self._worker, flow, exchange)
        if texts or enough:
            return await analyse(exchange.call, coding, raw, exchange.service.dialect, texts=texts, enough=enough)
        return await analyse(exchange.call, coding, raw, exchange.service.dialect)

    def _open(
        self,
        exchange: Exchange,
        facts: Facts,
        verdict: Verdict,
        raw: bytes,
        sent: bytes | None,
        redactions: int,
        edits: tuple[str, ...],
    ) -> None:
        """Journal the open. `sent` None: nothing goes upstream."""
        body_digest = hashlib.sha256(raw).hexdigest() if raw else NO_DIGEST
        event = ExchangeOpened(
            exchange=exchange.id,
            ts=self._worker.telemetry.clock(),
            worker=self._worker.telemetry.worker,
            facts=facts,
            verdict=verdict,
            body_digest=body_digest,
            sent_digest=digest_of(sent, raw, body_digest),
            edits=edits,
            redactions=redactions,
            inspect_ms=round((time.perf_counter() - exchange.started) * 1000, 3),
        )
        self._worker.telemetry.opened(event, exchange.principal)
        exchange.opened = True

    def _edited(
        self,
        flow: http.HTTPFlow,
        exchange: Exchange,
        inspection: Inspection,
        verdict: Verdict,
        move: Move | Stuck | None,
        choice: Choice | None = None,
    ) -> Edited:
        """The body as it goes on. CannotHide: it must not."""
        request, service = flow.request, move.service if isinstance(move, Move) else exchange.service
        service = (choice.takes_as_it_is() if choice else None) or service
        stripped, usage = isinstance(move, Move) and move.strip, asks_usage(service.id)
        head = tuple(request.headers.items(multi=True)), request.path.partition("?")[2]
        signed, target_signed = (
            not stripped and covers(*head) for covers in (signature_breaks, signature_covers_target)
        )
        if self._worker.remembering and exchange.facts:
            made = self._worker.remembering.recall(exchange, exchange.facts, inspection, exchange.restoration)
            exchange.restoration = made
        renaming = self._renaming(exchange, verdict)
        sent = edited(
            inspection,
            verdict,
            inspection.raw,
            usage=usage,
            signed=signed,
            target_signed=target_signed,
            renaming=renaming,
            canary=self._worker.canary(exchange.facts) if exchange.facts else "",
            shortened=exchange.booking.shortening if exchange.booking else None,
        )
        known = renaming.restoration if renaming else exchange.restoration
        exchange.restoration = known if known and known.values else None
        return obliged(request, verdict, inspection, sent, service=service.id, signed=signed)

    def _renaming(self, exchange: Exchange, verdict: Verdict) -> Renaming | None:
        """Names of what is pseudonymised, one restoration for the whole exchange."""
        return self._worker.renaming(verdict, exchange.restoration or Restoration())

    @staticmethod
    def _forward(flow: http.HTTPFlow, exchange: Exchange, raw: bytes, sent: bytes) -> None:
        if exchange.edits_answer:  # a part of an answer could not be read
            for name in ("range", "if-range"):
                flow.request.headers.pop(name, None)
        if sent is not raw:
            flow.request.headers = http.Headers(after_edit(flow.request.headers.fields, sent))
            flow.request.raw_content = sent
            if "transfer-encoding" not in flow.request.headers:
                flow.request.headers["content-length"] = str(len(sent))
        apply_to_heads(flow.request, exchange.verdict)
        flow.metadata[CLEARED] = True


def _blocked(verdict: Verdict, fault: CannotHide) -> Verdict:
    """The verdict where what has to be hidden cannot be."""
    reason = f"{fault.word}: {fault}"
    return msgspec.structs.replace(
        verdict, disposition=Disposition.BLOCK, effective=Disposition.BLOCK, reason=reason, route=None
    )


def _signs_coding(request: http.Request) -> bool:
    """The client has signed its Accept-Encoding, so that it cannot be changed."""
    signed = request.headers.get("authorization", "").lower().partition("signedheaders=")[2].partition(",")[0]
    return "accept-encoding" in signed.split(";")


def _is_websocket(flow: http.HTTPFlow) -> bool:
    return "websocket" in str(flow.request.headers.get("upgrade", "")).lower()
