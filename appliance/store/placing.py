"""From an audit event to the row of a table: pure.

Owns: which fields are copied into columns beside the record's exact text. Rule: a number that a column cannot hold
raises `Misfit`, because DuckDB's JSON reader would turn it into NULL without a word.
"""

from typing import Final

import msgspec

from appliance.model.detection import Coverage
from appliance.model.event import (
    DetectorsCounted,
    Event,
    ExchangeClosed,
    ExchangeOpened,
    HostSeen,
    Notice,
    Observed,
    PacketsLost,
    Refused,
    Tunnelled,
)
from appliance.route.held import held_name
from appliance.store.handed import is_handed
from appliance.store.rows import (
    CloseRow,
    DetectorsRow,
    HostRow,
    LossesRow,
    NoticeRow,
    ObservationRow,
    OpenRow,
    RefusalRow,
    Row,
    TunnelRow,
)

_LARGEST: Final = 2**63 - 1
_LARGEST_INT: Final = 2**31 - 1
_YEAR_10000: Final = 253_402_300_800.0
_MOST_DETECTORS: Final = 64
_MOST_SECONDS: Final = 60
_MOST_NAMES: Final = 16


class Misfit(Exception):  # noqa: N818 - names the record, not a failure of the program
    """A sound record that breaks a law of its table; it goes to `unplaced`."""


class Origin(msgspec.Struct, frozen=True):
    """Where a record comes from and what it was: the columns that every event table begins with.

    `taken`: when the store took it in, epoch seconds.
    """

    n: int
    producer: str
    epoch: int
    seq: int
    digest: str
    body: str
    taken: float = 0.0


def row_of(origin: Origin, event: Event) -> Row:  # noqa: PLR0911 - one for each kind of record
    """The row for `event`; Misfit when one of its numbers does not fit its column or its coverage does not add up."""
    match event:
        case ExchangeOpened():
            return _opened(origin, event)
        case ExchangeClosed():
            return _closed(origin, event)
        case Refused():
            return _refused(origin, event)
        case Notice():
            return _notice(origin, event)
        case Tunnelled():
            return _tunnels(origin, event)
        case DetectorsCounted():
            return _detectors(origin, event)
        case PacketsLost():
            return _losses(origin, event)
        case Observed():
            return _observed(origin, event)
        case HostSeen():
            return _host(origin, event)


def _whole(value: int, largest: int = _LARGEST) -> int:
    if not 0 <= value <= largest:
        raise Misfit(f"number {value} is outside 0..{largest}")
    return value


def _sums(coverage: Coverage) -> tuple[int, int, int, int, int]:
    """length, structure, scanned, unscanned, opaque."""
    if not coverage.balanced:
        raise Misfit("coverage does not add up to the body's length")
    unscanned, opaque = sum(coverage.text_unscanned.values()), sum(coverage.opaque.values())
    parts = (coverage.length, coverage.structure, coverage.text_scanned, unscanned, opaque)
    if min(parts) < 0 or max(parts) > _LARGEST:
        raise Misfit(f"a number of the coverage is outside 0..{_LARGEST}")
    return parts


def _opened(origin: Origin, event: ExchangeOpened) -> OpenRow:
    facts, verdict = event.facts, event.verdict
    if facts.coverage is None:
        raise Misfit("a verdict came without coverage")
    length, structure, scanned, unscanned, opaque = _sums(facts.coverage)
    return OpenRow(
        n=origin.n,
        producer=origin.producer,
        epoch=origin.epoch,
        seq=origin.seq,
        digest=origin.digest,
        body=origin.body,
        ts=event.ts,
        exchange=event.exchange,
        worker=event.worker,
        principal=facts.principal,
        client=facts.client,
        department=facts.department,
        identity_method=facts.identity_method,
        service=facts.service,
        category=facts.category,
        surface=facts.surface,
        listener=facts.listener,
        route=facts.route,
        host=facts.host,
        port=_whole(facts.port, _LARGEST_INT),
        method=facts.method,
        path=facts.path,
        api=facts.api,
        model=facts.model,
        stream=facts.stream,
        request_bytes=_whole(facts.request_bytes),
        entities=tuple(sorted({label.entity for label in facts.labels})),
        findings=_whole(sum(label.count for label in facts.labels)),
        disposition=verdict.disposition,
        effective=verdict.effective,
        stage=verdict.stage,
        rule=verdict.rule,
        body_digest=event.body_digest,
        sent_digest=event.sent_digest,
        redactions=_whole(event.redactions),
        inspect_ms=event.inspect_ms,
        coverage_length=length,
        coverage_structure=structure,
        coverage_scanned=scanned,
        coverage_unscanned=unscanned,
        coverage_opaque=opaque,
        policy_version=_whole(facts.policy_version),
        conversation=facts.conversation,
        groups="\n".join(facts.groups),
        virtual_key=facts.virtual_key,
        key_fingerprint=facts.key_fingerprint,
        key_shape=facts.key_shape,
        held=next((name for edit in event.edits if (name := held_name(edit)) is not None), None),
        account=facts.account,
        account_id=facts.account_id,
        client_name=facts.client_name,
        client_version=facts.client_version,
        handed=is_handed(event) or None,
    )


def _closed(origin: Origin, event: ExchangeClosed) -> CloseRow:
    if event.response_bytes and event.coverage is None:
        raise Misfit("an answer with a body came without coverage")
    length, structure, scanned, unscanned, opaque = _sums(event.coverage) if event.coverage else (None,) * 5
    sent = _sums(event.sent) if event.sent else (0,) * 5
    usage, cost = event.usage, event.cost
    return CloseRow(
        n=origin.n,
        producer=origin.producer,
        epoch=origin.epoch,
        seq=origin.seq,
        digest=origin.digest,
        body=origin.body,
        ts=event.ts,
        exchange=event.exchange,
        outcome=event.outcome,
        status=_whole(event.status, _LARGEST_INT),
        response_bytes=_whole(event.response_bytes),
        first_byte_ms=event.first_byte_ms,
        duration_ms=event.duration_ms,
        model_served=event.model_served,
        input_tokens=_whole(usage.input_tokens) if usage else None,
        output_tokens=_whole(usage.output_tokens) if usage else None,
        cached_tokens=_whole(usage.cached_tokens) if usage else None,
        cache_write_tokens=_whole(usage.cache_write_tokens) if usage else None,
        reasoning_tokens=_whole(usage.reasoning_tokens) if usage else None,
        usage_estimated=usage.estimated if usage else None,
        coverage_length=length,
        coverage_structure=structure,
        coverage_scanned=scanned,
        coverage_unscanned=unscanned,
        coverage_opaque=opaque,
        attempts=_whole(sum(not one.denied for one in event.attempts), _LARGEST_INT),
        reason=event.reason,
        cost_micros=_whole(cost.micros) if cost and cost.priced else None,
        cost_priced=cost.priced if cost else None,
        overrun_micros=_whole(cost.overrun_micros) if cost and cost.priced else None,
        late_entities=None
        if event.late_labels is None
        else tuple(sorted({label.entity for label in event.late_labels})),
        answer_entities=tuple(sorted({label.entity for label in event.labels})),
        answer_findings=_whole(sum(label.count for label in event.labels)),
        answer_redactions=_whole(event.redactions),
        tools_called=event.tools_called,
        gone_bytes=None if event.gone_bytes is None else _whole(event.gone_bytes),
        sent_bytes=sent[0],
        sent_unscanned=sent[3] + sent[4],
        account=event.account,
        account_id=event.account_id,
        served=next((one.service for one in reversed(event.attempts) if one.service and not one.denied), None),
    )


def _refused(origin: Origin, event: Refused) -> RefusalRow:
    return RefusalRow(
        n=origin.n,
        producer=origin.producer,
        epoch=origin.epoch,
        seq=origin.seq,
        digest=origin.digest,
        body=origin.body,
        ts=event.ts,
        worker=event.worker,
        reason=event.reason,
        client=event.client,
        principal=event.principal,
        host=event.host,
        port=_whole(event.port, _LARGEST_INT),
        detail=event.detail,
        listener=event.listener,
    )


def _notice(origin: Origin, event: Notice) -> NoticeRow:
    return NoticeRow(
        n=origin.n,
        producer=origin.producer,
        epoch=origin.epoch,
        seq=origin.seq,
        digest=origin.digest,
        body=origin.body,
        ts=event.ts,
        worker=event.worker,
        severity=event.severity,
        note=event.note,
        detail=event.detail,
    )


def _tunnels(origin: Origin, event: Tunnelled) -> TunnelRow:
    return TunnelRow(
        n=origin.n,
        producer=origin.producer,
        epoch=origin.epoch,
        seq=origin.seq,
        digest=origin.digest,
        body=origin.body,
        ts=event.ts,
        worker=event.worker,
        tunnels=_whole(event.tunnels),
        bytes_up=_whole(event.bytes_up),
        bytes_down=_whole(event.bytes_down),
    )


def _detectors(origin: Origin, event: DetectorsCounted) -> DetectorsRow:
    counts = event.counts
    if len(counts) > _MOST_DETECTORS:
        raise Misfit(f"more than {_MOST_DETECTORS} detectors")
    if not all(0 <= one.seconds < _YEAR_10000 for one in counts):
        raise Misfit("seconds of a detector are no time")
    return DetectorsRow(
        n=origin.n,
        producer=origin.producer,
        epoch=origin.epoch,
        seq=origin.seq,
        digest=origin.digest,
        body=origin.body,
        ts=event.ts,
        worker=event.worker,
        since=event.since,
        names=tuple(one.name for one in counts),
        texts=tuple(_whole(one.texts) for one in counts),
        found=tuple(_whole(one.found) for one in counts),
        seconds=tuple(one.seconds for one in counts),
        failed=tuple(_whole(one.failed) for one in counts),
        late=tuple(_whole(one.late) for one in counts),
    )


def _losses(origin: Origin, event: PacketsLost) -> LossesRow:
    if not 0 < len(event.seconds) <= _MOST_SECONDS:
        raise Misfit(f"losses of {len(event.seconds)} seconds")
    if not all(one.second < _YEAR_10000 for one in event.seconds):
        raise Misfit("a time is outside 1970..9999")
    return LossesRow(
        n=origin.n,
        producer=origin.producer,
        epoch=origin.epoch,
        seq=origin.seq,
        digest=origin.digest,
        body=origin.body,
        ts=event.ts,
        sensor=event.sensor,
        source=event.source,
        seconds=tuple(_whole(one.second) for one in event.seconds),
        dropped=tuple(_whole(one.dropped) for one in event.seconds),
        passed=tuple(_whole(one.passed) for one in event.seconds),
    )


def _observed(origin: Origin, event: Observed) -> ObservationRow:
    if not event.count:
        raise Misfit("an observation stands for no sighting")
    if not 0 <= event.confidence <= 1:
        raise Misfit("a confidence is outside 0..1")
    if not 0 <= event.ts <= max(event.ts, event.until) < _YEAR_10000:
        raise Misfit("a time is outside 1970..9999")  # captures hold any number
    return ObservationRow(
        n=origin.n,
        producer=origin.producer,
        epoch=origin.epoch,
        seq=origin.seq,
        digest=origin.digest,
        body=origin.body,
        ts=event.ts,
        until=max(event.ts, event.until),
        taken=origin.taken,
        count=_whole(event.count),
        sensor=event.sensor,
        source=event.source,
        seen=event.seen,
        transport=event.transport,
        leg=event.leg,
        client=event.client,
        server=event.server,
        port=_whole(event.port, _LARGEST_INT),
        service=event.service,
        category=event.category,
        surface=event.surface,
        confidence=event.confidence,
        name=event.name,
        alpn=event.alpn,
        ja3=event.ja3,
        ja4=event.ja4,
        host=event.host,
        path=event.path,
        user_agent=event.user_agent,
        evidence=event.evidence,
        cause=event.cause,
        contradicts=event.contradicts,
        bytes_up=None if event.bytes_up is None else _whole(event.bytes_up),
        bytes_down=None if event.bytes_down is None else _whole(event.bytes_down),
        at_least=event.at_least,
    )


def _host(origin: Origin, event: HostSeen) -> HostRow:
    if not 0 <= event.ts <= max(event.ts, event.until) < _YEAR_10000:
        raise Misfit("a time is outside 1970..9999")
    if not event.address or len(event.names) != len(event.told_by) or len(event.names) > _MOST_NAMES:
        raise Misfit("a host has no address, or names that nothing told")
    return HostRow(
        n=origin.n,
        producer=origin.producer,
        epoch=origin.epoch,
        seq=origin.seq,
        digest=origin.digest,
        body=origin.body,
        ts=event.ts,
        until=max(event.ts, event.until),
        taken=origin.taken,
        sensor=event.sensor,
        source=event.source,
        address=event.address,
        mac=event.mac,
        vendor=event.vendor,
        names=event.names,
        told_by=event.told_by,
        system=event.system,
        router=event.router,
    )
