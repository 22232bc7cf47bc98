"""From what events add to findings to the tables: rows, parties, evidence.

Owns: new rows of findings, finding_parties and finding_evidence. Rules: runs inside the caller's transaction, with few
statements for any number of events. Subjects that no catalogue knows come from the network: beyond `MAX_STRANGERS` they
share one finding.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from appliance.findings.fold import Delta, Subject, add
from appliance.model.catalogue import Catalogue
from appliance.store.connection import Connection
from appliance.store.finding_parties import Parties
from appliance.store.finding_rows import FindingRow, FindingTable
from appliance.store.finding_standing import Standings

MAX_STRANGERS: Final = 1_000
OTHERS: Final = "(other names)"
_EVIDENCE: Final = """INSERT INTO finding_evidence SELECT r.n, r.finding, r.ts, r.source, r.kind, r.client, r.text
FROM (SELECT from_json(x, '{"n":"BIGINT","finding":"VARCHAR","ts":"DOUBLE","source":"VARCHAR","kind":"VARCHAR",
"client":"VARCHAR","text":"VARCHAR"}') AS r FROM (SELECT unnest(?::VARCHAR[]) AS x))"""
_encode: Final = msgspec.json.Encoder().encode


class Merge:
    """Adds deltas to the tables."""

    def __init__(self, connection: Connection, catalogue: Catalogue, table: FindingTable) -> None:
        self._connection = connection
        self._catalogue = catalogue
        self._table = table
        self._parties = Parties(connection)
        self._strangers = table.strangers(tuple(catalogue.services))

    def merge(self, deltas: Mapping[Subject, Delta], standings: Standings, now: float) -> list[FindingRow]:
        """Add the deltas; the rows as they are then."""
        added = list(self._bounded(dict(deltas)).values())
        known = self._table.get([delta.id for delta in added])
        new: list[FindingRow] = []
        old: list[FindingRow] = []
        for delta in added:
            row = known.get(delta.id)
            merged = _merged(row or self._blank(delta), delta, self._meet(delta), now)
            if row is None:
                new.append(standings.settled(merged, now))
            else:
                old.append(standings.weighed(merged))
        self._table.insert(new)
        self._table.update(old, known)
        signs = [_encode({"finding": d.id, **msgspec.structs.asdict(sign)}).decode() for d in added for sign in d.signs]
        if signs:
            self._connection.execute(_EVIDENCE, [signs])
        return [*new, *old]

    def _bounded(self, deltas: dict[Subject, Delta]) -> dict[Subject, Delta]:
        strange = [subject for subject in deltas if subject.subject not in self._catalogue.services]
        known = self._table.get([deltas[subject].id for subject in strange]) if strange else {}
        for subject in strange:
            if deltas[subject].id in known:
                continue
            if self._strangers < MAX_STRANGERS:
                self._strangers += 1
                continue
            other = Delta(Subject(subject.kind, OTHERS, subject.surface))
            other.absorb(deltas.pop(subject))
            add(deltas, {other.subject: other})
        return deltas

    def _meet(self, delta: Delta) -> tuple[int, int]:
        """Keep who is new; how many people and hosts that are."""
        meet = self._parties.meet
        return meet(delta.id, "person", delta.people), meet(delta.id, "host", delta.hosts)

    def _blank(self, delta: Delta) -> FindingRow:
        kind, subject, surface = delta.subject
        service = self._catalogue.services.get(subject)
        name, owner = (service.name, service.owner) if service else (subject, "")
        category = service.category if service else delta.category
        return FindingRow(
            id=delta.id,
            kind=kind.value,
            subject=subject,
            name=name,
            owner=owner,
            category=category,
            words=f"{name}\n{subject}\n{owner}\n{category}".lower(),
            surface=surface.value,
            first_seen=delta.first_seen,
            last_seen=delta.last_seen,
        )


def _merged(row: FindingRow, delta: Delta, met: tuple[int, int], now: float) -> FindingRow:
    newest = [ts for ts in (row.bypass_last, delta.bypass_last) if ts is not None]
    return msgspec.structs.replace(
        row,
        confidence=max(row.confidence, delta.confidence),
        first_seen=min(row.first_seen, delta.first_seen),
        last_seen=max(row.last_seen, delta.last_seen),
        bypass_last=max(newest, default=None),
        governed=row.governed + delta.governed,
        via=row.via + delta.via,
        bypass=row.bypass + delta.bypass,
        hints=row.hints + delta.hints,
        people=row.people + met[0],
        hosts=row.hosts + met[1],
        touched=now,
    )
