"""What analysts say of detections, and what detectors cost: kept and summed.

Owns: table feedback. Rules: a word is appended and never changed, each chained to the one before by its digest; the
entity must be among what was found there, by name, so that nothing else gets into the record; author and role are the
caller's. Writes run on the writer's thread, reads on any connection; all are bounded.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Final

import msgspec

from appliance.model.errors import EvidenceError, PeerError
from appliance.model.feedback import Feedback
from appliance.model.finding import Finding
from appliance.model.names import DetectionKind, FindingKind
from appliance.store.connection import Connection, transaction
from appliance.store.feedback_pages import DetectorsTold, DetectorTotal, EntityFeedback, FeedbackRequest

MAX_ENTITIES: Final = 200
GENESIS: Final = "0" * 64
_LABELS: Final = """SELECT json_extract(body, '$.event.facts.labels'), NULL FROM exchange_open WHERE exchange = $id
UNION ALL SELECT json_extract(body, '$.event.labels'), json_extract(body, '$.event.late_labels')
FROM exchange_close WHERE exchange = $id LIMIT 4"""
_OF_FINDING: Final = """SELECT kind, subject, surface FROM findings WHERE id = ?"""
_NEWEST: Final = """SELECT exchange FROM (
SELECT n, exchange FROM exchange_open
WHERE service = $service AND surface = $surface AND list_contains(entities, $entity)
UNION ALL SELECT c.n, c.exchange FROM exchange_close c JOIN exchange_open o ON o.exchange = c.exchange
WHERE o.service = $service AND o.surface = $surface AND list_contains(c.answer_entities, $entity))
ORDER BY n DESC LIMIT 1"""
_LAST: Final = "SELECT number, digest FROM feedback ORDER BY number DESC LIMIT 1"
_PUT: Final = "INSERT INTO feedback VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_TOTALS: Final = """SELECT name, since, texts, found, seconds, failed, late FROM v_detectors
ORDER BY seconds DESC LIMIT ?"""
_CHAIN: Final = "SELECT number, body, digest FROM feedback ORDER BY number"
_SAID: Final = """SELECT entity, arg_max(kind, number), count(*) FILTER (WHERE verdict = 'right') AS ok,
count(*) FILTER (WHERE verdict = 'wrong') AS bad FROM v_feedback WHERE standing
GROUP BY entity ORDER BY bad DESC, ok DESC, entity LIMIT ?"""
_HELD: Final = """WITH held AS (SELECT exchange, unnest(entities) AS entity FROM exchange_open
  WHERE service = $service AND surface = $surface),
 counted AS (SELECT entity, count(*) AS exchanges FROM held GROUP BY entity),
 said AS (SELECT * FROM v_feedback WHERE standing AND (finding = $id
  OR exchange IN (SELECT exchange FROM exchange_open WHERE service = $service AND surface = $surface)))
SELECT coalesce(c.entity, s.entity) AS entity, coalesce(max(s.kind), ''),
 count(*) FILTER (WHERE s.verdict = 'right'), count(*) FILTER (WHERE s.verdict = 'wrong'), coalesce(max(c.exchanges), 0)
FROM counted c FULL JOIN said s ON s.entity = c.entity GROUP BY 1 ORDER BY 5 DESC, 1 LIMIT $most"""


class _Found(msgspec.Struct):
    """Of a label, what is asked for here."""

    entity: str
    kind: DetectionKind


class FeedbackBook:
    """Takes words of analysts in; `connection` is the writer's."""

    def __init__(self, connection: Connection, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._clock = clock

    def say(self, request: FeedbackRequest, author: str, role: str) -> Feedback:
        """Append one word. PeerError: 404 nothing of that id, 422 nothing of that entity was found there."""
        kind = self._kind(request)
        with transaction(self._connection):
            last = self._connection.execute(_LAST).fetchall()
            number, before = msgspec.convert(last[0], tuple[int, str]) if last else (0, GENESIS)
            said = Feedback(
                number=number + 1,
                ts=self._clock(),
                author=author,
                role=role,
                exchange=request.exchange,
                finding=request.finding,
                entity=request.entity,
                kind=kind,
                verdict=request.verdict,
            )
            body = msgspec.json.encode(said)
            self._connection.execute(
                _PUT,
                [
                    said.number, said.ts, author, role, said.exchange, said.finding, said.entity, kind.value,
                    said.verdict.value, body.decode(), chained(before, body),
                ],
            )  # fmt: skip
        return said

    def broken(self) -> str | None:
        """What is wrong with the chain of words; None: nothing."""
        try:
            verify(self._connection)
        except EvidenceError as error:
            return str(error)
        return None

    def _kind(self, request: FeedbackRequest) -> DetectionKind:
        if (request.exchange is None) == (request.finding is None):
            raise PeerError("feedback: name either an exchange or a finding", 422)
        exchange = request.exchange or self._newest(request)
        found = _labels(self._connection, exchange)
        if not found and request.exchange is not None and not _is_there(self._connection, exchange):
            raise PeerError(f"feedback: there is no exchange {exchange}", 404)
        kind = next((one.kind for one in found if one.entity == request.entity), None)
        if kind is None:
            raise PeerError(f"feedback: no {request.entity} was found there; see the record's labels", 422)
        return kind

    def _newest(self, request: FeedbackRequest) -> str:
        """The newest exchange of a finding that holds the entity."""
        rows = self._connection.execute(_OF_FINDING, [request.finding]).fetchall()
        if not rows:
            raise PeerError(f"feedback: there is no finding {request.finding}", 404)
        kind, subject, surface = rows[0]
        values = {"service": subject, "surface": surface, "entity": request.entity}
        in_use = kind == FindingKind.SERVICE_IN_USE.value
        found = self._connection.execute(_NEWEST, values).fetchall() if in_use else []
        if not found:
            raise PeerError(f"feedback: no {request.entity} was found in its exchanges", 422)
        return str(found[0][0])


def chained(before: str, body: bytes) -> str:
    """The digest of a line: SHA-256 over the one before it and its body."""
    return hashlib.sha256(before.encode() + body).hexdigest()


def verify(connection: Connection) -> int:
    """How many words there are. EvidenceError: one of them was changed or taken out."""
    before, number = GENESIS, 0
    for told, body, digest in connection.execute(_CHAIN).fetchall():
        number += 1
        before = chained(before, str(body).encode())
        if told != number or digest != before:
            raise EvidenceError(f"feedback {number}: the chain is broken there; restore the store from a backup")
    return number


def totals(connection: Connection) -> DetectorsTold:
    """What detectors cost and found, and what was said of it."""
    counted = connection.execute(_TOTALS, [MAX_ENTITIES]).fetchall()
    said = connection.execute(_SAID, [MAX_ENTITIES]).fetchall()
    return DetectorsTold(
        tuple(DetectorTotal(*row) for row in _any(counted)), tuple(EntityFeedback(*row) for row in _any(said))
    )


def of_finding(connection: Connection, finding: Finding) -> tuple[EntityFeedback, ...]:
    """What was detected in the exchanges of a finding, the most frequent first, and what was said of it."""
    if finding.kind is not FindingKind.SERVICE_IN_USE:
        return ()
    values = {"service": finding.subject, "surface": finding.surface.value, "id": finding.id, "most": MAX_ENTITIES}
    return tuple(EntityFeedback(*row) for row in _any(connection.execute(_HELD, values).fetchall()))


def _labels(connection: Connection, exchange: str) -> list[_Found]:
    rows = connection.execute(_LABELS, {"id": exchange}).fetchall()
    texts = [str(cell) for row in rows for cell in row if cell is not None]
    return [one for text in texts for one in msgspec.json.decode(text, type=list[_Found] | None) or ()]


def _is_there(connection: Connection, exchange: str) -> bool:
    return bool(connection.execute("SELECT 1 FROM exchange_open WHERE exchange = ? LIMIT 1", [exchange]).fetchall())


def _any(rows: list[tuple[object, ...]]) -> list[tuple[Any, ...]]:
    """Rows as the schema types them."""
    return rows
