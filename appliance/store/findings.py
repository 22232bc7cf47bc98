"""Findings, kept up with events and decisions.

Owns: when events are folded, and table finding_states; all of it runs on the writer's thread. Rules: taking evidence
in never waits for this and never fails by it: events are folded right after their COMMIT, in a transaction of their own
that carries the mark of how far they are folded, so that each counts once whatever dies when. An event that cannot be
folded is left out and told; when the tables themselves cannot be written, folding stops with an alarm and goes on where
it was after the next start. What decisions change is written in the decision's own transaction.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from appliance.findings.fold import Delta, Fold, Subject, add
from appliance.findings.state import Step, allowed
from appliance.findings.suppress import Suppression
from appliance.model.catalogue import Catalogue
from appliance.model.decision import Decision
from appliance.model.errors import PeerError
from appliance.model.finding import Finding
from appliance.model.names import FindingState
from appliance.store.connection import Connection, transaction
from appliance.store.finding_merge import Merge
from appliance.store.finding_pages import TriageRequest
from appliance.store.finding_rows import SHOWN, FindingRow, FindingTable
from appliance.store.finding_standing import Standings
from appliance.store.folding import Chunk, Folding, Numbered
from appliance.store.signal_queries import untold

SYSTEM: Final = "gnomon"  # author of what time does
_STATES: Final = "INSERT INTO finding_states VALUES (?, ?, ?, ?, ?, ?, ?)"
_LATELY: Final = "SELECT finding, client, kind, text, ts FROM finding_evidence ORDER BY n DESC LIMIT 20000"
_DECISIONS: Final = "SELECT body FROM decisions ORDER BY number"


def _nothing(*_told: str) -> None:
    """Nobody listens."""


class Findings:
    """Folds, and follows decisions.

    `on_change()` is called after a COMMIT that changed findings, `on_fault(note, detail)` with what must be told.
    """

    def __init__(
        self,
        connection: Connection,
        catalogue: Catalogue,
        clock: Callable[[], float],
        *,
        suppression_s: float = 3600.0,
        on_change: Callable[[], None] = _nothing,
        on_fault: Callable[[str, str], None] = _nothing,
    ) -> None:
        self._connection = connection
        self._catalogue = catalogue
        self._clock = clock
        self._on_change, self._on_fault = on_change, on_fault
        self._suppression = Suppression(suppression_s)
        self._fold = Fold(catalogue, self._suppression)
        self._folding = Folding(connection, 0)
        self._table = FindingTable(connection)
        self._standings = Standings(())
        self._stopped = False
        self.expires: float | None = None  # when the next decision expires

    def begin(self, position: int) -> None:
        """At start: events up to row `position` are in the tables; what time has changed meanwhile changes now."""
        self.reload()
        self._folding = Folding(self._connection, position)
        rows = self._connection.execute(_LATELY).fetchall()
        kept = msgspec.convert(rows, list[tuple[str, str, str, str, float]])
        for finding, client, kind, text, ts in reversed(kept):
            self._suppression.kept((finding, client, kind, text), ts)
        self.restate()

    def reload(self) -> None:
        """Read everything again: rows were deleted, or a transaction with changes of ours was rolled back."""
        self._table = FindingTable(self._connection)
        self._merge = Merge(self._connection, self._catalogue, self._table)
        rows = self._connection.execute(_DECISIONS).fetchall()
        self._know(msgspec.json.decode(str(body), type=Decision) for (body,) in rows)

    @property
    def pending(self) -> bool:
        """Events wait to be folded."""
        return self._folding.pending and not self._stopped

    def note(self, events: list[Numbered], position: int) -> None:
        """Called after COMMIT with the new events that concern findings, and the newest row number."""
        self._folding.note(events, position)

    def fold(self) -> None:
        """One chunk of what is pending. Never raises: what goes wrong is told."""
        try:
            self._fold_chunk(self._folding.chunk())
        except Exception as error:  # noqa: BLE001 - evidence goes on without findings
            self._stopped = True
            told = f"findings are not kept up with events until the next start: {_short(error)}"
            self._on_fault("findings_stopped", told)

    def _fold_chunk(self, chunk: Chunk) -> None:
        deltas = self._deltas(chunk.events)
        with transaction(self._connection):
            rows = self._merge.merge(deltas, self._standings, self._clock()) if deltas else []
            self._folding.write(chunk, changed=bool(deltas))
        self._folding.folded(chunk)
        if rows:
            self._table.keep(rows)
            self._on_change()

    def _deltas(self, events: Sequence[Numbered]) -> dict[Subject, Delta]:
        try:
            return self._fold.fold(events)
        except Exception as error:  # noqa: BLE001 - one event must not hide all others
            return self._one_by_one(events, error)

    def _one_by_one(self, events: Sequence[Numbered], error: Exception) -> dict[Subject, Delta]:
        found: dict[Subject, Delta] = {}
        left_out = []
        for n, event in events:
            try:
                add(found, self._fold.fold([(n, event)]))
            except Exception:  # noqa: BLE001 - told below
                left_out.append(n)
        told = f"{len(left_out)} events are left out of findings, the first is row {min(left_out, default=0)}"
        self._on_fault("event_not_folded", f"{told}: {_short(error)}")
        return found

    def tell(self, added: Mapping[Subject, Delta]) -> None:
        """Add what signals over time say, as far as it is no evidence yet. Never raises: what goes wrong is told."""
        try:
            if not (fresh := untold(self._connection, added)):
                return
            with transaction(self._connection):
                rows = self._merge.merge(fresh, self._standings, self._clock())
        except Exception as error:  # noqa: BLE001 - evidence goes on without signals
            self._on_fault("signals_not_told", _short(error))
            self.reload()
            return
        self._table.keep(rows)
        self._on_change()

    def decided(self, decision: Decision, everything: Sequence[Decision]) -> None:
        """Inside the decision's transaction: findings on its subject follow it. `everything`: with this one."""
        self._know(everything)
        subjects = {decision.service} | {earlier.service for earlier in everything if earlier.number == decision.undoes}
        self._restate(self._table.of(subjects), decision.author, decision.number, decision.reason)

    def told(self) -> None:
        """After the decision's COMMIT."""
        self._on_change()

    def restate(self) -> None:
        """Findings stand where decisions put them at this time."""
        rows = {row.id: row for row in (*self._table.of(self._standings.subjects), *self._table.decided())}
        with transaction(self._connection):
            changed = self._restate(rows.values(), SYSTEM, None, "a decision has expired")
        self.expires = self._standings.expires(self._clock())
        if changed:
            self._on_change()

    def triage(self, request: TriageRequest, author: str) -> Finding:
        """Mark a finding as looked at. PeerError: 404 none, 409 it stands elsewhere by now."""
        row = self._table.get([request.finding]).get(request.finding)
        if row is None:
            raise PeerError(f"triage: there is no finding {request.finding}", 404)
        before = FindingState(row.state)
        if before is not request.expected:
            raise PeerError(
                f"triage: the finding is {before} by now, you looked at {request.expected}; look again", 409
            )
        if not allowed(Step.MARK, before, FindingState.TRIAGED):
            raise PeerError(f"triage: the finding is {before}; only a new one can be marked as looked at", 409)
        with transaction(self._connection):
            self._connection.execute("UPDATE findings SET marked = true WHERE id = ?", [row.id])
            self._restate([msgspec.structs.replace(row, marked=True)], author, None, request.reason)
        self._on_change()
        return shown(self._table.get([row.id])[row.id])

    def _restate(self, rows: Iterable[FindingRow], author: str, number: int | None, reason: str) -> bool:
        """Write those that stand elsewhere now, each with a step of its history; whether there were any."""
        now = self._clock()
        changed, known = [], {}
        for row in rows:
            known[row.id] = row
            fresh = self._standings.settled(row, now)
            if fresh == row:
                continue
            changed.append(msgspec.structs.replace(fresh, touched=now))
            if fresh.state != row.state:
                self._connection.execute(_STATES, [row.id, now, author, row.state, fresh.state, number, reason])
        self._table.update(changed, known)
        self._table.forget()
        return bool(changed)

    def _know(self, everything: Iterable[Decision]) -> None:
        """Decide from now on by these."""
        self._standings = Standings(everything)
        self.expires = self._standings.expires(self._clock())


def shown(row: FindingRow) -> Finding:
    """The row as lists show it."""
    return msgspec.convert({name: getattr(row, name) for name in SHOWN}, Finding)


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:300]}"
