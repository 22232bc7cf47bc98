"""Records of other appliances: what becomes of them on the way into this store's tables. Pure.

Owns: which records a peer may send, and under which names they stand here. Rules: the record's own text and digest stay
as they were, so that its chain can be proven; the columns beside it name the peer, so that nothing a peer writes can
pass for a record of this appliance or of another peer: its workers and its exchanges carry its name. A peer watches no
network, has no store, and its clock is not believed into the future, for retention goes by it. Only an edge hands
exchanges over, since those count by our own record. Numbers that would break a sum, and texts that readers of JSON
understand differently, are set aside.
"""

import json
import re
from typing import Any, Final

import msgspec

from appliance.model.detection import Coverage
from appliance.model.event import (
    DetectorsCounted,
    Event,
    ExchangeClosed,
    ExchangeOpened,
    Notice,
    Refused,
    Tunnelled,
)
from appliance.store.handed import CENTRAL
from appliance.store.placing import Misfit
from appliance.store.wire import peer_of_producer, peer_producer

AHEAD_S: Final = 86_400.0  # by how much a peer's clock may go before ours
_WORD: Final = re.compile(r"[A-Za-z0-9_.:+-]{0,64}\Z")
_EXCHANGE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_HEAD: Final = re.compile(rb'\{"producer":"[a-z0-9_]*","epoch":\d+,"seq":\d+,"prev":"[0-9a-f]{64}","event":')
_LARGEST: Final = 2**40  # bytes, tokens, millionths of a dollar: eight million such records do not fill a sum yet
_LARGEST_OF_TUNNELS: Final = 2**48  # bytes of an hour
_LONGEST_MS: Final = 366 * 86_400_000.0
_SEVERITIES: Final = frozenset({"info", "warning", "alarm"})


def of_peer(event: Event, peer: str, producer: str, taken: float, *, edge: bool = False) -> Event:
    """The record under the names that it has in this store. `taken`: epoch seconds. Misfit: a peer may not send it."""
    if not isinstance(event, ExchangeOpened | ExchangeClosed | Refused | Notice | Tunnelled | DetectorsCounted):
        raise Misfit("a peer watches no network: such a record is not taken from it")
    begun = event.since if isinstance(event, DetectorsCounted) else event.ts
    if not 0 <= event.ts <= taken + AHEAD_S or not 0 <= begun <= taken + AHEAD_S:
        raise Misfit("the peer's clock is more than a day ahead of this one")
    if not edge and isinstance(event, ExchangeOpened) and any(edit.startswith(CENTRAL) for edit in event.edits):
        raise Misfit("only an edge hands exchanges over")
    _own_words(event)
    _feasible(event)
    return renamed(event, peer, producer)


def told_once(body: bytes, event: Event) -> None:
    """Misfit: an object in the text names a member twice; columns hold one of the two, and SQL on the text another."""
    head = _HEAD.match(body)
    if head is not None and body[head.end() :] == msgspec.json.encode(event) + b"}":
        return  # as a journal of this release writes it
    try:
        json.loads(body, object_pairs_hook=_members)
    except (ValueError, RecursionError):
        raise Misfit("its text can be read in several ways") from None


def _members(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise ValueError


def renamed(event: Event, peer: str, producer: str) -> Event:
    """A record that was taken, under the names that it has in this store."""
    worker = peer_producer(peer, producer)
    match event:
        case ExchangeOpened():
            return msgspec.structs.replace(event, exchange=f"{peer}:{event.exchange}", worker=worker)
        case ExchangeClosed():
            return msgspec.structs.replace(event, exchange=f"{peer}:{event.exchange}")
        case Refused() | Notice() | Tunnelled() | DetectorsCounted():
            return msgspec.structs.replace(event, worker=worker)
        case _:
            return event


def as_stored(event: Event, stored_as: str) -> Event:
    """An event read back from its text, under the names of its row, whose producer is `stored_as`."""
    if (peer := peer_of_producer(stored_as)) is None:
        return event
    return renamed(event, peer, stored_as.rpartition(".")[2])


def _own_words(event: Event) -> None:
    """Columns that hold words of ours, which exports and reports show as they are, hold words."""
    words: tuple[str | None, ...] = ()
    match event:
        case ExchangeOpened(facts=facts, exchange=exchange):
            told = (facts.identity_method, facts.category, facts.listener, facts.api, facts.key_shape)
            words = (*told, *(label.entity for label in facts.labels))
        case ExchangeClosed(exchange=exchange):
            words = tuple(label.entity for label in (*event.labels, *(event.late_labels or ())))
        case Refused(listener=listener):
            exchange, words = "x", (listener,)
        case Notice(severity=severity, note=note):
            exchange, words = "x", (note,)
            if severity not in _SEVERITIES:
                raise Misfit("a notice of no known severity")
        case DetectorsCounted(counts=counts):
            exchange, words = "x", tuple(one.name for one in counts)
        case _:
            exchange = "x"
    if not _EXCHANGE.match(exchange):
        raise Misfit("not the id of an exchange")
    if not all(word is None or _WORD.match(word) for word in words):
        raise Misfit("a word of the vocabulary holds something else")


def _feasible(event: Event) -> None:
    """Numbers are such as happen, so that no sum over them leaves its column."""
    numbers: tuple[int, ...] = ()
    times: tuple[float | None, ...] = ()
    most = _LARGEST
    match event:
        case ExchangeOpened(facts=facts):
            counts = (label.count for label in facts.labels)
            numbers = (facts.request_bytes, event.redactions, *counts, *_covered(facts.coverage))
            times = (event.inspect_ms,)
        case ExchangeClosed(usage=usage, cost=cost):
            tokens = msgspec.structs.astuple(usage) if usage else ()
            money = (cost.micros, cost.overrun_micros) if cost else ()
            counts = (label.count for label in event.labels)
            numbers = (event.response_bytes, event.gone_bytes or 0, event.redactions, *tokens, *money, *counts)
            numbers += _covered(event.coverage) + _covered(event.sent)
            times = (event.first_byte_ms, event.duration_ms)
        case Tunnelled():
            numbers, most = (event.tunnels, event.bytes_up, event.bytes_down), _LARGEST_OF_TUNNELS
        case DetectorsCounted(counts=sums):
            numbers = tuple(number for one in sums for number in (one.texts, one.found, one.failed, one.late))
            times = tuple(one.seconds * 1000 for one in sums)
        case _:
            return
    if not all(0 <= number <= most for number in numbers):
        raise Misfit(f"a number is outside 0..{most}")
    if not all(time is None or 0 <= time <= _LONGEST_MS for time in times):
        raise Misfit("a time that nothing takes")


def _covered(coverage: Coverage | None) -> tuple[int, ...]:
    """Every number of it."""
    if coverage is None:
        return ()
    parts = (*coverage.text_unscanned.values(), *coverage.opaque.values())
    return (coverage.length, coverage.structure, coverage.text_scanned, *parts)
